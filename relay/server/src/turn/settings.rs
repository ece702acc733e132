//! What the operator chooses about TURN.

use crate::Advertise;
use relay_wire::Network;
use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// TURN's settings; all but `tls_listen` can be changed while the relay runs.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnSettings {
    /// Realm of long-term credentials.
    pub realm: String,
    /// Long-term users: name and password.
    pub users: Vec<(String, String)>,
    /// Secrets of REST credentials, newest first.
    pub secrets: Vec<String>,
    /// Addresses to relay from, best first; empty: those behind the candidates. One without a
    /// public address of its own has that of `Config::advertise`.
    pub relay_addresses: Vec<Advertise>,
    /// Ports of relayed addresses.
    pub relay_ports: RangeInclusive<u16>,
    /// Peers that are allowed although they are in a special-purpose range.
    pub allow_peers: Vec<Network>,
    /// Peers that are refused; this wins over `allow_peers`.
    pub deny_peers: Vec<Network>,
    /// How many allocations there may be.
    pub quotas: Quotas,
    /// Bits a second that one allocation may relay in each direction; `None`: no limit.
    pub bandwidth_bps: Option<u64>,
    /// The longest lifetime of an allocation.
    pub lifetime_max: Duration,
    /// Challenges (401) a second for one source prefix (/24, /56); 0: no limit.
    pub challenges_a_second: u32,
    /// Refuses new allocations: the node is being emptied.
    pub drain: bool,
    /// Where a draining node sends clients, one for each address family.
    pub alternates: Vec<SocketAddr>,
    /// TURN over TLS (TCP); a wildcard stands for all addresses of its family.
    pub tls_listen: Vec<SocketAddr>,
    /// Certificate chain and private key of TURN over TLS, PEM; they are read again when they
    /// change. `None`: self-signed.
    pub tls_files: Option<(PathBuf, PathBuf)>,
    /// The name that clients of TURN over TLS use.
    pub hostname: Option<String>,
}

impl fmt::Debug for TurnSettings {
    /// Passwords and secrets are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnSettings")
            .field("realm", &self.realm)
            .field("relay_addresses", &self.relay_addresses)
            .field("relay_ports", &self.relay_ports)
            .field("quotas", &self.quotas)
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}

/// Most allocations at a time, over all shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Of one user; all REST credentials of one user count together.
    pub user: usize,
    /// Of one client address: an IPv4 address or an IPv6 /64.
    pub address: usize,
    /// Of this server; `None`: as many as there are relayed ports.
    pub total: Option<usize>,
}

impl Default for Quotas {
    /// Many people share an address behind carrier-grade NAT, and an application may have one
    /// user for all its clients.
    fn default() -> Self {
        Self { user: 100, address: 1_000, total: None }
    }
}

impl Default for TurnSettings {
    fn default() -> Self {
        Self {
            realm: "millrace".to_owned(),
            users: Vec::new(),
            secrets: Vec::new(),
            relay_addresses: Vec::new(),
            relay_ports: 49_152..=65_535,
            allow_peers: Vec::new(),
            deny_peers: Vec::new(),
            quotas: Quotas::default(),
            bandwidth_bps: None,
            lifetime_max: Duration::from_secs(3_600),
            challenges_a_second: 1_000,
            drain: false,
            alternates: Vec::new(),
            tls_listen: Vec::new(),
            tls_files: None,
            hostname: None,
        }
    }
}
