//! Why the web server does not start, or stopped.

use std::io;

/// Why the web server does not start: key, value, what is wrong and what to do, in one line.
#[derive(Debug, thiserror::Error)]
#[error("{key} = \"{value}\": {problem}; {fix}")]
pub struct StartError {
    /// The configuration key.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub fix: String,
}

impl StartError {
    /// An address that cannot be listened on.
    pub(crate) fn listen(key: &'static str, address: std::net::SocketAddr, e: &io::Error) -> Self {
        let (problem, fix) = match e.kind() {
            io::ErrorKind::AddrInUse => (
                "another process listens there".to_owned(),
                format!("stop it (see `ss -ltnp sport = :{}`) or choose another", address.port()),
            ),
            io::ErrorKind::AddrNotAvailable => (
                "this machine does not have that address".to_owned(),
                "choose one that `ip address` shows, or 0.0.0.0 for all".to_owned(),
            ),
            io::ErrorKind::PermissionDenied => (
                "not permitted".to_owned(),
                "choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE".to_owned(),
            ),
            _ => (e.to_string(), "choose another address or port".to_owned()),
        };

        Self { key, value: address.to_string(), problem, fix }
    }

    /// A file that cannot be read, written or understood.
    pub(crate) fn file(
        key: &'static str,
        path: &std::path::Path,
        problem: &dyn std::fmt::Display,
        fix: &str,
    ) -> Self {
        let value = path.display().to_string();
        Self { key, value, problem: problem.to_string(), fix: fix.to_owned() }
    }
}

/// Why the web server stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listening sockets could not be handed to the runtime.
    #[error("the listening socket does not work: {0}")]
    Socket(#[from] io::Error),
    /// Two collectors claim the same metric.
    #[error("the metrics cannot be registered: {0}")]
    Metrics(#[from] prometheus::Error),
    /// What users have set, and what is held for them, cannot be kept.
    #[error("the file of settings and notices in data.directory does not open: {0}")]
    Settings(io::Error),
    /// The embedded relay went away.
    #[error("the relay stopped")]
    RelayStopped,
}
