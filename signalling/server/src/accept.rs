//! Listening sockets: TCP, TLS and HTTP/1.1 with time limits, up to the router.

use crate::Limits;
use crate::metrics::Metrics;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::socket::{setsockopt, sockopt};
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// Unacknowledged bytes, or a closed window, for this long end a connection (RFC 5482).
const USER_TIMEOUT_MS: u32 = 30_000;
/// Pause after an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A place among the connections; the last clone frees it.
pub(crate) type Slot = Arc<OwnedSemaphorePermit>;

/// Who is at the other end of a connection; an extension of each request.
#[derive(Clone)]
pub(crate) struct Peer {
    /// Its address, IPv4 as IPv4.
    pub(crate) address: IpAddr,
    /// Whether the connection is TLS.
    pub(crate) secure: bool,
    /// The connection's place.
    pub(crate) slot: Slot,
}

/// One listening socket and what serves its connections.
pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    /// Places for connections, shared by all listening sockets.
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Acceptor {
    /// A listening socket bound earlier, made ready for the runtime.
    pub(crate) fn listener(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }

    /// Accepts until `stop` turns true, then lets requests in progress finish.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let this = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = this.listener.accept() => accepted,
                () = stopped(&mut stop) => break,
                Some(_) = connections.join_next() => continue,
            };
            match accepted {
                Ok((stream, address)) => {
                    let Ok(slot) = Arc::clone(&this.slots).try_acquire_owned() else {
                        this.metrics.limit("connections");
                        continue;
                    };
                    let this = Arc::clone(&this);
                    connections.spawn(this.connection(stream, address, slot, stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        let drained = async { while connections.join_next().await.is_some() {} };
        let _ = timeout(this.limits.shutdown, drained).await;
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        slot: OwnedSemaphorePermit,
        stop: watch::Receiver<bool>,
    ) {
        // Both are improvements only: a kernel without them serves as well.
        let _ = stream.set_nodelay(true);
        let _ = setsockopt(&stream, sockopt::TcpUserTimeout, &USER_TIMEOUT_MS);

        let address = address.ip().to_canonical();
        let peer = Peer { address, secure: self.tls.is_some(), slot: Arc::new(slot) };
        let Some(tls) = &self.tls else {
            return self.http(stream, peer, stop).await;
        };
        match timeout(self.limits.request_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.http(stream, peer, stop).await,
            Ok(Err(error)) => {
                self.metrics.tls_failures.inc();
                tracing::debug!(%address, %error, "TLS handshake failed");
            }
            Err(_) => self.metrics.limit("request_timeout"),
        }
    }

    async fn http(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        mut stop: watch::Receiver<bool>,
    ) {
        let address = peer.address;
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer.clone());
            let router = self.router.clone();
            async move {
                let response = router.oneshot(request).await;
                Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.request_timeout)
            .max_buf_size(self.limits.request_head_bytes)
            .max_headers(self.limits.request_headers)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped(&mut stop) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            self.metrics.http_failure(&error);
            tracing::debug!(%address, %error, "HTTP connection failed");
        }
    }
}

/// Resolves when `stop` turns true, or its sender is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
