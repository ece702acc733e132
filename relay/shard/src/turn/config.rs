//! What TURN is told at its birth, and again when the operator changes it.

use relay_wire::Network;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

/// TURN's settings on one shard; those of all shards are equal.
#[derive(Clone, Debug)]
pub struct TurnConfig {
    /// The realm of long-term credentials (RFC 8489, section 9.2).
    pub realm: String,
    /// Long-term users: name and password.
    pub users: Vec<(String, String)>,
    /// Secrets of REST credentials, newest first: all of them are taken.
    pub secrets: Vec<String>,
    /// Relayed addresses, best first; empty: no allocations.
    pub relays: Vec<Reached<IpAddr>>,
    /// Ports of relayed addresses; shards share them by pairs, `port / 2 % shards`.
    pub ports: RangeInclusive<u16>,
    /// Peers that are allowed although they are in a special-purpose range.
    pub allow_peers: Vec<Network>,
    /// Peers that are refused; this wins over `allow_peers`.
    pub deny_peers: Vec<Network>,
    /// This machine's own addresses, public ones included: refused as peers unless allowed.
    pub own: Vec<IpAddr>,
    /// Bits a second that one allocation may relay in each direction; `None`: no limit.
    pub bandwidth_bps: Option<u64>,
    /// Challenges (401) a second of this shard for one source prefix (/24, /56); 0: no limit.
    pub challenges_a_second: u32,
    /// The longest lifetime of an allocation.
    pub lifetime_max: Duration,
    /// Refuses new allocations: the node is being emptied.
    pub drain: bool,
    /// Where a draining node sends clients (ALTERNATE-SERVER), one for each address family.
    pub alternates: Vec<SocketAddr>,
    /// Whether channels that the kernel may relay are told (`Event::ChannelBound`); what a shard is
    /// born with stays.
    pub offload: bool,
    /// Key of nonces and tickets, the same on every shard.
    pub key: [u8; 32],
}

impl Default for TurnConfig {
    fn default() -> Self {
        Self {
            realm: "millrace".to_owned(),
            users: Vec::new(),
            secrets: Vec::new(),
            relays: Vec::new(),
            ports: 49_152..=65_535,
            allow_peers: Vec::new(),
            deny_peers: Vec::new(),
            own: Vec::new(),
            bandwidth_bps: None,
            challenges_a_second: 1_000,
            lifetime_max: Duration::from_secs(3_600),
            drain: false,
            alternates: Vec::new(),
            offload: false,
            key: [0; 32],
        }
    }
}

/// An address of ours and the one by which others reach it; they differ behind NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached<A> {
    /// Ours.
    pub local: A,
    /// What others use.
    pub public: A,
}
