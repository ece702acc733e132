//! What systemd is told (sd_notify(3)); nothing without `NOTIFY_SOCKET`.

use nix::time::{ClockId, clock_gettime};
use std::env;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Sends a state, as `READY=1`; a service manager that does not listen is no reason to fail.
pub(crate) fn tell(state: &str) {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else {
        return;
    };
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
        _ => SocketAddr::from_pathname(&name),
    };
    let sent = address
        .and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = sent {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

/// Says that the configuration is being read again; `READY=1` ends it. The time lets
/// `Type=notify-reload` tell this from an earlier reload.
pub(crate) fn reloading() {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    let microseconds = now.unwrap_or_default().as_micros();
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
}

/// Tells the watchdog, for as long as it is polled, that the runtime lives.
pub(crate) async fn watchdog() {
    let period = env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
    let ours =
        env::var("WATCHDOG_PID").ok().is_none_or(|pid| pid == std::process::id().to_string());
    let Some(period) = period.filter(|microseconds| ours && *microseconds > 0) else {
        return std::future::pending().await;
    };
    let mut beats = tokio::time::interval(Duration::from_micros(period) / 2);
    loop {
        beats.tick().await;
        tell("WATCHDOG=1");
    }
}
