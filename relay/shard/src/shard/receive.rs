//! Where a datagram goes: to a transport, to TURN, to another shard.

use super::Shard;
use crate::transport::{Arrival, Elsewhere, check_username};
use crate::turn::{Sending, Turn};
use crate::{DropReason, Outbox, Packet, Path, Via};
use relay_wire::Kind;
use relay_wire::control::{RoomId, TransportId};
use relay_wire::stun::binding::Answer;
use relay_wire::stun::{Class, Message, Method};
use std::time::Instant;

impl Shard {
    /// Handles one datagram. Everything it causes is in `out` when this returns.
    pub fn receive(&mut self, now: Instant, packet: Packet<'_>, out: &mut Outbox) {
        self.now = now;
        match packet.path.via {
            Via::Udp | Via::Tcp => self.client(now, packet, out),
            Via::Peer => self.turn.peer_sends(now, &packet, out),
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

    /// Answers a Binding request of a stranger, perhaps from another of our addresses (RFC 5780).
    fn bind(&mut self, path: Path, request: &Message<'_>, out: &mut Outbox) {
        let Path { via, local, remote } = path;
        let buffer = &mut self.buffer;
        let answer = match via {
            Via::Tcp => self.responder.stream(request, remote, buffer).map(|len| Answer {
                from: local,
                to: remote,
                len,
            }),
            Via::Udp | Via::Peer | Via::Inside => {
                self.responder.datagram(request, (local, remote), buffer)
            }
        };
        let Some(Answer { from, to, len }) = answer else {
            return out.drop(DropReason::StunUnexpected);
        };
        if let Some(slot) = out.slot(Path { via, local: from, remote: to }, len) {
            slot.copy_from_slice(&self.buffer[..len]);
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
        let path = packet.path;
        if let Some(username) = check_username(&message) {
            self.check(now, &packet, &message, username, out);
            return None;
        }
        match (message.class(), message.method()) {
            (Class::Request, Method::BINDING) => self.bind(path, &message, out),
            (Class::Request, _) | (Class::Indication, Method::SEND) => {
                if let Some(shard) = self.keeper(&path, Some(&message)) {
                    out.hand_over(shard, &packet);
                } else if message.class() == Class::Indication {
                    let sending = Sending::of(&message);
                    return self.turn.send(now, packet, sending, out);
                } else {
                    self.turn.request(now, path, &message, out);
                    self.forget_claim(&path);
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

    /// The other shard that has a client's allocation, or is to have it: one that was told its
    /// path, or whose token or ticket the request has. A connection moves there as a whole.
    fn keeper(&self, path: &Path, message: Option<&Message<'_>>) -> Option<u16> {
        if path.via != Via::Udp || self.turn.has_client(path) {
            return None;
        }
        let named = message.and_then(|message| self.turn.named(message));

        named.or_else(|| self.flows.get(&Turn::claim(*path)).copied())
    }

    fn check(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        message: &Message<'_>,
        username: (&str, &str),
        out: &mut Outbox,
    ) {
        let path = packet.path;
        let seen = if path.via == Via::Inside { self.turn.seen(&path) } else { path.remote };
        let arrival = Arrival { path, seen };
        match self.transports.check(now, arrival, message, username, self.shards, out) {
            Ok(()) if self.transports.owner(&packet.path).is_some() => {
                self.flows.remove(&packet.path);
            }
            Ok(()) => {}
            Err(Elsewhere(shard)) => out.hand_over(shard, packet),
        }
    }

    fn handshake(&mut self, packet: &Packet<'_>, out: &mut Outbox) {
        let Some((transport, _)) = self.owner(packet, out) else { return };
        self.transports.dtls(transport, packet, out);
    }

    fn forward(&mut self, now: Instant, mut packet: Packet<'_>, out: &mut Outbox) {
        let Some((transport, room)) = self.owner(&packet, out) else { return };
        if !self.transports.unprotect(transport, &mut packet, out) {
            return;
        }
        self.rooms.with(room, |room| {
            room.rtp(now, transport, packet.payload(), &mut self.transports, out);
        });
        self.settle(now, out);
    }

    fn report(&mut self, now: Instant, mut packet: Packet<'_>, out: &mut Outbox) {
        let Some((transport, room)) = self.owner(&packet, out) else { return };
        if !self.transports.unprotect_rtcp(transport, &mut packet, out) {
            return;
        }
        self.rooms.with(room, |room| {
            room.rtcp(now, transport, packet.payload(), &mut self.transports, out);
        });
        self.settle(now, out);
    }

    /// Whose path this is; a datagram of another shard is handed over, one of nobody's dropped.
    fn owner(&self, packet: &Packet<'_>, out: &mut Outbox) -> Option<(TransportId, RoomId)> {
        let owner = self.transports.owner(&packet.path);
        if owner.is_none() {
            match self.flows.get(&packet.path) {
                Some(shard) => out.hand_over(*shard, packet),
                None => out.drop(DropReason::UnknownPath),
            }
        }

        owner
    }
}
