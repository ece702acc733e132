//! A shard with TURN clients: the work of one relayed packet, what an allocation holds.

use md5::{Digest, Md5};
use relay_shard::{Config, DtlsVersions, Event, Limits, Outbox, Packet, Path};
use relay_shard::{Reached, Shard, TurnConfig, Unlimited};
use relay_wire::ChannelHeader;
use relay_wire::stun::{Class, Family, IntegrityKey, Message, Method, Writer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One shard, its driver, and clients that are all one user.
pub struct TurnRelay {
    shard: Shard,
    out: Outbox,
    now: Instant,
    server: SocketAddr,
    buffer: Vec<u8>,
    transactions: u64,
    told: Vec<Event>,
}

/// A client with an allocation.
#[derive(Clone, Copy, Debug)]
pub struct TurnClient {
    /// Its path.
    pub path: Path,
    /// Its relayed address.
    pub relayed: SocketAddr,
}

impl TurnRelay {
    /// A relay without allocations.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// The same, with another configuration.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let now = Instant::now();
        let server = SocketAddr::from(([192, 0, 2, 1], 3478));
        let mut config = config(server);
        change(&mut config);
        let shard = Shard::new(config, now).expect("a sound configuration");
        let out = Outbox::new(1 << 20, 1024);
        let buffer = vec![0; 1 << 16];

        Self { shard, out, now, server, buffer, transactions: 0, told: Vec::new() }
    }

    /// Makes an allocation for the client on this port.
    pub fn allocate(&mut self, port: u16) -> TurnClient {
        let path = Path::udp(self.server, SocketAddr::from(([198, 51, 100, 1], port)));

        self.allocate_on(path, Family::V4)
    }

    /// Makes an allocation of a family for the client on this path.
    pub fn allocate_on(&mut self, path: Path, family: Family) -> TurnClient {
        let answer = self.ask(path, Method::ALLOCATE, |writer| {
            writer.requested_transport(17).requested_address_family(family);
        });
        let message = Message::parse(&answer).expect("an answer");
        let relayed = message.xor_relayed_addresses().next().expect("an allocation");

        TurnClient { path, relayed: relayed.expect("an address") }
    }

    /// An Allocate request without credentials, which is challenged.
    pub fn probe(&mut self, port: u16) {
        let path = Path::udp(self.server, SocketAddr::from(([198, 51, 100, 1], port)));
        let end = Writer::begin(&mut self.buffer, Class::Request, Method::ALLOCATE, &[1; 12])
            .requested_transport(17)
            .finish();
        let sent = self.receive(path, end.expect("a whole message"));
        assert_eq!(sent, 1);
    }

    /// A stranger's Binding request; returns how many packets the shard sent.
    pub fn binding(&mut self, port: u16) -> usize {
        let path = Path::udp(self.server, SocketAddr::from(([198, 51, 100, 1], port)));
        let end =
            Writer::begin(&mut self.buffer, Class::Request, Method::BINDING, &[1; 12]).finish();

        self.receive(path, end.expect("a whole message"))
    }

    /// Binds a channel.
    pub fn bind(&mut self, client: &TurnClient, number: u16, peer: SocketAddr) {
        let answer = self.ask(client.path, Method::CHANNEL_BIND, |writer| {
            writer.channel_number(number).xor_peer_address(peer);
        });
        let message = Message::parse(&answer).expect("an answer");
        assert_eq!(message.class(), Class::Success);
    }

    /// Asks for a channel, which may be refused.
    pub fn ask_channel(&mut self, client: &TurnClient, number: u16, peer: SocketAddr) {
        self.ask(client.path, Method::CHANNEL_BIND, |writer| {
            writer.channel_number(number).xor_peer_address(peer);
        });
    }

    /// Ends an allocation, or lets it live on.
    pub fn refresh(&mut self, client: &TurnClient, seconds: u32) {
        self.ask(client.path, Method::REFRESH, |writer| _ = writer.lifetime(seconds));
    }

    /// Lets time go by.
    pub fn sleep(&mut self, duration: Duration) {
        self.now += duration;
        self.out.clear();
        self.shard.advance(self.now, &mut self.out);
        self.told.append(&mut self.out.events);
    }

    /// Receives a datagram; returns what the shard sent.
    pub fn datagram(&mut self, path: Path, bytes: &[u8]) -> Vec<(Path, Vec<u8>)> {
        self.buffer[..bytes.len()].copy_from_slice(bytes);
        self.receive(path, bytes.len());
        self.told.append(&mut self.out.events);
        let out = &self.out;

        out.transmits().iter().map(|sent| (sent.path, out.bytes(sent).to_vec())).collect()
    }

    /// What the shard has told since the last time.
    pub fn told(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.told)
    }

    /// Installs a permission.
    pub fn permit(&mut self, client: &TurnClient, peer: SocketAddr) {
        let answer = self.ask(client.path, Method::CREATE_PERMISSION, |writer| {
            writer.xor_peer_address(peer);
        });
        let message = Message::parse(&answer).expect("an answer");
        assert_eq!(message.class(), Class::Success);
    }

    /// A client's ChannelData; returns how many packets the shard sent.
    pub fn channel_data(&mut self, client: &TurnClient, number: u16, data: &[u8]) -> usize {
        let header = ChannelHeader { number, len: data.len() as u16 }.write();
        let end = header.len() + data.len();
        self.buffer[..header.len()].copy_from_slice(&header);
        self.buffer[header.len()..end].copy_from_slice(data);

        self.receive(client.path, end)
    }

    /// A client's Send indication; returns how many packets the shard sent.
    pub fn send(&mut self, client: &TurnClient, peer: SocketAddr, data: &[u8]) -> usize {
        let end = Writer::begin(&mut self.buffer, Class::Indication, Method::SEND, &[1; 12])
            .xor_peer_address(peer)
            .data(data)
            .finish();

        self.receive(client.path, end.expect("a whole message"))
    }

    /// A peer's datagram; returns how many packets the shard sent.
    pub fn peer_sends(&mut self, client: &TurnClient, peer: SocketAddr, data: &[u8]) -> usize {
        self.buffer[..data.len()].copy_from_slice(data);

        self.receive(Path::peer(client.relayed, peer), data.len())
    }

    fn receive(&mut self, path: Path, end: usize) -> usize {
        self.out.clear();
        let packet = Packet::new(path, &mut self.buffer, 0..end);
        self.shard.receive(self.now, packet, &mut self.out);
        self.shard.advance(self.now, &mut self.out);

        self.out.transmits().len()
    }

    /// Asks twice: the first answer is a challenge.
    fn ask(&mut self, path: Path, method: Method, add: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
        let challenge = self.exchange(path, method, &add);
        let challenge = Message::parse(&challenge).expect("a challenge");
        let realm = challenge.realm().expect("a realm");
        let nonce = challenge.nonce().expect("a nonce");
        let key = IntegrityKey::new(&Md5::digest(format!("ann:{realm}:secret")));

        self.exchange(path, method, |writer| {
            add(writer);
            writer.username("ann").realm(realm).nonce(nonce).integrity(&key);
        })
    }

    fn exchange(&mut self, path: Path, method: Method, add: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
        self.transactions += 1;
        let mut id = [0; 12];
        id[..8].copy_from_slice(&self.transactions.to_be_bytes());
        let mut writer = Writer::begin(&mut self.buffer, Class::Request, method, &id);
        add(&mut writer);
        let end = writer.finish().expect("a whole message");
        self.receive(path, end);
        for event in std::mem::take(&mut self.out.events) {
            if let Event::RelayOpen(address) = event {
                self.shard.relay_opened(self.now, address, true, &mut self.out);
            }
            self.told.push(event);
        }
        let answer = self.out.transmits().last().expect("an answer");

        self.out.bytes(answer).to_vec()
    }
}

impl Default for TurnRelay {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) fn config(server: SocketAddr) -> Config {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["relay".into()]).expect("a name");
    let certificate = params.self_signed(&key).expect("a certificate");
    let turn = TurnConfig {
        users: vec![("ann".to_owned(), "secret".to_owned())],
        relays: vec![Reached { local: server.ip(), public: server.ip() }],
        ports: 1_024..=65_535,
        challenges_a_second: 0,
        ..TurnConfig::default()
    };

    Config {
        index: 0,
        shards: 1,
        candidates: vec![server],
        candidates_tcp: Vec::new(),
        listen: vec![Reached { local: server, public: server }],
        certificate: certificate.der().to_vec(),
        private_key: key.serialize_der(),
        dtls: DtlsVersions::Auto,
        seed: [7; 32],
        limits: Limits::default(),
        unix_seconds: 1_800_000_000,
        turn,
        ledger: Arc::new(Unlimited),
    }
}
