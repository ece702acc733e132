//! Requests of those who have no business here: the RFC's error or silence, counted, nothing kept.

use super::client::{Client, write};
use super::world::{World, peer};
use proptest::collection::vec;
use proptest::prelude::*;
use relay_shard::{DropReason, TurnCounters};
use relay_wire::stun::{Class, Message, Method};

/// Everything that was sent, against what was asked: at most twice as much.
fn amplification(world: &mut World, client: &Client, request: &[u8]) -> Option<u16> {
    world.client_sends(client, request);
    let sent = world.client_got(client);
    assert!(sent.len() <= 1);
    let answer = sent.first()?;
    assert!(answer.len() <= 2 * request.len(), "{} for {}", answer.len(), request.len());

    Some(Message::parse(answer).unwrap().error_code().map_or(0, |error| error.code))
}

#[test]
fn nobody_is_worth_flooding_by_way_of_us() {
    let mut world = World::new();
    let mut client = Client::new(1);
    for method in [Method::ALLOCATE, Method::REFRESH, Method::CHANNEL_BIND] {
        let bare = client.bare(method, |_| {});
        assert_eq!(amplification(&mut world, &client, &bare), Some(400), "20 bytes");
        let longer = client.bare(method, |writer| _ = writer.requested_transport(17));
        assert_eq!(amplification(&mut world, &client, &longer), Some(401), "28 bytes");
    }
    for method in [0x002, 0x00a, 0x00b, 0x0ff] {
        let bare = client.bare(Method(method), |_| {});
        assert_eq!(amplification(&mut world, &client, &bare), Some(400));
    }
    let counters = world.counters();
    assert_eq!(counters.allocations + counters.pending, 0);
}

#[test]
fn challenges_are_limited_for_a_source_prefix() {
    let mut world = World::with(1, |config| config.turn.challenges_a_second = 10);
    for number in 0..30 {
        let mut client = Client::new(number);
        let request = client.bare(Method::ALLOCATE, |writer| _ = writer.requested_transport(17));
        world.client_sends(&client, &request);
    }

    assert_eq!(world.sent.len(), 10);
    assert_eq!(world.drops(DropReason::Unanswered), 20);
    assert_eq!(world.counters().unanswered, 20);
}

#[test]
fn answers_and_data_indications_are_not_for_us() {
    let (mut world, client) = World::with_allocation();
    for class in [Class::Success, Class::Error] {
        for method in [Method::ALLOCATE, Method::BINDING] {
            world.client_sends(&client, &write(class, method, &[1; 12], |_| {}));
        }
    }
    for method in [Method::DATA, Method::BINDING, Method::ALLOCATE] {
        world.client_sends(&client, &write(Class::Indication, method, &[1; 12], |_| {}));
    }

    assert!(world.sent.is_empty());
    assert_eq!(world.drops(DropReason::StunUnexpected), 7);
}

#[test]
fn a_request_is_of_no_use_from_elsewhere() {
    let (mut world, mut client) = World::with_allocation();
    let request = client.request(Method::REFRESH, |writer| _ = writer.lifetime(0));
    let thief = Client::new(2);
    world.client_sends(&thief, &request);
    let answer = world.client_got(&thief);
    assert_eq!(Message::parse(&answer[0]).unwrap().error_code().unwrap().code, 438);

    assert_eq!(world.counters().allocations, 1);
}

#[test]
fn a_request_that_was_changed_is_refused() {
    let (mut world, mut client) = World::with_allocation();
    let request = client.request(Method::REFRESH, |writer| _ = writer.lifetime(700));
    for at in 20..request.len() {
        let mut changed = request.clone();
        changed[at] ^= 0x40;
        world.client_sends(&client, &changed);
    }
    let counters = world.counters();

    assert_eq!((counters.refreshed, counters.allocations), (0, 1));
}

fn something() -> impl Strategy<Value = (u16, Vec<(u16, Vec<u8>)>, bool)> {
    let methods = prop_oneof![Just(3_u16), Just(4), Just(6), Just(8), Just(9), 0_u16..0x100];
    let kinds = prop_oneof![
        (0x0001_u16..0x0030),
        Just(0x8000_u16),
        Just(0x8030),
        any::<u16>().prop_filter("integrity is the client's", |kind| !matches!(kind, 8 | 0x1c)),
    ];
    let lens = prop_oneof![Just(1_usize), Just(4), Just(8), Just(20), 0_usize..40];
    let values = lens.prop_flat_map(|len| vec(any::<u8>(), len));

    (methods, vec((kinds, values), 0..6), any::<bool>())
}

fn consistent(counters: &TurnCounters, world: &World) {
    assert_eq!(counters.allocations, counters.created - counters.ended);
    assert_eq!(counters.ports_used as usize, world.open.len());
    assert_eq!(counters.pending, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_user_asks_is_answered_or_counted(
        requests in vec((something(), 0_u8..3), 1..40),
    ) {
        let mut world = World::new();
        let mut clients: Vec<Client> = (0..3).map(Client::new).collect();
        world.allocate(&mut clients[0]);
        world.permit(&mut clients[1], peer(1));
        world.permit(&mut clients[2], peer(1));
        for (((method, attributes, indication), from), step) in requests.into_iter().zip(0_u64..) {
            let client = &mut clients[usize::from(from)];
            let add = |writer: &mut relay_wire::stun::Writer<'_>| {
                for (kind, value) in &attributes {
                    if !matches!(*kind, 8 | 0x1c | 0x8028) {
                        writer.attribute(*kind, value);
                    }
                }
            };
            let message = match indication {
                true => write(Class::Indication, Method(method), &[step as u8; 12], add),
                false => client.request(Method(method), add),
            };
            let before: u64 = DropReason::ALL.iter().map(|reason| world.drops(*reason)).sum();
            let sent = world.sent.len();
            world.client_sends(client, &message);
            let after: u64 = DropReason::ALL.iter().map(|reason| world.drops(*reason)).sum();
            prop_assert!(after > before || world.sent.len() > sent, "{message:02x?} vanished");
            world.sleep(step);
            consistent(&world.counters(), &world);
        }
        world.sleep(4_000);
        prop_assert!(world.open.is_empty());
        prop_assert_eq!(world.counters().allocations, 0);
        prop_assert_eq!(world.counters().permissions + world.counters().channels, 0);
    }
}
