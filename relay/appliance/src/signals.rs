//! Signals that end the process gracefully.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT end; SIGHUP is ignored, with a word.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");

        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Resolves when the process is to end.
    pub(crate) async fn end(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return tracing::info!("SIGTERM: stopping"),
                _ = self.interrupt.recv() => return tracing::info!("SIGINT: stopping"),
                _ = self.hangup.recv() => {
                    tracing::info!("SIGHUP: ignored; restart to apply a changed configuration");
                }
            }
        }
    }
}
