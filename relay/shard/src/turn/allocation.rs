//! One allocation: whose it is, where it relays, for how long.

use super::bucket::Bucket;
use super::counters::TurnRefusal;
use super::principal::Principal;
use crate::Path;
use relay_wire::stun::{Family, TransactionId};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// An allocation's place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key(pub(super) u32);

/// Packets and the bytes of their payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Bytes of their payload.
    pub bytes: u64,
}

impl Traffic {
    /// Counts one packet.
    pub(super) fn count(&mut self, bytes: usize) {
        self.add(Self { packets: 1, bytes: bytes as u64 });
    }

    /// Counts more of them.
    pub(super) fn add(&mut self, more: Self) {
        self.packets += more.packets;
        self.bytes += more.bytes;
    }
}

/// A relayed address in its local form, and how long it is the allocation's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lease {
    pub(super) address: SocketAddr,
    pub(super) expires: Instant,
}

/// Relayed addresses, at most one of each family. Either may be refreshed and given up alone
/// (RFC 8656, section 8.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Relayed {
    v4: Option<Lease>,
    v6: Option<Lease>,
}

impl Relayed {
    /// Adds an address.
    pub(super) fn add(&mut self, address: SocketAddr, expires: Instant) {
        let lease = Some(Lease { address, expires });
        match address {
            SocketAddr::V4(_) => self.v4 = lease,
            SocketAddr::V6(_) => self.v6 = lease,
        }
    }

    /// The address that packets to this peer leave from.
    pub(super) fn toward(&self, peer: IpAddr) -> Option<SocketAddr> {
        self.lease_toward(peer).map(|lease| lease.address)
    }

    /// The same, with its expiry.
    pub(super) fn lease_toward(&self, peer: IpAddr) -> Option<Lease> {
        if peer.is_ipv4() { self.v4 } else { self.v6 }
    }

    /// Whether there is an address of this family.
    pub(super) fn has(&self, family: Family) -> bool {
        self.iter().any(|lease| Family::of(&lease.address) == family)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = Lease> {
        [self.v4, self.v6].into_iter().flatten()
    }

    /// Sets the expiry of one family's address, or of all.
    pub(super) fn refresh(&mut self, family: Option<Family>, expires: Instant) {
        for lease in [&mut self.v4, &mut self.v6].into_iter().flatten() {
            if family.is_none_or(|family| family == Family::of(&lease.address)) {
                lease.expires = expires;
            }
        }
    }

    /// Takes out an address that has expired.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<SocketAddr> {
        let expired = |lease: &mut Lease| lease.expires <= now;
        let lease = self.v4.take_if(expired).or_else(|| self.v6.take_if(expired));

        lease.map(|lease| lease.address)
    }

    /// When the last of them expires.
    pub(super) fn expires(&self) -> Option<Instant> {
        self.iter().map(|lease| lease.expires).max()
    }
}

/// What it takes to answer a retransmitted Allocate request as it was answered at first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receipt {
    pub(super) transaction: TransactionId,
    /// Seconds.
    pub(super) lifetime: u32,
    pub(super) reservation: Option<[u8; 8]>,
    /// The family of a dual allocation that could not be had, and why.
    pub(super) missing: Option<(Family, TurnRefusal)>,
}

/// One allocation (RFC 8656, section 5).
pub(super) struct Allocation {
    /// Unique for the life of the process.
    pub(super) id: u64,
    pub(super) client: Path,
    pub(super) principal: Principal,
    /// The client's address that the ledger counts: its first.
    pub(super) counted: IpAddr,
    pub(super) relayed: Relayed,
    pub(super) receipt: Receipt,
    /// Whether the client may move it to another path (RFC 8016).
    pub(super) mobile: bool,
    /// How often it moved.
    pub(super) moves: u64,
    /// Whether the other shards were told that its client's path is ours.
    pub(super) claimed: bool,
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
    /// Whether others were told of it: the table's.
    pub(super) told: bool,
}

/// Who has an allocation.
pub(super) struct Holder {
    pub(super) client: Path,
    pub(super) principal: Principal,
    /// The client's address that the ledger counts.
    pub(super) counted: IpAddr,
}

impl Allocation {
    /// One that has relayed nothing yet, with this limit of bits a second; it stays with its
    /// client's path.
    pub(super) fn new(
        now: Instant,
        id: u64,
        holder: Holder,
        relayed: Relayed,
        receipt: Receipt,
        bandwidth_bps: Option<u64>,
    ) -> Self {
        let Holder { client, principal, counted } = holder;
        let full = Bucket::new(now, bandwidth_bps.unwrap_or(0));

        Self {
            id,
            client,
            principal,
            counted,
            relayed,
            receipt,
            mobile: false,
            moves: 0,
            claimed: false,
            sent: Traffic::default(),
            received: Traffic::default(),
            upward: full,
            downward: full,
            errors: (now, 0),
            permissions: Vec::new(),
            channels: Vec::new(),
            told: false,
        }
    }

    /// Time until it expires.
    pub(super) fn expires_in(&self, now: Instant) -> Duration {
        self.relayed.expires().map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }
}
