//! Datagrams nobody meant: no panic, each counted or answered, nothing kept.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod world;

use proptest::collection::vec;
use proptest::prelude::*;
use relay_wire::control::{Command, DataRole, TransportId};
use std::time::Duration;
use str0m::config::DtlsVersion;
use world::checker::{Check, remote};
use world::client::Client;
use world::{World, hello, path};

/// A transport with one validated path.
fn world() -> (World, Vec<u8>) {
    let mut world = World::new();
    let opened = world.open(1, DataRole::Accept);
    world.command(Command::Admit { transport: TransportId(1), remote: remote() });
    world.check(path(5000), &Check::nominating(&opened));
    world.sent.clear();

    (world, Check::nominating(&opened).bytes())
}

fn feed(world: &mut World, port: u16, datagram: &[u8]) {
    let before = (world.all_drops(), world.sent.len());
    world.receive(path(port), datagram);
    let queued = world.shard.next_timeout() == Some(world.now);
    let after = (world.all_drops(), world.sent.len());
    assert!(queued || after != before, "{datagram:02x?} vanished");
    world.sleep(Duration::from_millis(1));
}

/// Something like each protocol, so that parsers get past their first bytes.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![0_u8..4, 20_u8..64, 64_u8..80, 128_u8..192, any::<u8>()];

    (first, vec(any::<u8>(), 0..200)).prop_map(|(first, mut rest)| {
        rest.insert(0, first);
        if first < 4 && rest.len() >= 20 {
            let len = u16::try_from(rest.len() - 20).unwrap();
            rest[2..4].copy_from_slice(&len.to_be_bytes());
            rest[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
        }
        if (20..64).contains(&first) && rest.len() >= 13 {
            rest[1..5].copy_from_slice(&[0xfe, 0xfd, 0, 0]);
            let len = u16::try_from(rest.len() - 13).unwrap();
            rest[11..13].copy_from_slice(&len.to_be_bytes());
        }
        rest
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_datagrams_are_counted(datagrams in vec((datagram(), any::<bool>()), 1..40)) {
        let (mut world, _) = world();
        for (datagram, known_path) in datagrams {
            feed(&mut world, if known_path { 5000 } else { 6000 }, &datagram);
        }
        prop_assert!(world.counters().transports <= 1);
    }

    #[test]
    fn damaged_datagrams_are_counted(cut in 0_usize..200, at in 0_usize..200, bits in 1_u8..) {
        let (mut world, check) = world();
        for whole in [check, hello::client_hello()] {
            feed(&mut world, 5000, &whole[..cut.min(whole.len())]);
            let mut flipped = whole;
            let at = at % flipped.len();
            flipped[at] ^= bits;
            feed(&mut world, 5000, &flipped);
        }
    }
}

#[test]
fn a_connected_client_survives_garbage_on_its_path() {
    let mut world = World::new();
    let mut client = Client::new(world.now, 5001, DtlsVersion::Auto);
    world.invite(1, DataRole::Open, &mut client);
    world.talk(&mut [&mut client], Duration::from_secs(3));
    assert!(client.is_connected());

    let mut state = 1_u32;
    for round in 0..2_000_u32 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut bytes = [0_u8; 60];
        bytes.iter_mut().enumerate().for_each(|(at, byte)| {
            *byte = (state >> (at % 24)) as u8 ^ (at as u8).wrapping_mul(round as u8);
        });
        bytes[0] = [0x80, 0x90, 22, 23, 0x2f, 0][round as usize % 6];
        world.receive(path(5001), &bytes);
        world.sleep(Duration::from_micros(100));
    }
    world.talk(&mut [&mut client], Duration::from_secs(5));

    assert_eq!(world.counters().transports, 1);
    assert!(client.error.is_none());
}

#[test]
fn a_flood_from_ever_new_addresses_leaves_nothing_behind() {
    let (mut world, check) = world();
    let mut forged = check;
    let last = forged.len() - 1;
    forged[last] ^= 1;
    for port in 10_000..30_000 {
        world.receive(path(port), &forged);
        world.receive(path(port), &hello::SHORT);
        world.receive(path(port), &[0x80; 30]);
    }
    assert_eq!(world.all_drops(), 60_000);
    assert!(world.sent.is_empty());
    assert_eq!(world.counters().transports, 1);
}
