//! Opens all sockets of the media plane, of UDP, TCP and TLS, for all shards.

use crate::relayed::Descriptors;
use crate::sockets::Sockets;
use crate::streams::{CertificateWatch, Certificates, Listeners, StreamKind, Streams};
use crate::{Config, StartError, StreamLimits, addresses, bind, streams};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::net::SocketAddr;

/// Open files that a process may have where nobody says.
const DESCRIPTORS_USUAL: usize = 1_024;

/// How often a port that the kernel picks for UDP may turn out to be taken for TCP.
const PICKS_MAX: usize = 64;

/// What `open` opened.
pub(crate) struct Opened {
    /// For each shard.
    pub(crate) sockets: Vec<(Sockets, Streams)>,
    /// The addresses of UDP and TCP.
    pub(crate) listen: Vec<SocketAddr>,
    /// The addresses of TLS.
    pub(crate) tls_listen: Vec<SocketAddr>,
    /// Watches the certificate, if there is TLS.
    pub(crate) certificate: Option<CertificateWatch>,
}

/// Opens the sockets of this configuration.
pub(crate) fn open(config: &Config, shards: u16) -> Result<Opened, StartError> {
    let descriptors = raise_descriptors();
    let (sockets, mut listeners) = pick(config, shards, descriptors)?;
    let listen: Vec<_> = sockets[0].locals().collect();
    let wanted = &config.turn.tls_listen;
    let tls = if wanted.is_empty() { Vec::new() } else { addresses::expand(wanted)? };
    for listen in tls {
        streams::bind(&mut listeners, listen, StreamKind::Tls)?;
    }
    let tls_listen = listeners[0].locals(StreamKind::Tls);
    let (mut tls, mut certificate) = (None, None);
    if !tls_listen.is_empty() {
        let failed = |error| StartError::Shard(format!("TURN over TLS: {error}"));
        let shown = Certificates::load(&config.turn, &tls_listen, &config.data_directory)?;
        tls = Some(shown.config().map_err(|error| failed(error.to_string()))?);
        let files = config.turn.tls_files.clone();
        let watch = CertificateWatch::start(shown, files).map_err(|e| failed(e.to_string()))?;
        certificate = Some(watch);
    }
    // A fifth of the descriptors for connections, three quarters for relayed addresses.
    let most = descriptors / 5 / usize::from(shards);
    let connections = config.streams.connections.min(most);
    let limits = StreamLimits { connections, ..config.streams };
    let streams = listeners.into_iter().map(|listeners| {
        Streams::new(listeners, tls.clone(), limits)
            .map_err(|error| StartError::Socket { address: listen[0], error })
    });
    let streams = streams.collect::<Result<Vec<_>, _>>()?;

    Ok(Opened {
        sockets: sockets.into_iter().zip(streams).collect(),
        listen,
        tls_listen,
        certificate,
    })
}

/// Opens UDP and TCP on the same addresses. A port that was left to the kernel is one that both
/// have free.
fn pick(
    config: &Config,
    shards: u16,
    descriptors: usize,
) -> Result<(Vec<Sockets>, Vec<Listeners>), StartError> {
    let listen = addresses::expand(&config.listen)?;
    let any_port = config.listen.iter().any(|address| address.port() == 0);
    let mut picks = if any_port { PICKS_MAX } else { 1 };
    loop {
        let sockets = bind::bind(&listen, shards, &Descriptors::new(descriptors / 4 * 3))?;
        let mut listeners: Vec<_> = (0..shards).map(|_| Listeners::default()).collect();
        let opened = sockets[0].locals().try_for_each(|address| {
            let listen = addresses::Listen { address, found: false };
            streams::bind(&mut listeners, listen, StreamKind::Tcp)
        });
        picks -= 1;
        match opened {
            Ok(()) => return Ok((sockets, listeners)),
            Err(StartError::StreamPortTaken { .. }) if picks > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

/// Raises the limit of open files as far as it goes; returns it.
fn raise_descriptors() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return DESCRIPTORS_USUAL };
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    let limit = if raised { hard } else { soft };

    usize::try_from(limit).unwrap_or(usize::MAX)
}
