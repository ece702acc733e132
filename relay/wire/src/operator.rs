//! Messages between an operator (`millrace turn`) and the relay, over the control socket.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// Allocations in one `Answer::Page`.
pub const PAGE_ALLOCATIONS: usize = 256;

/// What an operator asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Lists allocations. Answered by pages; the last one says so.
    List(Option<Selector>),
    /// Ends allocations. Answered by `Kicked`.
    Kick(Selector),
    /// Refuses new allocations from now on, or takes them again. Answered by `Draining`.
    Drain(bool),
}

/// Which allocations are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selector {
    /// The one of this number.
    Id(u64),
    /// All that a user's credentials made.
    User(String),
    /// All of clients at this address.
    Address(IpAddr),
}

/// What the relay answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Some allocations; others follow unless it is the last page.
    Page {
        /// At most `PAGE_ALLOCATIONS`.
        allocations: Vec<Allocation>,
        /// Whether this was all.
        last: bool,
    },
    /// So many allocations were ended.
    Kicked(u64),
    /// Whether new allocations are refused now, and how many there are.
    Draining {
        /// Whether new allocations are refused.
        on: bool,
        /// Allocations that stand.
        allocations: u64,
    },
    /// Not done, for this reason.
    Failed(String),
}

/// One allocation (RFC 8656, section 3.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// Its number, unique for the life of the relay's process.
    pub id: u64,
    /// Whose credentials made it.
    pub user: String,
    /// The client's address.
    pub client: SocketAddr,
    /// Whether the client comes over TCP or TLS.
    pub stream: bool,
    /// Relayed addresses as peers see them; two for a dual allocation.
    pub relayed: Vec<SocketAddr>,
    /// Permissions now.
    pub permissions: u32,
    /// Channels now.
    pub channels: u32,
    /// Seconds until it expires, unless it is refreshed.
    pub expires_in_seconds: u64,
    /// Packets from the client to peers.
    pub sent_packets: u64,
    /// Payload bytes from the client to peers.
    pub sent_bytes: u64,
    /// Packets from peers to the client.
    pub received_packets: u64,
    /// Payload bytes from peers to the client.
    pub received_bytes: u64,
}
