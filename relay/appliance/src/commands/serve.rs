//! `millrace serve`: signalling and the relay in one process.

use super::{announce, embedded};
use crate::access::Access;
use crate::config::{Config, ConfigError};
use crate::notify;
use crate::reload::{Reload, Source};
use crate::signals::Signals;
use crate::turn::Prepared;
use anyhow::{Context, anyhow, bail};
use relay_recorder::shelf::Shelf;
use relay_server::Relay;
use relay_server::control::{ControlError, ControlSocket};
use signalling_server::Link;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long the relay may take to stop.
const RELAY_STOP: Duration = Duration::from_secs(1);

/// Serves until a signal or a failure.
pub(super) async fn run(source: Source, config: &Config, access: &Access) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    check_stun(config)?;
    let bound = signalling_server::bind(super::web(config, access)?)?;
    let (events, receive) = embedded::channel();
    let control = operators(config)?;
    let turn = Prepared::new(config)?;
    let media = super::media(config, access.development, &turn)?;
    let relay = relay_server::start(&media, events.clone())?;
    let turn = Arc::new(turn.serve(config, access.development, &relay, events));
    let control = control
        .map(|control| control.serve_operators(turn.clone()))
        .transpose()
        .context("the control socket does not start")?;
    let reload = Reload::of_serve(source, config, turn, bound.certificate());
    // A closed standard output is no reason not to serve.
    let _ = announce::print(&bound, access);
    tracing::info!(shards = relay.shards(), candidates = ?relay.candidates(), "serving");
    notify::tell("READY=1");

    let recorder = super::recorder::start(Shelf::new(config.recordings()))?;
    let handle = relay.handle();
    let link = Link::Embedded { send: Arc::new(move |request| handle.request(request)), receive };
    let failed = relay.failed();
    let stop = async {
        tokio::select! {
            () = signals.end(reload) => {}
            _ = failed.clone() => {}
        }
        notify::tell("STOPPING=1");
    };
    let (relayed, recorded) = (relay.collector(), recorder.collector());
    let served = tokio::select! {
        served = bound.serve(link, vec![Box::new(relayed), Box::new(recorded)], stop) => served,
        () = notify::watchdog() => Ok(()),
    };
    drop(control);
    recorder.leave();
    stop_relay(relay).await?;
    if let Some(reason) = failed.reason() {
        bail!("the relay failed: {reason}; the service manager should start it again");
    }

    Ok(served?)
}

/// The relay answers STUN on its own ports: another service there is a mistake.
fn check_stun(config: &Config) -> Result<(), ConfigError> {
    let meet = |stun: &&SocketAddr| {
        config.media_listen.iter().any(|media| {
            let wild = stun.ip().is_unspecified() || media.ip().is_unspecified();
            let same = stun.ip() == media.ip() || wild && stun.is_ipv4() == media.is_ipv4();
            same && stun.port() == media.port() && stun.port() != 0
        })
    };
    let Some(address) = config.stun_listen.iter().find(meet) else { return Ok(()) };
    let problem = format!(
        "{address}: media.listen answers STUN there already; take it out, or choose another port"
    );

    Err(ConfigError::Contradiction { key: "stun.listen", problem })
}

/// The control socket for `millrace turn`. Where the operator chose no path, another process may
/// have the default one, or it may not be ours to write: then it is in the data directory, and
/// calls go on even without it.
fn operators(config: &Config) -> Result<Option<ControlSocket>, ControlError> {
    match ControlSocket::bind(&config.control_socket) {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if config.is_set("control.socket") => Err(error),
        Err(first) => match ControlSocket::bind(&config.fallback_socket()) {
            Ok(socket) => Ok(Some(socket)),
            Err(second) => {
                tracing::warn!("no `millrace turn` here: {first}; {second}");
                Ok(None)
            }
        },
    }
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
