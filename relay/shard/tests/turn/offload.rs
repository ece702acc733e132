//! What the kernel may relay by itself: what the shard tells of it, and is told.

use super::client::{Client, channel_data};
use super::operating::change;
use super::world::{PUBLIC, World, address, behind_nat, local_of, peer, peer_v6};
use relay_shard::{Binding, BindingKey, Offloaded, Selector, Traffic};
use relay_wire::stun::{Family, Method};
use std::net::SocketAddr;
use std::time::Duration;

fn only(world: &World) -> Binding {
    assert_eq!(world.bindings.len(), 1, "{:#?}", world.bindings);

    *world.bindings.values().next().unwrap()
}

fn permit_later(world: &mut World, client: &mut Client) -> Duration {
    world.sleep(200);
    world.permit(client, peer(1));

    only(world).expires - world.now
}

#[test]
fn a_channel_is_told_with_all_that_relaying_takes() {
    let (mut world, mut client) = World::with_allocation();
    world.permit(&mut client, peer(1));
    assert!(world.bindings.is_empty(), "a permission alone is no channel");
    world.bind(&mut client, 0x4001, peer(1));

    let id = world.shards[0].allocations(world.now, None)[0].id;
    let wanted = Binding {
        key: BindingKey { client: client.path, number: 0x4001 },
        relayed: client.relayed,
        peer: peer(1),
        inside: false,
        expires: world.now + Duration::from_secs(300),
        bandwidth_bps: None,
        allocation: id,
    };
    assert_eq!(only(&world), wanted);
}

#[test]
fn it_is_relayed_as_long_as_its_permission_and_again_with_the_next() {
    let (mut world, mut client) = World::with_allocation();
    world.refresh(&mut client, 3600);
    world.bind(&mut client, 0x4001, peer(1));
    assert_eq!(permit_later(&mut world, &mut client), Duration::from_secs(300));
    assert_eq!(permit_later(&mut world, &mut client), Duration::from_secs(200), "the channel's");
    world.sleep(200);
    assert!(world.bindings.is_empty(), "the channel is over");

    world.bind(&mut client, 0x4001, peer(1));
    world.sleep(300);
    assert!(world.bindings.is_empty(), "the permission is over");
    world.permit(&mut client, peer(1));
    assert_eq!(only(&world).key.number, 0x4001, "the channel was still there");
    world.refresh(&mut client, 0);
    assert!(world.bindings.is_empty());
}

#[test]
fn a_number_and_a_peer_may_change_partners() {
    let (mut world, mut client) = World::with_allocation();
    world.refresh(&mut client, 3600);
    world.bind(&mut client, 0x4001, peer(1));
    world.sleep(600);
    world.bind(&mut client, 0x4001, peer(2));
    world.bind(&mut client, 0x4002, peer(1));

    let told: Vec<_> = world.bindings.values().map(|told| (told.key.number, told.peer)).collect();
    assert_eq!(told, [(0x4001, peer(2)), (0x4002, peer(1))]);
}

#[test]
fn an_allocation_that_moves_takes_its_channels_along() {
    let mut world = World::new();
    let mut client = Client::new(1);
    let reply = world.ask_allocate(&mut client, |writer| _ = writer.mobility_ticket(&[]));
    let ticket = reply.ticket();
    world.bind(&mut client, 0x4001, peer(1));
    let moved_to = |world: &mut World, mut to: Client| {
        let reply =
            world.ask(&mut to, Method::REFRESH, |writer| _ = writer.mobility_ticket(&ticket));
        assert_eq!(reply.code(), 0);
        to.path
    };
    let path = moved_to(&mut world, Client::new(2));
    assert_eq!(only(&world).key, BindingKey { client: path, number: 0x4001 });

    let mut world_of_streams = World::new();
    let mut client = Client::tcp(1);
    world_of_streams.allocate(&mut client);
    world_of_streams.bind(&mut client, 0x4001, peer(1));
    assert!(world_of_streams.bindings.is_empty(), "the kernel frames no streams");
}

#[test]
fn of_a_dual_allocation_each_family_lasts_for_itself() {
    let (mut world, mut client) = (World::new(), Client::new(1));
    let add = |writer: &mut relay_wire::stun::Writer<'_>| {
        _ = writer.additional_address_family(Family::V6);
    };
    let relayed = world.ask_allocate(&mut client, add).relayed();
    world.bind(&mut client, 0x4001, peer(1));
    world.bind(&mut client, 0x4002, peer_v6(1));
    let told: Vec<SocketAddr> = world.bindings.values().map(|told| told.relayed).collect();
    assert_eq!(told, relayed);

    world.ask(&mut client, Method::REFRESH, |writer| {
        _ = writer.requested_address_family(Family::V6).lifetime(0);
    });
    assert_eq!(only(&world).peer, peer(1));
}

#[test]
fn between_two_clients_the_packets_stay_inside_unless_there_are_two_names() {
    let mut world = World::new();
    let (mut ann, mut bob) = (Client::new(1), Client::new(2));
    let (of_ann, of_bob) = (world.allocate(&mut ann), world.allocate(&mut bob));
    world.bind(&mut ann, 0x4001, of_bob);
    world.bind(&mut bob, 0x4001, of_ann);
    assert_eq!(world.bindings.len(), 2);
    assert!(world.bindings.values().all(|told| told.inside));
    world.bind(&mut ann, 0x4002, address(super::world::SERVER));
    assert_eq!(world.bindings.len(), 2, "media is the shard's own matter");

    let mut world = World::with(1, behind_nat);
    let (mut ann, mut bob) = (Client::new(1), Client::new(2));
    world.allocate(&mut ann);
    let of_bob = world.allocate(&mut bob);
    assert_eq!(of_bob.ip(), address(PUBLIC).ip());
    for (number, form) in [(0x4001, of_bob), (0x4002, local_of(of_bob))] {
        assert_eq!(world.bind(&mut ann, number, form).code(), 0);
    }
    assert!(world.bindings.is_empty(), "{:#?}", world.bindings);
    world.bind(&mut ann, 0x4003, peer(1));
    assert_eq!(only(&world).relayed, local_of(ann.relayed), "as the kernel sees it");
}

#[test]
fn operators_change_what_may_be_relayed() {
    let (mut world, mut client) = World::with_allocation();
    world.bind(&mut client, 0x4001, peer(1));
    world.bind(&mut client, 0x4002, peer(2));
    change(&mut world, |turn| turn.bandwidth_bps = Some(64_000));
    assert!(world.bindings.values().all(|told| told.bandwidth_bps == Some(64_000)));
    change(&mut world, |turn| {
        turn.deny_peers = vec![format!("{}/32", peer(1).ip()).parse().unwrap()];
    });
    assert_eq!(only(&world).peer, peer(2));

    let which = Selector::User("ann".to_owned());
    world.shards[0].kick(world.now, &which, &mut world.outs[0]);
    world.drain();
    assert!(world.bindings.is_empty());
}

#[test]
fn what_was_relayed_elsewhere_counts_here() {
    let mut world = World::with(1, |config| config.turn.bandwidth_bps = Some(80_000));
    let mut client = Client::new(1);
    world.allocate(&mut client);
    world.bind(&mut client, 0x4001, peer(1));
    let key = BindingKey { client: client.path, number: 0x4001 };
    let told = |packets, bytes| Offloaded {
        key,
        sent: Traffic { packets, bytes },
        received: Traffic { packets: 1, bytes: 5 },
    };
    world.shards[0].offloaded(world.now, &told(9, 9_000));
    let listed = &world.shards[0].allocations(world.now, None)[0];
    assert_eq!((listed.sent, listed.received), ((9, 9_000), (1, 5)));
    let counters = world.counters();
    assert_eq!((counters.sent, counters.sent_bytes), (9, 9_000));
    assert_eq!((counters.received, counters.received_bytes), (1, 5));
    for _ in 0..2 {
        world.client_sends(&client, &channel_data(0x4001, &[1; 1_000]));
    }
    assert_eq!(world.peer_got(client.relayed, peer(1)).len(), 1, "of ten kilobytes nine are gone");

    world.refresh(&mut client, 0);
    world.shards[0].offloaded(world.now, &told(1, 100));
    assert_eq!(world.counters().sent_bytes, 10_100, "the last of them come after the end");
}
