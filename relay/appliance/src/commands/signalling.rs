//! `millrace signalling`: signalling alone.

use super::announce;
use crate::access::Access;
use crate::config::Config;
use crate::notify;
use crate::reload::{Reload, Source};
use crate::signals::Signals;
use signalling_server::Link;
use std::net::SocketAddr;

const METRICS_PORT: u16 = 9480;

/// Serves until a signal.
pub(super) async fn run(source: Source, config: &Config, access: &Access) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let mut web = super::web(config, access)?;
    let own = SocketAddr::from((access.http.ip(), METRICS_PORT));
    web.metrics_listen = Some(config.metrics_listen.unwrap_or(own));
    let bound = signalling_server::bind(web)?;
    let reload = Reload::of_signalling(source, config, bound.certificate());
    // A closed standard output is no reason not to serve.
    let _ = announce::print(&bound, access);
    notify::tell("READY=1");

    let stop = async {
        signals.end(reload).await;
        notify::tell("STOPPING=1");
    };
    let link = Link::Socket(config.control_socket.clone());
    tokio::select! {
        served = bound.serve(link, Vec::new(), stop) => Ok(served?),
        () = notify::watchdog() => Ok(()),
    }
}
