//! What the operator can choose about the media plane.

use crate::{SteerSettings, StreamLimits, TurnSettings, XdpSettings};
use relay_shard::{DtlsVersions, Limits};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// Configuration of the media plane.
#[derive(Clone, Debug)]
pub struct Config {
    /// UDP addresses; a wildcard stands for all addresses of its family that this machine has.
    pub listen: Vec<SocketAddr>,
    /// Addresses offered as candidates, best first; empty for the machine's own.
    pub advertise: Vec<Advertise>,
    /// Development mode: 127.0.0.1 is offered too, and first.
    pub development: bool,
    /// How datagrams are moved.
    pub io: IoKind,
    /// Number of shards; `None` for one on each CPU that this process may use.
    pub shards: Option<u16>,
    /// DTLS versions that are spoken.
    pub dtls: DtlsVersions,
    /// Where the certificate is kept; made when it is not there.
    pub data_directory: PathBuf,
    /// Where media logs are written: a directory each.
    pub recording_directory: PathBuf,
    /// Bounds of each shard.
    pub limits: Limits,
    /// TURN.
    pub turn: TurnSettings,
    /// Bounds of TCP and TLS connections.
    pub streams: StreamLimits,
    /// How the kernel relays bound channels; `None`: it does not.
    pub xdp: Option<XdpSettings>,
    /// How the kernel finds the shard that a datagram is for.
    pub steer: SteerSettings,
}

/// How datagrams are moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IoKind {
    /// io_uring: multishot receive, one system call for all sends.
    #[default]
    Uring,
    /// recvmmsg and sendmmsg: the reference and the fallback.
    Mmsg,
}

/// An address as others reach it, and the one of ours behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advertise {
    /// What candidates say.
    pub public: IpAddr,
    /// The address we listen on.
    pub local: IpAddr,
}

impl FromStr for Advertise {
    type Err = std::net::AddrParseError;

    /// Reads `PUBLIC/LOCAL`, or one address that is both.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (public, local) = text.split_once('/').unwrap_or((text, text));

        Ok(Self { public: public.trim().parse()?, local: local.trim().parse()? })
    }
}
