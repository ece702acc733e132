//! What operators and the driver tell TURN.

use super::client::{Client, channel_data};
use super::world::{PUBLIC, World, address, local_of, peer};
use relay_shard::{DropReason, Path, Selector, TurnConfig, TurnRefusal, Unreachable};
use relay_wire::stun::{Class, Icmp, Message, Method, Writer};
use std::time::Duration;

pub(crate) fn change(world: &mut World, change: impl FnOnce(&mut TurnConfig)) {
    let mut config = world.config.clone();
    change(&mut config);
    world.config = config.clone();
    for (shard, out) in world.shards.iter_mut().zip(&mut world.outs) {
        shard.reconfigure(config.clone(), out);
    }
    world.drain();
}

#[test]
fn allocations_are_listed_and_ended_by_number_user_or_address() {
    let mut world = World::new();
    let mut clients: Vec<Client> = (1..=4).map(Client::new).collect();
    clients[3] = Client::tcp(4).named("bob", "other");
    for client in &mut clients {
        world.allocate(client);
    }
    world.bind(&mut clients[0], 0x4001, peer(1));
    let listed = world.shards[0].allocations(world.now, None);
    assert_eq!(listed.len(), 4);
    let of_first = listed.iter().find(|found| found.client == clients[0].path).unwrap();
    assert_eq!((of_first.permissions, of_first.channels), (1, 1));
    assert_eq!((of_first.user.as_str(), of_first.expires_in.as_secs()), ("ann", 600));

    let kick = |world: &mut World, which| {
        let ended = world.shards[0].kick(world.now, &which, &mut world.outs[0]);
        world.drain();
        ended
    };
    assert_eq!(kick(&mut world, Selector::Id(of_first.id)), 1);
    assert_eq!(kick(&mut world, Selector::Id(of_first.id)), 0);
    assert_eq!(kick(&mut world, Selector::Address(clients[1].path.remote.ip())), 1);
    assert_eq!(kick(&mut world, Selector::User("bob".into())), 1);
    assert_eq!(world.hung_up, [clients[3].path]);
    assert_eq!((world.counters().allocations, world.counters().kicked), (1, 3));
    assert_eq!(world.open.len(), 1);
}

#[test]
fn a_draining_node_sends_new_clients_elsewhere() {
    let (mut world, mut client) = World::with_allocation();
    change(&mut world, |turn| {
        turn.drain = true;
        turn.alternates = vec![address("[2001:db8::9]:3478"), address("192.0.2.9:3478")];
    });
    let reply = world.ask_allocate(&mut Client::new(2), |_| {});
    assert_eq!(reply.code(), 300);
    assert!(reply.is_signed());
    assert_eq!(reply.message().alternate_server(), Some(address("192.0.2.9:3478")));
    change(&mut world, |turn| turn.alternates.clear());
    assert_eq!(world.ask_allocate(&mut Client::new(2), |_| {}).code(), 508);
    assert_eq!(world.counters().refused(TurnRefusal::Draining), 1);

    assert_eq!(world.refresh(&mut client, 600).code(), 0, "what stands goes on");
    change(&mut world, |turn| turn.drain = false);
    world.allocate(&mut Client::new(2));
}

#[test]
fn new_settings_leave_allocations_alone() {
    let (mut world, mut client) = World::with_allocation();
    world.bind(&mut client, 0x4001, peer(1));
    change(&mut world, |turn| {
        turn.users = vec![("zoe".to_owned(), "new".to_owned())];
        turn.ports = 60_000..=60_100;
    });

    world.client_sends(&client, &channel_data(0x4001, b"x"));
    assert_eq!(world.peer_got(client.relayed, peer(1)), [b"x"]);
    assert_eq!(world.refresh(&mut client, 600).code(), 0);
    assert_eq!(world.ask_allocate(&mut Client::new(2), |_| {}).code(), 401);
    let relayed = world.allocate(&mut Client::new(3).named("zoe", "new"));
    assert!((60_000..=60_100).contains(&relayed.port()));
    assert_eq!(world.refresh(&mut client, 0).code(), 0);
    assert_eq!(world.counters().ports_used, 1);
}

#[test]
fn ports_in_use_stay_in_use_over_new_settings() {
    let mut world = World::with(1, |config| config.turn.ports = 50_000..=50_003);
    for number in 1..=2 {
        world.allocate(&mut Client::new(number));
    }
    world.ask_allocate(&mut Client::new(3), |writer| _ = writer.even_port(true));
    change(&mut world, |turn| turn.challenges_a_second = 0);
    let used = world.counters().ports_used;
    assert_eq!(used as usize, world.open.len());
    for number in 4..=7 {
        world.ask_allocate(&mut Client::new(number), |_| {});
    }

    assert_eq!(world.open.len(), 4);
}

#[test]
fn peers_that_become_forbidden_are_cut_off_at_once() {
    let (mut world, mut client) = World::with_allocation();
    world.bind(&mut client, 0x4001, peer(1));
    world.permit(&mut client, peer(200));
    change(&mut world, |turn| turn.deny_peers = vec!["203.0.113.0/25".parse().unwrap()]);
    world.peer_sends(client.relayed, peer(1), b"x");
    world.client_sends(&client, &channel_data(0x4001, b"x"));

    assert_eq!(world.drops(DropReason::NoPermission), 1);
    assert_eq!(world.drops(DropReason::NoChannel), 1);
    let counters = world.counters();
    assert_eq!((counters.permissions, counters.channels), (1, 0));
    world.peer_sends(client.relayed, peer(200), b"x");
    assert_eq!(world.client_got(&client).len(), 1);
    world.sleep(600);
}

#[test]
fn a_relayed_address_that_became_ours_is_known() {
    let (mut world, mut client) = World::with_allocation();
    let service = address(PUBLIC);
    change(&mut world, |turn| {
        turn.allow_peers.push("198.51.100.0/24".parse().unwrap());
    });
    world.permit(&mut client, service);
    let sending = client.send(service, b"x");
    world.client_sends(&client, &sending);
    assert_eq!(world.peer_got(client.relayed, service).len(), 1);
    change(&mut world, |turn| {
        turn.allow_peers.pop();
        turn.relays[0].public = service.ip();
        turn.own.push(service.ip());
    });
    let sending = client.send(service, b"x");
    world.client_sends(&client, &sending);

    assert_eq!(world.drops(DropReason::PeerForbidden), 1);
}

#[test]
fn expired_credentials_make_no_new_allocation() {
    let mut world = World::new();
    let password = super::client::rest_password("north", "1800000060:ann");
    let mut client = Client::new(1).named("1800000060:ann", &password);
    world.allocate(&mut client);
    let now = world.now;
    let selector = Selector::User("ann".to_owned());
    assert_eq!(world.shards[0].allocations(now, Some(&selector)).len(), 1);
    world.shards[0].set_clock(now, Duration::from_secs(1_800_000_061));
    let mut late = Client::new(2).named("1800000060:ann", &password);

    assert_eq!(world.ask_allocate(&mut late, |_| {}).code(), 401);
    assert_eq!(world.refresh(&mut client, 600).code(), 0, "what stands goes on");
}

#[test]
fn icmp_errors_reach_the_client_within_bounds() {
    let (mut world, mut client) = World::with_allocation();
    let path = Path::peer(local_of(client.relayed), peer(1));
    let error = Unreachable { path, kind: 3, code: 4, data: 1_400 };
    let tell = |world: &mut World| {
        world.shards[0].unreachable(world.now, error, &mut world.outs[0]);
        world.drain();
    };
    tell(&mut world);
    assert_eq!(world.drops(DropReason::NoPermission), 1);
    world.permit(&mut client, peer(1));
    (0..30).for_each(|_| tell(&mut world));

    let got = world.client_got(&client);
    assert_eq!(got.len(), 10);
    let message = Message::parse(&got[0]).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
    assert_eq!(message.xor_peer_address(), Ok(Some(peer(1))));
    assert_eq!(message.icmp(), Ok(Some(Icmp { kind: 3, code: 4, data: 1_400 })));
    assert_eq!(message.data(), None);
    assert_eq!(world.drops(DropReason::IcmpLimit), 20);
    world.sleep(1);
    tell(&mut world);
    assert_eq!(world.counters().unreachable, 11);
}

#[test]
fn what_a_lost_connection_had_goes_with_it_unless_it_may_move() {
    let mut world = World::new();
    let (mut fixed, mut mobile) = (Client::tcp(1), Client::tcp(2));
    world.allocate(&mut fixed);
    let reply = world.ask_allocate(&mut mobile, |writer| _ = writer.mobility_ticket(&[]));
    for path in [fixed.path, mobile.path] {
        world.shards[0].disconnected(world.now, &path, &mut world.outs[0]);
        world.drain();
    }
    assert_eq!(world.counters().allocations, 1);

    let ticket = |writer: &mut Writer<'_>| _ = writer.mobility_ticket(&reply.ticket());
    assert_eq!(world.ask(&mut Client::new(3), Method::REFRESH, ticket).code(), 0);
}

#[test]
fn a_connection_that_is_lost_before_its_socket_opens_gets_none() {
    let mut world = World::new();
    let mut client = Client::tcp(1);
    world.permit(&mut client, peer(1));
    world.opens = false;
    let request = client.request(Method::ALLOCATE, |writer| _ = writer.requested_transport(17));
    world.client_sends(&client, &request);
    world.shards[0].disconnected(world.now, &client.path, &mut world.outs[0]);
    let (shard, asked) = world.asked[0];
    world.tell_opened(shard, asked, true);

    assert!(world.open.is_empty() && world.sent.is_empty());
    assert_eq!(world.counters().ports_used, 0);
}
