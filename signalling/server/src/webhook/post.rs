//! One signed request to the receiver: a fresh connection, HTTP/1.1, TLS where the URL says so.

use super::url::WebhookUrl;
use super::{Entry, Webhook};
use crate::StartError;
use axum::body::{Body, to_bytes};
use axum::http::uri::{Authority, PathAndQuery};
use axum::http::{Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ring::digest;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use signalling_switchboard::token::{Claims, mint};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a signature is good for, seconds.
const SIGNATURE_SECONDS: u64 = 300;
/// Bytes of an answer's body that are read: nothing in it matters.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Sends events to one receiver.
pub(super) struct Poster {
    url: WebhookUrl,
    key: String,
    secret: Vec<u8>,
    tls: Option<TlsConnector>,
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Poster {
    pub(super) fn new(webhook: &Webhook, secret: &str) -> Result<Self, StartError> {
        let url = webhook.url.clone();
        let tls = if url.secure { Some(connector(webhook)?) } else { None };
        let (key, secret) = (webhook.key.clone(), secret.as_bytes().to_vec());

        Ok(Self { url, key, secret, tls })
    }

    /// Sends an event once; the receiver's status.
    pub(super) async fn post(
        &self,
        entry: &Entry,
        unix_seconds: u64,
    ) -> Result<StatusCode, Failure> {
        let target = self.url.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let host = self.url.uri.authority().map_or("", Authority::as_str);
        let request = Request::post(target)
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/webhook+json")
            .header(header::AUTHORIZATION, self.signature(&entry.body, unix_seconds))
            .header(header::USER_AGENT, concat!("millrace/", env!("CARGO_PKG_VERSION")))
            .header(header::CONTENT_LENGTH, entry.body.len())
            .body(Body::from(entry.body.clone()))?;
        let stream = TcpStream::connect((self.url.host.as_str(), self.url.port)).await?;
        let Some(tls) = &self.tls else {
            return exchange(stream, request).await;
        };
        let name = ServerName::try_from(self.url.host.clone())?;

        exchange(tls.connect(name, stream).await?, request).await
    }

    /// LiveKit's signature: a token that holds the hash of the body.
    fn signature(&self, body: &[u8], unix_seconds: u64) -> String {
        let sha256 = STANDARD.encode(digest::digest(&digest::SHA256, body));
        let claims = Claims { sha256, ..Claims::default() };

        mint(&claims, &self.key, &self.secret, unix_seconds, SIGNATURE_SECONDS)
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Body>,
) -> Result<StatusCode, Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answered = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        // The receiver may not have written all of it: its status is what counts.
        let _ = to_bytes(Body::new(response.into_body()), ANSWER_BYTES_MAX).await;
        Ok(status)
    };
    tokio::pin!(connection, answered);
    tokio::select! {
        status = &mut answered => status,
        // However it ended: when the status has come, it counts, whatever came after it.
        _ = &mut connection => answered.await,
    }
}

/// Trusts the system's certificates, or those of `webhook.ca`.
fn connector(webhook: &Webhook) -> Result<TlsConnector, StartError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &webhook.ca {
        let fix = "name a PEM file with the certificates that the receiver's is signed by";
        let wrong = |e: &dyn std::fmt::Display| StartError::file("webhook.ca", path, e, fix);
        let certificates = CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))?;
        for certificate in certificates {
            roots.add(certificate.map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
        }
    } else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
    }
    if roots.is_empty() {
        return Err(StartError {
            key: "webhook.url",
            value: webhook.url.uri.to_string(),
            problem: "no certificate authorities are known here".to_owned(),
            fix: "install ca-certificates, or set webhook.ca".to_owned(),
        });
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        // The versions are the provider's own.
        .expect("the provider knows TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();

    Ok(TlsConnector::from(Arc::new(config)))
}
