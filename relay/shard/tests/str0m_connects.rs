//! An independent WebRTC stack connects to the shard: ICE, DTLS, data channels.
#![allow(clippy::unwrap_used)]

mod world;

use relay_shard::DtlsVersions;
use relay_wire::control::{CloseReason, DataRole, Event, TransportId};
use std::time::Duration;
use str0m::config::DtlsVersion;
use world::World;
use world::client::Client;

fn connects(ours: DtlsVersions, theirs: DtlsVersion) {
    let mut world = World::with(|config| config.dtls = ours);
    let mut client = Client::new(world.now, 5001, theirs);
    world.invite(1, DataRole::Accept, &mut client);

    world.talk(&mut [&mut client], Duration::from_secs(5));

    assert!(client.is_connected());
    assert!(world.was_told(&Event::Connected(TransportId(1))));
    assert_eq!(world.counters().connects, 1);
    assert!(world.counters().connect_ms < 1_000, "{}", world.counters().connect_ms);
}

#[test]
fn a_dtls_1_2_client_connects() {
    connects(DtlsVersions::Auto, DtlsVersion::Dtls12);
}

#[test]
fn a_dtls_1_3_client_connects() {
    connects(DtlsVersions::Auto, DtlsVersion::Dtls13);
}

#[test]
fn a_client_of_both_versions_connects() {
    connects(DtlsVersions::Auto, DtlsVersion::Auto);
}

#[test]
fn a_client_of_both_versions_connects_to_a_relay_of_1_2() {
    connects(DtlsVersions::Only12, DtlsVersion::Auto);
}

#[test]
fn the_relay_opens_its_channels_on_a_subscriber() {
    let mut world = World::new();
    let mut client = Client::new(world.now, 5001, DtlsVersion::Auto);
    world.invite(1, DataRole::Open, &mut client);

    world.talk(&mut [&mut client], Duration::from_secs(5));

    assert!(client.channel("_reliable").is_some());
    assert!(client.channel("_lossy").is_some());
}

#[test]
fn a_client_with_another_certificate_is_refused() {
    let mut world = World::new();
    let mut client = Client::new(world.now, 5001, DtlsVersion::Auto);
    let opened = world.open(1, DataRole::Accept);
    let mut remote = client.remote();
    remote.fingerprint.digest[0] ^= 1;
    let transport = TransportId(1);
    world.command(relay_wire::control::Command::Admit { transport, remote });
    client.start(&opened);

    world.talk(&mut [&mut client], Duration::from_secs(5));

    assert!(world.was_told(&Event::Closed(transport, CloseReason::Dtls)));
    assert!(!world.was_told(&Event::Connected(transport)));
    assert_eq!(world.counters().transports, 0);
}
