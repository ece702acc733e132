//! One core's share of the relay: demultiplexing, commands, and the turn's order of work.

mod commands;
mod receive;
mod recording;
mod rooms;
mod turn;

use crate::dtls::Identity;
use crate::hash::{Map, map};
use crate::transport::{Happening, TransportEvent, Transports};
use crate::turn::Turn;
use crate::{Config, Counters, Event, Outbox, Path, Via};
use relay_wire::control::{self, Message};
use relay_wire::ice::SHARDS_MAX;
use relay_wire::stun::binding::{Endpoint, Responder};
use ring::digest;
use rooms::Rooms;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Paths of other shards that are remembered.
const FLOWS_MAX: usize = 1 << 16;

/// Changes of paths that wait for the next `advance` to tell them.
const NEWS_MAX: usize = 1024;

/// Bytes of the longest packet.
const PACKET_MAX: usize = 1 << 16;

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
    turn: Turn,
    /// Answers strangers' Binding requests.
    responder: Responder,
    /// Room for a packet that stays inside the process.
    buffer: Box<[u8]>,
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
        let wall = (now, Duration::from_secs(config.unix_seconds));
        let endpoints: Vec<Endpoint> = config
            .listen
            .iter()
            .map(|at| Endpoint { local: at.local, public: at.public })
            .collect();

        Ok(Self {
            index: config.index,
            shards: config.shards,
            turn: Turn::new(&config, now, seed(&config, b"turn"), hash_seed),
            responder: Responder::new(&endpoints),
            buffer: vec![0; PACKET_MAX].into_boxed_slice(),
            rooms: Rooms::new(config.limits, wall, seed64(&config, b"rooms"), hash_seed),
            transports: Transports::new(config, identity, ice_seed, hash_seed),
            flows: map(hash_seed),
            news: VecDeque::new(),
            now,
        })
    }

    /// Does what is due, at most one handshake step, and a bounded share of the data that waits.
    pub fn advance(&mut self, now: Instant, out: &mut Outbox) {
        self.now = now;
        out.events.extend(self.news.drain(..));
        self.transports.advance(now, out);
        self.settle(now, out);
        self.rooms.advance(now, &mut self.transports, out);
        self.settle(now, out);
        self.turn.advance(now, out);
        self.deliver(now, out);
    }

    /// When `advance` is next needed; ask again after every call. A time that is past means at
    /// once.
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.transports.is_busy() || !self.news.is_empty() {
            return Some(self.now);
        }

        let timeouts =
            [self.transports.next_timeout(), self.rooms.next_timeout(), self.turn.next_timeout()];

        timeouts.into_iter().flatten().min()
    }

    /// Learns that another shard bound this path (`Some`), or that it is nobody's (`None`).
    ///
    /// A path of ours that another shard bound is given up, and that is told in turn; so is the
    /// claim of the shard that keeps it. If both give it up, the next check decides. Nobody
    /// remembers another's claim on what it owns, so no datagram goes back and forth.
    pub fn flow(&mut self, path: Path, owner: Option<u16>) {
        if path.via == Via::Peer {
            return self.claimed(path, owner);
        }
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
        counters.turn = self.turn.counters();

        counters
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
