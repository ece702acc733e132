//! Why the relay does not start: each text names the key, the value and the fix, in one line.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Why the relay does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program has the port.
    #[error(
        "media.listen = {0}: the port is taken by another program; \
         stop that one (`ss -lunp` names it) or choose another port"
    )]
    PortTaken(SocketAddr),
    /// No interface has the address.
    #[error(
        "media.listen = {0}: no interface of this machine has this address; \
         choose one that `ip address` lists, or 0.0.0.0 for all of them"
    )]
    AddressNotHere(SocketAddr),
    /// The port needs a privilege.
    #[error(
        "media.listen = {0}: not allowed to open this port; \
         choose one from 1024 on, or grant CAP_NET_BIND_SERVICE"
    )]
    PortNotAllowed(SocketAddr),
    /// The wildcard stands for nothing.
    #[error("media.listen: this machine has no address to listen on; name one, as 192.0.2.1:3478")]
    NoAddress,
    /// A socket could not be made for another reason.
    #[error("media.listen = {address}: {error}; check the limit of open files (`ulimit -n`)")]
    Socket {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// An advertised address leads nowhere.
    #[error(
        "media.advertise = {0}: media.listen does not listen on this address; \
         behind NAT write PUBLIC/LOCAL, as 198.51.100.7/192.0.2.1"
    )]
    Advertise(IpAddr),
    /// An address to relay from leads nowhere.
    #[error(
        "turn.relay_addresses = {0}: no interface of this machine has this address; \
         choose one that `ip address` lists, behind NAT as PUBLIC/LOCAL, or leave it out"
    )]
    RelayAddress(IpAddr),
    /// Too few ports to relay from.
    #[error(
        "turn.relay_ports = {first}-{last}: {shards} shards need at least {shards} pairs of an \
         even port and the next, from 1024 on; choose more, as 49152-65535"
    )]
    RelayPorts {
        /// The first port.
        first: u16,
        /// The last port.
        last: u16,
        /// How many shards share them.
        shards: u16,
    },
    /// The interfaces could not be listed.
    #[error(
        "media.listen: cannot list this machine's addresses: {0}; name them instead of 0.0.0.0"
    )]
    Interfaces(io::Error),
    /// The thread that writes recordings does not start.
    #[error("recording does not start: {0}; check the limit of threads (`ulimit -u`)")]
    Recording(io::Error),
    /// No shards, or more than user name fragments can name.
    #[error(
        "media.shards = {0}: choose 1 to {max}, or leave it out for all CPUs",
        max = relay_wire::ice::SHARDS_MAX
    )]
    Shards(u16),
    /// glommio cannot lock the memory of its rings.
    #[error(
        "memory lock limit is {0} bytes and an executor needs 524288; \
         raise it: `ulimit -l 8192`, or LimitMEMLOCK=8M in the systemd unit"
    )]
    MemoryLock(u64),
    /// A shard's thread did not come up.
    #[error(
        "shard {shard} does not start: {reason}; check io_uring (sysctl kernel.io_uring_disabled)"
    )]
    Executor {
        /// The shard.
        shard: u16,
        /// What its executor said.
        reason: String,
    },
    /// The certificate could not be read, made or kept.
    #[error(
        "data directory: {path}: {reason}; make it writable, or remove the file to get a new one"
    )]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// A port of TCP or TLS is taken.
    #[error(
        "{key} = {address}: the TCP port is taken by another program; \
         stop that one (`ss -ltnp` names it) or choose another port"
    )]
    StreamPortTaken {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// A socket of TCP or TLS could not be made for another reason.
    #[error("{key} = {address}: TCP: {error}; `ip address` lists this machine's addresses")]
    Stream {
        /// The configuration key.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// The certificate of TURN over TLS is of no use.
    #[error(
        "TURN over TLS: {path}: {reason}; tls.cert and tls.key must be PEM files that belong \
         together and that this user can read"
    )]
    TurnCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The kernel cannot relay.
    #[error(transparent)]
    Xdp(#[from] ebpf_loader::AttachError),
    /// The kernel cannot choose sockets.
    #[error(transparent)]
    Steer(#[from] ebpf_loader::SteerError),
    /// The shard's logic refuses its configuration.
    #[error("media: {0}; remove dtls.pem from the data directory to get a new certificate")]
    Shard(String),
}

impl StartError {
    /// Why a listening socket of TCP or TLS could not be made.
    pub(crate) fn stream(key: &'static str, address: SocketAddr, error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EADDRINUSE) => Self::StreamPortTaken { key, address },
            _ => Self::Stream { key, address, error },
        }
    }
}
