//! What an operator is told of an allocation, and how one is named.

use crate::Path;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// One allocation, for `millrace turn list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocationInfo {
    /// Its number, unique for the life of the process.
    pub id: u64,
    /// Whose credentials made it.
    pub user: String,
    /// The client's path.
    pub client: Path,
    /// Relayed addresses as peers see them; two for a dual allocation.
    pub relayed: Vec<SocketAddr>,
    /// Permissions now.
    pub permissions: usize,
    /// Channels now.
    pub channels: usize,
    /// Until it expires, unless it is refreshed.
    pub expires_in: Duration,
    /// Packets from the client to peers, and their payload bytes.
    pub sent: (u64, u64),
    /// Packets from peers to the client, and their payload bytes.
    pub received: (u64, u64),
}

/// Which allocations an operator means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The one of this number.
    Id(u64),
    /// All that a user's credentials made: a whole name, or the user of a REST name.
    User(String),
    /// All of clients at this address.
    Address(IpAddr),
}

/// An ICMP error that a packet to a peer caused (RFC 8656, section 11.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable {
    /// The relayed address and the peer: `Path::peer`.
    pub path: Path,
    /// Type of ICMP, or of ICMPv6.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// Its data: the next hop's MTU where the type has one, else 0.
    pub data: u32,
}
