//! A shard in virtual time, and peers that talk to it.
#![allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods)]

pub(crate) mod checker;
pub(crate) mod client;
pub(crate) mod hello;

use relay_shard::{Config, Counters, DropReason, DtlsVersions, Event, Limits, Outbox};
use relay_shard::{Packet, Path, Reached, Shard, TurnConfig, Unlimited};
use relay_wire::control::{self, ParticipantSpec, Refusal, Request, TransportId};
use relay_wire::control::{Answer, Command, DataRole, Message, Opened, ParticipantId, RoomId};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const ROOM: RoomId = RoomId(1);

/// A shard with everything that came out of it.
pub(crate) struct World {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) shard: Shard,
    pub(crate) out: Outbox,
    pub(crate) events: Vec<Event>,
    pub(crate) sent: Vec<(Path, Vec<u8>)>,
    pub(crate) handed_over: Vec<(u16, Path, Vec<u8>)>,
    requests: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let start = Instant::now();
        let mut config = config();
        change(&mut config);

        Self {
            start,
            now: start,
            shard: Shard::new(config, start).unwrap(),
            out: Outbox::new(1 << 20, 1024),
            events: Vec::new(),
            sent: Vec::new(),
            handed_over: Vec::new(),
            requests: 0,
        }
    }

    /// Gives a command and returns its one answer.
    pub(crate) fn command(&mut self, command: Command) -> Answer {
        self.command_in(ROOM, command)
    }

    pub(crate) fn command_in(&mut self, room: RoomId, command: Command) -> Answer {
        self.requests += 1;
        let id = self.requests;
        self.shard.command(self.now, Request { id, room, command }, &mut self.out);
        let before = self.events.len();
        self.drain();
        let answers = self
            .events
            .extract_if(before.., |event| matches!(event, Event::Control(Message::Answer { .. })));
        let answers: Vec<_> = answers.collect();
        let [Event::Control(Message::Answer { id: answered, answer })] = answers.as_slice() else {
            panic!("one answer to each request, not {answers:?}");
        };
        assert_eq!(*answered, id);

        answer.clone()
    }

    /// A participant with one transport.
    pub(crate) fn open(&mut self, transport: u64, role: DataRole) -> Opened {
        let participant = ParticipantId(transport);
        self.join(ROOM, participant);
        let transport = TransportId(transport);
        match self.command(Command::Open { participant, transport, data: role }) {
            Answer::Opened(opened) => opened,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn join(&mut self, room: RoomId, participant: ParticipantId) -> Answer {
        self.command_in(
            room,
            Command::Participant(ParticipantSpec {
                participant,
                identity: format!("p{}", participant.0),
                stamp: Vec::new(),
                can_publish_data: true,
                can_subscribe: true,
            }),
        )
    }

    /// Delivers a datagram.
    pub(crate) fn receive(&mut self, path: Path, datagram: &[u8]) {
        let mut buffer = vec![0; 64];
        buffer.extend_from_slice(datagram);
        let end = buffer.len();
        self.shard.receive(self.now, Packet::new(path, &mut buffer, 64..end), &mut self.out);
        self.drain();
    }

    /// Lets time pass, with every timer at its time.
    pub(crate) fn sleep(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..100_000 {
            match self.shard.next_timeout() {
                Some(next) if next <= end => self.now = self.now.max(next),
                _ => {
                    self.now = end;
                    return;
                }
            }
            self.shard.advance(self.now, &mut self.out);
            self.drain();
        }
        panic!("the shard never rests");
    }

    pub(crate) fn counters(&self) -> Counters {
        self.shard.counters()
    }

    pub(crate) fn drops(&self, reason: DropReason) -> u64 {
        self.out.drops.get(reason)
    }

    pub(crate) fn all_drops(&self) -> u64 {
        DropReason::ALL.iter().map(|reason| self.drops(*reason)).sum()
    }

    /// Events for signalling so far.
    pub(crate) fn told(&self) -> impl Iterator<Item = &control::Event> {
        self.events.iter().filter_map(|event| match event {
            Event::Control(Message::Event(event)) => Some(event),
            _ => None,
        })
    }

    pub(crate) fn was_told(&self, event: &control::Event) -> bool {
        self.told().any(|told| told == event)
    }

    pub(crate) fn drain(&mut self) {
        for transmit in self.out.transmits() {
            self.sent.push((transmit.path, self.out.bytes(transmit).to_vec()));
        }
        for handed in self.out.hand_overs() {
            let bytes = self.out.bytes(&handed.datagram).to_vec();
            self.handed_over.push((handed.shard, handed.datagram.path, bytes));
        }
        self.out.clear();
        self.events.append(&mut self.out.events);
    }
}

pub(crate) fn config() -> Config {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec!["relay".into()]).unwrap().self_signed(&key).unwrap();

    Config {
        index: 0,
        shards: 1,
        candidates: vec![local()],
        certificate: certificate.der().to_vec(),
        private_key: key.serialize_der(),
        dtls: DtlsVersions::Auto,
        seed: [7; 32],
        limits: Limits::default(),
        candidates_tcp: Vec::new(),
        listen: vec![Reached { local: local(), public: local() }],
        unix_seconds: 1_800_000_000,
        turn: TurnConfig::default(),
        ledger: Arc::new(Unlimited),
    }
}

pub(crate) fn local() -> SocketAddr {
    "192.0.2.1:3478".parse().unwrap()
}

pub(crate) fn path(port: u16) -> Path {
    Path::udp(local(), SocketAddr::new([198, 51, 100, 1].into(), port))
}

pub(crate) fn refused(refusal: Refusal) -> Answer {
    Answer::Refused(refusal)
}
