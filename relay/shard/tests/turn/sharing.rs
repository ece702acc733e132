//! What passes between shards: reservations, tickets, packets inside the process.

use super::client::{Client, channel_data, data_of};
use super::world::{PUBLIC, World, address, behind_nat, local_of, peer};
use relay_shard::{DropReason, Event, Path, Via};
use relay_wire::stun::{Family, Method, Writer};
use std::net::SocketAddr;

fn reserve(world: &mut World, client: &mut Client) -> (SocketAddr, [u8; 8]) {
    let reply = world.ask_allocate(client, |writer| _ = writer.even_port(true));
    client.relayed = reply.relayed()[0];

    (client.relayed, reply.token())
}

fn redeem(world: &mut World, client: &mut Client, token: [u8; 8]) -> u16 {
    let reply = world.ask_allocate(client, |writer| _ = writer.reservation_token(&token));
    if let Some(relayed) = reply.relayed().first() {
        client.relayed = *relayed;
    }

    reply.code()
}

/// Asks for an allocation that may move; returns its ticket.
fn mobile(world: &mut World, client: &mut Client) -> Vec<u8> {
    let reply = world.ask_allocate(client, |writer| _ = writer.mobility_ticket(&[]));
    client.relayed = reply.relayed()[0];

    reply.ticket()
}

fn refresh_with(world: &mut World, client: &mut Client, ticket: &[u8]) -> super::client::Reply {
    world.ask(client, Method::REFRESH, |writer| _ = writer.mobility_ticket(ticket))
}

/// One ping through a channel and back, to prove that an allocation works.
fn prove(world: &mut World, client: &mut Client, number: u16) {
    world.bind(client, number, peer(1));
    world.client_sends(client, &channel_data(number, b"ping"));
    assert_eq!(world.peer_got(client.relayed, peer(1)), [b"ping"]);
    world.peer_sends(client.relayed, peer(1), b"pong");
    assert_eq!(world.client_got(client), [channel_data(number, b"pong")]);
}

#[test]
fn the_next_port_is_kept_for_who_has_the_token() {
    let mut world = World::new();
    let (even, token) = reserve(&mut world, &mut Client::new(1));
    assert_eq!(even.port() % 2, 0);
    assert_eq!((world.open.len(), world.counters().reservations), (2, 1));
    let mut second = Client::new(2);
    assert_eq!(redeem(&mut world, &mut second, token), 0);

    assert_eq!(second.relayed.port(), even.port() + 1);
    assert_eq!(world.counters().reservations, 0);
    prove(&mut world, &mut second, 0x4001);
    assert_eq!(redeem(&mut world, &mut Client::new(3), token), 508, "it is used up");
}

#[test]
fn a_reservation_is_over_after_half_a_minute() {
    let mut world = World::new();
    let (_, token) = reserve(&mut world, &mut Client::new(1));
    world.sleep(30);

    assert_eq!(world.open.len(), 1);
    assert_eq!(redeem(&mut world, &mut Client::new(2), token), 508);
    assert_eq!(world.counters().ports_used, 1);
}

#[test]
fn a_token_is_of_no_use_to_another_user() {
    let mut world = World::new();
    let (_, token) = reserve(&mut world, &mut Client::new(1));

    assert_eq!(redeem(&mut world, &mut Client::new(2).named("bob", "other"), token), 508);
    assert_eq!(redeem(&mut world, &mut Client::new(2), token), 0);
}

#[test]
fn a_token_finds_its_shard() {
    let mut world = World::with(2, |_| {});
    let (even, token) = reserve(&mut world, &mut Client::new(1));
    assert_eq!(even.port() / 2 % 2, 0, "a shard has its own pairs");
    let mut second = Client::new(2).on_shard(1);
    assert_eq!(redeem(&mut world, &mut second, token), 0);

    assert_eq!(second.relayed.port(), even.port() + 1);
    prove(&mut world, &mut second, 0x4001);
    assert_eq!(world.refresh(&mut second, 0).code(), 0);
    assert_eq!(world.refresh(&mut second, 600).code(), 437);
    world.allocate(&mut second);
    assert_eq!(second.relayed.port() / 2 % 2, 1, "its packets go where they come again");
}

#[test]
fn an_allocation_moves_with_its_ticket() {
    let mut world = World::new();
    let mut client = Client::new(1);
    let ticket = mobile(&mut world, &mut client);
    world.bind(&mut client, 0x4001, peer(1));
    let mut moved = Client::new(2);
    moved.relayed = client.relayed;
    let reply = refresh_with(&mut world, &mut moved, &ticket);

    assert_eq!(reply.code(), 0);
    assert_ne!(reply.ticket(), ticket);
    world.peer_sends(client.relayed, peer(1), b"pong");
    assert_eq!(world.client_got(&moved), [channel_data(0x4001, b"pong")]);
    world.client_sends(&moved, &channel_data(0x4001, b"ping"));
    assert_eq!(world.peer_got(client.relayed, peer(1)), [b"ping"]);
    assert_eq!(world.refresh(&mut client, 600).code(), 437, "the former path is nobody's");
    assert_eq!(world.counters().moved, 1);
}

#[test]
fn an_answer_that_was_lost_does_not_strand_a_client() {
    let mut world = World::new();
    let mut client = Client::new(1);
    let ticket = mobile(&mut world, &mut client);
    let mut second = Client::new(2);
    assert_eq!(refresh_with(&mut world, &mut second, &ticket).code(), 0);
    assert_eq!(refresh_with(&mut world, &mut second, &ticket).code(), 0, "the same again");
    let mut third = Client::new(3);

    assert_eq!(refresh_with(&mut world, &mut third, &ticket).code(), 0, "from elsewhere");
    assert_eq!(refresh_with(&mut world, &mut second, &ticket).code(), 437, "two moves ago");
}

#[test]
fn old_tickets_forged_tickets_and_others_tickets_are_refused() {
    let mut world = World::new();
    let mut client = Client::new(1);
    let first = mobile(&mut world, &mut client);
    let mut other = Client::new(9);
    let others = mobile(&mut world, &mut other);
    let second = refresh_with(&mut world, &mut Client::new(2), &first).ticket();
    refresh_with(&mut world, &mut Client::new(3), &second);

    assert_eq!(refresh_with(&mut world, &mut Client::new(4), &first).code(), 437);
    assert_eq!(refresh_with(&mut world, &mut Client::new(4), &[1; 46]).code(), 400);
    let mut thief = Client::new(5).named("bob", "other");
    assert_eq!(refresh_with(&mut world, &mut thief, &second).code(), 441);
    let mut third = Client::new(3);
    assert_eq!(refresh_with(&mut world, &mut third, &others).code(), 437);
    assert_eq!(world.counters().moved, 2);
}

#[test]
fn who_did_not_ask_for_it_gets_no_ticket() {
    let (mut world, mut client) = World::with_allocation();
    let reply = refresh_with(&mut world, &mut client, &[]);

    assert_eq!(reply.code(), 0);
    assert_eq!(reply.message().mobility_ticket(), None);
}

#[test]
fn a_ticket_finds_its_shard() {
    let mut world = World::with(2, |_| {});
    let mut client = Client::new(1);
    let ticket = mobile(&mut world, &mut client);
    let mut moved = Client::new(2).on_shard(1);
    moved.relayed = client.relayed;
    moved.answered_by = Some(0);
    let reply = refresh_with(&mut world, &mut moved.clone(), &ticket);
    assert_eq!(reply.code(), 0);
    moved.answered_by = None;
    prove(&mut world, &mut moved, 0x4001);

    let mut again = Client::new(3).on_shard(1);
    again.relayed = client.relayed;
    assert_eq!(refresh_with(&mut world, &mut again, &reply.ticket()).code(), 0);
    prove(&mut world, &mut again, 0x4001);
    world.allocate(&mut moved);
    assert_eq!(moved.relayed.port() / 2 % 2, 1, "nobody claims the former path any more");
    assert_eq!(retold(&mut world, 0), [again.path]);
    assert_eq!(retold(&mut world, 1), [], "the path chose this shard by itself");
}

/// The clients' paths that a shard claims when it tells everything.
fn retold(world: &mut World, shard: usize) -> Vec<Path> {
    world.shards[shard].retell(&mut world.outs[shard]);
    let events = std::mem::take(&mut world.outs[shard].events);
    let claims = events.into_iter().filter_map(|event| match event {
        Event::FlowBound(Path { via: Via::Peer, local, remote }) => Some(Path::udp(local, remote)),
        _ => None,
    });

    claims.collect()
}

#[test]
fn a_connection_is_told_where_it_belongs() {
    let mut world = World::with(2, |_| {});
    let mut client = Client::tcp(1).on_shard(1);
    let (_, token) = reserve(&mut world, &mut Client::new(9));
    world.permit(&mut client, peer(1));
    let mut request = client.request(Method::ALLOCATE, |writer| {
        writer.requested_transport(17).reservation_token(&token);
    });
    let end = request.len();
    let packet = relay_shard::Packet::new(client.path, &mut request, 0..end);

    assert_eq!(world.shards[1].home(&packet), Some(0));
    assert_eq!(world.shards[0].home(&packet), None);
    assert!(!world.shards[0].is_in_use(&client.path));
    world.allocate(&mut client);
    assert!(world.shards[1].is_in_use(&client.path));
    assert_eq!(world.shards[1].home(&packet), None, "it has something here");
}

/// Two clients with allocations on these shards, who know each other by `name` of their addresses.
fn pair(world: &mut World, shards: [usize; 2]) -> [Client; 2] {
    let [mut one, mut two] =
        [Client::new(1).on_shard(shards[0]), Client::new(2).on_shard(shards[1])];
    world.allocate(&mut one);
    world.allocate(&mut two);

    [one, two]
}

fn clients_talk(mut world: World, shards: [usize; 2], name: impl Fn(SocketAddr) -> SocketAddr) {
    let [mut one, mut two] = pair(&mut world, shards);
    let (first, second) = (name(one.relayed), name(two.relayed));
    assert_eq!(world.permit(&mut one, second).code(), 0);
    let sending = one.send(second, b"too early");
    world.client_sends(&one, &sending);
    assert_eq!(world.drops(DropReason::NoPermission), 1);

    assert_eq!(world.permit(&mut two, first).code(), 0);
    let sending = one.send(second, b"ping");
    world.client_sends(&one, &sending);
    let got = world.client_got(&two);
    assert_eq!(data_of(&got[0]), (first, b"ping".to_vec()));
    assert_eq!(world.bind(&mut two, 0x4002, first).code(), 0);
    world.client_sends(&two, &channel_data(0x4002, b"pong"));
    let got = world.client_got(&one);
    assert_eq!(data_of(&got[0]), (second, b"pong".to_vec()));
    let sending = one.send(second, b"ping");
    world.client_sends(&one, &sending);
    assert_eq!(world.client_got(&two), [channel_data(0x4002, b"ping")]);
    assert!(world.sent.is_empty(), "nothing leaves the process: {:?}", world.sent);
}

#[test]
fn clients_of_one_shard_talk_inside() {
    clients_talk(World::new(), [0, 0], |relayed| relayed);
}

#[test]
fn clients_of_two_shards_talk_inside() {
    clients_talk(World::with(2, |_| {}), [0, 1], |relayed| relayed);
}

#[test]
fn clients_behind_one_nat_know_each_other_by_public_addresses() {
    clients_talk(World::with(2, behind_nat), [0, 1], |relayed| relayed);
    clients_talk(World::with(1, behind_nat), [0, 0], |relayed| relayed);
}

#[test]
fn clients_may_know_each_other_by_local_addresses() {
    clients_talk(World::with(2, behind_nat), [0, 1], local_of);
    clients_talk(World::with(1, behind_nat), [0, 0], local_of);
}

#[test]
fn an_allocation_may_talk_to_itself() {
    let (mut world, mut client) = World::with_allocation();
    let own = client.relayed;
    world.bind(&mut client, 0x4001, own);
    world.client_sends(&client, &channel_data(0x4001, b"echo"));

    assert_eq!(world.client_got(&client), [channel_data(0x4001, b"echo")]);
}

#[test]
fn what_is_sent_to_an_allocation_that_is_not_there_is_dropped() {
    for shard in [0, 1] {
        let mut world = World::with(2, |_| {});
        let [mut one, mut two] = pair(&mut world, [0, shard]);
        world.permit(&mut one, two.relayed);
        world.refresh(&mut two, 0);
        let sending = one.send(two.relayed, b"x");
        world.client_sends(&one, &sending);

        assert_eq!(world.drops(DropReason::NoAllocation), 1);
        assert!(world.sent.is_empty());
    }
}

#[test]
fn where_own_addresses_are_allowed_the_kernel_takes_what_is_not_ours() {
    for shard in [0, 1] {
        let mut world = World::with(2, |config| {
            config.turn.allow_peers.push("192.0.2.0/24".parse().unwrap());
        });
        let [mut one, mut two] = pair(&mut world, [0, shard]);
        world.permit(&mut one, two.relayed);
        world.refresh(&mut two, 0);
        let sending = one.send(two.relayed, b"x");
        world.client_sends(&one, &sending);
        assert_eq!(world.peer_got(one.relayed, two.relayed), [b"x"]);

        let service = address("192.0.2.1:53");
        let sending = one.send(service, b"x");
        world.client_sends(&one, &sending);
        assert_eq!(world.peer_got(one.relayed, service), [b"x"]);
    }
}

#[test]
fn own_addresses_are_reached_nowhere_else() {
    let mut world = World::with(1, behind_nat);
    let mut client = Client::new(1);
    world.allocate(&mut client);
    for own in ["192.0.2.1", PUBLIC.split(':').next().unwrap()] {
        let service = address(&format!("{own}:22"));
        assert_eq!(world.permit(&mut client, service).code(), 0, "it may be a relayed address");
        assert_eq!(world.bind(&mut client, 0x4001, service).code(), 403);
        let sending = client.send(service, b"x");
        world.client_sends(&client, &sending);
    }

    assert_eq!(world.drops(DropReason::PeerForbidden), 2);
    assert!(world.sent.is_empty());
}

#[test]
fn a_dual_client_reaches_another_by_ipv6() {
    let mut world = World::with(2, |_| {});
    let v6 = |writer: &mut Writer<'_>| _ = writer.requested_address_family(Family::V6);
    let [mut one, mut two] = [Client::new(1), Client::new(2).on_shard(1)];
    for client in [&mut one, &mut two] {
        client.relayed = world.ask_allocate(client, v6).relayed()[0];
    }
    world.permit(&mut one, two.relayed);
    world.permit(&mut two, one.relayed);
    let sending = one.send(two.relayed, b"ping");
    world.client_sends(&one, &sending);

    assert_eq!(data_of(&world.client_got(&two)[0]), (one.relayed, b"ping".to_vec()));
}

#[test]
fn a_path_that_is_only_claimed_for_ice_is_no_reason_to_hand_over_turn() {
    let mut world = World::with(2, |_| {});
    let mut client = Client::new(1);
    let Path { local, remote, .. } = client.path;
    world.shards[0].flow(Path::udp(local, remote), Some(1));
    client.answered_by = Some(0);

    world.allocate(&mut client);
}
