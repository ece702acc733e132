//! A running server with a relay that is a queue, and a client of a few lines.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use signalling_server::control::{Message, Request};
use signalling_server::token::{Claims, Grants, mint};
use signalling_server::{
    Config, HttpsCertificate, Limits, Link, Network, StunConfig, SwitchboardConfig, bind,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) const KEY: &str = "key";
pub(crate) const SECRET: &str = "a secret of the tests, long enough";

/// A server on ports of its own.
pub(crate) struct World {
    pub(crate) http: SocketAddr,
    pub(crate) tls: SocketAddr,
    pub(crate) stun: Vec<SocketAddr>,
    pub(crate) data: PathBuf,
    pub(crate) certificate: Arc<HttpsCertificate>,
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
    pub(crate) relay: mpsc::Sender<Message>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Result<(), signalling_server::ServeError>>,
}

/// An answer, taken apart.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    /// As it came.
    pub(crate) raw: String,
    pub(crate) body: String,
}

pub(crate) fn config() -> Config {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("web-{}-{number}", std::process::id());
    let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);

    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        tls_listen: Some("127.0.0.1:0".parse().unwrap()),
        tls_optional: false,
        metrics_listen: None,
        certificate: None,
        keys: BTreeMap::from([(KEY.to_owned(), SECRET.to_owned())]),
        development: false,
        guests: false,
        guests_moderate: false,
        guest_key: KEY.to_owned(),
        webhook: None,
        data,
        metrics_allow: Network::loopback(),
        stun: StunConfig::default(),
        switchboard: SwitchboardConfig::default(),
        limits: Limits::default(),
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let (relay, receive) = mpsc::channel(64);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let send = Arc::new(move |request| kept.lock().unwrap().push(request));
        Self::start(config, Link::Embedded { send, receive }, relay, requests).await
    }

    /// The relay is to be at a socket where nobody listens.
    pub(crate) async fn without_relay() -> Self {
        let config = config();
        let link = Link::Socket(config.data.join("relay.sock"));
        let (relay, _) = mpsc::channel(1);
        Self::start(config, link, relay, Arc::default()).await
    }

    async fn start(
        config: Config,
        link: Link,
        relay: mpsc::Sender<Message>,
        requests: Arc<Mutex<Vec<Request>>>,
    ) -> Self {
        let data = config.data.clone();
        let is_embedded = matches!(link, Link::Embedded { .. });
        let bound = bind(config).unwrap();
        let (http, tls) = (bound.http_address().unwrap(), bound.tls_address().unwrap());
        let stun = bound.stun_addresses();
        let certificate = bound.certificate().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(bound.serve(link, Vec::new(), shutdown));
        let world = Self { http, tls, stun, data, certificate, requests, relay, stop, served };
        while is_embedded && world.get("/readyz").await.status != 200 {
            tokio::task::yield_now().await;
        }

        world
    }

    pub(crate) async fn stop(self) -> Result<(), signalling_server::ServeError> {
        self.stop.send(()).unwrap();
        self.served.await.unwrap()
    }

    /// Waits until the server ends by itself.
    pub(crate) async fn ended(self) -> Result<(), signalling_server::ServeError> {
        drop(self.relay);
        self.served.await.unwrap()
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.request("GET", target, "", "").await
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        target: &str,
        headers: &str,
        body: &str,
    ) -> Answer {
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}"
        );
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();

        answer(stream).await
    }

    /// `/rtc` with a WebSocket's headers, over raw TCP: the answer to the upgrade.
    pub(crate) async fn upgrade(&self, target: &str) -> Answer {
        let headers = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\n{headers}\r\n");
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        // Refusals keep the connection: half-closing ours ends it.
        stream.shutdown().await.unwrap();

        answer(stream).await
    }

    pub(crate) fn url(&self, token: &str) -> String {
        format!("ws://{}/rtc?access_token={token}&protocol=16&auto_subscribe=1", self.http)
    }

    /// A metric's value, its labels included in the name.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics").await.body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.parse().ok()
    }
}

pub(crate) async fn answer(mut stream: impl tokio::io::AsyncRead + Unpin) -> Answer {
    let mut bytes = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);

    Answer { status, head: head.to_ascii_lowercase(), raw: head.to_owned(), body: body.to_owned() }
}

impl Answer {
    pub(crate) fn has(&self, header: &str) -> bool {
        self.head.lines().any(|line| line == header)
    }

    /// A header's value in the case in which it came.
    pub(crate) fn raw_header(&self, name: &str) -> String {
        let mut pairs = self.raw.lines().filter_map(|line| line.split_once(": "));
        let found = pairs.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.expect("the header").1.to_owned()
    }

    pub(crate) fn has_cors(&self) -> bool {
        self.has("access-control-allow-origin: *")
    }
}

/// A connection over TLS that trusts this certificate alone.
pub(crate) async fn connect(
    world: &World,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(world.tls).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();

    TlsConnector::from(Arc::new(client)).connect(name, stream).await
}

pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

pub(crate) fn claims(identity: &str) -> Claims {
    let video = Grants { room_join: true, room: "demo".to_owned(), ..Grants::default() };
    Claims { sub: identity.to_owned(), video, ..Claims::default() }
}

pub(crate) fn token(identity: &str) -> String {
    mint(&claims(identity), KEY, SECRET.as_bytes(), unix_seconds(), 600)
}
