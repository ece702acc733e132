//! TURN on real sockets: the same tests over both backends.
#![allow(missing_docs, clippy::unwrap_used)]

mod client;
mod streams;
#[path = "../world/mod.rs"]
mod world;

use client::{Client, Got, PASSWORD, USER};
use relay_server::{Advertise, Config, IoKind, Quotas, Selector, TurnSettings};
use relay_wire::stun::Icmp;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Instant;
use world::{BACKENDS, PATIENCE, World, own_address};

const CHANNEL: u16 = 0x4001;
const V6: &str = "[::1]:0";

fn settings() -> TurnSettings {
    TurnSettings {
        users: vec![(USER.to_owned(), PASSWORD.to_owned())],
        // Peers are on loopback here.
        allow_peers: relay_server::Network::loopback(),
        quotas: Quotas { user: 20_000, address: 20_000, total: None },
        challenges_a_second: 0,
        ..TurnSettings::default()
    }
}

fn serve(io: IoKind, shards: u16, listen: &str) -> World {
    World::with(io, shards, listen, |config: &mut Config| config.turn = settings())
}

fn peer_of(world: &World) -> (UdpSocket, SocketAddr) {
    let peer = UdpSocket::bind((world.address().ip(), 0)).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = peer.local_addr().unwrap();

    (peer, address)
}

fn read(peer: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (len, from) = peer.recv_from(&mut buffer).unwrap();
    buffer.truncate(len);

    (buffer, from)
}

/// Waits until the port of a relayed address is free.
fn await_free(relayed: SocketAddr) {
    let deadline = Instant::now() + PATIENCE;
    while UdpSocket::bind(relayed).is_err() {
        assert!(Instant::now() < deadline, "{relayed} stays open");
        std::thread::yield_now();
    }
}

#[test]
fn a_permitted_peer_and_the_client_reach_each_other() {
    for io in BACKENDS {
        for (shards, listen) in [(1, own_address()), (2, own_address()), (2, V6.into())] {
            let world = serve(io, shards, &listen);
            // The kernel picks a shard by the client's port. A port is not had again while its
            // socket is open: the server would see one client that allocates twice.
            let mut sockets = Vec::new();
            for _ in 0..4 {
                let (peer, address) = peer_of(&world);
                let mut client = Client::new(world.address());
                let relayed = client.allocate();
                client.permit(address).unwrap();
                client.send(address, b"out");
                assert_eq!(read(&peer), (b"out".to_vec(), relayed), "{io:?}");
                peer.send_to(b"in", relayed).unwrap();
                assert_eq!(client.get(), Got::Data(address, b"in".to_vec()), "{io:?}");

                client.bind(CHANNEL, address).unwrap();
                client.send_channel(CHANNEL, b"more");
                assert_eq!(read(&peer), (b"more".to_vec(), relayed));
                for data in [&b"less"[..], b""] {
                    peer.send_to(data, relayed).unwrap();
                    assert_eq!(client.get(), Got::Channel(CHANNEL, data.to_vec()), "{io:?}");
                    client.send_channel(CHANNEL, data);
                    assert_eq!(read(&peer), (data.to_vec(), relayed), "{io:?}");
                }
                sockets.push((client, peer));
            }
        }
    }
}

#[test]
fn two_clients_reach_each_other_by_their_relayed_addresses() {
    for io in BACKENDS {
        let world = serve(io, 2, &own_address());
        let (mut ann, mut bob) = (Client::new(world.address()), Client::new(world.address()));
        let (of_ann, of_bob) = (ann.allocate(), bob.allocate());
        ann.bind(CHANNEL, of_bob).unwrap();
        bob.permit(of_ann).unwrap();

        ann.send_channel(CHANNEL, b"hello");
        assert_eq!(bob.get(), Got::Data(of_ann, b"hello".to_vec()), "{io:?}");
        bob.send(of_ann, b"hello yourself");
        assert_eq!(ann.get(), Got::Channel(CHANNEL, b"hello yourself".to_vec()), "{io:?}");
    }
}

#[test]
fn a_burst_leaves_as_one_run_and_comes_back_as_one() {
    for io in BACKENDS {
        let world = serve(io, 1, &own_address());
        let (peer, address) = peer_of(&world);
        let mut client = Client::new(world.address());
        let relayed = client.allocate();
        client.bind(CHANNEL, address).unwrap();
        let trains = |direction: &str| {
            let label = format!("direction=\"{direction}\"");
            (
                world.metric("millrace_relay_datagrams_total", &label),
                world.metric("millrace_relay_trains_total", &label),
            )
        };
        world.await_metric("millrace_relay_datagrams_total", "direction=\"out\"", 3);
        let before = (trains("in"), trains("out"));

        let datagram = [7; 1_200];
        let bound = Client::channel(CHANNEL, &datagram);
        world::send_train(client.socket(), world.address(), &bound, 8);
        (0..8).for_each(|_| assert_eq!(read(&peer), (datagram.to_vec(), relayed)));
        world::send_train(&peer, relayed, &datagram, 8);
        for _ in 0..8 {
            assert_eq!(client.get(), Got::Channel(CHANNEL, datagram.to_vec()), "{io:?}");
        }
        world.await_metric("millrace_relay_datagrams_total", "direction=\"out\"", 3 + 16);
        let (received, sent) = (trains("in"), trains("out"));
        assert_eq!(received, (before.0.0 + 16, before.0.1 + 2), "{io:?}");
        assert_eq!(sent, (before.1.0 + 16, before.1.1 + 2), "{io:?}");
    }
}

#[test]
fn an_icmp_error_comes_back_as_an_indication() {
    for io in BACKENDS {
        for (listen, kind, code) in [(own_address(), 3, 3), (V6.into(), 1, 4)] {
            let world = serve(io, 1, &listen);
            let closed = peer_of(&world).1;
            let (peer, address) = peer_of(&world);
            let mut client = Client::new(world.address());
            let relayed = client.allocate();
            client.permit(address).unwrap();

            client.send(closed, b"anybody there?");
            let icmp = Icmp { kind, code, data: 0 };
            assert_eq!(client.get(), Got::Icmp(closed, icmp), "{io:?}");
            client.send(address, b"out");
            assert_eq!(read(&peer), (b"out".to_vec(), relayed), "{io:?}");
            peer.send_to(b"in", relayed).unwrap();
            assert_eq!(client.get(), Got::Data(address, b"in".to_vec()), "{io:?}");
        }
    }
}

#[test]
fn an_allocation_that_ends_frees_its_port() {
    for io in BACKENDS {
        let world = serve(io, 2, &own_address());
        let mut client = Client::new(world.address());
        let relayed = client.allocate();
        assert!(UdpSocket::bind(relayed).is_err());

        client.refresh(0).unwrap();
        await_free(relayed);
        world.await_metric("millrace_turn_allocations_ended_total", "", 1);
        assert_eq!(world.metric("millrace_turn_relayed_addresses", ""), 0, "{io:?}");
    }
}

#[test]
fn a_reserved_port_is_had_from_the_shard_that_has_it() {
    for io in BACKENDS {
        let world = serve(io, 2, &own_address());
        for _ in 0..50 {
            // Every other client lands on the shard that has not the reservation.
            let mut ann = Client::new(world.address());
            let mut bob = ann.allocate_pair();
            assert_eq!(bob.refresh(600), Ok(()), "{io:?}");
            bob.permit(ann.relayed).unwrap();
            assert_eq!((ann.refresh(0), bob.refresh(0)), (Ok(()), Ok(())), "{io:?}");
        }
    }
}

#[test]
fn ten_thousand_allocations_stand_and_each_relays() {
    // Of descriptors there are 20,000: clients share sockets, each with a server address its own.
    const SOCKETS: usize = 1_000;
    // Ports of an address that nobody else uses: tests beside this one need some of theirs.
    let [.., high, low] = std::process::id().to_be_bytes();
    let relay = IpAddr::from([127, high, low, 77]);
    for (io, addresses) in [(BACKENDS[0], 10), (BACKENDS[1], 2)] {
        let world = World::with(io, 2, &own_address(), |config| {
            config.turn = settings();
            config.turn.relay_addresses = vec![Advertise { public: relay, local: relay }];
            let IpAddr::V4(first) = config.listen[0].ip() else { panic!("an IPv4 address") };
            let next = |n: u16| (Ipv4Addr::from_bits(first.to_bits() + u32::from(n)), 0).into();
            config.listen = (0..addresses).map(next).collect();
        });
        let many = SOCKETS * usize::from(addresses);
        let (peer, address) = peer_of(&world);
        let mut clients: Vec<Client> = Vec::new();
        for _ in 0..SOCKETS {
            let first = Client::new(world.relay.listen()[0]);
            let others = world.relay.listen()[1..].iter();
            clients.extend(others.map(|server| first.beside(*server)));
            clients.push(first);
        }
        for client in &mut clients {
            client.allocate();
            client.permit(address).unwrap();
        }
        world.await_metric("millrace_turn_allocations_created_total", "", many as u64);
        assert_eq!(world.metric("millrace_turn_allocations", ""), many as u64);
        assert_eq!(world.metric("millrace_turn_relayed_addresses", ""), many as u64);
        assert_eq!(world.relay.handle().allocations(None).len(), many);

        for client in &mut clients {
            peer.send_to(b"in", client.relayed).unwrap();
            assert_eq!(client.get(), Got::Data(address, b"in".to_vec()), "{io:?}");
        }
        let user = Selector::User(USER.to_owned());
        assert_eq!(world.relay.handle().kick(&user), many);
        clients.iter().for_each(|client| await_free(client.relayed));
    }
}

#[test]
fn operators_list_and_end_allocations() {
    let world = serve(BACKENDS[0], 2, &own_address());
    let handle = world.relay.handle();
    let mut clients: Vec<Client> = (0..6).map(|_| Client::new(world.address())).collect();
    for client in &mut clients {
        client.allocate();
    }
    let (peer, address) = peer_of(&world);
    clients[0].bind(CHANNEL, address).unwrap();
    clients[0].send_channel(CHANNEL, b"four");
    read(&peer);

    let all = handle.allocations(None);
    assert_eq!(all.len(), 6);
    assert!(all.is_sorted_by_key(|allocation| allocation.id));
    let of = |client: &Client| {
        let mut relays = all.iter().filter(|info| info.relayed == [client.relayed]);
        relays.next().cloned().unwrap()
    };
    let first = of(&clients[0]);
    assert_eq!((first.user.as_str(), first.channels, first.permissions), (USER, 1, 1));
    assert_eq!((first.sent, first.received), ((1, 4), (0, 0)));
    assert_eq!(Some(first.client.remote), Some(clients[0].local()));

    let id = Selector::Id(first.id);
    assert_eq!(handle.kick(&id), 1);
    await_free(clients[0].relayed);
    assert_eq!(handle.allocations(Some(&id)), []);
    assert_eq!(handle.kick(&Selector::Address(world.address().ip())), 5);
    assert_eq!(handle.kick(&Selector::User("nobody".to_owned())), 0);
}

#[test]
fn new_settings_reach_all_shards_and_those_that_cannot_be_change_nothing() {
    let world = serve(BACKENDS[0], 2, &own_address());
    let handle = world.relay.handle();
    let mut old = Client::new(world.address());
    old.allocate();
    let mut changed = settings();
    changed.users.push(("bob".to_owned(), PASSWORD.to_owned()));
    changed.quotas.user = 1;
    handle.reconfigure_turn(&changed).unwrap();

    // The answer to a letter says that the one before it was read.
    assert_eq!(handle.allocations(None).len(), 1);
    assert_eq!(old.refresh(600), Ok(()));
    assert_eq!(Client::new(world.address()).try_allocate(), Err(486));
    for _ in 0..4 {
        let mut bob = Client::named(world.address(), "bob");
        bob.allocate();
        bob.refresh(0).unwrap();
    }

    let unusable = TurnSettings { relay_ports: 50_000..=50_001, drain: true, ..changed.clone() };
    let error = handle.reconfigure_turn(&unusable).unwrap_err().to_string();
    assert!(error.starts_with("turn.relay_ports = 50000-50001: 2 shards"), "{error}");
    let mut bob = Client::named(world.address(), "bob");
    bob.allocate();

    handle.reconfigure_turn(&TurnSettings { drain: true, ..changed }).unwrap();
    assert_eq!(handle.allocations(None).len(), 2);
    assert_eq!(Client::named(world.address(), "bob").try_allocate(), Err(508));
    assert_eq!(old.refresh(600), Ok(()));
}

#[test]
fn quotas_hold_over_all_shards() {
    let quotas = Quotas { user: 10_000, address: 5, total: None };
    let world = World::with(BACKENDS[0], 2, &own_address(), |config| {
        config.turn = TurnSettings { quotas, ..settings() };
    });
    let mut clients: Vec<Client> = (0..12).map(|_| Client::new(world.address())).collect();
    let answers: Vec<_> = clients.iter_mut().map(Client::try_allocate).collect();

    assert!(answers[..5].iter().all(Result::is_ok), "{answers:?}");
    assert!(answers[5..].iter().all(|answer| *answer == Err(486)), "{answers:?}");
    clients[0].refresh(0).unwrap();
    assert_eq!(clients[5].try_allocate(), Ok(()));
}
