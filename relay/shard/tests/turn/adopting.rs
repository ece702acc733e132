//! A shard that goes on with what an earlier process left.

use super::client::{Client, channel_data};
use super::world::{World, address, peer};
use relay_shard::{Event, NotAdopted, Path, Standing};
use relay_wire::stun::Method;

/// A world with an allocation that has a channel; what would be left of it.
fn left() -> (World, Client, Standing) {
    let (mut world, mut client) = World::with_allocation();
    world.bind(&mut client, 0x4001, peer(1));
    let standing = world.standing.values().next().unwrap().clone();

    (world, client, standing)
}

/// A world without allocations that is asked to go on with this one.
fn adopt(standing: &Standing) -> (World, Result<(), NotAdopted>) {
    let mut world = World::new();
    let adopted = world.shards[0].adopt(world.now, standing, &mut world.outs[0]);
    if adopted.is_ok() {
        world.open.extend(standing.relayed.iter().map(|(address, _)| *address));
    }
    world.drain();

    (world, adopted)
}

#[test]
fn data_goes_on_and_requests_are_answered_without_a_new_challenge() {
    let (mut world, mut client, _) = left();
    world.restart();
    world.client_sends(&client, &channel_data(0x4001, b"up"));
    assert_eq!(world.peer_got(client.relayed, peer(1)), [b"up"]);
    world.peer_sends(client.relayed, peer(1), b"down");
    assert_eq!(world.client_got(&client), [channel_data(0x4001, b"down")]);
    assert_eq!(world.bindings.len(), 1, "the kernel is told again");

    assert_eq!(world.refresh(&mut client, 700).lifetime(), 700);
    assert_eq!(world.bind(&mut client, 0x4001, peer(1)).code(), 0);
    assert_eq!(world.bind(&mut client, 0x4001, peer(2)).code(), 400, "it has a peer");
    assert_eq!(world.ask_allocate(&mut client, |_| {}).code(), 437, "it has an allocation");
    let counters = world.counters();
    assert_eq!((counters.allocations, counters.adopted, counters.created), (1, 1, 0));
    world.sleep(700);
    assert!(world.open.is_empty() && world.bindings.is_empty() && world.standing.is_empty());
}

#[test]
fn numbers_ports_and_places_are_not_given_out_twice() {
    let mut world = World::new();
    let mut clients: Vec<Client> = (1..=3).map(Client::new).collect();
    for client in &mut clients {
        world.allocate(client);
    }
    world.refresh(&mut clients[0], 0);
    world.restart();
    let mut more: Vec<Client> = (4..=6).map(Client::new).collect();
    for client in &mut more {
        world.allocate(client);
    }

    assert_eq!(world.standing.len(), 5, "each has a number of its own");
    let mut places: Vec<u32> = world.standing.values().map(|standing| standing.place).collect();
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2, 3, 4]);
}

#[test]
fn a_ticket_of_before_moves_it() {
    let mut world = World::new();
    let mut client = Client::new(1);
    world.allocate(&mut Client::new(9));
    let ticket = world.ask_allocate(&mut client, |writer| _ = writer.mobility_ticket(&[])).ticket();
    world.restart();
    let mut elsewhere = Client::new(2);
    let reply =
        world.ask(&mut elsewhere, Method::REFRESH, |writer| _ = writer.mobility_ticket(&ticket));

    assert_eq!(reply.code(), 0);
    assert_eq!(world.refresh(&mut client, 600).code(), 437);
}

#[test]
fn with_two_shards_each_has_its_ports_and_hears_of_the_others_clients() {
    let mut world = World::with(2, |_| {});
    let mut clients: Vec<Client> = (1..=2).map(|n| Client::new(n).on_shard(n.into())).collect();
    clients[1].shard = 0;
    for client in &mut clients {
        world.allocate(client);
        world.bind(client, 0x4001, peer(1));
    }
    world.restart();
    for client in &mut clients {
        client.shard = 1 - client.shard;
        world.client_sends(client, &channel_data(0x4001, b"up"));
        assert_eq!(world.peer_got(client.relayed, peer(1)), [b"up"]);
    }
}

#[test]
fn what_has_expired_or_is_forbidden_now_is_left_out() {
    let (mut world, mut client, _) = left();
    world.refresh(&mut client, 3600);
    world.sleep(100);
    world.bind(&mut client, 0x4002, peer(2));
    world.config.deny_peers = vec![format!("{}/32", peer(2).ip()).parse().unwrap()];
    let standing = world.standing.values().next().unwrap().clone();
    assert_eq!((standing.permissions.len(), standing.channels.len()), (2, 2));
    world.restart();
    assert_eq!((world.counters().permissions, world.counters().channels), (1, 1));
    world.sleep(200);
    assert_eq!((world.counters().permissions, world.counters().channels), (0, 1));

    let (_, adopted) = adopt(&Standing {
        relayed: vec![(
            standing.relayed[0].0,
            World::new().now - std::time::Duration::from_secs(1),
        )],
        ..standing
    });
    assert_eq!(adopted, Err(NotAdopted::Expired));
}

#[test]
fn what_makes_no_sense_or_is_taken_is_refused_and_leaves_nothing() {
    let (_, _, standing) = left();
    let until = standing.relayed[0].1;
    let elsewhere = |at: &str| vec![(standing.relayed[0].0, until), (address(at), until)];
    let wrong = [
        (Standing { key: vec![1; 20], ..standing.clone() }, NotAdopted::Malformed),
        (Standing { user: "x".repeat(600), ..standing.clone() }, NotAdopted::Malformed),
        (Standing { place: u32::MAX, ..standing.clone() }, NotAdopted::Malformed),
        (
            Standing {
                client: Path { via: relay_shard::Via::Tcp, ..standing.client },
                ..standing.clone()
            },
            NotAdopted::Malformed,
        ),
        (Standing { relayed: vec![], ..standing.clone() }, NotAdopted::Expired),
        (
            Standing { relayed: elsewhere("[2001:db8::77]:50000"), ..standing.clone() },
            NotAdopted::Elsewhere,
        ),
        (
            Standing { relayed: elsewhere("[2001:db8::1]:5"), ..standing.clone() },
            NotAdopted::Elsewhere,
        ),
    ];
    for (standing, why) in wrong {
        let (mut world, adopted) = adopt(&standing);
        assert_eq!(adopted, Err(why), "{standing:?}");
        let counters = world.counters();
        assert_eq!((counters.allocations, counters.ports_used, counters.adopted), (0, 0, 0));
        assert!(world.bindings.is_empty() && world.standing.is_empty());
        assert!(world.outs[0].events.is_empty(), "{:?}", world.outs[0].events);
        world.allocate(&mut Client::new(1));
    }

    let (mut world, adopted) = adopt(&standing);
    assert_eq!(adopted, Ok(()));
    let again = world.shards[0].adopt(world.now, &standing, &mut world.outs[0]);
    assert_eq!(again, Err(NotAdopted::Elsewhere));
    let other = Standing { client: Client::new(7).path, place: 1, ..standing };
    let again = world.shards[0].adopt(world.now, &other, &mut world.outs[0]);
    assert_eq!(again, Err(NotAdopted::Elsewhere), "its relayed address is taken");
    assert!(!world.outs[0].events.iter().any(|event| matches!(event, Event::RelayClose(_))));
}
