//! From configuration to ports, from ports to service.

use crate::accept::Acceptor;
use crate::calls;
use crate::hub::Hub;
use crate::link::{Link, Relay};
use crate::metrics::Metrics;
use crate::routes::{self, Server};
use crate::stun::{self, Stun};
use crate::tls::{self, HttpsCertificate};
use crate::webhook::{Prepared, WebhookMetrics, Webhooks};
use crate::{Config, ServeError, StartError};
use prometheus::core::Collector;
use signalling_switchboard::Switchboard;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// A web server whose ports are taken and whose certificate is read; nothing runs yet.
pub struct Bound {
    config: Config,
    http: TcpListener,
    tls: Option<(TcpListener, TlsAcceptor)>,
    certificate: Option<Arc<HttpsCertificate>>,
    metrics: Option<TcpListener>,
    stun: Stun,
    webhooks: Option<Prepared>,
}

/// Takes the ports and reads, or makes, the certificate.
pub fn bind(config: Config) -> Result<Bound, StartError> {
    let http = listen("http.listen", config.listen)?;
    let metrics =
        config.metrics_listen.map(|address| listen("metrics.listen", address)).transpose()?;
    let stun = Stun::bind(&config.stun)?;
    let mut certificate = None;
    let tls = match config.tls_listen.map(|address| listen("http.tls_listen", address)) {
        None => None,
        Some(Ok(listener)) => {
            let loaded = Arc::new(HttpsCertificate::load(&config)?);
            certificate = Some(Arc::clone(&loaded));
            Some((listener, tls::acceptor(loaded)?))
        }
        Some(Err(error)) if config.tls_optional => {
            tracing::warn!("no HTTPS: {error}");
            None
        }
        Some(Err(error)) => return Err(error),
    };

    let webhooks = Prepared::new(&config)?;

    Ok(Bound { config, http, tls, certificate, metrics, stun, webhooks })
}

/// Takes a port for a service of its own.
pub(crate) fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|e| StartError::listen(key, address, &e))
}

impl Bound {
    /// Where HTTP is served; the port is the real one when 0 was configured.
    pub fn http_address(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// Where HTTPS is served, if it is.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Where STUN is served; ports are the real ones when 0 was configured.
    pub fn stun_addresses(&self) -> Vec<SocketAddr> {
        self.stun.addresses()
    }

    /// The certificate of HTTPS, if that is served.
    pub fn certificate(&self) -> Option<Arc<HttpsCertificate>> {
        self.certificate.clone()
    }

    /// Serves until `shutdown` resolves and everybody was told; `/metrics` shows what
    /// `extra_metrics` collect besides signalling's own. An embedded relay that ends is an error.
    pub async fn serve(
        self,
        link: Link,
        mut extra_metrics: Vec<Box<dyn Collector>>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ServeError> {
        let Self { config, http, tls, certificate, metrics: monitor, stun, webhooks } = self;
        let stun_counters = stun::Counters::new()?;
        if !stun.addresses().is_empty() {
            extra_metrics.push(stun_counters.collector());
        }
        let counted = WebhookMetrics::new()?;
        extra_metrics.extend(counted.collectors());
        let metrics = Arc::new(Metrics::new("millrace_signalling", extra_metrics)?);
        let webhooks = webhooks.map(|webhooks| webhooks.start(counted));
        let switchboard = signalling_switchboard::Config {
            keys: config.keys.clone(),
            webhooks: webhooks.is_some(),
            ..config.switchboard.clone()
        };
        let switchboard = Switchboard::new(switchboard, rand::random());
        let limits = config.limits;
        let mouth = webhooks.as_ref().map(Webhooks::mouth);
        let (hub, handle) =
            Hub::new(switchboard, Relay::start(link), mouth, Arc::clone(&metrics), limits);
        let (stop, stopped) = watch::channel(false);
        let calls = calls::start(&config, &metrics, hub.turn(), webhooks.as_ref(), &stopped)?;
        let (calls, calls_task) = calls;
        let server = Server {
            config,
            hub: handle,
            calls,
            metrics: Arc::clone(&metrics),
            offers: crate::routes::whip::Offers::new(),
            stop: stopped.clone(),
        };
        let router = routes::router(Arc::new(server));
        let slots = Arc::new(Semaphore::new(limits.connections));

        let mut tasks = JoinSet::new();
        let plain = [Some(http), monitor].into_iter().flatten();
        let sockets = plain.map(|listener| (listener, None));
        for (listener, tls) in sockets.chain(tls.map(|(listener, tls)| (listener, Some(tls)))) {
            let acceptor = Acceptor {
                listener: Acceptor::listener(listener)?,
                tls,
                router: router.clone(),
                limits,
                slots: Arc::clone(&slots),
                metrics: Arc::clone(&metrics),
            };
            tasks.spawn(acceptor.run(stopped.clone()));
        }
        tasks.spawn(serve_stun(stun, stun_counters, stopped));
        let watch = certificate.map(|certificate| tokio::spawn(watch_over(certificate)));
        let stopping = async {
            shutdown.await;
            stop.send_replace(true);
        };
        let ended = hub.run(stopping).await;
        watch.iter().for_each(JoinHandle::abort);
        stop.send_replace(true);
        tasks.join_all().await;
        let _ = calls_task.await;
        if let Some(webhooks) = webhooks {
            webhooks.stop().await;
        }

        ended
    }
}

async fn watch_over(certificate: Arc<HttpsCertificate>) {
    certificate.watch().await;
}

async fn serve_stun(stun: Stun, counters: stun::Counters, stopped: watch::Receiver<bool>) {
    if let Err(error) = stun.serve(counters, stopped).await {
        tracing::error!(%error, "the STUN service does not start");
    }
}
