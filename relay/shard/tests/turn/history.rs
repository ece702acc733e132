//! Histories: whatever clients, peers and time do, one shard does what the model says, and nothing
//! is left at the end.

use super::client::{Client, Reply, channel_data, data_of};
use super::model::{Allocation, Model, Request, Standing, Ticket, granted};
use super::steps::{CLIENTS, Step, steps};
use super::told;
use super::world::{SERVER, SERVER_V6, World, address, peer, peer_v6};
use relay_shard::{Path, Via};
use relay_wire::stun::{Class, Message, Method, Writer};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Steps of the longest history.
const STEPS_MAX: usize = 400;

/// Runs the history that bytes stand for.
///
/// # Panics
/// If a shard does something else than the model.
pub(crate) fn run(bytes: &[u8]) {
    let mut history = History::new();
    for step in steps(bytes).take(STEPS_MAX) {
        history.step(step);
        history.compare();
    }
    history.end();
}

/// A client, and what it remembers besides.
struct Actor {
    client: Client,
    last: Option<(Request, Vec<u8>)>,
    ticket: Option<Ticket>,
}

struct History {
    world: World,
    model: Model,
    actors: Vec<Actor>,
    token: [u8; 8],
}

impl History {
    fn new() -> Self {
        let v6 = address("[2001:db8:8::1]:5000");
        let clients = [
            Client::new(1),
            Client::new(2).named("bob", "other"),
            Client::tcp(3),
            Client::at(Path::udp(address(SERVER_V6), v6)),
        ];
        assert_eq!(clients.len(), usize::from(CLIENTS));
        let actors = clients.map(|client| Actor { client, last: None, ticket: None });

        let mut history = Self {
            world: World::new(),
            model: Model::default(),
            actors: actors.into(),
            token: *b"no token",
        };
        (0..usize::from(CLIENTS)).for_each(|client| history.challenge(client));

        history
    }

    /// Gets a client its first nonce.
    fn challenge(&mut self, client: usize) {
        let client = &mut self.actors[client].client;
        let bare = client.bare(Method::ALLOCATE, |writer| {
            writer.requested_transport(17);
        });
        self.world.receive(0, client.path, &bare);
        let challenge = self.world.sent.pop().expect("a challenge");
        client.learn(&Reply::new(challenge.bytes, client));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Allocate { client, mut wish, token, failing } => {
                wish.token = [None, Some(self.token), Some(*b"made up!")][usize::from(token)];
                self.world.refusals = failing;
                self.ask(client.into(), &Request::Allocate(wish));
                self.world.refusals = 0;
            }
            Step::Refresh { client, lifetime, family, ticket } => {
                let made_up = Ticket { bytes: vec![7; 40], allocation: 0, moves: 0 };
                let ticket = ticket.map(|of| {
                    let of = self.actors.get(usize::from(of) % 5);
                    of.and_then(|of| of.ticket.clone()).unwrap_or(made_up)
                });
                self.ask(client.into(), &Request::Refresh { lifetime, family, ticket });
            }
            Step::Permit { client, peers } => {
                let peers = peers.iter().map(|number| self.peer(*number)).collect();
                self.ask(client.into(), &Request::Permit(peers));
            }
            Step::Bind { client, number, peer } => {
                let peer = self.peer(peer);
                self.ask(client.into(), &Request::Bind { number, peer });
            }
            Step::Send { client, peer, len } => {
                let (client, peer, data) = (usize::from(client), self.peer(peer), vec![1; len]);
                let bytes = self.actors[client].client.send(peer, &data);
                self.relays_up(client, Some(peer), &bytes, &data);
            }
            Step::Channel { client, number, len } => {
                let (client, data) = (usize::from(client), vec![2; len]);
                let bound = self.model.allocations.get(&client);
                let bound = bound.and_then(|allocation| allocation.channels.get(&number));
                let peer = bound.map(|(peer, _)| *peer);
                self.relays_up(client, peer, &channel_data(number, &data), &data);
            }
            Step::FromPeer { client, peer, len } => self.relays_down(client.into(), peer, len),
            Step::Sleep(seconds) => {
                self.world.sleep(seconds);
                self.model.expire(self.world.now);
            }
            Step::Stranger { client, method, how } => self.stranger(client.into(), method, how),
            Step::Raw { client, bytes } => self.unproven(client.into(), &bytes),
            Step::Flip { client, at, bit } => self.flip(client.into(), at, bit),
            Step::Again { client } => {
                let client = usize::from(client);
                let Some((request, bytes)) = self.actors[client].last.clone() else { return };
                self.deliver(client, &request, &bytes);
            }
            Step::Disconnect { client } => self.disconnect(client.into()),
            Step::Restart => {
                self.world.restart();
                let streams = |client: usize| self.actors[client].client.path.via == Via::Tcp;
                self.model.restart(streams);
            }
        }
    }

    /// Sends a request with credentials, with a new nonce if the old one is stale.
    fn ask(&mut self, client: usize, request: &Request) {
        for _ in 0..2 {
            let actor = &mut self.actors[client];
            let (method, add) = writer(request);
            let bytes = actor.client.request(method, add);
            actor.last = Some((request.clone(), bytes.clone()));
            if self.deliver(client, request, &bytes) {
                return;
            }
        }
        panic!("a new nonce is not stale");
    }

    /// Sends a request and compares the answer with the model's; false if it was a challenge.
    fn deliver(&mut self, client: usize, request: &Request, bytes: &[u8]) -> bool {
        self.world.sent.clear();
        self.world.receive(0, self.actors[client].client.path, bytes);
        let sent = std::mem::take(&mut self.world.sent);
        assert_eq!(sent.len(), 1, "{request:?} has one answer");
        let actor = &mut self.actors[client];
        assert_eq!(sent[0].path, actor.client.path);
        let answer = Message::parse(&sent[0].bytes).expect("a message");
        let asked = Message::parse(bytes).expect("a message");
        assert_eq!(answer.transaction_id(), asked.transaction_id());
        assert_eq!(answer.method(), asked.method());
        let code = answer.error_code().map_or(0, |error| error.code);
        assert_eq!(code == 0, answer.class() == Class::Success);
        if code == 438 {
            actor.client.realm = answer.realm().expect("a realm").to_owned();
            actor.client.nonce = answer.nonce().expect("a nonce").to_vec();
            assert!(sent[0].bytes.len() <= 2 * bytes.len());
            return false;
        }
        let user = actor.client.user.clone();
        let transaction = *asked.transaction_id();
        let had = self.model.allocations.contains_key(&client);
        let holders: Vec<SocketAddr> = self.relayed().collect();
        let fails = self.world.refusals > 0 && matches!(request, Request::Allocate(_));
        let now = self.world.now;
        let mut expected =
            self.model.request(now, (client, &user), &transaction, request, standing);
        if fails && expected == 0 && !had && !takes_reserved(request) {
            expected = 508;
        }
        assert_eq!(code, expected, "{request:?} of client {client}, {:#?}", self.model);
        if code == 0 {
            self.learn(client, request, &answer, had, &holders);
        }

        true
    }

    /// Checks what a successful answer says, and notes it.
    fn learn(
        &mut self,
        client: usize,
        request: &Request,
        answer: &Message<'_>,
        had: bool,
        holders: &[SocketAddr],
    ) {
        let now = self.world.now;
        let path = self.actors[client].client.path;
        if let Request::Allocate(wish) = request {
            let relayed: Vec<SocketAddr> =
                answer.xor_relayed_addresses().map(|address| address.expect("one")).collect();
            assert_eq!(answer.xor_mapped_address(), Some(path.remote));
            assert_eq!(answer.lifetime(), Ok(Some(granted(wish.lifetime, false))));
            if had {
                let old = self.model.allocations[&client].relayed.iter();
                assert!(old.map(|(address, _)| address).all(|old| relayed.contains(old)));
            } else {
                assert!(relayed.iter().all(|address| !holders.contains(address)), "taken");
                self.establish(client, wish, &relayed, answer);
            }
        }
        if let Request::Refresh { lifetime, .. } = request {
            assert_eq!(answer.lifetime(), Ok(Some(granted(*lifetime, true))));
        }
        let Some(bytes) = answer.mobility_ticket() else { return };
        let Some(allocation) = self.model.allocations.get(&client) else { return };
        assert!(allocation.mobile, "a ticket for what may not move");
        let ticket =
            Ticket { bytes: bytes.to_vec(), allocation: allocation.id, moves: allocation.moves };
        self.actors[client].ticket = Some(ticket);
        assert!(allocation.relayed.iter().all(|(_, expires)| *expires > now));
    }

    fn establish(
        &mut self,
        client: usize,
        wish: &super::model::Wish,
        relayed: &[SocketAddr],
        answer: &Message<'_>,
    ) {
        let lifetime = std::time::Duration::from_secs(granted(wish.lifetime, false).into());
        let user = self.actors[client].client.user.clone();
        if let Some(token) = wish.token {
            let (address, ..) = self.model.reservations.remove(&token).expect("a reservation");
            assert_eq!(relayed, [address]);
        } else {
            let families = relayed.iter().map(relay_wire::stun::Family::of);
            // With sockets that cannot be opened, half a dual allocation may be what there is.
            assert!(families.eq(wish.families()) || answer.address_error_code().is_some());
        }
        if wish.even.is_some() {
            assert!(relayed.iter().all(|address| address.port() % 2 == 0));
        }
        let token = answer.reservation_token().expect("a sound token");
        assert_eq!(token.is_some(), wish.even == Some(true));
        if let Some(token) = token {
            let next = SocketAddr::new(relayed[0].ip(), relayed[0].port() + 1);
            let until = self.world.now + std::time::Duration::from_secs(30);
            self.model.reservations.insert(token, (next, user.clone(), until));
            self.token = token;
        }
        assert_eq!(answer.mobility_ticket().is_some(), wish.mobile);
        let expires = self.world.now + lifetime;
        let allocation = Allocation {
            id: 0,
            user,
            transaction: *answer.transaction_id(),
            relayed: relayed.iter().map(|address| (*address, expires)).collect(),
            permissions: BTreeMap::new(),
            channels: BTreeMap::new(),
            mobile: wish.mobile,
            moves: 0,
        };
        self.model.establish(client, allocation);
    }

    /// Sends data for a peer, and looks where it comes out.
    fn relays_up(&mut self, client: usize, peer: Option<SocketAddr>, bytes: &[u8], data: &[u8]) {
        self.world.sent.clear();
        self.world.receive(0, self.actors[client].client.path, bytes);
        let sent = std::mem::take(&mut self.world.sent);
        let sent: Vec<_> = sent.iter().map(|sent| (sent.path, &sent.bytes[..])).collect();
        let from = peer.and_then(|peer| {
            let allocation = self.model.allocations.get(&client)?;
            allocation.permissions.get(&peer.ip())?;
            allocation.toward(peer.ip())
        });
        let (Some(peer), Some(from)) = (peer, from) else { return assert!(sent.is_empty()) };
        match standing(peer) {
            Standing::Allowed => assert_eq!(sent, [(Path::peer(from, peer), data)]),
            Standing::Forbidden => assert!(sent.is_empty()),
            Standing::Ours { .. } => match self.model.holder(peer) {
                Some(other) => self.check_down(other, from, data, &sent),
                None => assert!(sent.is_empty()),
            },
        }
    }

    /// Sends a peer's datagram to a client's relayed address, and looks what the client gets.
    fn relays_down(&mut self, client: usize, from: u8, len: usize) {
        let (from, data) = (self.peer(from), vec![3; len]);
        let Some(allocation) = self.model.allocations.get(&client) else { return };
        let Some(relayed) = allocation.toward(from.ip()) else { return };
        self.world.sent.clear();
        self.world.peer_sends(relayed, from, &data);
        let sent = std::mem::take(&mut self.world.sent);
        let sent: Vec<_> = sent.iter().map(|sent| (sent.path, &sent.bytes[..])).collect();
        self.check_down(client, from, &data, &sent);
    }

    /// Checks that a client got a peer's data, in the right form, if the peer has a permission.
    fn check_down(&self, client: usize, from: SocketAddr, data: &[u8], sent: &[(Path, &[u8])]) {
        let allocation = &self.model.allocations[&client];
        if !allocation.permissions.contains_key(&from.ip()) {
            return assert!(sent.is_empty(), "{from} has no permission");
        }
        let path = self.actors[client].client.path;
        let [(to, bytes)] = sent else { panic!("{} packets for one", sent.len()) };
        assert_eq!(*to, path);
        let mut channels = allocation.channels.iter();
        match channels.find(|(_, (bound, _))| *bound == from) {
            Some((number, _)) => {
                let mut expected = channel_data(*number, data);
                if path.via == Via::Tcp {
                    expected.resize(expected.len().next_multiple_of(4), 0);
                }
                assert_eq!(*bytes, expected);
            }
            None => assert_eq!(data_of(bytes), (from, data.to_vec())),
        }
    }

    /// A request that proves nothing gets a refusal of at most twice its size, or none.
    fn stranger(&mut self, client: usize, method: u16, how: u8) {
        let actor = &mut self.actors[client];
        let mut guess = actor.client.clone();
        match how % 6 {
            0 => guess.password = "a guess".to_owned(),
            1 => guess.user = "nobody".to_owned(),
            2 => guess.nonce = b"made up nonce".to_vec(),
            3 => guess.nonce.clear(),
            4 => guess.realm = "elsewhere".to_owned(),
            _ => {}
        }
        let method = Method(method);
        let bytes = match how % 6 {
            5 => guess.bare(method, |_| {}),
            _ => guess.request(method, |writer| {
                writer.requested_transport(17).lifetime(0);
            }),
        };
        self.unproven(client, &bytes);
    }

    fn flip(&mut self, client: usize, at: usize, bit: u8) {
        let Some((_, mut bytes)) = self.actors[client].last.clone() else { return };
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        self.unproven(client, &bytes);
    }

    /// Sends what has no right signature: it may be relayed if it is data, else it is refused.
    fn unproven(&mut self, client: usize, bytes: &[u8]) {
        self.world.sent.clear();
        self.world.receive(0, self.actors[client].client.path, bytes);
        for sent in std::mem::take(&mut self.world.sent) {
            let answer = Message::parse(&sent.bytes);
            let answer = answer.filter(|_| matches!(sent.path.via, Via::Udp | Via::Tcp));
            let Some(answer) = answer.filter(|answer| answer.class() != Class::Indication) else {
                continue;
            };
            // Of Binding alone, the headers of IP and UDP count: an address is more than a request.
            let headers = match answer.method() {
                Method::BINDING if sent.path.remote.is_ipv4() => 28,
                Method::BINDING => 48,
                _ => 0,
            };
            assert!(headers + sent.bytes.len() <= 2 * (headers + bytes.len()), "it is amplified");
            let served = answer.method() == Method::BINDING;
            assert!(served || answer.class() == Class::Error, "it proves nothing");
        }
    }

    fn disconnect(&mut self, client: usize) {
        let path = self.actors[client].client.path;
        if path.via != Via::Tcp {
            return;
        }
        let World { shards, outs, now, .. } = &mut self.world;
        shards[0].disconnected(*now, &path, &mut outs[0]);
        self.world.drain();
        let mobile = self.model.allocations.get(&client).is_some_and(|standing| standing.mobile);
        if !mobile {
            self.model.allocations.remove(&client);
        }
    }

    /// What the shard counts is what the model holds.
    fn compare(&self) {
        let counters = self.world.counters();
        let all = || self.model.allocations.values();
        let permissions: usize = all().map(|allocation| allocation.permissions.len()).sum();
        let channels: usize = all().map(|allocation| allocation.channels.len()).sum();
        assert_eq!(counters.allocations as usize, self.model.allocations.len());
        assert_eq!(counters.permissions as usize, permissions);
        assert_eq!(counters.channels as usize, channels);
        assert_eq!(counters.reservations as usize, self.model.reservations.len());
        assert_eq!(counters.pending, 0);
        let reserved = self.model.reservations.values().map(|(address, ..)| *address);
        let expected: std::collections::BTreeSet<_> = self.relayed().chain(reserved).collect();
        assert_eq!(self.world.open, expected);
        assert_eq!(counters.ports_used as usize, expected.len());
        told::compare(&self.world, &self.model, |client| self.actors[client].client.path);
    }

    /// Lets everything expire: nothing is left.
    fn end(mut self) {
        self.world.sleep(3700);
        self.model.expire(self.world.now);
        assert!(self.model.allocations.is_empty() && self.model.reservations.is_empty());
        self.compare();
        let counters = self.world.counters();
        let begun = counters.created + counters.adopted;
        assert_eq!((counters.ports_used, begun), (0, counters.ended));
        assert!(self.world.hung_up.is_empty());
    }

    fn relayed(&self) -> impl Iterator<Item = SocketAddr> {
        let all = self.model.allocations.values().flat_map(|allocation| &allocation.relayed);

        all.map(|(address, _)| *address)
    }

    fn peer(&self, number: u8) -> SocketAddr {
        let relayed = || self.relayed().nth(usize::from(number) / 16);
        match number % 16 {
            0..=2 => peer(1),
            3 => SocketAddr::new(peer(1).ip(), 1),
            4 | 5 => peer_v6(1),
            6 => peer(2),
            7 => peer_v6(2),
            8 => SocketAddr::new(address(SERVER).ip(), 9),
            9 => address("10.0.0.1:9"),
            10 => address("[::ffff:10.0.0.1]:9"),
            _ => relayed().unwrap_or(peer(3)),
        }
    }
}

/// What the world's policy says of a peer.
pub(crate) fn standing(peer: SocketAddr) -> Standing {
    let ours = [SERVER, SERVER_V6].iter().any(|at| address(at).ip() == peer.ip());
    let special = ["10.0.0.1", "::ffff:10.0.0.1"].iter().any(|ip| peer.ip().to_string() == *ip);
    match (ours, special) {
        (true, _) => Standing::Ours { reachable: peer.port() >= 49_152 },
        (false, true) => Standing::Forbidden,
        (false, false) => Standing::Allowed,
    }
}

fn takes_reserved(request: &Request) -> bool {
    matches!(request, Request::Allocate(wish) if wish.token.is_some())
}

/// A request's method, and what writes its attributes.
fn writer(request: &Request) -> (Method, impl Fn(&mut Writer<'_>)) {
    let method = match request {
        Request::Allocate(_) => Method::ALLOCATE,
        Request::Refresh { .. } => Method::REFRESH,
        Request::Permit(_) => Method::CREATE_PERMISSION,
        Request::Bind { .. } => Method::CHANNEL_BIND,
    };

    (method, move |writer: &mut Writer<'_>| add(writer, request))
}

fn add(writer: &mut Writer<'_>, request: &Request) {
    match request {
        Request::Allocate(wish) => {
            wish.transport.map(|transport| writer.requested_transport(transport).finish());
            wish.lifetime.map(|lifetime| writer.lifetime(lifetime).finish());
            wish.family.map(|family| writer.requested_address_family(family).finish());
            wish.additional.map(|family| writer.additional_address_family(family).finish());
            wish.even.map(|reserve| writer.even_port(reserve).finish());
            wish.token.map(|token| writer.reservation_token(&token).finish());
            if wish.mobile {
                writer.mobility_ticket(b"");
            }
        }
        Request::Refresh { lifetime, family, ticket } => {
            lifetime.map(|lifetime| writer.lifetime(lifetime).finish());
            family.map(|family| writer.requested_address_family(family).finish());
            if let Some(ticket) = ticket {
                writer.mobility_ticket(&ticket.bytes);
            }
        }
        Request::Permit(peers) => peers.iter().for_each(|peer| {
            writer.xor_peer_address(*peer);
        }),
        Request::Bind { number, peer } => {
            writer.channel_number(*number).xor_peer_address(*peer);
        }
    }
}
