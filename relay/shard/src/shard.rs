//! One core's share of the relay: demultiplexing, commands, and the turn's order of work.

mod commands;
mod rooms;
mod turn;

use crate::dtls::Identity;
use crate::hash::{Map, map};
use crate::transport::{Elsewhere, Happening, TransportEvent, Transports};
use crate::{Config, Counters, DropReason, Event, Outbox, Packet, Path};
use relay_wire::Kind;
use relay_wire::control::{self, Message, RoomId, TransportId};
use relay_wire::ice::SHARDS_MAX;
use ring::digest;
use rooms::Rooms;
use std::collections::VecDeque;
use std::time::Instant;
use thiserror::Error;

/// Paths of other shards that are remembered.
const FLOWS_MAX: usize = 1 << 16;

/// Changes of paths that wait for the next `advance` to tell them.
const NEWS_MAX: usize = 1024;

/// Why there can be no such shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The index is not below the number of shards, or there are too many of them.
    #[error("the shard's index must be below the number of shards, which is at most {SHARDS_MAX}")]
    Index,
    /// The certificate is empty, or the key is of no use for DTLS.
    #[error("the DTLS key must be an ECDSA key (P-256 or P-384) in PKCS #8, with a certificate")]
    Certificate,
}

/// One core's share of the relay. Owns its state outright; nothing in it is shared.
pub struct Shard {
    index: u16,
    shards: u16,
    transports: Transports,
    rooms: Rooms,
    /// Which other shard owns a path; never one that is ours.
    flows: Map<Path, u16>,
    news: VecDeque<Event>,
    now: Instant,
}

impl Shard {
    /// A shard without rooms. Everything random in it comes from the configuration's seed, but
    /// for the keys of DTLS and the tags of SCTP, whose libraries ask the system.
    pub fn new(config: Config, now: Instant) -> Result<Self, ConfigError> {
        if config.index >= config.shards || config.shards > SHARDS_MAX {
            return Err(ConfigError::Index);
        }
        let identity = Identity::new(&config).ok_or(ConfigError::Certificate)?;
        let (ice_seed, hash_seed) = (seed(&config, b"ice"), seed64(&config, b"tables"));

        Ok(Self {
            index: config.index,
            shards: config.shards,
            rooms: Rooms::new(config.limits, seed64(&config, b"rooms"), hash_seed),
            transports: Transports::new(config, identity, ice_seed, hash_seed),
            flows: map(hash_seed),
            news: VecDeque::new(),
            now,
        })
    }

    /// Handles one datagram. Everything it causes is in `out` when this returns.
    pub fn receive(&mut self, now: Instant, packet: Packet<'_>, out: &mut Outbox) {
        self.now = now;
        match Kind::of(packet.payload()) {
            Kind::Stun => self.check(now, &packet, out),
            Kind::Dtls => self.handshake(&packet, out),
            Kind::Rtp => self.forward(now, packet, out),
            Kind::Rtcp => self.report(now, packet, out),
            Kind::Channel => out.drop(DropReason::StunUnexpected),
            Kind::Unknown => out.drop(DropReason::Malformed),
        }
    }

    /// Does what is due, at most one handshake step, and a bounded share of the data that waits.
    pub fn advance(&mut self, now: Instant, out: &mut Outbox) {
        self.now = now;
        out.events.extend(self.news.drain(..));
        self.transports.advance(now, out);
        self.settle(now, out);
        self.rooms.advance(now, &mut self.transports, out);
        self.settle(now, out);
    }

    /// When `advance` is next needed; ask again after every call. A time that is past means at
    /// once.
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.transports.is_busy() || !self.news.is_empty() {
            return Some(self.now);
        }

        [self.transports.next_timeout(), self.rooms.next_timeout()].into_iter().flatten().min()
    }

    /// Learns that another shard bound this path (`Some`), or that it is nobody's (`None`).
    ///
    /// A path of ours that another shard bound is given up, and that is told in turn; so is the
    /// claim of the shard that keeps it. If both give it up, the next check decides. Nobody
    /// remembers another's claim on what it owns, so no datagram goes back and forth.
    pub fn flow(&mut self, path: Path, owner: Option<u16>) {
        let ours = self.transports.owner(&path).is_some();
        match owner.filter(|owner| *owner != self.index && *owner < self.shards) {
            Some(_) if ours => {
                self.transports.yield_path(self.now, &path);
                self.tell(Event::FlowUnbound(path));
            }
            Some(owner) if self.flows.len() < FLOWS_MAX || self.flows.contains_key(&path) => {
                self.flows.insert(path, owner);
            }
            Some(_) => {}
            // Another shard gave up a path that we had bound too: now everybody may know.
            None if ours => self.tell(Event::FlowBound(path)),
            None => {
                self.flows.remove(&path);
            }
        }
    }

    /// Gauges and counters; drops are in the outbox.
    pub fn counters(&self) -> Counters {
        let mut counters = self.rooms.counters();
        self.transports.counters(&mut counters);

        counters
    }

    fn check(&mut self, now: Instant, packet: &Packet<'_>, out: &mut Outbox) {
        let outcome = self.transports.stun(now, packet.path, packet.payload(), self.shards, out);
        match outcome {
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

    fn tell(&mut self, event: Event) {
        if self.news.len() < NEWS_MAX {
            self.news.push_back(event);
        }
    }

    /// Tells rooms and signalling what happened on transports, until nothing more does.
    fn settle(&mut self, now: Instant, out: &mut Outbox) {
        while let Some(event) = self.transports.next_event() {
            let TransportEvent { room, transport, happening } = event;
            match happening {
                Happening::Connected => {
                    self.rooms.with(room, |room| {
                        room.connected(now, transport, &mut self.transports, out);
                    });
                    notify(control::Event::Connected(transport), out);
                }
                Happening::Closed(reason) => {
                    self.rooms.with(room, |room| room.closed(now, transport, out));
                    notify(control::Event::Closed(transport, reason), out);
                }
                Happening::Data(channel, message) => {
                    self.rooms.with(room, |room| {
                        room.data(now, transport, channel, &message, &mut self.transports, out);
                    });
                }
            }
        }
    }
}

fn notify(event: control::Event, out: &mut Outbox) {
    out.events.push(Event::Control(Message::Event(event)));
}

/// A seed for one purpose and one shard: shards may share the configured one.
fn seed(config: &Config, purpose: &[u8]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(&config.seed);
    context.update(&config.index.to_be_bytes());
    context.update(purpose);
    let mut seed = [0; 32];
    seed.copy_from_slice(context.finish().as_ref());

    seed
}

fn seed64(config: &Config, purpose: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = seed(config, purpose);

    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}
