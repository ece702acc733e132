//! Time, the network between clients and relay, and the signalling lines.

use crate::client::{Client, SIGNAL_DELAY};
use crate::media::Media;
use crate::{Network, Received, Relay, Source};
use livekit_protocol as proto;
use prost::Message as _;
use relay_wire::control::Kind;
use signalling_switchboard::{
    AdminRequest, Config, ConnectionId, Join, Now, Outbox, RecordingAct, Switchboard, token,
};
use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// The relay's address.
const RELAY: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 9, 9, 9), 3478);
/// The smallest step of time.
const STEP: Duration = Duration::from_millis(1);
/// Unix time at which worlds begin.
const BEGIN_MS: u64 = 1_800_000_000_000;

/// Seeds that a test runs with: `count`, or as many as `WORLD_SEEDS` says.
pub fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let asked = std::env::var("WORLD_SEEDS").ok().and_then(|text| text.parse().ok());
    1..=asked.unwrap_or(count)
}

/// A message on its way over a signalling line.
struct Line<T> {
    due: Instant,
    connection: ConnectionId,
    message: T,
}

/// A room, its clients, and everything between them.
pub struct World {
    now: Instant,
    begin: Instant,
    seed: u64,
    network: Network,
    switchboard: Switchboard,
    out: Outbox,
    /// The media plane.
    pub relay: Relay,
    clients: BTreeMap<String, (ConnectionId, Client)>,
    joined: u16,
    media: Media,
    to_client: VecDeque<Line<Option<Vec<u8>>>>,
    to_server: VecDeque<Line<Vec<u8>>>,
}

impl World {
    /// A world of two shards, whose network treats every client alike.
    pub fn new(seed: u64, network: Network) -> Self {
        let now = Instant::now();
        let mut board_seed = [7; 32];
        board_seed[..8].copy_from_slice(&seed.to_be_bytes());
        Self {
            now,
            begin: now,
            seed,
            network,
            switchboard: Switchboard::new(Config::default(), board_seed),
            out: Outbox::default(),
            relay: Relay::new(now, 2, SocketAddr::from(RELAY), seed),
            clients: BTreeMap::new(),
            joined: 0,
            media: Media::Frames,
            to_client: VecDeque::new(),
            to_server: VecDeque::new(),
        }
    }

    /// A world whose media is made and read by models, packet by packet.
    pub fn of_models(seed: u64, network: Network) -> Self {
        let world = Self::new(seed, network);
        let media = Media::Packets { begin: world.begin };

        Self { media, ..world }
    }

    /// Somebody joins the room "demo".
    pub fn join(&mut self, identity: &str) {
        self.join_room(identity, "demo");
    }

    /// Somebody joins the room "demo", and gets only what it asks for.
    pub fn join_to_choose(&mut self, identity: &str) {
        self.enter(identity, Join { auto_subscribe: false, ..Join::new(claims(identity, "demo")) });
    }

    /// Somebody joins a room.
    pub fn join_room(&mut self, identity: &str, room: &str) {
        self.enter(identity, Join::new(claims(identity, room)));
    }

    fn enter(&mut self, identity: &str, join: Join) {
        self.joined += 1;
        let connection = ConnectionId(self.joined.into());
        let seed = self.seed.wrapping_mul(1000) + u64::from(self.joined) * 8;
        let client = Client::new(self.now, identity, self.joined, self.network, seed, self.media);
        self.clients.insert(identity.to_owned(), (connection, client));
        let now = self.instants();
        self.switchboard.connect(now, connection, join, &mut self.out);
        self.flush();
    }

    /// The room "demo" is recorded from now on.
    pub fn record(&mut self) {
        self.recording(AdminRequest::Recording(RecordingAct::Start, "demo".to_owned()));
    }

    /// The room "demo" is not recorded any more.
    pub fn stop_recording(&mut self) {
        self.recording(AdminRequest::Recording(RecordingAct::Stop, "demo".to_owned()));
    }

    fn recording(&mut self, request: AdminRequest) {
        let video = token::Grants { room_record: true, ..token::Grants::default() };
        let claims = token::Claims { video, ..token::Claims::default() };
        let now = self.instants();
        let outcome = self.switchboard.administer(now, &claims, request, &mut self.out);
        outcome.expect("somebody is in the room");
        self.flush();
    }

    /// Somebody starts to publish.
    pub fn publish(&mut self, identity: &str, source: Source) {
        self.client(identity).publish(source);
    }

    /// The network of everybody changes; what is on its way is lost.
    pub fn set_network(&mut self, network: Network) {
        self.network = network;
        for (number, (_, client)) in self.clients.values_mut().enumerate() {
            client.set_network(network, self.seed.wrapping_mul(2000) + number as u64 * 8);
        }
    }

    /// Somebody's signalling line and machine go away without a word.
    pub fn vanish(&mut self, identity: &str) {
        let (connection, _) = self.clients.remove(identity).expect("a client");
        let now = self.instants();
        self.switchboard.disconnected(now, connection, &mut self.out);
        self.flush();
    }

    /// Somebody leaves as one should.
    pub fn leave(&mut self, identity: &str) {
        let leave = proto::LeaveRequest::default();
        self.client(identity).request(proto::signal_request::Message::Leave(leave));
        self.run(Duration::from_millis(100));
        self.clients.remove(identity);
    }

    /// A client, to ask or to make it do something.
    pub fn client(&mut self, identity: &str) -> &mut Client {
        &mut self.clients.get_mut(identity).expect("a client of that name").1
    }

    /// What `to` received of `from`.
    pub fn received(&mut self, to: &str, from: &str, kind: Kind) -> Received {
        self.client(to).received.get(&(from.to_owned(), kind)).cloned().unwrap_or_default()
    }

    /// Since the world began.
    pub fn elapsed(&self) -> Duration {
        self.now - self.begin
    }

    /// The present.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Lets time pass.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.step();
            let next = self.next_timeout().max(self.now + STEP);
            self.now = next.min(end);
        }
    }

    /// Lets time pass until something holds; false if it does not within `limit`.
    pub fn run_until(&mut self, limit: Duration, mut holds: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + limit;
        while !holds(self) {
            if self.now >= end {
                return false;
            }
            self.run(Duration::from_millis(20));
        }

        true
    }

    fn step(&mut self) {
        self.carry_signals();
        for (_, client) in self.clients.values_mut() {
            client.step(self.now, &mut self.relay);
        }
        for (connection, client) in self.clients.values_mut() {
            for message in client.take_requests() {
                if std::env::var("WORLD_TRACE").is_ok() {
                    eprintln!("{} -> {message:?}", client.identity);
                }
                let request = proto::SignalRequest { message: Some(message) };
                self.to_server.push_back(Line {
                    due: self.now + SIGNAL_DELAY,
                    connection: *connection,
                    message: request.encode_to_vec(),
                });
            }
        }
        self.relay.advance(self.now);
        let now = self.instants();
        for message in std::mem::take(&mut self.relay.messages) {
            self.switchboard.relay(now, message, &mut self.out);
        }
        self.switchboard.advance(now, &mut self.out);
        self.flush();
        self.carry_media();
    }

    fn carry_signals(&mut self) {
        let now = self.instants();
        while self.to_server.front().is_some_and(|line| line.due <= self.now) {
            let line = self.to_server.pop_front().expect("the front was seen");
            self.switchboard.receive(now, line.connection, &line.message, &mut self.out);
        }
        while self.to_client.front().is_some_and(|line| line.due <= self.now) {
            let line = self.to_client.pop_front().expect("the front was seen");
            let Some((_, client)) = self.clients.values_mut().find(|(c, _)| *c == line.connection)
            else {
                continue;
            };
            if let Some(frame) = line.message {
                let response = proto::SignalResponse::decode(frame.as_slice()).expect("protobuf");
                client.signal(self.now, response);
            }
        }
    }

    fn carry_media(&mut self) {
        for (path, bytes) in std::mem::take(&mut self.relay.sent) {
            let owner = self.clients.values_mut().find(|(_, c)| c.owns(path.remote));
            if let Some((_, client)) = owner {
                client.deliver(self.now, path, bytes);
            }
        }
    }

    fn flush(&mut self) {
        let due = self.now + SIGNAL_DELAY;
        for (connection, frame) in self.out.messages.drain(..) {
            self.to_client.push_back(Line { due, connection, message: Some(frame) });
        }
        for connection in self.out.closes.drain(..) {
            self.to_client.push_back(Line { due, connection, message: None });
        }
        for request in std::mem::take(&mut self.out.requests) {
            self.relay.request(self.now, request);
        }
    }

    fn next_timeout(&self) -> Instant {
        let clients = self.clients.values().map(|(_, client)| client.next_timeout());
        let signals = self.to_client.front().map(|line| line.due);
        let requests = self.to_server.front().map(|line| line.due);
        clients
            .chain(signals)
            .chain(requests)
            .chain(self.relay.next_timeout())
            .chain(self.switchboard.next_timeout())
            .min()
            .unwrap_or(self.now + Duration::from_millis(100))
    }

    fn instants(&self) -> Now {
        let elapsed = self.now - self.begin;
        Now { instant: self.now, unix_ms: BEGIN_MS + elapsed.as_millis() as u64 }
    }
}

fn claims(identity: &str, room: &str) -> token::Claims {
    token::Claims {
        sub: identity.to_owned(),
        name: identity.to_owned(),
        video: token::Grants { room_join: true, room: room.to_owned(), ..Default::default() },
        ..Default::default()
    }
}
