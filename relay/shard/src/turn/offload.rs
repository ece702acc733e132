//! Channels that the kernel may relay by itself: what it is told, and what it tells.

use super::Turn;
use super::addresses::{Addresses, Ours};
use super::allocation::Traffic;
use crate::{Event, Outbox, Path};
use std::net::SocketAddr;
use std::time::Instant;

/// Names a channel: each client's path has its own numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BindingKey {
    /// The client's path: datagrams, never a connection.
    pub client: Path,
    /// The channel's number (RFC 8656, section 12).
    pub number: u16,
}

/// A channel whose packets need nothing but new headers: ChannelData from the client leaves as a
/// datagram from the relayed address to the peer, and the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Its client and number.
    pub key: BindingKey,
    /// The relayed address in its local form: peers send there.
    pub relayed: SocketAddr,
    /// The peer.
    pub peer: SocketAddr,
    /// The peer is a relayed address of this server: nothing leaves the machine on the way there.
    pub inside: bool,
    /// When it ends unless it is refreshed: with the channel, the permission or the relayed
    /// address, whichever is first.
    pub expires: Instant,
    /// Bits a second that all channels of the allocation together may relay in each direction.
    pub bandwidth_bps: Option<u64>,
    /// The allocation's number.
    pub allocation: u64,
}

/// What was relayed by a channel without the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offloaded {
    /// The channel.
    pub key: BindingKey,
    /// From the client to the peer.
    pub sent: Traffic,
    /// From the peer to the client.
    pub received: Traffic,
}

/// What decides whether a channel can be relayed elsewhere, beside the channel itself.
pub(super) struct Rules<'a> {
    addresses: &'a Addresses,
    pub(super) bandwidth_bps: Option<u64>,
}

impl Rules<'_> {
    /// Whether a peer of ours is a relayed address that both ends name alike. Behind NAT they do
    /// not, and the shard finds out which form each end means.
    pub(super) fn is_inside(&self, (relayed, peer): (SocketAddr, SocketAddr)) -> bool {
        let is_plain = |address| self.addresses.public(address) == address;
        let found = self.addresses.find(peer);

        matches!(found, Some(Ours::Relayed(local, _)) if local == peer)
            && is_plain(peer)
            && is_plain(relayed)
    }
}

impl Turn {
    /// Tells what stands, and which channels may be relayed elsewhere, as far as it has changed.
    pub(crate) fn publish(&mut self, out: &mut Outbox) {
        if !self.table.has_news() {
            return;
        }
        let Self { addresses, config, table, .. } = self;
        let rules = Rules { addresses, bandwidth_bps: config.bandwidth_bps };
        table.news(&rules, &mut out.events);
    }

    /// Tells everything, as to somebody who knows nothing.
    pub(crate) fn retell(&mut self, out: &mut Outbox) {
        let claimed = self.table.iter().filter(|(_, allocation)| allocation.claimed);
        let claims = claimed.map(|(_, allocation)| Self::claim(allocation.client));
        out.events.extend(claims.map(Event::FlowBound));
        self.table.retell();
        self.publish(out);
    }

    /// Counts what was relayed elsewhere, as if it had been relayed here. The allocation may be
    /// gone by now: then it counts for the server alone.
    pub(crate) fn offloaded(&mut self, now: Instant, traffic: &Offloaded) {
        let Offloaded { key, sent, received } = traffic;
        self.counters.offloaded(*sent, *received);
        let allocation = self.table.of_client(&key.client);
        let Some(allocation) = allocation.and_then(|key| self.table.get_mut(key)) else { return };
        allocation.sent.add(*sent);
        allocation.received.add(*received);
        if let Some(rate) = self.config.bandwidth_bps {
            allocation.upward.spend(now, rate, sent.bytes);
            allocation.downward.spend(now, rate, received.bytes);
        }
    }
}
