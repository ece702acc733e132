//! DTLS as the shard speaks it, with a client that is nothing else.
#![allow(clippy::unwrap_used)]

mod world;

use relay_shard::{DropReason, DtlsVersions};
use relay_wire::control::{
    Answer, CloseReason, Command, DataRole, Event, Fingerprint, Hash, TransportId,
};
use ring::digest;
use std::time::Duration;
use world::checker::{Check, remote};
use world::hello::Hello;
use world::{World, path};

const TRANSPORT: TransportId = TransportId(1);

/// A world with a validated path, and a client whose certificate is announced by this hash.
fn checked(hash: Hash, mtu: usize, dtls: DtlsVersions) -> (World, Hello) {
    let mut world = World::with(|config| config.dtls = dtls);
    let opened = world.open(1, DataRole::Accept);
    let client = Hello::new(world.now, mtu);
    let algorithm = match hash {
        Hash::Sha256 => &digest::SHA256,
        Hash::Sha384 => &digest::SHA384,
        Hash::Sha512 => &digest::SHA512,
    };
    let digest = digest::digest(algorithm, &client.certificate).as_ref().to_vec();
    let mut remote = remote();
    remote.fingerprint = Fingerprint { hash, digest };
    assert_eq!(world.command(Command::Admit { transport: TRANSPORT, remote }), Answer::Done);
    world.check(path(5000), &Check::nominating(&opened));
    world.sent.clear();

    (world, client)
}

/// Carries datagrams to and fro until nobody has anything to say.
fn talk(world: &mut World, client: &mut Hello) {
    for _ in 0..20 {
        for datagram in std::mem::take(&mut client.flight) {
            world.receive(path(5000), &datagram);
        }
        world.sleep(Duration::from_millis(1));
        for (_, datagram) in std::mem::take(&mut world.sent) {
            client.receive(world.now, &datagram);
        }
    }
}

#[test]
fn a_client_hello_in_two_datagrams_is_understood() {
    for dtls in [DtlsVersions::Auto, DtlsVersions::Only12] {
        let (mut world, mut client) = checked(Hash::Sha256, 100, dtls);
        assert!(client.flight.len() >= 2, "{}", client.flight.len());
        talk(&mut world, &mut client);
        assert!(client.connected);
        assert!(world.was_told(&Event::Connected(TRANSPORT)));
    }
}

#[test]
fn certificates_are_known_by_each_hash() {
    for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
        let (mut world, mut client) = checked(hash, 1150, DtlsVersions::Auto);
        talk(&mut world, &mut client);
        assert!(world.was_told(&Event::Connected(TRANSPORT)), "{hash:?}");
    }
}

#[test]
fn a_hello_on_a_path_that_is_not_validated_is_dropped() {
    let (mut world, client) = checked(Hash::Sha256, 1150, DtlsVersions::Auto);
    world.receive(path(6000), &client.flight[0]);
    world.sleep(Duration::from_millis(10));
    assert!(world.sent.is_empty());
    assert_eq!(world.drops(DropReason::UnknownPath), 1);
}

#[test]
fn one_turn_takes_one_handshake_step() {
    let (mut world, client) = checked(Hash::Sha256, 1150, DtlsVersions::Auto);
    let second = world.open(2, DataRole::Accept);
    world.check(path(5001), &Check::nominating(&second));
    world.sent.clear();
    let other = Hello::new(world.now, 1150);
    world.receive(path(5000), &client.flight[0]);
    world.receive(path(5001), &other.flight[0]);
    assert!(world.sent.is_empty());
    assert_eq!(world.shard.next_timeout(), Some(world.now));

    world.shard.advance(world.now, &mut world.out);
    world.drain();
    assert!(!world.sent.is_empty());
    assert!(world.sent.iter().all(|(to, _)| *to == path(5000)));
    world.shard.advance(world.now, &mut world.out);
    world.drain();
    assert!(world.sent.iter().any(|(to, _)| *to == path(5001)));
}

#[test]
fn a_lost_flight_is_repeated() {
    let (mut world, mut client) = checked(Hash::Sha256, 1150, DtlsVersions::Auto);
    world.receive(path(5000), &client.flight.remove(0));
    world.sleep(Duration::from_millis(1));
    world.sent.clear();
    world.sleep(Duration::from_secs(2));
    assert!(!world.sent.is_empty());
    for _ in 0..50 {
        talk(&mut world, &mut client);
        world.sleep(Duration::from_millis(80));
        client.tick(world.now);
    }
    assert!(world.was_told(&Event::Connected(TRANSPORT)));
}

#[test]
fn half_a_handshake_is_forgotten_after_the_connect_timeout() {
    let (mut world, client) = checked(Hash::Sha256, 1150, DtlsVersions::Auto);
    world.receive(path(5000), &client.flight[0]);
    world.sleep(Duration::from_secs(20));
    assert_eq!(world.counters().transports, 0);
    assert!(world.told().any(|event| matches!(event, Event::Closed(TRANSPORT, _))));
}

#[test]
fn a_flood_of_hellos_is_dropped_beyond_a_bound() {
    let (mut world, client) = checked(Hash::Sha256, 1150, DtlsVersions::Auto);
    for _ in 0..1_000 {
        world.receive(path(5000), &client.flight[0]);
    }
    assert_eq!(world.drops(DropReason::DtlsQueueFull), 1_000 - 128);
}

#[test]
fn another_certificate_than_announced_closes_the_transport() {
    let (mut world, mut client) = checked(Hash::Sha256, 1150, DtlsVersions::Auto);
    world.command(Command::Admit { transport: TRANSPORT, remote: remote() });
    talk(&mut world, &mut client);
    assert!(world.was_told(&Event::Closed(TRANSPORT, CloseReason::Dtls)));
    assert!(!world.was_told(&Event::Connected(TRANSPORT)));
}
