//! Random histories of TURN clients, through a shard and through the XDP program: what the kernel
//! relays must be what the shard would have sent, byte for byte.

#[path = "../../ebpf/loader/tests/lab/mod.rs"]
mod lab;

use ebpf_common::steer::{Datagram, Kind, shard_of_check};
use ebpf_loader::{Action, Binding, BindingKey, Mode, Offload};
use lab::{CLIENT_MAC, Frame, Lab, PEER_MAC, RELAY_MAC, RELAY_MAC_2, TO_CLIENT, TO_PEER};
use lab::{address, options, parse, payload};
use millrace_tests::{TurnClient, TurnRelay};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use relay_shard::{Event, Path, Reached, Via};
use relay_wire::ice::{self, SHARDS_MAX, UFRAG_LEN};
use relay_wire::stun::{Class, Family, Method, Writer};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// Steps of a history.
const STEPS: usize = 1_500;

/// The least share of all packets of a history that the kernel must have relayed.
const RELAYED_SHARE: f64 = 0.15;

/// A shard and the program, which are told the same.
struct Both {
    relay: TurnRelay,
    offload: Offload,
    bound: BTreeSet<(SocketAddr, u16)>,
    clients: Vec<TurnClient>,
    peers: Vec<SocketAddr>,
    random: StdRng,
    packets: usize,
    relayed: usize,
}

impl Both {
    fn new(seed: u64) -> Self {
        let relay = TurnRelay::with(|config| {
            let servers = [address(true, 1, 1, 3_478), address(false, 1, 1, 3_478)];
            let reached = |local: SocketAddr| Reached { local, public: local };
            config.listen = servers.map(reached).to_vec();
            let relays = [address(true, 2, 1, 0).ip(), address(false, 2, 1, 0).ip()];
            config.turn.relays = relays.map(|local| Reached { local, public: local }).to_vec();
            config.turn.ports = 50_000..=50_063;
            config.turn.offload = true;
            config.turn.own = [&relays[..], &servers.map(|server| server.ip())].concat();
            let allow = ["10.0.0.0/8", "fd00::/8"];
            config.turn.allow_peers = allow.iter().map(|net| net.parse().expect("sound")).collect();
        });
        let offload =
            Offload::attach(&options(&[TO_CLIENT, TO_PEER], Mode::Driver)).expect("sound");
        let peers = (0..4).map(|peer| address(peer % 2 == 0, 2, 2, 6_000 + peer)).collect();

        Self {
            relay,
            offload,
            bound: BTreeSet::new(),
            clients: Vec::new(),
            peers,
            random: StdRng::seed_from_u64(seed),
            packets: 0,
            relayed: 0,
        }
    }

    fn allocate(&mut self) {
        for index in 0..4 {
            let ipv4 = index % 2 == 0;
            let path = Path::udp(address(ipv4, 1, 1, 3_478), address(ipv4, 1, 2, 5_000 + index));
            let family = if index < 2 { Family::V4 } else { Family::V6 };
            self.clients.retain(|client| client.path != path);
            self.clients.push(self.relay.allocate_on(path, family));
        }
        self.follow();
    }

    /// Tells the kernel what the shard has told.
    fn follow(&mut self) {
        for event in self.relay.told() {
            match event {
                Event::ChannelBound(told) => {
                    let key = key_of(&told.key);
                    self.bound.insert((key.client, key.channel));
                    let relay_shard::Binding { relayed, peer, inside, expires, .. } = told;
                    let relay_shard::Binding { bandwidth_bps, allocation, .. } = told;
                    let binding =
                        Binding { key, relayed, peer, inside, allocation, bandwidth_bps, expires };
                    self.offload.bind(&binding).expect("room");
                }
                Event::ChannelUnbound(told) => {
                    let key = key_of(&told);
                    self.bound.remove(&(key.client, key.channel));
                    self.offload.unbind(&key).expect("it was bound");
                }
                _ => {}
            }
        }
    }

    fn step(&mut self) {
        let client = *self.clients.choose(&mut self.random).expect("clients");
        let peer = self.peer();
        let number = self.random.random_range(0x4000..0x4004);
        match self.random.random_range(0..100) {
            0..15 => self.relay.ask_channel(&client, number, peer),
            15 => self.sleep(),
            16..60 => self.client_sends(&client, number),
            _ => self.peer_sends(&client, peer),
        }
        self.follow();
        match self.random.random_range(0..500) {
            0 => self.allocate_again(),
            1 => self.relay.refresh(&client, 0),
            _ => {}
        }
        self.follow();
    }

    /// Lets time go by, for channels and permissions to end; most allocations last.
    fn sleep(&mut self) {
        self.relay.sleep(Duration::from_secs(self.random.random_range(0..250)));
        for client in self.clients.clone() {
            if self.random.random_bool(0.95) {
                self.relay.refresh(&client, 600);
            }
        }
    }

    /// A peer outside, or another client's relayed address.
    fn peer(&mut self) -> SocketAddr {
        let inside = self.random.random_bool(0.3);
        let relayed: Vec<SocketAddr> = self.clients.iter().map(|each| each.relayed).collect();

        *if inside { &relayed } else { &self.peers }.choose(&mut self.random).expect("peers")
    }

    fn client_sends(&mut self, client: &TurnClient, number: u16) {
        let len = self.random.random_range(0..40);
        let data: Vec<u8> = (0..len).map(|_| self.random.random()).collect();
        let mut bytes = payload(number, &data);
        match self.random.random_range(0..20) {
            0 => bytes.push(0),
            1 => bytes.truncate(self.random.random_range(0..=bytes.len())),
            2 => bytes[3] = bytes[3].wrapping_add(1),
            _ => {}
        }
        self.compare(client.path, &bytes, (RELAY_MAC, CLIENT_MAC), TO_CLIENT);
    }

    fn peer_sends(&mut self, client: &TurnClient, peer: SocketAddr) {
        if peer.is_ipv4() != client.relayed.is_ipv4() || !self.peers.contains(&peer) {
            return;
        }
        let len = self.random.random_range(0..40);
        let mut data: Vec<u8> = (0..len).map(|_| self.random.random()).collect();
        if self.random.random_bool(0.1) {
            data = payload(0x4001, &data);
        }
        let path = Path::peer(client.relayed, peer);
        self.compare(path, &data, (RELAY_MAC_2, PEER_MAC), TO_PEER);
    }

    /// Sends a datagram both ways.
    fn compare(&mut self, path: Path, bytes: &[u8], macs: ([u8; 6], [u8; 6]), interface: &str) {
        let frame = Frame::new(path.remote, path.local, bytes).macs(macs.0, macs.1).bytes();
        let interfaces = self.offload.interfaces();
        let (_, index) = interfaces.iter().find(|(name, _)| name == interface).expect("attached");
        let ran = self.offload.try_frame(*index, &frame, 1).expect("a run");
        let sent = self.relay.datagram(path, bytes);
        self.packets += 1;
        match ran.action {
            Action::Pass => {
                assert_eq!(ran.frame, frame);
                let outcomes = self.offload.outcomes();
                assert!(!self.is_plain(&sent, bytes), "passed: {path:?} {sent:?} {outcomes:?}");
            }
            Action::Transmit | Action::Redirect => {
                self.relayed += 1;
                let (source, destination, data) = parse(&ran.frame);
                let whole = Frame::new(source, destination, data).macs(
                    ran.frame[..6].try_into().expect("sound"),
                    ran.frame[6..12].try_into().expect("six"),
                );
                assert_eq!(ran.frame, whole.bytes(), "headers and checksums");
                let [(path, expected)] = &sent[..] else { panic!("the shard sent {sent:?}") };
                assert_eq!((path.local, path.remote), (source, destination));
                assert_eq!(data, expected);
            }
            Action::Drop | Action::Aborted => panic!("{:?} of {path:?}", ran.action),
        }
    }

    /// Whether the shard relayed this by a channel that it had told the kernel of. What goes to an
    /// address of ours that no allocation has goes by the stack: it may be another program's.
    fn is_plain(&self, sent: &[(Path, Vec<u8>)], bytes: &[u8]) -> bool {
        let [(path, data)] = sent else { return false };
        match path.via {
            // Data of a peer comes to the client as ChannelData, or else as an indication.
            Via::Udp => (0x40..0x80).contains(&data[0]) && data.len() == bytes.len() + 4,
            Via::Peer => self.peers.contains(&path.remote) && data.len() + 4 == bytes.len(),
            Via::Tcp | Via::Inside => false,
        }
    }

    /// Clients whose allocations have ended make others.
    fn allocate_again(&mut self) {
        self.relay.sleep(Duration::from_secs(3_600));
        self.follow();
        assert_eq!(self.offload.keys().count(), 0, "all has expired");
        self.allocate();
    }
}

fn key_of(key: &relay_shard::BindingKey) -> BindingKey {
    BindingKey { client: key.client.remote, server: key.client.local, channel: key.number }
}

/// A datagram as the steering programs see it.
struct Bytes<'a>(&'a [u8]);

impl Datagram for Bytes<'_> {
    fn load<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        self.0.get(at as usize..)?.first_chunk().copied()
    }
}

#[test]
fn the_kernel_reads_the_shard_out_of_a_check_as_the_shards_do() {
    let mut random = StdRng::seed_from_u64(1);
    let mut buffer = [0; 500];
    for shard in 0..SHARDS_MAX {
        let ufrag = ice::ufrag(shard, random.random::<[u8; UFRAG_LEN - 2]>());
        let username = format!("{ufrag}:them");
        let mut writer =
            Writer::begin(&mut buffer, Class::Request, Method::BINDING, &random.random());
        let end = writer.username(&username).finish().expect("room");
        assert_eq!(shard_of_check(&Bytes(&buffer[..end])), Some(shard));
        // A check that was flipped or cut somewhere may be anybody's, but not another shard's.
        let mut broken = buffer[..end].to_vec();
        let at = random.random_range(0..broken.len());
        broken[at] ^= 1 << random.random_range(0..8);
        broken.truncate(random.random_range(0..=broken.len()));
        let read = shard_of_check(&Bytes(&broken));
        let home = ice::home(&broken);
        assert!(home.is_none() || read.is_none() || read == home, "{broken:?}");
    }
}

#[test]
fn the_kernel_tells_turn_from_media_as_the_shards_do() {
    for first in 0..=255 {
        let expected = match relay_wire::Kind::of(&[first, 0]) {
            relay_wire::Kind::Stun | relay_wire::Kind::Channel => Kind::Turn,
            relay_wire::Kind::Dtls | relay_wire::Kind::Rtp | relay_wire::Kind::Rtcp => Kind::Media,
            // Dropped, wherever it goes.
            relay_wire::Kind::Unknown => continue,
        };
        assert_eq!(Kind::of(first), expected, "{first}");
    }
}

#[test]
fn the_kernel_relays_what_the_shard_would() {
    let lab = Lab::new();
    lab.relay.enter(|| {
        for seed in 1..=4 {
            println!("seed {seed}");
            let mut both = Both::new(seed);
            both.allocate();
            (0..STEPS).for_each(|_| both.step());
            println!("{} of {} packets relayed by the kernel", both.relayed, both.packets);
            assert!(both.relayed as f64 > both.packets as f64 * RELAYED_SHARE);
        }
    });
}
