//! One shard, one publisher and its subscribers, connected as browsers are: the work of a packet
//! that all of them get.

mod lane;
mod media;

use crate::turn;
use lane::{Keys, Lane};
pub use media::Media;
use relay_shard::{Event, Outbox, Packet, Path, Shard};
use relay_wire::control::{
    Answer, Command, DataRole, Message, Opened, ParticipantId, ParticipantSpec, Request, RoomId,
    TransportId,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const PUBLISHER: u64 = 1;
/// Participants and transports from here on are subscribers.
const FIRST: u64 = 100;
/// Rounds within which a handshake ends.
const ROUNDS_MAX: usize = 100;

/// A room with one publisher of audio and video.
pub struct Fanout {
    hall: Hall,
    publisher: Joined,
    subscribers: Vec<Joined>,
}

/// Somebody whose transport is connected.
struct Joined {
    path: Path,
    keys: Keys,
    /// A check of consent, as it sends every few seconds.
    check: Vec<u8>,
}

impl Fanout {
    /// A room with so many subscribers of both tracks.
    pub fn new(subscribers: u64) -> Self {
        let mut hall = Hall::new();
        let publisher = hall.join(PUBLISHER, DataRole::Accept);
        for media in Media::ALL {
            hall.done(Command::Publish(media.track(PUBLISHER)));
        }
        let mut subscribe = |number| {
            let joined = hall.join(number, DataRole::Open);
            for media in Media::ALL {
                hall.done(Command::Subscribe(media.subscription(number)));
            }
            joined
        };
        let subscribers = (FIRST..FIRST + subscribers).map(&mut subscribe).collect();

        Self { hall, publisher, subscribers }
    }

    /// Protects what the publisher sends next.
    ///
    /// # Panics
    /// If it was protected before.
    pub fn protect(&mut self, packet: &media::Plain) -> Vec<u8> {
        let keys = &mut self.publisher.keys;
        let len = packet.header.len() + packet.payload.len();
        let mut datagram = vec![0; len + keys.up.profile().rtp_overhead()];
        let done = keys.up.protect(&packet.header, &[], &packet.payload, &mut datagram);
        done.expect("a packet that was not sent before");

        datagram
    }

    /// The shard takes one of the publisher's datagrams; what leaves stays until `flush`.
    pub fn receive(&mut self, datagram: &mut [u8]) {
        let end = datagram.len();
        let packet = Packet::new(self.publisher.path, datagram, 0..end);
        self.hall.shard.receive(self.hall.now, packet, &mut self.hall.out);
    }

    /// The publisher checks its consent (RFC 7675); returns how many packets the shard sent.
    pub fn check(&mut self) -> usize {
        self.hall.out.clear();
        let Joined { path, check, .. } = &mut self.publisher;
        let end = check.len();
        let packet = Packet::new(*path, check, 0..end);
        self.hall.shard.receive(self.hall.now, packet, &mut self.hall.out);

        self.hall.out.transmits().len()
    }

    /// Time passes, and what left is read by those whom it was for: returns how many packets of
    /// media were authentic and had this payload length.
    pub fn flush(&mut self, time: Duration, payload_len: usize) -> usize {
        let mut whole = 0;
        for transmit in self.hall.out.transmits() {
            let mut bytes = self.hall.out.bytes(transmit).to_vec();
            let to = self.subscribers.iter_mut().find(|joined| joined.path == transmit.path);
            let Some(Joined { keys, .. }) = to else { continue };
            let Ok(len) = keys.down.unprotect(&mut bytes) else { continue };
            let header = relay_wire::rtp::Header::parse(&bytes).expect("it was authentic");
            whole += usize::from(len - header.len == payload_len);
        }
        self.hall.pass(time);

        whole
    }
}

/// The shard, its driver, and what signalling says to it.
struct Hall {
    shard: Shard,
    out: Outbox,
    now: Instant,
    server: SocketAddr,
    requests: u64,
}

impl Hall {
    fn new() -> Self {
        let now = Instant::now();
        let server = SocketAddr::from(([192, 0, 2, 1], 3478));
        let shard = Shard::new(turn::config(server), now).expect("a sound configuration");

        Self { shard, out: Outbox::new(4 << 20, 4096), now, server, requests: 0 }
    }

    /// A participant with one transport, which is connected when this returns.
    fn join(&mut self, number: u64, data: DataRole) -> Joined {
        let (participant, transport) = (ParticipantId(number), TransportId(number));
        self.done(Command::Participant(ParticipantSpec {
            participant,
            identity: format!("p{number}"),
            stamp: Vec::new(),
            can_publish_data: true,
            can_subscribe: true,
        }));
        let client = SocketAddr::from(([198, 51, 100, 1], 5_000 + number as u16));
        let mut lane = Lane::new(self.now, Path::udp(self.server, client));
        let opened = self.open(participant, transport, data);
        self.done(Command::Admit { transport, remote: lane.remote() });
        let check = lane::check(&opened);
        self.receive(lane.path, &check);
        let keys = self.connect(&mut lane);

        Joined { path: lane.path, keys, check }
    }

    fn open(
        &mut self,
        participant: ParticipantId,
        transport: TransportId,
        data: DataRole,
    ) -> Opened {
        match self.ask(Command::Open { participant, transport, data }) {
            Answer::Opened(opened) => opened,
            other => panic!("{other:?}"),
        }
    }

    fn connect(&mut self, lane: &mut Lane) -> Keys {
        for _ in 0..ROUNDS_MAX {
            for datagram in lane.flight() {
                self.receive(lane.path, &datagram);
            }
            self.shard.advance(self.now, &mut self.out);
            let sent = self.out.transmits().iter();
            let handshake = sent.map(|t| self.out.bytes(t)).filter(|bytes| bytes[0] >= 20);
            handshake.for_each(|bytes| lane.receive(self.now, bytes));
            self.pass(Duration::from_millis(1));
            if let Some(keys) = lane.keys() {
                return keys;
            }
        }
        panic!("the handshake does not end");
    }

    fn receive(&mut self, path: Path, datagram: &[u8]) {
        let mut bytes = datagram.to_vec();
        let end = bytes.len();
        self.shard.receive(self.now, Packet::new(path, &mut bytes, 0..end), &mut self.out);
    }

    /// Time passes, and nothing that left is looked at.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.shard.advance(self.now, &mut self.out);
        self.out.events.clear();
        self.out.clear();
    }

    fn done(&mut self, command: Command) {
        assert_eq!(self.ask(command), Answer::Done);
    }

    fn ask(&mut self, command: Command) -> Answer {
        self.requests += 1;
        let request = Request { id: self.requests, room: RoomId(1), command };
        self.shard.command(self.now, request, &mut self.out);
        let events = std::mem::take(&mut self.out.events);
        let answer = events.into_iter().find_map(|event| match event {
            Event::Control(Message::Answer { answer, .. }) => Some(answer),
            _ => None,
        });

        answer.expect("an answer to each request")
    }
}
