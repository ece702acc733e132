//! The certificate of TURN over TLS: the operator's, read again when its files change, or a
//! self-signed one kept in the data directory.

use crate::identity::store;
use crate::{StartError, TurnSettings};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

/// The file of the self-signed certificate and its key, in the data directory.
const FILE: &str = "turn-self-signed.pem";

/// How often the operator's files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Protocol names of STUN and TURN over TLS (RFC 7443).
const PROTOCOLS: [&[u8]; 2] = [b"stun.turn", b"stun.nat-discovery"];

/// Certificate chain and private key, PEM files.
type Files = (PathBuf, PathBuf);

/// The certificate that is shown now.
#[derive(Debug)]
pub(crate) struct Certificates {
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    /// The certificate of these settings; a self-signed one is made when there is none.
    pub(crate) fn load(
        turn: &TurnSettings,
        listen: &[SocketAddr],
        data_directory: &Path,
    ) -> Result<Arc<Self>, StartError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let failed = |(path, reason)| StartError::TurnCertificate { path, reason };
        let key = match &turn.tls_files {
            Some(files) => read(files, &provider).map_err(failed)?,
            None => self_signed(turn.hostname.as_deref(), listen, data_directory, &provider)
                .map_err(failed)?,
        };

        Ok(Arc::new(Self { provider, current: RwLock::new(Arc::new(key)) }))
    }

    /// How TLS is spoken with this certificate.
    pub(crate) fn config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        // Sessions are resumed by sealed tickets, on any shard; nothing is kept for them.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.send_tls13_tickets = 1;

        Ok(Arc::new(config))
    }

    fn replace(&self, key: CertifiedKey) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Looks at the operator's files from time to time, on a thread of its own.
pub(crate) struct CertificateWatch {
    files: Option<Sender<Option<Files>>>,
    thread: Option<JoinHandle<()>>,
}

impl CertificateWatch {
    /// Begins to watch these files, if there are any.
    pub(crate) fn start(certificates: Arc<Certificates>, files: Option<Files>) -> io::Result<Self> {
        let (sender, changes) = channel();
        let thread = std::thread::Builder::new()
            .name("certificate".into())
            .spawn(move || watch(&certificates, files, &changes))?;

        Ok(Self { files: Some(sender), thread: Some(thread) })
    }

    /// Looks at once, at these files from now on; without files the certificate stays.
    pub(crate) fn look(&self, files: Option<Files>) {
        if let Some(sender) = &self.files {
            // The thread ends only when the sender does.
            let _ = sender.send(files);
        }
    }
}

impl Drop for CertificateWatch {
    fn drop(&mut self) {
        self.files = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(certificates: &Certificates, mut files: Option<Files>, changes: &Receiver<Option<Files>>) {
    let mut seen = files.as_ref().map(stamps);
    loop {
        match changes.recv_timeout(LOOK_EVERY) {
            Ok(changed) => files = changed,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = files.as_ref().map(stamps);
        let Some(files) = files.as_ref().filter(|_| now != seen) else { continue };
        seen = now;
        match read(files, &certificates.provider) {
            Ok(key) => {
                certificates.replace(key);
                tracing::info!(certificate = %files.0.display(), "TURN over TLS: new certificate");
            }
            Err((path, reason)) => tracing::error!(
                file = %path.display(),
                %reason,
                "TURN over TLS: the changed certificate is unusable, the one before stays"
            ),
        }
    }
}

/// What changes when a file does: name, inode, time, size.
type Stamp = (PathBuf, Option<(u64, i64, i64, u64)>);

fn stamps((certificate, key): &Files) -> [Stamp; 2] {
    [certificate, key].map(|path| {
        let metadata = fs::metadata(path).ok();
        let stamp = metadata.map(|m| (m.ino(), m.mtime(), m.mtime_nsec(), m.size()));

        (path.clone(), stamp)
    })
}

/// What is wrong with which file.
type Problem = (PathBuf, String);

fn read((certificate, key): &Files, provider: &CryptoProvider) -> Result<CertifiedKey, Problem> {
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| (certificate.clone(), error.to_string()))?;
    if chain.is_empty() {
        return Err((certificate.clone(), "no CERTIFICATE in it".into()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| (key.clone(), e.to_string()))?;

    CertifiedKey::from_der(chain, private, provider).map_err(|e| (key.clone(), e.to_string()))
}

/// The kept certificate, if it is for these names; else a new one.
fn self_signed(
    hostname: Option<&str>,
    listen: &[SocketAddr],
    data_directory: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Problem> {
    let path = data_directory.join(FILE);
    let failed = |reason: String| (path.clone(), reason);
    let names = names(hostname, listen);
    let heading = format!("names: {}\n", names.join(" "));
    let kept = fs::read_to_string(&path).is_ok_and(|kept| kept.starts_with(&heading));
    if !kept {
        let pem = generate(names).map_err(|error| failed(error.to_string()))?;
        let text = heading + &pem;
        let _ = fs::remove_file(&path);
        store(data_directory, &path, &text).map_err(|error| failed(error.to_string()))?;
    }

    read(&(path.clone(), path.clone()), provider)
}

/// The host's name for clients, and the addresses that it listens on, each once.
fn names(hostname: Option<&str>, listen: &[SocketAddr]) -> Vec<String> {
    let mut addresses: Vec<IpAddr> = listen.iter().map(SocketAddr::ip).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let name = hostname.unwrap_or("localhost").to_owned();

    std::iter::once(name).chain(addresses.iter().map(ToString::to_string)).collect()
}

fn generate(names: Vec<String>) -> Result<String, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, "Millrace, self-signed");
    let certificate = params.self_signed(&key)?;

    Ok(certificate.pem() + &key.serialize_pem())
}
