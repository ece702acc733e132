//! The media plane on real sockets: the same tests over both backends.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use relay_wire::control::{Answer, Command, Message, Refusal, RoomId};
use world::{BACKENDS, World, check, client, participant};

#[test]
fn ice_check_is_answered() {
    for io in BACKENDS {
        let world = World::new(io, 1);
        let opened = world.admitted(1);
        let client = client();

        let seen = check(&client, world.address(), &opened);
        assert_eq!(seen, client.local_addr().ok(), "{io:?}");
    }
}

#[test]
fn both_families_are_served_and_addresses_are_concrete() {
    for io in BACKENDS {
        let world = World::listening(io, 1, "[::1]:0");
        let opened = world.admitted(1);
        let client = std::net::UdpSocket::bind("[::1]:0").unwrap();
        client.set_read_timeout(Some(world::PATIENCE)).unwrap();

        assert_eq!(check(&client, world.address(), &opened), client.local_addr().ok(), "{io:?}");
    }
}

#[test]
fn a_train_is_received_in_one_piece_and_each_datagram_of_it_is_answered() {
    for io in BACKENDS {
        let world = World::new(io, 1);
        let opened = world.admitted(1);
        let client = client();

        world::send_train(&client, world.address(), &world::request(&opened), 8);
        for _ in 0..8 {
            let mut response = [0; 512];
            let len = client.recv(&mut response).unwrap();
            let seen = world::answer(&response[..len], &opened);
            assert_eq!(seen, client.local_addr().ok(), "{io:?}");
        }
        world.await_metric("millrace_relay_datagrams_total", "direction=\"out\"", 8);
        assert_eq!(world.metric("millrace_relay_trains_total", "direction=\"in\""), 1);
        assert_eq!(world.metric("millrace_relay_trains_total", "direction=\"out\""), 1);
    }
}

#[test]
fn a_check_reaches_its_shard_whichever_socket_it_arrives_at() {
    for io in BACKENDS {
        let world = World::new(io, 2);
        let rooms = [world.admitted(1), world.admitted(2)];
        assert_ne!(rooms[0].shard, rooms[1].shard, "rooms are spread");

        // The kernel picks a socket by the client's port: with so many clients each shard gets
        // some of the other's.
        for _ in 0..16 {
            for opened in &rooms {
                let client = client();
                assert_eq!(check(&client, world.address(), opened), client.local_addr().ok());
            }
        }
        world.await_metric("millrace_relay_handed_over_total", "direction=\"in\"", 1);
        world.await_metric("millrace_relay_datagrams_total", "direction=\"out\"", 32);
    }
}

#[test]
fn garbage_is_counted_and_service_goes_on() {
    for io in BACKENDS {
        let world = World::new(io, 2);
        let opened = world.admitted(1);
        let garbage = client();
        let mut bytes = vec![0; 1_400];
        for round in 0..2_000usize {
            for (index, byte) in bytes.iter_mut().enumerate() {
                *byte = (round * 31 + index * 7) as u8;
            }
            bytes[0] = round as u8;
            garbage.send_to(&bytes[..round % 1_400], world.address()).unwrap();
        }
        // Nothing at all, and more than any media packet.
        garbage.send_to(&[], world.address()).unwrap();
        garbage.send_to(&[0; 65_000], world.address()).unwrap();

        let client = client();
        assert!(check(&client, world.address(), &opened).is_some(), "{io:?}");
        world.await_metric("millrace_relay_drops_total", "reason=\"malformed\"", 100);
        assert_eq!(world.relay.failed().reason(), None);
    }
}

#[test]
fn requests_for_unknown_rooms_are_refused_and_a_left_room_is_forgotten() {
    let world = World::new(BACKENDS[0], 2);
    let unknown = Answer::Refused(Refusal::Unknown);
    assert_eq!(world.ask(1, 7, Command::CloseRoom), unknown);

    assert_eq!(world.ask(2, 7, participant(1)), Answer::Done);
    assert_eq!(world.ask(3, 7, Command::CloseRoom), Answer::Done);
    assert_eq!(world.ask(4, 7, Command::CloseRoom), unknown);
}

#[test]
fn rooms_are_spread_over_the_shards() {
    let world = World::new(BACKENDS[0], 2);
    let mut shards: Vec<u16> = (1..=6).map(|room| world.admitted(room).shard).collect();
    shards.sort_unstable();

    assert_eq!(shards, [0, 0, 0, 1, 1, 1]);
    world.await_metric("millrace_relay_rooms", "shard=\"1\"", 3);
}

#[test]
fn closing_all_rooms_leaves_nothing_and_says_when_it_is_done() {
    let world = World::new(BACKENDS[0], 2);
    let opened = world.admitted(1);
    let handle = world.relay.handle();

    let done = handle.close_rooms();
    assert!(done.recv_timeout(world::PATIENCE).is_err());
    let late: Vec<Message> = world.messages.try_iter().collect();
    assert!(late.iter().all(|message| matches!(message, Message::Event(_))), "{late:?}");
    handle.request(relay_wire::control::Request {
        id: 9,
        room: RoomId(1),
        command: Command::CloseRoom,
    });
    let refused = Message::Answer { id: 9, answer: Answer::Refused(Refusal::Unknown) };
    assert_eq!(world.messages.recv_timeout(world::PATIENCE), Ok(refused));
    // A check for the closed transport gets no answer.
    let client = client();
    client.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
    assert_eq!(check(&client, world.address(), &opened), None);
}

#[test]
fn stopping_joins_all_threads_and_frees_the_port() {
    for io in BACKENDS {
        let world = World::new(io, 2);
        let address = world.address();
        world.relay.stop();

        assert!(world.messages.recv().is_err(), "the last thread dropped its events");
        std::net::UdpSocket::bind(address).unwrap();
    }
}

#[test]
fn a_shard_that_dies_is_reported_and_the_rest_stops_in_order() {
    let directory = world::Directory::new();
    let (sender, resets) = std::sync::mpsc::channel();
    let events = move |message| match message {
        Message::Answer { .. } => panic!("a bug, made by this test"),
        Message::Event(event) => drop(sender.send(event)),
    };
    let config = world::config(&directory, BACKENDS[0], 2, "127.0.0.1:0");
    let relay = relay_server::start(&config, std::sync::Arc::new(events)).unwrap();
    let failed = relay.failed();
    assert_eq!(failed.reason(), None);

    let room = RoomId(1);
    relay.handle().request(relay_wire::control::Request { id: 1, room, command: participant(1) });
    let reason = failed.wait(world::PATIENCE).expect("a report");
    assert!(reason.starts_with("shard 0 "), "{reason}");
    assert_eq!(resets.recv_timeout(world::PATIENCE), Ok(relay_wire::control::Event::Reset));
    relay.stop();
}
