//! Where a datagram goes: to a transport, to TURN, to another shard.

use super::Shard;
use crate::transport::{Arrival, Elsewhere, check_username};
use crate::{DropReason, Outbox, Packet, Path, Via};
use relay_wire::Kind;
use relay_wire::control::{RoomId, TransportId};
use relay_wire::stun::{Class, Message, Method, binding};
use std::time::Instant;

impl Shard {
    /// Handles one datagram. Everything it causes is in `out` when this returns.
    pub fn receive(&mut self, now: Instant, packet: Packet<'_>, out: &mut Outbox) {
        self.now = now;
        match packet.path.via {
            Via::Udp | Via::Tcp => self.client(now, packet, out),
            Via::Peer => self.turn.from_peer(now, &packet, out),
            Via::Inside if self.turn.is_for_media(&packet.path) => self.media(now, packet, out),
            Via::Inside => self.turn.handed_over(now, &packet, out),
        }
        self.deliver(now, out);
    }

    /// Takes back what was written to relayed addresses of ours.
    pub(super) fn deliver(&mut self, now: Instant, out: &mut Outbox) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let Some((path, len)) = out.take_inside(&mut buffer) {
            let path = Path::inside(path.remote, path.local);
            self.turn.inside(now, &Packet::new(path, &mut buffer, 0..len), out);
        }
        self.buffer = buffer;
    }

    fn client(&mut self, now: Instant, packet: Packet<'_>, out: &mut Outbox) {
        let onward = match Kind::of(packet.payload()) {
            Kind::Stun => self.stun(now, packet, out),
            Kind::Channel => self.channel_data(now, packet, out),
            Kind::Dtls | Kind::Rtp | Kind::Rtcp | Kind::Unknown => Some(packet),
        };
        if let Some(packet) = onward {
            self.media(now, packet, out);
        }
    }

    /// What transports take. Datagrams of relayed addresses get here too: nothing is answered that
    /// is not a check with a user name of ours.
    fn media(&mut self, now: Instant, packet: Packet<'_>, out: &mut Outbox) {
        match Kind::of(packet.payload()) {
            Kind::Stun => {
                let Some(message) = Message::parse(packet.payload()) else {
                    return out.drop(DropReason::Malformed);
                };
                match check_username(&message) {
                    Some(username) => self.check(now, &packet, &message, username, out),
                    None => out.drop(DropReason::StunUnexpected),
                }
            }
            Kind::Dtls => self.handshake(&packet, out),
            Kind::Rtp => self.forward(now, packet, out),
            Kind::Rtcp => self.report(now, packet, out),
            Kind::Channel => out.drop(DropReason::StunUnexpected),
            Kind::Unknown => out.drop(DropReason::Malformed),
        }
    }

    /// Takes a client's STUN message. Returns the datagram inside if it is for a media address.
    fn stun<'a>(
        &mut self,
        now: Instant,
        packet: Packet<'a>,
        out: &mut Outbox,
    ) -> Option<Packet<'a>> {
        let Some(message) = Message::parse(packet.payload()) else {
            out.drop(DropReason::Malformed);
            return None;
        };
        if let Some(username) = check_username(&message) {
            self.check(now, &packet, &message, username, out);
            return None;
        }
        match (message.class(), message.method()) {
            (Class::Request, Method::BINDING) => self.bind(&packet, &message, out),
            (Class::Request, _) | (Class::Indication, Method::SEND) => {
                if let Some(shard) = self.keeper(&packet.path, Some(&message)) {
                    out.hand_over(shard, &packet);
                } else if message.class() == Class::Indication {
                    return self.turn.send(now, packet, out);
                } else {
                    self.turn.request(now, packet.path, &message, out);
                }
            }
            (Class::Indication | Class::Success | Class::Error, _) => {
                out.drop(DropReason::StunUnexpected);
            }
        }

        None
    }

    fn channel_data<'a>(
        &mut self,
        now: Instant,
        packet: Packet<'a>,
        out: &mut Outbox,
    ) -> Option<Packet<'a>> {
        if let Some(shard) = self.keeper(&packet.path, None) {
            out.hand_over(shard, &packet);
            return None;
        }

        self.turn.channel_data(now, packet, out)
    }
}
