//! `millrace relay`: the media relay alone; signalling connects to its control socket.

use super::serve::stop_relay;
use crate::config::Config;
use crate::notify;
use crate::reload::{Reload, Source};
use crate::signals::Signals;
use crate::turn::Prepared;
use anyhow::{Context, bail};
use relay_server::control::ControlSocket;
use signalling_server::Monitor;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

const METRICS_PORT: u16 = 9478;

/// Removes what the kernel relays by, and says what that was.
pub(super) fn detach(config: &Config) -> anyhow::Result<()> {
    let pins = &config.xdp.pins;
    let removed = relay_server::detach(pins).with_context(|| {
        format!("xdp.pins = {}: cannot be removed; are you root?", pins.display())
    })?;
    if removed.is_empty() {
        return Ok(super::print(&format!("nothing is pinned below {}\n", pins.display()))?);
    }
    let lines = removed.iter().map(|path| format!("removed {}\n", path.display()));

    Ok(super::print(&lines.collect::<String>())?)
}

/// Relays until a signal or a failure.
pub(super) async fn run(source: Source, config: &Config) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let development = config.keys.is_empty();
    let own: IpAddr = if development { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED }.into();
    let metrics = config.metrics_listen.unwrap_or(SocketAddr::from((own, METRICS_PORT)));
    let monitor = Monitor::bind(metrics, config.metrics_allow.clone())?;
    let control = ControlSocket::bind(&config.control_socket)?;
    let turn = Prepared::new(config)?;
    let events = control.events();
    let relay = relay_server::start(&super::media(config, development, &turn)?, events.clone())?;
    let turn = Arc::new(turn.serve(config, development, &relay, events));
    let control =
        control.serve(relay.handle(), turn.clone()).context("the control socket does not start")?;
    let reload = Reload::of_relay(source, config, turn);
    tracing::info!(
        shards = relay.shards(),
        candidates = ?relay.candidates(),
        control = %config.control_socket.display(),
        "relaying"
    );
    notify::tell("READY=1");

    let failed = relay.failed();
    let stop = async {
        tokio::select! {
            () = signals.end(reload) => {}
            _ = failed.clone() => {}
        }
        notify::tell("STOPPING=1");
    };
    let served = tokio::select! {
        served = monitor.serve(vec![Box::new(relay.collector())], stop) => served,
        () = notify::watchdog() => Ok(()),
    };
    control.stop();
    stop_relay(relay).await?;
    if let Some(reason) = failed.reason() {
        bail!("the relay failed: {reason}; the service manager should start it again");
    }

    Ok(served?)
}
