//! Refreshes, permissions, channels, and how long each lasts (RFC 8656, sections 8 to 12).

use super::client::{Client, channel_data, data_of};
use super::world::{World, address, peer, peer_v6};
use relay_shard::{DropReason, TurnRefusal};
use relay_wire::stun::{Family, Method, Writer};

fn dual(world: &mut World, client: &mut Client) {
    let reply =
        world.ask_allocate(client, |writer| _ = writer.additional_address_family(Family::V6));
    assert_eq!(reply.relayed().len(), 2);
    client.relayed = reply.relayed()[0];
}

#[test]
fn an_allocation_ends_with_its_lifetime_unless_it_is_refreshed() {
    let (mut world, mut client) = World::with_allocation();
    world.sleep(599);
    assert_eq!(world.refresh(&mut client, 700).lifetime(), 700);
    world.sleep(699);
    assert_eq!(world.counters().allocations, 1);

    world.sleep(1);
    let counters = world.counters();
    assert_eq!((counters.allocations, counters.ended, counters.refreshed), (0, 1, 1));
    assert_eq!(counters.ports_used, 0);
    assert!(world.open.is_empty());
    assert_eq!(world.refresh(&mut client, 700).code(), 437);
}

#[test]
fn a_refresh_with_lifetime_zero_ends_the_allocation() {
    let (mut world, mut client) = World::with_allocation();
    world.bind(&mut client, 0x4000, peer(1));
    let reply = world.refresh(&mut client, 0);

    assert_eq!((reply.code(), reply.lifetime()), (0, 0));
    assert!(reply.is_signed());
    assert!(world.open.is_empty());
    let counters = world.counters();
    assert_eq!((counters.allocations, counters.permissions, counters.channels), (0, 0, 0));
    world.allocate(&mut client);
}

#[test]
fn a_refresh_of_another_family_is_refused() {
    let (mut world, mut client) = World::with_allocation();
    let refresh = |writer: &mut Writer<'_>| _ = writer.requested_address_family(Family::V6);
    assert_eq!(world.ask(&mut client, Method::REFRESH, refresh).code(), 443);
}

#[test]
fn of_a_dual_allocation_one_family_may_be_given_up() {
    let (mut world, mut client) = (World::new(), Client::new(1));
    dual(&mut world, &mut client);
    world.permit(&mut client, peer_v6(1));
    let end = |family| {
        move |writer: &mut Writer<'_>| _ = writer.requested_address_family(family).lifetime(0)
    };
    assert_eq!(world.ask(&mut client, Method::REFRESH, end(Family::V6)).code(), 0);

    assert_eq!(world.open.len(), 1);
    assert_eq!(world.permit(&mut client, peer_v6(1)).code(), 443);
    let sending = client.send(peer_v6(1), b"x");
    world.client_sends(&client, &sending);
    assert_eq!(world.drops(DropReason::NoPermission), 1);
    assert_eq!(world.permit(&mut client, peer(1)).code(), 0);
    assert_eq!(world.ask(&mut client, Method::REFRESH, end(Family::V4)).code(), 0);
    assert_eq!(world.counters().allocations, 0);
}

#[test]
fn the_families_of_a_dual_allocation_last_as_long_as_each_is_refreshed() {
    let (mut world, mut client) = (World::new(), Client::new(1));
    dual(&mut world, &mut client);
    world.sleep(500);
    let refresh = |writer: &mut Writer<'_>| _ = writer.requested_address_family(Family::V6);
    world.ask(&mut client, Method::REFRESH, refresh);
    world.sleep(100);

    let left = world.shards[0].allocations(world.now, None).remove(0).relayed;
    assert!(left.len() == 1 && left[0].is_ipv6());
    world.sleep(500);
    assert_eq!(world.counters().allocations, 0);
}

#[test]
fn a_dual_allocation_relays_to_both_families() {
    let (mut world, mut client) = (World::new(), Client::new(1));
    dual(&mut world, &mut client);
    let listed = world.shards[0].allocations(world.now, None).remove(0).relayed;
    for (peer, relayed) in [(peer(1), listed[0]), (peer_v6(1), listed[1])] {
        world.permit(&mut client, peer);
        let sending = client.send(peer, b"ping");
        world.client_sends(&client, &sending);
        assert_eq!(world.peer_got(relayed, peer), [b"ping"]);
        world.peer_sends(relayed, peer, b"pong");
        assert_eq!(data_of(&world.client_got(&client)[0]), (peer, b"pong".to_vec()));
    }
}

#[test]
fn a_permission_lasts_five_minutes_unless_it_is_refreshed() {
    let (mut world, mut client) = World::with_allocation();
    world.permit(&mut client, peer(1));
    world.sleep(299);
    world.permit(&mut client, peer(1));
    world.sleep(299);
    world.peer_sends(client.relayed, peer(1), b"x");
    assert_eq!(world.client_got(&client).len(), 1);

    world.sleep(1);
    world.peer_sends(client.relayed, peer(1), b"x");
    let sending = client.send(peer(1), b"x");
    world.client_sends(&client, &sending);
    assert_eq!(world.drops(DropReason::NoPermission), 2);
    assert_eq!(world.counters().permissions, 0);
}

#[test]
fn data_does_not_refresh_a_permission() {
    let (mut world, mut client) = World::with_allocation();
    world.permit(&mut client, peer(1));
    for _ in 0..30 {
        world.sleep(10);
        let sending = client.send(peer(1), b"x");
        world.client_sends(&client, &sending);
    }

    assert_eq!(world.peer_got(client.relayed, peer(1)).len(), 29);
}

#[test]
fn a_channel_outlives_its_permission_and_is_silent_then() {
    let (mut world, mut client) = World::with_allocation();
    world.refresh(&mut client, 3_600);
    world.bind(&mut client, 0x4001, peer(1));
    world.sleep(300);
    world.client_sends(&client, &channel_data(0x4001, b"x"));
    assert_eq!(world.drops(DropReason::NoPermission), 1);

    world.permit(&mut client, peer(1));
    world.client_sends(&client, &channel_data(0x4001, b"x"));
    assert_eq!(world.peer_got(client.relayed, peer(1)), [b"x"]);
    world.sleep(300);
    world.client_sends(&client, &channel_data(0x4001, b"x"));
    assert_eq!(world.drops(DropReason::NoChannel), 1);
}

#[test]
fn refreshed_channel_outlives_its_first_expiry() {
    let (mut world, mut client) = World::with_allocation();
    world.refresh(&mut client, 3_600);
    world.bind(&mut client, 0x4001, peer(1));
    world.sleep(599);
    assert_eq!(world.bind(&mut client, 0x4001, peer(1)).code(), 0);
    world.sleep(299);

    world.client_sends(&client, &channel_data(0x4001, b"x"));
    assert_eq!(world.peer_got(client.relayed, peer(1)), [b"x"]);
    assert_eq!(world.counters().channels, 1);
}

#[test]
fn a_channel_and_its_peer_belong_together() {
    let (mut world, mut client) = World::with_allocation();
    world.bind(&mut client, 0x4001, peer(1));
    assert_eq!(world.bind(&mut client, 0x4001, peer(2)).code(), 400);
    assert_eq!(world.bind(&mut client, 0x4002, peer(1)).code(), 400);
    let mut other_port = peer(1);
    other_port.set_port(1);
    assert_eq!(world.bind(&mut client, 0x4002, other_port).code(), 0);
    world.refresh(&mut client, 3_600);
    world.sleep(600);

    assert_eq!(world.bind(&mut client, 0x4001, peer(2)).code(), 0, "free again");
}

#[test]
fn channel_numbers_have_a_range() {
    let (mut world, mut client) = World::with_allocation();
    for (number, code) in
        [(0, 400), (0x3fff, 400), (0x4000, 0), (0x4fff, 0), (0x7fff, 0), (0x8000, 400)]
    {
        let peer = peer((number >> 8) as u8);
        assert_eq!(world.bind(&mut client, number, peer).code(), code, "{number:x}");
    }
    let without = |writer: &mut Writer<'_>| _ = writer.xor_peer_address(peer(1));
    assert_eq!(world.ask(&mut client, Method::CHANNEL_BIND, without).code(), 400);
    let without = |writer: &mut Writer<'_>| _ = writer.channel_number(0x4005);
    assert_eq!(world.ask(&mut client, Method::CHANNEL_BIND, without).code(), 400);
}

#[test]
fn permissions_are_all_installed_or_none() {
    let (mut world, mut client) = World::with_allocation();
    let ask = |world: &mut World, client: &mut Client, peers: &[&str]| {
        let add = |writer: &mut Writer<'_>| {
            peers.iter().for_each(|peer| _ = writer.xor_peer_address(address(peer)));
        };
        world.ask(client, Method::CREATE_PERMISSION, add).code()
    };
    assert_eq!(ask(&mut world, &mut client, &["203.0.113.1:1", "10.0.0.1:1"]), 403);
    assert_eq!(ask(&mut world, &mut client, &["203.0.113.1:1", "[2001:db8:9::1]:1"]), 443);
    assert_eq!(ask(&mut world, &mut client, &[]), 400);
    assert_eq!(world.counters().permissions, 0);
    assert_eq!(ask(&mut world, &mut client, &["203.0.113.1:1", "203.0.113.2:1"]), 0);
    assert_eq!(world.counters().permissions, 2);
    let broken = |writer: &mut Writer<'_>| {
        writer.xor_peer_address(peer(3)).attribute(0x0012, b"broken");
    };
    assert_eq!(world.ask(&mut client, Method::CREATE_PERMISSION, broken).code(), 400);
    assert_eq!(world.counters().permissions, 2);
}

#[test]
fn peers_that_policy_refuses_are_forbidden() {
    let (mut world, mut client) = World::with_allocation();
    for peer in ["127.0.0.1:9", "10.0.0.1:9", "169.254.169.254:80", "224.0.0.1:9", "0.0.0.0:9"] {
        assert_eq!(world.permit(&mut client, address(peer)).code(), 403, "{peer}");
        assert_eq!(world.bind(&mut client, 0x4000, address(peer)).code(), 403, "{peer}");
    }
    assert_eq!(world.counters().refused(TurnRefusal::Forbidden), 10);
    assert_eq!(world.permit(&mut client, peer_v6(1)).code(), 443);
    assert_eq!(world.bind(&mut client, 0x4000, peer_v6(1)).code(), 443);
}

#[test]
fn permissions_and_channels_are_bounded() {
    let mut world = World::with(1, |config| config.turn.allow_peers.clear());
    let mut client = Client::new(1);
    world.allocate(&mut client);
    let peer = |number: u16| address(&format!("8.8.{}.{}:9", number >> 8, number & 255));
    for number in 0..256 {
        assert_eq!(world.bind(&mut client, 0x4000 + number, peer(number)).code(), 0);
    }
    assert_eq!(world.bind(&mut client, 0x4100, peer(256)).code(), 508);
    assert_eq!(world.permit(&mut client, peer(256)).code(), 508);
    let mut known = peer(3);
    known.set_port(10);
    assert_eq!(world.bind(&mut client, 0x4100, known).code(), 508, "one channel too many");
    assert_eq!(world.permit(&mut client, peer(3)).code(), 0, "a refresh needs no room");
    let both = |writer: &mut Writer<'_>| {
        writer.xor_peer_address(peer(1)).xor_peer_address(peer(999));
    };
    assert_eq!(world.ask(&mut client, Method::CREATE_PERMISSION, both).code(), 508);
    assert_eq!(world.counters().refused(TurnRefusal::TooMany), 4);
}

#[test]
fn unknown_attributes_are_refused_in_every_request() {
    let (mut world, mut client) = World::with_allocation();
    for method in [Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
        let add = |writer: &mut Writer<'_>| _ = writer.attribute(0x7001, b"");
        assert_eq!(world.ask(&mut client, method, add).code(), 420);
    }
}
