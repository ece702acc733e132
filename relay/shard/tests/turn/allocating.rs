//! Allocate requests: what is asked, and how it is answered (RFC 8656, section 7).

use super::client::Client;
use super::world::{SERVER, SERVER_V6, World, address, behind_nat, same, with_ledger};
use relay_shard::{Config, Ledger, Path, Quota, TurnRefusal};
use relay_wire::stun::{Family, Message, Method, Writer};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

fn code(add: impl Fn(&mut Writer<'_>)) -> u16 {
    World::new().ask_allocate(&mut Client::new(1), add).code()
}

#[test]
fn an_allocation_is_told_its_addresses_and_lifetime() {
    let mut world = World::new();
    let mut client = Client::new(1);
    let reply = world.ask_allocate(&mut client, |_| {});

    let [relayed] = reply.relayed()[..] else { panic!("one address") };
    assert_eq!(relayed.ip(), address(SERVER).ip());
    assert!((49_152..).contains(&relayed.port()));
    assert_eq!(reply.message().xor_mapped_address(), Some(client.path.remote));
    assert_eq!(reply.lifetime(), 600);
    assert!(reply.is_signed());
    assert!(world.open.contains(&relayed));
    assert_eq!(world.counters().allocations, 1);
}

#[test]
fn nobody_gets_an_allocation_without_credentials() {
    let mut world = World::new();
    let mut stranger = Client::new(1).named("ann", "wrong");
    assert_eq!(world.ask_allocate(&mut stranger, |_| {}).code(), 401);
    let mut nobody = Client::new(2).named("zoe", "secret");
    assert_eq!(world.ask_allocate(&mut nobody, |_| {}).code(), 401);

    let counters = world.counters();
    assert_eq!((counters.challenges, counters.unauthorized), (2, 2));
    assert_eq!(counters.allocations, 0);
    assert!(world.open.is_empty());
}

#[test]
fn a_nonce_that_is_too_old_is_replaced() {
    let (mut world, mut client) = World::with_allocation();
    world.refresh(&mut client, 3_600);
    world.sleep(3_500);
    world.refresh(&mut client, 3_600);
    world.sleep(200);
    let reply = world.refresh(&mut client, 600);
    assert_eq!(reply.code(), 438);
    client.learn(&reply);

    assert_eq!(world.refresh(&mut client, 600).code(), 0);
    assert_eq!(world.counters().stale_nonces, 1);
}

#[test]
fn only_udp_is_relayed() {
    let mut world = World::new();
    let mut client = Client::new(1);
    let reply = world.ask(&mut client, Method::ALLOCATE, |writer| {
        writer.requested_transport(6);
    });
    assert_eq!(reply.code(), 442);
    assert_eq!(world.ask(&mut client, Method::ALLOCATE, |_| {}).code(), 400);
    let reply = world.ask(&mut client, Method::ALLOCATE, |writer| {
        writer.attribute(0x0019, &[17]);
    });
    assert_eq!(reply.code(), 400);
}

#[test]
fn attributes_that_exclude_each_other_are_refused() {
    let v6 = Family::V6;
    assert_eq!(code(|writer| _ = writer.even_port(false).reservation_token(&[1; 8])), 400);
    assert_eq!(
        code(|writer| _ = writer.requested_address_family(v6).reservation_token(&[1; 8])),
        400
    );
    assert_eq!(
        code(|writer| _ = writer.requested_address_family(v6).additional_address_family(v6)),
        400
    );
    assert_eq!(code(|writer| _ = writer.additional_address_family(Family::V4)), 400);
    assert_eq!(code(|writer| _ = writer.additional_address_family(v6).even_port(true)), 400);
    assert_eq!(code(|writer| _ = writer.mobility_ticket(b"a ticket of mine")), 400);
    assert_eq!(code(|writer| _ = writer.attribute(0x0018, &[])), 400);
    assert_eq!(code(|writer| _ = writer.attribute(0x000d, &[1])), 400);
}

#[test]
fn a_token_that_nobody_gave_is_refused() {
    assert_eq!(code(|writer| _ = writer.reservation_token(&[1; 8])), 508);
}

#[test]
fn unknown_attributes_are_listed() {
    let mut world = World::new();
    let reply = world.ask_allocate(&mut Client::new(1), |writer| {
        writer.attribute(0x7001, b"").attribute(0x7002, b"?").attribute(0xf001, b"");
    });

    assert_eq!(reply.code(), 420);
    assert!(reply.is_signed());
    let unknown: Vec<u16> = reply.message().unknown_attributes().unwrap().collect();
    assert_eq!(unknown, [0x7001, 0x7002]);
}

#[test]
fn lifetimes_are_between_ten_minutes_and_the_maximum() {
    for (wished, granted) in [(0, 600), (1, 600), (1_000, 1_000), (u32::MAX, 3_600)] {
        let mut world = World::new();
        let reply = world.ask_allocate(&mut Client::new(1), |writer| _ = writer.lifetime(wished));
        assert_eq!(reply.lifetime(), granted);
    }
}

#[test]
fn a_retransmitted_request_is_answered_the_same() {
    let mut world = World::new();
    let mut client = Client::new(1);
    world.allocate(&mut client);
    let request = client.request(Method::ALLOCATE, |writer| {
        writer.requested_transport(17).lifetime(900).even_port(true);
    });
    world.client_sends(&client, &request);
    assert_eq!(world.answer(&client).unwrap().code(), 437, "there is one already");
    world.refresh(&mut client, 0);

    world.client_sends(&client, &request);
    client.transaction = *Message::parse(&request).unwrap().transaction_id();
    let first = world.answer(&client).unwrap();
    world.sleep(2);
    world.client_sends(&client, &request);
    let second = world.answer(&client).unwrap();

    assert_eq!(first.code(), 0);
    assert_eq!(first.bytes, second.bytes);
    assert_eq!(world.counters().allocations, 1);
    assert_eq!(world.counters().refused(TurnRefusal::Mismatch), 1);
}

#[test]
fn requests_without_an_allocation_are_refused() {
    let mut world = World::new();
    let mut client = Client::new(1);

    assert_eq!(world.refresh(&mut client, 600).code(), 437);
    assert_eq!(world.permit(&mut client, address("203.0.113.1:9")).code(), 437);
    assert_eq!(world.bind(&mut client, 0x4000, address("203.0.113.1:9")).code(), 437);
}

#[test]
fn another_users_allocation_is_left_alone() {
    let (mut world, client) = World::with_allocation();
    let mut other = client.clone().named("bob", "other");
    let reply = world.refresh(&mut other, 0);

    assert_eq!(reply.code(), 441);
    assert!(reply.is_signed());
    assert_eq!(world.counters().allocations, 1);
    assert_eq!(world.ask_allocate(&mut other, |_| {}).code(), 437);
}

#[test]
fn a_family_that_is_not_configured_is_refused() {
    let mut world = World::with(1, |config| config.turn.relays.truncate(1));
    let mut client = Client::new(1);
    let v6 = |writer: &mut Writer<'_>| _ = writer.requested_address_family(Family::V6);
    assert_eq!(world.ask_allocate(&mut client, v6).code(), 440);
    let other = |writer: &mut Writer<'_>| _ = writer.requested_address_family(Family::Other(9));

    assert_eq!(world.ask_allocate(&mut client, other).code(), 440);
}

#[test]
fn a_client_of_either_family_may_have_either() {
    let mut world = World::new();
    let v6 = Path::udp(address(SERVER_V6), address("[2001:db8:7::7]:5000"));
    for (path, family, ip) in [
        (Client::new(1).path, Family::V6, SERVER_V6),
        (v6, Family::V4, SERVER),
        (Path { remote: address("[2001:db8:7::7]:5001"), ..v6 }, Family::V6, SERVER_V6),
    ] {
        let mut client = Client::at(path);
        let reply =
            world.ask_allocate(&mut client, |writer| _ = writer.requested_address_family(family));
        assert_eq!(reply.relayed()[0].ip(), address(ip).ip());
        assert_eq!(reply.message().xor_mapped_address(), Some(path.remote));
    }
}

#[test]
fn a_dual_allocation_has_an_address_of_each_family() {
    let mut world = World::new();
    let dual = |writer: &mut Writer<'_>| _ = writer.additional_address_family(Family::V6);
    let reply = world.ask_allocate(&mut Client::new(1), dual);

    let ips: Vec<IpAddr> = reply.relayed().iter().map(SocketAddr::ip).collect();
    assert_eq!(ips, [address(SERVER).ip(), address(SERVER_V6).ip()]);
    assert_eq!(reply.message().address_error_code(), None);
    assert_eq!(world.open.len(), 2);
}

#[test]
fn a_dual_allocation_that_is_half_possible_says_what_is_missing() {
    for (missing, left) in [(Family::V6, SERVER), (Family::V4, SERVER_V6)] {
        let mut world = World::with(1, |config| {
            config.turn.relays.retain(|relay| relay.local == address(left).ip());
        });
        let dual = |writer: &mut Writer<'_>| _ = writer.additional_address_family(Family::V6);
        let reply = world.ask_allocate(&mut Client::new(1), dual);

        assert_eq!(reply.relayed().len(), 1);
        let message = reply.message();
        let (family, error) = message.address_error_code().unwrap();
        assert_eq!((family, error.code), (missing, 440));
    }
}

#[test]
fn the_address_that_the_client_came_to_is_relayed_from() {
    let second = address("192.0.2.2:3478");
    let mut world = World::with(1, |config| {
        config.turn.relays.push(same(second.ip()));
        config.listen.push(same(second));
    });
    let mut client = Client::new(1);
    client.path.local = second;

    assert_eq!(world.allocate(&mut client).ip(), second.ip());
    assert_eq!(world.allocate(&mut Client::new(2)).ip(), address(SERVER).ip());
}

#[test]
fn behind_nat_the_public_address_is_told_and_the_local_one_opened() {
    let mut world = World::with(1, behind_nat);
    let relayed = world.allocate(&mut Client::new(1));

    assert_eq!(relayed.ip(), address(super::world::PUBLIC).ip());
    assert!(world.open.contains(&SocketAddr::new(address(SERVER).ip(), relayed.port())));
}

#[test]
fn a_socket_that_cannot_be_opened_is_replaced_by_another() {
    let mut world = World::new();
    world.refusals = 7;
    world.allocate(&mut Client::new(1));
    world.refusals = 8;
    let reply = world.ask_allocate(&mut Client::new(2), |_| {});

    assert_eq!(reply.code(), 508);
    assert!(reply.is_signed());
    let counters = world.counters();
    assert_eq!(counters.refused(TurnRefusal::NoSocket), 1);
    assert_eq!((counters.pending, counters.ports_used), (0, 1));
}

#[test]
fn a_dual_allocation_makes_do_with_one_socket() {
    let mut world = World::new();
    let mut client = Client::new(1);
    world.permit(&mut client, address("203.0.113.1:9"));
    world.opens = false;
    let request = client.request(Method::ALLOCATE, |writer| {
        writer.requested_transport(17).additional_address_family(Family::V6);
    });
    world.client_sends(&client, &request);
    while let Some((shard, asked)) = world.asked.pop() {
        world.tell_opened(shard, asked, asked.is_ipv6());
    }

    let reply = world.answer(&client).unwrap();
    assert_eq!(reply.relayed().len(), 1);
    let message = reply.message();
    assert_eq!(message.address_error_code().unwrap().0, Family::V4);
}

#[test]
fn while_a_socket_opens_a_retransmission_waits() {
    let mut world = World::new();
    let mut client = Client::new(1);
    world.permit(&mut client, address("203.0.113.1:9"));
    world.opens = false;
    let request = client.request(Method::ALLOCATE, |writer| _ = writer.requested_transport(17));
    world.client_sends(&client, &request);
    world.client_sends(&client, &request);
    assert_eq!(world.asked.len(), 1);
    assert!(world.answer(&client).is_none());
    assert_eq!(world.counters().pending, 1);

    let (shard, asked) = world.asked[0];
    world.tell_opened(shard, asked, true);
    assert_eq!(world.answer(&client).unwrap().code(), 0);
    assert!(world.answer(&client).is_none());
}

#[test]
fn a_driver_that_does_not_answer_is_given_up_on() {
    let mut world = World::new();
    let mut client = Client::new(1);
    world.permit(&mut client, address("203.0.113.1:9"));
    world.opens = false;
    let request = client.request(Method::ALLOCATE, |writer| _ = writer.requested_transport(17));
    world.client_sends(&client, &request);
    world.sleep(5);
    assert_eq!(world.answer(&client).unwrap().code(), 508);

    let (shard, asked) = world.asked[0];
    world.tell_opened(shard, asked, true);
    assert!(world.open.is_empty(), "a socket that nobody needs is closed");
    assert_eq!(world.counters().ports_used, 0);
}

/// So many allocations of each kind.
struct Full(Quota);

impl Ledger for Full {
    fn enter(&self, _user: u64, _address: IpAddr) -> Result<(), Quota> {
        Err(self.0)
    }

    fn readmit(&self, _user: u64, _address: IpAddr) {}

    fn leave(&self, _user: u64, _address: IpAddr) {
        panic!("nothing was counted");
    }
}

#[test]
fn quotas_are_kept() {
    for (quota, code, why) in [
        (Quota::User, 486, TurnRefusal::QuotaUser),
        (Quota::Address, 486, TurnRefusal::QuotaAddress),
        (Quota::Total, 508, TurnRefusal::QuotaTotal),
    ] {
        let mut world = World::with(1, with_ledger(Arc::new(Full(quota))));
        assert_eq!(world.ask_allocate(&mut Client::new(1), |_| {}).code(), code);
        assert_eq!(world.counters().refused(why), 1);
    }
}

fn four_ports(config: &mut Config) {
    config.turn.ports = 50_000..=50_003;
}

#[test]
fn when_ports_are_used_up_there_are_no_more_allocations() {
    let mut world = World::with(1, four_ports);
    for number in 1..=4 {
        world.allocate(&mut Client::new(number));
    }
    assert_eq!(world.ask_allocate(&mut Client::new(5), |_| {}).code(), 508);
    assert_eq!(world.counters().refused(TurnRefusal::NoPorts), 1);
}

#[test]
fn an_even_port_is_even_or_there_is_none() {
    let mut world = World::with(1, four_ports);
    for number in 1..=2 {
        let reply =
            world.ask_allocate(&mut Client::new(number), |writer| _ = writer.even_port(false));
        assert_eq!(reply.relayed()[0].port() % 2, 0);
        assert_eq!(reply.message().reservation_token(), Ok(None));
    }
    let reply = world.ask_allocate(&mut Client::new(3), |writer| _ = writer.even_port(false));

    assert_eq!(reply.code(), 508);
}
