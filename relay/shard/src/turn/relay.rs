//! The data path: packets between clients and peers (RFC 8656, sections 11 and 12).

use super::addresses::Ours;
use super::allocation::Key;
use super::peers::Verdict;
use super::{KNOWN, Turn};
use crate::{DropReason, Outbox, Packet, Path, Via};
use rand::Rng;
use relay_wire::ChannelHeader;
use relay_wire::stun::{Class, HEADER_LEN, Message, Method, TransactionId, Writer, attribute};
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

/// Bytes of the longest message to a client: on UDP a datagram's limit in IPv4; on TCP frames have
/// lengths of 16 bits.
const MESSAGE_MAX: usize = 65_507;

/// Bytes of an attribute's type and length.
const ATTRIBUTE_HEADER_LEN: usize = 4;

impl Turn {
    /// Relays ChannelData of a client. Returns the datagram if it is for a media address of ours.
    pub(crate) fn channel_data<'a>(
        &mut self,
        now: Instant,
        mut packet: Packet<'a>,
        out: &mut Outbox,
    ) -> Option<Packet<'a>> {
        let Some(header) = ChannelHeader::parse(packet.payload()) else {
            out.drop(DropReason::Malformed);
            return None;
        };
        let Some(key) = self.table.of_client(&packet.path) else {
            out.drop(DropReason::NoAllocation);
            return None;
        };
        let Some(peer) = self.table.channel(key, header.number) else {
            out.drop(DropReason::NoChannel);
            return None;
        };
        packet.strip(ChannelHeader::LEN);
        packet.truncate(header.len.into());

        self.relay_to_peer(now, (key, peer), packet, false, out)
    }

    /// Relays a Send indication (RFC 8656, section 11.2). Returns the datagram if it is for a media
    /// address of ours.
    pub(crate) fn send<'a>(
        &mut self,
        now: Instant,
        mut packet: Packet<'a>,
        sending: Option<Sending>,
        out: &mut Outbox,
    ) -> Option<Packet<'a>> {
        let Some(key) = self.table.of_client(&packet.path) else {
            out.drop(DropReason::NoAllocation);
            return None;
        };
        let Some(sending) = sending else {
            out.drop(DropReason::Malformed);
            return None;
        };
        packet.strip(sending.data.start);
        packet.truncate(sending.data.len());

        self.relay_to_peer(now, (key, sending.peer), packet, sending.unfragmented, out)
    }

    /// Relays a datagram of a peer to the client (RFC 8656, section 11.3).
    pub(crate) fn peer_sends(&mut self, now: Instant, packet: &Packet<'_>, out: &mut Outbox) {
        let Some(key) = self.table.of_relayed(&packet.path.local) else {
            return out.drop(DropReason::NoAllocation);
        };
        self.relay_to_client(now, (key, packet.path.remote), packet.payload(), out);
    }

    fn relay_to_peer<'a>(
        &mut self,
        now: Instant,
        (key, peer): (Key, SocketAddr),
        packet: Packet<'a>,
        unfragmented: bool,
        out: &mut Outbox,
    ) -> Option<Packet<'a>> {
        let Some(permission) = self.table.permission(key, peer.ip()) else {
            out.drop(DropReason::NoPermission);
            return None;
        };
        let len = packet.payload().len();
        let allocation = self.table.get_mut(key)?;
        let Some(relayed) = allocation.relayed.toward(peer.ip()) else {
            out.drop(DropReason::NoPermission);
            return None;
        };
        let bandwidth = self.config.bandwidth_bps;
        if bandwidth.is_some_and(|rate| !allocation.upward.take(now, rate, len)) {
            out.drop(DropReason::Bandwidth);
            return None;
        }
        allocation.sent.count(len);
        self.counters.sent(len);
        if permission.ours {
            return self.relay_to_ours(now, relayed, peer, packet, unfragmented, out);
        }
        transmit(Path::peer(relayed, peer), packet.payload(), unfragmented, out);

        None
    }

    /// A peer at one of our own IP addresses: inside, or nowhere unless the operator allows it.
    fn relay_to_ours<'a>(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        peer: SocketAddr,
        mut packet: Packet<'a>,
        unfragmented: bool,
        out: &mut Outbox,
    ) -> Option<Packet<'a>> {
        match self.addresses.find(peer) {
            Some(Ours::Media(local)) => {
                packet.path = Path::inside(local, relayed);
                return Some(packet);
            }
            Some(Ours::Relayed(local, shard)) => {
                packet.path = Path::inside(local, relayed);
                match shard == self.index {
                    true => self.arrive(now, &packet, out),
                    false => out.hand_over(shard, &packet),
                }
            }
            None if self.peers.judge(peer.ip()) == Verdict::Allowed => {
                transmit(Path::peer(relayed, peer), packet.payload(), unfragmented, out);
            }
            None => out.drop(DropReason::PeerForbidden),
        }

        None
    }

    /// Writes a peer's datagram to the client, as ChannelData if a channel is bound.
    pub(super) fn relay_to_client(
        &mut self,
        now: Instant,
        (key, peer): (Key, SocketAddr),
        data: &[u8],
        out: &mut Outbox,
    ) {
        if self.table.permission(key, peer.ip()).is_none() {
            return out.drop(DropReason::NoPermission);
        }
        let channel = self.table.channel_of(key, &peer);
        let Some(allocation) = self.table.get_mut(key) else { return };
        let bandwidth = self.config.bandwidth_bps;
        if bandwidth.is_some_and(|rate| !allocation.downward.take(now, rate, data.len())) {
            return out.drop(DropReason::Bandwidth);
        }
        allocation.received.count(data.len());
        self.counters.received(data.len());
        let client = allocation.client;
        match channel {
            Some(number) => write_channel_data(client, number, data, out),
            None => write_data(client, peer, data, &self.random.random(), out),
        }
    }
}

pub(super) fn transmit(path: Path, data: &[u8], unfragmented: bool, out: &mut Outbox) {
    let slot = match unfragmented {
        true => out.slot_unfragmented(path, data.len()),
        false => out.slot(path, data.len()),
    };
    if let Some(slot) = slot {
        slot.copy_from_slice(data);
    }
}

fn write_channel_data(client: Path, number: u16, data: &[u8], out: &mut Outbox) {
    let end = ChannelHeader::LEN + data.len();
    // Only on a stream is the padding needed (RFC 8656, section 12.5).
    let len = if client.via == Via::Tcp { end.next_multiple_of(4) } else { end };
    let Some(data_len) = u16::try_from(data.len()).ok().filter(|_| len <= MESSAGE_MAX) else {
        return out.drop(DropReason::TooLong);
    };
    let header = ChannelHeader { number, len: data_len };
    if let Some(slot) = out.slot(client, len) {
        slot[..ChannelHeader::LEN].copy_from_slice(&header.write());
        slot[ChannelHeader::LEN..end].copy_from_slice(data);
        slot[end..].fill(0);
    }
}

/// Writes a Data indication (RFC 8656, section 11.3).
fn write_data(
    client: Path,
    peer: SocketAddr,
    data: &[u8],
    transaction: &TransactionId,
    out: &mut Outbox,
) {
    let address_len = if peer.is_ipv4() { 8 } else { 20 };
    let len = HEADER_LEN + 2 * ATTRIBUTE_HEADER_LEN + address_len + data.len().next_multiple_of(4);
    if len > MESSAGE_MAX {
        return out.drop(DropReason::TooLong);
    }
    if let Some(slot) = out.slot(client, len) {
        Writer::begin(slot, Class::Indication, Method::DATA, transaction)
            .xor_peer_address(peer)
            .data(data);
    }
}

/// A Send indication's content; the data by its place in the message.
pub(crate) struct Sending {
    peer: SocketAddr,
    data: Range<usize>,
    unfragmented: bool,
}

impl Sending {
    /// Reads an indication; `None` if something is missing, or must be understood and is not.
    pub(crate) fn of(message: &Message<'_>) -> Option<Self> {
        let peer = message.xor_peer_address().ok()??;
        let data = message.value_range(attribute::DATA)?;
        if message.unknown_required(&KNOWN).next().is_some() {
            return None;
        }

        Some(Self { peer, data, unfragmented: message.dont_fragment() })
    }
}
