//! `/metrics` and `/healthz` of a service that has no web server of its own.

use crate::accept::{Acceptor, Peer};
use crate::bound::listen;
use crate::metrics::Metrics;
use crate::routes::{Refused, cors, status};
use crate::{Limits, Network, ServeError, StartError};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use prometheus::core::Collector;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// A monitoring port that is taken; nothing is served yet.
pub struct Monitor {
    listener: TcpListener,
    allow: Vec<Network>,
}

struct Shared {
    metrics: Arc<Metrics>,
    allow: Vec<Network>,
}

impl Monitor {
    /// Takes the port of `metrics.listen`; `allow` may read, and loopback.
    pub fn bind(address: SocketAddr, allow: Vec<Network>) -> Result<Self, StartError> {
        Ok(Self { listener: listen("metrics.listen", address)?, allow })
    }

    /// Serves what `collectors` collect until `shutdown` resolves.
    pub async fn serve(
        self,
        collectors: Vec<Box<dyn Collector>>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let metrics = Arc::new(Metrics::new("millrace_monitor", collectors)?);
        let shared = Shared { metrics: Arc::clone(&metrics), allow: self.allow };
        let limits = Limits { connections: 64, ..Limits::default() };
        let router = Router::new()
            .route("/metrics", get(read))
            .route("/healthz", get(status::health))
            .layer(from_fn(every_answer))
            .with_state(Arc::new(shared));
        let acceptor = Acceptor {
            listener: Acceptor::listener(self.listener)?,
            tls: None,
            router,
            limits,
            slots: Arc::new(Semaphore::new(limits.connections)),
            metrics,
        };
        let (stop, stopped) = watch::channel(false);
        let stopping = async {
            shutdown.await;
            let _ = stop.send(true);
        };
        tokio::join!(acceptor.run(stopped), stopping);

        Ok(())
    }
}

async fn read(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
) -> Result<Response, Refused> {
    if !status::may_read(&shared.allow, peer.address) {
        return Err(status::not_allowed(peer.address));
    }

    status::text(&shared.metrics, None)
}

async fn every_answer(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let mut response = next.run(request).await;
    cors(response.headers_mut(), &method);

    response
}
