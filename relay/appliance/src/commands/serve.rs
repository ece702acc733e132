//! `millrace serve`: signalling and the relay in one process.

use super::{announce, embedded};
use crate::access::Access;
use crate::config::Config;
use crate::notify;
use crate::signals::Signals;
use anyhow::{anyhow, bail};
use relay_server::Relay;
use signalling_server::Link;
use std::sync::Arc;
use std::time::Duration;

/// How long the relay may take to stop.
const RELAY_STOP: Duration = Duration::from_secs(1);

/// Serves until a signal or a failure.
pub(super) async fn run(config: &Config, access: &Access) -> anyhow::Result<()> {
    let bound = signalling_server::bind(super::web(config, access)?)?;
    let (events, receive) = embedded::channel();
    let relay = relay_server::start(&super::media(config, access.development), events)?;
    let mut signals = Signals::new()?;
    // A closed standard output is no reason not to serve.
    let _ = announce::print(&bound, access);
    tracing::info!(shards = relay.shards(), candidates = ?relay.candidates(), "serving");
    notify::tell("READY=1");

    let handle = relay.handle();
    let link = Link::Embedded { send: Arc::new(move |request| handle.request(request)), receive };
    let failed = relay.failed();
    let stop = async {
        tokio::select! {
            () = signals.end() => {}
            _ = failed.clone() => {}
        }
        notify::tell("STOPPING=1");
    };
    let served = tokio::select! {
        served = bound.serve(link, vec![Box::new(relay.collector())], stop) => served,
        () = notify::watchdog() => Ok(()),
    };
    stop_relay(relay).await?;
    if let Some(reason) = failed.reason() {
        bail!("the relay failed: {reason}; the service manager should start it again");
    }

    Ok(served?)
}

/// Stops the relay's threads, within bounds.
pub(super) async fn stop_relay(relay: Relay) -> anyhow::Result<()> {
    let stopping = tokio::task::spawn_blocking(move || relay.stop());
    match tokio::time::timeout(RELAY_STOP, stopping).await {
        Ok(stopped) => stopped.map_err(|_| anyhow!("the relay did not end well")),
        Err(_) => {
            // Its threads would keep the process: they die with it.
            tracing::error!("the relay does not stop in time: ending without it");
            std::process::exit(1)
        }
    }
}
