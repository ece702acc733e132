//! The relay without sockets: shards, a router, and hand-over between shards. Datagrams reach a
//! shard in turn, as if nothing steered them.

use crate::allocations;
use relay_shard::{
    Config, DtlsVersions, Event, Limits, Logged, Outbox, Packet, Path, Reached, Shard,
};
use relay_shard::{TurnConfig, Unlimited};
use relay_wire::Kind;
use relay_wire::control::{Message, Request, RoomId};
use relay_wire::medialog::{BLOCK_MAX, LogId};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

/// Room for a turn's packets, in bytes and packets.
const OUTBOX: (usize, usize) = (8 << 20, 8192);

/// Blocks of media logs that each shard may fill.
const BLOCKS: usize = 64;

/// Shards and what they said.
pub struct Relay {
    shards: Vec<(Shard, Outbox)>,
    rooms: HashMap<RoomId, usize>,
    turn: usize,
    /// Datagrams to send.
    pub sent: Vec<(Path, Vec<u8>)>,
    /// Answers and events for signalling.
    pub messages: Vec<Message>,
    /// Datagrams that went from one shard to another.
    pub hand_overs: u64,
    /// Datagrams received, by protocol, and what the shard allocated while it handled them.
    pub work: HashMap<Kind, Work>,
    /// Media logs, as they would stand on a disk.
    pub logs: HashMap<LogId, Vec<u8>>,
}

/// How much was handled, and at what cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Datagrams.
    pub datagrams: u64,
    /// Allocations; counted only where `allocations::Counting` is the allocator.
    pub allocations: u64,
}

impl Relay {
    /// A relay of `shards` shards at `address`.
    pub fn new(now: Instant, shards: u16, address: SocketAddr, seed: u64) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = rcgen::CertificateParams::new(vec!["millrace".to_owned()])
            .and_then(|params| params.self_signed(&key))
            .expect("a certificate");
        let shard = |index| {
            let mut shard_seed = [0; 32];
            shard_seed[..8].copy_from_slice(&seed.to_be_bytes());
            shard_seed[8] = index as u8;
            let config = Config {
                index,
                shards,
                candidates: vec![address],
                certificate: certificate.der().to_vec(),
                private_key: key.serialize_der(),
                dtls: DtlsVersions::Auto,
                seed: shard_seed,
                limits: Limits::default(),
                candidates_tcp: Vec::new(),
                listen: vec![Reached { local: address, public: address }],
                unix_seconds: 1_800_000_000,
                turn: TurnConfig::default(),
                ledger: Arc::new(Unlimited),
            };
            let shard = Shard::new(config, now).expect("a valid configuration");
            let mut out = Outbox::new(OUTBOX.0, OUTBOX.1);
            (0..BLOCKS).for_each(|_| out.lend_block(vec![0; BLOCK_MAX].into_boxed_slice()));
            (shard, out)
        };

        Self {
            shards: (0..shards).map(shard).collect(),
            rooms: HashMap::new(),
            turn: 0,
            sent: Vec::new(),
            messages: Vec::new(),
            hand_overs: 0,
            work: HashMap::new(),
            logs: HashMap::new(),
        }
    }

    /// Takes a command of signalling's; rooms go to the shards in turn.
    pub fn request(&mut self, now: Instant, request: Request) {
        let next = self.rooms.len() % self.shards.len();
        let index = *self.rooms.entry(request.room).or_insert(next);
        let (shard, out) = &mut self.shards[index];
        shard.command(now, request, out);
        self.drain(now, index);
    }

    /// Takes a datagram, at whichever shard is next.
    pub fn receive(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        self.turn = (self.turn + 1) % self.shards.len();
        self.receive_at(now, self.turn, path, datagram);
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Instant) {
        for index in 0..self.shards.len() {
            let (shard, out) = &mut self.shards[index];
            shard.advance(now, out);
            self.drain(now, index);
        }
    }

    /// When `advance` is next needed.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.shards.iter().filter_map(|(shard, _)| shard.next_timeout()).min()
    }

    /// The shards, to look at their counters.
    pub fn shards(&self) -> impl Iterator<Item = (&Shard, &Outbox)> {
        self.shards.iter().map(|(shard, out)| (shard, out))
    }

    fn receive_at(&mut self, now: Instant, index: usize, path: Path, datagram: &[u8]) {
        let mut buffer = datagram.to_vec();
        let len = buffer.len();
        let (shard, out) = &mut self.shards[index];
        let packet = Packet::new(path, &mut buffer, 0..len);
        let allocations = allocations::count(|| shard.receive(now, packet, out));
        let work = self.work.entry(Kind::of(datagram)).or_default();
        work.datagrams += 1;
        work.allocations += allocations;
        self.drain(now, index);
    }

    fn drain(&mut self, now: Instant, index: usize) {
        let (_, out) = &mut self.shards[index];
        let sent = out.transmits().iter().map(|t| (t.path, out.bytes(t).to_vec()));
        self.sent.extend(sent);
        let over: Vec<_> = out
            .hand_overs()
            .iter()
            .map(|h| (h.shard, h.datagram.path, out.bytes(&h.datagram).to_vec()))
            .collect();
        let events: Vec<Event> = out.events.drain(..).collect();
        out.clear();
        let logged: Vec<Logged> = out.logged().collect();
        for entry in logged {
            if let Logged::Block(mut full) = entry {
                let log = self.logs.entry(full.log).or_default();
                log.extend_from_slice(full.block.seal());
                out.lend_block(full.block.into_bytes());
            }
        }

        for event in events {
            match event {
                Event::Control(message) => self.messages.push(message),
                Event::FlowBound(path) => self.tell_flow(index, path, Some(index as u16)),
                Event::FlowUnbound(path) => self.tell_flow(index, path, None),
                Event::RelayOpen(_)
                | Event::RelayClose(_)
                | Event::HangUp(_)
                | Event::ChannelBound(_)
                | Event::ChannelUnbound(_)
                | Event::AllocationStands(_)
                | Event::AllocationEnded(_) => {}
            }
        }
        for (shard, path, datagram) in over {
            assert_ne!(usize::from(shard), index, "a shard handed a datagram to itself");
            self.hand_overs += 1;
            self.receive_at(now, shard.into(), path, &datagram);
        }
    }

    fn tell_flow(&mut self, from: usize, path: Path, owner: Option<u16>) {
        for (index, (shard, _)) in self.shards.iter_mut().enumerate() {
            if index != from {
                shard.flow(path, owner);
            }
        }
    }
}
