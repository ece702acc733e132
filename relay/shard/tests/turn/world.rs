//! Shards in virtual time, the driver between them, TURN clients and peers.

use super::client::{Client, Reply};
use relay_shard::{Binding, BindingKey, Config, DropReason, DtlsVersions, Event, Ledger, Limits};
use relay_shard::{Outbox, Packet, Path, Reached, Shard, Standing, TurnConfig, TurnCounters};
use relay_shard::{Unlimited, keeper};
use relay_wire::stun::{Class, Message, Method, Writer};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const SERVER: &str = "192.0.2.1:3478";
pub(crate) const SERVER_V6: &str = "[2001:db8::1]:3478";
pub(crate) const UNIX_SECONDS: u64 = 1_800_000_000;

/// What left a shard.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) shard: usize,
    pub(crate) path: Path,
    pub(crate) bytes: Vec<u8>,
    pub(crate) unfragmented: bool,
}

/// Some shards, and everything that came out of them.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) shards: Vec<Shard>,
    pub(crate) outs: Vec<Outbox>,
    pub(crate) config: TurnConfig,
    /// Sockets of relayed addresses that are open.
    pub(crate) open: BTreeSet<SocketAddr>,
    /// So many sockets more cannot be opened.
    pub(crate) refusals: usize,
    /// Whether the driver answers at once when it is asked to open a socket.
    pub(crate) opens: bool,
    pub(crate) asked: Vec<(usize, SocketAddr)>,
    pub(crate) sent: Vec<Sent>,
    pub(crate) hung_up: Vec<Path>,
    /// Channels that may be relayed without the shards, by all that they told.
    pub(crate) bindings: BTreeMap<BindingKey, Binding>,
    /// What another process would go on with.
    pub(crate) standing: BTreeMap<u64, Standing>,
    configs: Vec<Config>,
    start: Instant,
    pub(crate) events: Vec<(usize, Event)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(1, |_| {})
    }

    pub(crate) fn with(shards: u16, change: impl Fn(&mut Config)) -> Self {
        let now = Instant::now();
        let configs: Vec<Config> = (0..shards)
            .map(|index| {
                let mut config = config(index, shards);
                change(&mut config);
                config
            })
            .collect();

        Self {
            now,
            config: configs[0].turn.clone(),
            outs: configs.iter().map(|_| Outbox::new(1 << 20, 1024)).collect(),
            shards: configs.iter().map(|one| Shard::new(one.clone(), now).unwrap()).collect(),
            open: BTreeSet::new(),
            refusals: 0,
            opens: true,
            asked: Vec::new(),
            sent: Vec::new(),
            hung_up: Vec::new(),
            bindings: BTreeMap::new(),
            standing: BTreeMap::new(),
            configs,
            start: now,
            events: Vec::new(),
        }
    }

    /// A world with one allocation and its client.
    pub(crate) fn with_allocation() -> (Self, Client) {
        let mut world = Self::new();
        let mut client = Client::new(1);
        world.allocate(&mut client);

        (world, client)
    }

    /// Allocates, and returns the relayed address.
    pub(crate) fn allocate(&mut self, client: &mut Client) -> SocketAddr {
        let reply = self.ask_allocate(client, |_| {});
        let relayed = reply.message().xor_relayed_addresses().next();
        client.relayed = relayed.expect("an allocation").unwrap();

        client.relayed
    }

    /// Sends an Allocate request for UDP with what is added to it.
    pub(crate) fn ask_allocate(
        &mut self,
        client: &mut Client,
        add: impl Fn(&mut Writer<'_>),
    ) -> Reply {
        self.ask(client, Method::ALLOCATE, |writer| {
            writer.requested_transport(17);
            add(writer);
        })
    }

    pub(crate) fn permit(&mut self, client: &mut Client, peer: SocketAddr) -> Reply {
        self.ask(client, Method::CREATE_PERMISSION, |writer| {
            writer.xor_peer_address(peer);
        })
    }

    pub(crate) fn bind(&mut self, client: &mut Client, number: u16, peer: SocketAddr) -> Reply {
        self.ask(client, Method::CHANNEL_BIND, |writer| {
            writer.channel_number(number).xor_peer_address(peer);
        })
    }

    pub(crate) fn refresh(&mut self, client: &mut Client, lifetime: u32) -> Reply {
        self.ask(client, Method::REFRESH, |writer| {
            writer.lifetime(lifetime);
        })
    }

    /// Asks with the client's credentials, after it was challenged if that is still to come.
    pub(crate) fn ask(
        &mut self,
        client: &mut Client,
        method: Method,
        add: impl Fn(&mut Writer<'_>),
    ) -> Reply {
        if client.nonce.is_empty() {
            let bare = client.bare(method, &add);
            self.client_sends(client, &bare);
            let challenge = self.answer(client).expect("a challenge");
            client.learn(&challenge);
        }
        let request = client.request(method, &add);
        self.client_sends(client, &request);

        self.answer(client).expect("an answer")
    }

    /// A client's message.
    pub(crate) fn client_sends(&mut self, client: &Client, bytes: &[u8]) {
        self.receive(client.shard, client.path, bytes);
    }

    /// A peer's datagram to a relayed address.
    pub(crate) fn peer_sends(&mut self, relayed: SocketAddr, peer: SocketAddr, bytes: &[u8]) {
        let local = local_of(relayed);
        if self.open.contains(&local) {
            let shard = usize::from(local.port()) / 2 % self.shards.len();
            self.receive(shard, Path::peer(local, peer), bytes);
        }
    }

    pub(crate) fn receive(&mut self, shard: usize, path: Path, bytes: &[u8]) {
        let mut buffer = vec![0; 64];
        buffer.extend_from_slice(bytes);
        let end = buffer.len();
        let packet = Packet::new(path, &mut buffer, 64..end);
        self.shards[shard].receive(self.now, packet, &mut self.outs[shard]);
        self.drain();
    }

    /// The next STUN response to a client, taken out of what was sent.
    pub(crate) fn answer(&mut self, client: &Client) -> Option<Reply> {
        let at = self.sent.iter().position(|sent| {
            let message = Message::parse(&sent.bytes);
            sent.path == client.path
                && message
                    .is_some_and(|message| matches!(message.class(), Class::Success | Class::Error))
        })?;
        let sent = self.sent.remove(at);
        assert_eq!(sent.shard, client.answered_by.unwrap_or(sent.shard));

        Some(Reply::new(sent.bytes, client))
    }

    /// Everything that was sent to a client since.
    pub(crate) fn client_got(&mut self, client: &Client) -> Vec<Vec<u8>> {
        self.take(|path| *path == client.path)
    }

    /// Everything that was sent to a peer since, from a relayed address.
    pub(crate) fn peer_got(&mut self, relayed: SocketAddr, peer: SocketAddr) -> Vec<Vec<u8>> {
        let path = Path::peer(local_of(relayed), peer);

        self.take(|sent| *sent == path)
    }

    fn take(&mut self, matches: impl Fn(&Path) -> bool) -> Vec<Vec<u8>> {
        let taken = self.sent.extract_if(.., |sent| matches(&sent.path));

        taken.map(|sent| sent.bytes).collect()
    }

    /// Lets time pass, with every timer at its time.
    pub(crate) fn sleep(&mut self, seconds: u64) {
        self.sleep_for(Duration::from_secs(seconds));
    }

    pub(crate) fn sleep_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        for _ in 0..100_000 {
            let next = self.shards.iter().filter_map(Shard::next_timeout).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            for (shard, out) in self.shards.iter_mut().zip(&mut self.outs) {
                shard.advance(self.now, out);
            }
            self.drain();
        }
        panic!("the shards never rest");
    }

    /// Tells a shard that a socket was opened or not.
    pub(crate) fn tell_opened(&mut self, shard: usize, address: SocketAddr, opened: bool) {
        if opened {
            assert!(self.open.insert(address), "{address} was open");
        }
        self.shards[shard].relay_opened(self.now, address, opened, &mut self.outs[shard]);
        self.drain();
    }

    /// The process is killed, and another goes on with what was told to stand.
    pub(crate) fn restart(&mut self) {
        self.open.clear();
        self.bindings.clear();
        let shards = self.configs.len() as u16;
        for (index, config) in self.configs.iter_mut().enumerate() {
            config.seed[1] = config.seed[1].wrapping_add(1);
            config.turn = self.config.clone();
            config.unix_seconds = UNIX_SECONDS + (self.now - self.start).as_secs();
            self.shards[index] = Shard::new(config.clone(), self.now).unwrap();
            self.outs[index] = Outbox::new(1 << 20, 1024);
        }
        for standing in std::mem::take(&mut self.standing).into_values() {
            let shard = usize::from(keeper(standing.relayed[0].0, shards));
            self.open.extend(standing.relayed.iter().map(|(address, _)| *address));
            let adopted = self.shards[shard].adopt(self.now, &standing, &mut self.outs[shard]);
            assert_eq!(adopted, Ok(()), "{standing:?}");
        }
        self.drain();
    }

    pub(crate) fn counters(&self) -> TurnCounters {
        self.shards[0].counters().turn
    }

    pub(crate) fn drops(&self, reason: DropReason) -> u64 {
        self.outs.iter().map(|out| out.drops.get(reason)).sum()
    }

    /// Does what a driver does with the outboxes, until nothing more happens.
    pub(crate) fn drain(&mut self) {
        while (0..self.shards.len()).any(|shard| self.drain_one(shard)) {}
    }

    fn drain_one(&mut self, shard: usize) -> bool {
        let out = &mut self.outs[shard];
        let sent = out.transmits().iter().map(|transmit| Sent {
            shard,
            path: transmit.path,
            bytes: out.bytes(transmit).to_vec(),
            unfragmented: transmit.unfragmented,
        });
        self.sent.extend(sent);
        let handed: Vec<(u16, Path, Vec<u8>)> = out
            .hand_overs()
            .iter()
            .map(|handed| {
                let bytes = out.bytes(&handed.datagram).to_vec();
                (handed.shard, handed.datagram.path, bytes)
            })
            .collect();
        out.clear();
        let events = std::mem::take(&mut out.events);
        let worked = !handed.is_empty() || !events.is_empty();
        events.into_iter().for_each(|event| self.happen(shard, event));
        for (to, path, bytes) in handed {
            assert_ne!(usize::from(to), shard, "nobody hands over to itself");
            self.receive(to.into(), path, &bytes);
        }

        worked
    }

    fn happen(&mut self, shard: usize, event: Event) {
        match event {
            Event::RelayOpen(address) if self.opens => {
                let opened = self.refusals == 0;
                self.refusals = self.refusals.saturating_sub(1);
                self.tell_opened(shard, address, opened);
            }
            Event::RelayOpen(address) => self.asked.push((shard, address)),
            Event::RelayClose(address) => {
                assert!(self.open.remove(&address), "{address} was not open");
            }
            Event::HangUp(path) => self.hung_up.push(path),
            Event::ChannelBound(binding) => {
                let other = self.bindings.insert(binding.key, binding);
                assert_ne!(other, Some(binding), "what is known is not told again");
            }
            Event::ChannelUnbound(key) => {
                assert!(self.bindings.remove(&key).is_some(), "{key:?} was not bound");
            }
            Event::AllocationStands(standing) => {
                self.standing.insert(standing.id, *standing);
            }
            Event::AllocationEnded(id) => {
                assert!(self.standing.remove(&id).is_some(), "{id} did not stand");
            }
            Event::FlowBound(path) => self.tell_flow(shard, path, Some(shard as u16)),
            Event::FlowUnbound(path) => self.tell_flow(shard, path, None),
            Event::Control(_) => self.events.push((shard, event)),
        }
    }

    fn tell_flow(&mut self, from: usize, path: Path, owner: Option<u16>) {
        for shard in (0..self.shards.len()).filter(|shard| *shard != from) {
            self.shards[shard].flow(path, owner);
        }
    }
}

fn config(index: u16, shards: u16) -> Config {
    let (certificate, private_key) = identity();

    Config {
        index,
        shards,
        candidates: vec![address(SERVER)],
        certificate,
        private_key,
        dtls: DtlsVersions::Auto,
        seed: [7; 32],
        limits: Limits::default(),
        candidates_tcp: Vec::new(),
        listen: [SERVER, SERVER_V6].map(|at| same(address(at))).to_vec(),
        unix_seconds: UNIX_SECONDS,
        turn: turn_config(),
        ledger: Arc::new(Unlimited),
    }
}

fn turn_config() -> TurnConfig {
    let relays = [SERVER, SERVER_V6].map(|at| same(address(at).ip())).to_vec();

    TurnConfig {
        users: [("ann", "secret"), ("bob", "other")]
            .map(|(name, password)| (name.to_owned(), password.to_owned()))
            .to_vec(),
        secrets: vec!["north".to_owned()],
        own: relays.iter().map(|relay: &Reached<IpAddr>| relay.local).collect(),
        relays,
        // What the tests' peers have.
        allow_peers: ["203.0.113.0/24", "2001:db8:9::/48"].map(|net| net.parse().unwrap()).to_vec(),
        challenges_a_second: 0,
        offload: true,
        key: [3; 32],
        ..TurnConfig::default()
    }
}

fn identity() -> (Vec<u8>, Vec<u8>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["relay".into()]).unwrap();

    (params.self_signed(&key).unwrap().der().to_vec(), key.serialize_der())
}

/// The local form of a relayed address; they differ in worlds behind NAT.
pub(crate) fn local_of(relayed: SocketAddr) -> SocketAddr {
    match relayed.ip() == address(PUBLIC).ip() {
        true => SocketAddr::new(address(SERVER).ip(), relayed.port()),
        false => relayed,
    }
}

/// The public address of a server behind NAT.
pub(crate) const PUBLIC: &str = "198.51.100.200:3478";

pub(crate) fn behind_nat(config: &mut Config) {
    config.listen[0].public = address(PUBLIC);
    config.turn.relays[0].public = address(PUBLIC).ip();
    config.turn.own.push(address(PUBLIC).ip());
}

pub(crate) fn with_ledger(ledger: Arc<dyn Ledger>) -> impl Fn(&mut Config) {
    move |config| config.ledger = Arc::clone(&ledger)
}

pub(crate) fn same<A: Copy>(local: A) -> Reached<A> {
    Reached { local, public: local }
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A peer by its number.
pub(crate) fn peer(number: u8) -> SocketAddr {
    SocketAddr::new([203, 0, 113, number].into(), 9_000 + u16::from(number))
}

/// A peer of IPv6.
pub(crate) fn peer_v6(number: u16) -> SocketAddr {
    SocketAddr::new([0x2001, 0xdb8, 9, 0, 0, 0, 0, number].into(), 9_000)
}
