//! Allocations as plain data: what one process leaves behind, another goes on with.

use super::allocation::{Allocation, Holder, Key, Receipt, Relayed};
use super::peers::Verdict;
use super::{Due, Turn, ports};
use crate::{Event, Outbox, Path, Via};
use relay_wire::stun::TransactionId;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// An allocation with all that it takes to go on with it: whose it is, where it relays, what is
/// permitted, until when. Only those of clients that send datagrams: a connection dies with its
/// process.
#[derive(Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its number.
    pub id: u64,
    /// Its place in the shard's table, which mobility tickets name.
    pub place: u32,
    /// The client's path.
    pub client: Path,
    /// The whole user name.
    pub user: String,
    /// The digest of `username:realm:password`, by SHA-256 (32 bytes) or MD5 (16), that the
    /// client's requests are signed with (RFC 8489, section 9.2.2). Never to be shown or stored
    /// on a disk.
    pub key: Vec<u8>,
    /// The client's address that quotas count.
    pub counted: IpAddr,
    /// Relayed addresses in their local form, at most one of each family, and until when.
    pub relayed: Vec<(SocketAddr, Instant)>,
    /// The Allocate request that made it.
    pub transaction: TransactionId,
    /// The lifetime in seconds that its answer told.
    pub lifetime: u32,
    /// Whether the client may move it (RFC 8016).
    pub mobile: bool,
    /// How often it moved.
    pub moves: u64,
    /// Peer addresses that may send, and until when.
    pub permissions: Vec<(IpAddr, Instant)>,
    /// Channels: number, peer, until when.
    pub channels: Vec<(u16, SocketAddr, Instant)>,
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is nobody's business.
        f.debug_struct("Standing")
            .field("id", &self.id)
            .field("client", &self.client)
            .field("relayed", &self.relayed)
            .finish_non_exhaustive()
    }
}

/// Why a shard does not go on with an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdopted {
    /// It is over.
    Expired,
    /// Its client's path, place or relayed address is another's, or none of this shard's: the
    /// number of shards, the ports or the addresses to relay from were changed.
    Elsewhere,
    /// It makes no sense.
    Malformed,
}

/// The shard that is to have an allocation with this relayed port.
pub fn keeper(relayed: SocketAddr, shards: u16) -> u16 {
    ports::owner(relayed.port(), shards)
}

impl Turn {
    /// Goes on with an allocation of an earlier process whose sockets were opened again. What has
    /// expired of it, or is not allowed any more, is left out. It was counted before: no quota
    /// refuses it.
    pub(crate) fn adopt(
        &mut self,
        now: Instant,
        standing: &Standing,
        out: &mut Outbox,
    ) -> Result<(), NotAdopted> {
        let allocation = self.revive(now, standing)?;
        let (principal, counted) = (&allocation.principal, allocation.counted);
        self.ledger.readmit(principal.user(), counted);
        self.counters.adopted += 1;
        self.made = self.made.max(standing.id / u64::from(self.shards) + 1);
        out.events.push(Event::FlowBound(Self::claim(standing.client)));
        let key = Key(standing.place);
        self.table.insert_at(key, allocation);
        let living = standing.permissions.iter().filter(|(_, expires)| *expires > now);
        for (ip, expires) in living {
            let ours = self.addresses.holds(*ip);
            if ours || self.peers.judge(*ip) == Verdict::Allowed {
                self.table.permit(key, *ip, ours, *expires);
            }
        }
        let living = standing.channels.iter().filter(|(.., expires)| *expires > now);
        for (number, peer, expires) in living {
            if self.may_reach(*peer) {
                // One that is there twice is no reason to lose the rest.
                let _ = self.table.bind(key, *number, *peer, *expires);
            }
        }
        self.timers.set(Due::Allocation(key), self.table.deadline(key));
        self.publish(out);

        Ok(())
    }

    /// The allocation without permissions and channels; its ports are taken.
    fn revive(&mut self, now: Instant, standing: &Standing) -> Result<Allocation, NotAdopted> {
        let mut relayed = Relayed::default();
        for (address, expires) in standing.relayed.iter().filter(|(_, expires)| *expires > now) {
            relayed.add(*address, *expires);
        }
        let client = standing.client;
        let principal = self.authenticator.credentials.revive(&standing.user, &standing.key);
        let principal = principal.ok_or(NotAdopted::Malformed)?;
        let places: usize = self.ports.iter().map(|(_, ports)| ports.total()).sum();
        if client.via != Via::Udp || standing.place as usize >= places {
            return Err(NotAdopted::Malformed);
        }
        if relayed.expires().is_none() {
            return Err(NotAdopted::Expired);
        }
        if self.has_client(&client) || self.table.get(Key(standing.place)).is_some() {
            return Err(NotAdopted::Elsewhere);
        }
        let mut taken = Vec::new();
        for lease in relayed.iter() {
            let mut all = self.ports.iter_mut();
            let ports = all.find(|(ip, _)| *ip == lease.address.ip());
            if ports.is_some_and(|(_, ports)| ports.occupy(lease.address.port())) {
                taken.push(lease.address);
                continue;
            }
            taken.into_iter().for_each(|address| self.free(address));
            return Err(NotAdopted::Elsewhere);
        }
        let Standing { id, counted, transaction, lifetime, mobile, moves, .. } = *standing;
        let holder = Holder { client, principal, counted };
        let receipt = Receipt { transaction, lifetime, reservation: None, missing: None };
        let bandwidth_bps = self.config.bandwidth_bps;

        Ok(Allocation {
            mobile,
            moves,
            // The kernel may give its packets to another shard's socket than before.
            claimed: true,
            ..Allocation::new(now, id, holder, relayed, receipt, bandwidth_bps)
        })
    }
}
