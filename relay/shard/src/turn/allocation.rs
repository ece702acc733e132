//! One allocation: whose it is, where it relays, for how long.

use super::bucket::Bucket;
use crate::Path;
use relay_wire::stun::{Family, TransactionId};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// An allocation's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(pub(super) u32);

/// Packets and the bytes of their payload.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

impl Traffic {
    /// Counts one packet.
    pub(super) fn count(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

/// Relayed addresses in their local form, at most one of each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Relayed {
    v4: Option<SocketAddr>,
    v6: Option<SocketAddr>,
}

impl Relayed {
    /// Adds the address of a family.
    pub(super) fn add(&mut self, address: SocketAddr) {
        match address {
            SocketAddr::V4(_) => self.v4 = Some(address),
            SocketAddr::V6(_) => self.v6 = Some(address),
        }
    }

    /// The address that packets to this peer leave from.
    pub(super) fn toward(&self, peer: IpAddr) -> Option<SocketAddr> {
        if peer.is_ipv4() { self.v4 } else { self.v6 }
    }

    /// Whether there is an address of this family.
    pub(super) fn has(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4.is_some(),
            Family::V6 => self.v6.is_some(),
            Family::Other(_) => false,
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = SocketAddr> {
        [self.v4, self.v6].into_iter().flatten()
    }
}

/// Who pays for an allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// The user name of the credentials.
    pub(super) user: Box<str>,
    /// What the ledger counts the user by.
    pub(super) account: u64,
    /// The client's address at the beginning, which the ledger counts too.
    pub(super) address: IpAddr,
}

/// What it takes to answer a retransmitted Allocate request as it was answered at first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receipt {
    pub(super) transaction: TransactionId,
    /// Seconds.
    pub(super) lifetime: u32,
    pub(super) reservation: Option<[u8; 8]>,
    /// The family of a dual allocation that could not be had, and the error's code.
    pub(super) missing: Option<(Family, u16)>,
}

/// One allocation (RFC 8656, section 5).
pub(super) struct Allocation {
    /// Unique for the life of the process.
    pub(super) id: u64,
    pub(super) client: Path,
    pub(super) holder: Holder,
    pub(super) relayed: Relayed,
    pub(super) expires: Instant,
    pub(super) receipt: Receipt,
    /// Whether the client may move it to another path (RFC 8016).
    pub(super) mobile: bool,
    /// From the client to peers.
    pub(super) sent: Traffic,
    /// From peers to the client.
    pub(super) received: Traffic,
    pub(super) upward: Bucket,
    pub(super) downward: Bucket,
    /// ICMP errors passed on in the second that began then.
    pub(super) errors: (Instant, u32),
    /// Peers with a permission: the table's, for its walks.
    pub(super) permissions: Vec<IpAddr>,
    /// Channels that are bound: the table's, for its walks.
    pub(super) channels: Vec<u16>,
}

impl Allocation {
    /// Time until it expires.
    pub(super) fn expires_in(&self, now: Instant) -> Duration {
        self.expires.saturating_duration_since(now)
    }
}
