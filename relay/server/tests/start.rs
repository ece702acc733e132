//! What keeps the relay from starting, in the words that the operator reads.
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use relay_server::{IoKind, start};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use world::{Directory, config};

fn refusal(listen: &str) -> String {
    let directory = Directory::new();
    let config = config(&directory, IoKind::Uring, 2, listen);

    match start(&config, Arc::new(|_| {})) {
        Ok(_) => panic!("{listen} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_taken_port_is_named_with_the_fix() {
    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();

    let text = refusal(&address);
    assert!(text.starts_with(&format!("media.listen = {address}: the port is taken")), "{text}");
    assert!(text.contains("choose another port") && !text.contains('\n'), "{text}");
}

#[test]
fn another_relay_on_the_port_is_found_too() {
    let world = world::World::new(IoKind::Uring, 1);

    let text = refusal(&world.address().to_string());
    assert!(text.contains("the port is taken"), "{text}");
}

#[test]
fn an_address_of_another_machine_is_named_with_the_fix() {
    let text = refusal("192.0.2.1:3478");

    assert!(text.starts_with("media.listen = 192.0.2.1:3478: no interface"), "{text}");
    assert!(text.contains("`ip address`"), "{text}");
}

#[test]
fn an_advertised_address_that_is_not_listened_on_is_refused() {
    let directory = Directory::new();
    let mut config = config(&directory, IoKind::Uring, 1, "127.0.0.1:0");
    config.advertise = vec!["198.51.100.7".parse().unwrap()];

    let error = start(&config, Arc::new(|_| {})).err().unwrap().to_string();
    assert!(error.starts_with("media.advertise = 198.51.100.7:"), "{error}");
    assert!(error.contains("PUBLIC/LOCAL"), "{error}");
}

#[test]
fn addresses_and_ports_that_cannot_relay_are_named_with_the_fix() {
    let directory = Directory::new();
    let mut config = config(&directory, IoKind::Uring, 2, "127.0.0.1:0");
    config.turn.relay_addresses = vec!["198.51.100.7/192.0.2.1".parse().unwrap()];
    let error = start(&config, Arc::new(|_| {})).err().unwrap().to_string();
    assert!(error.starts_with("turn.relay_addresses = 192.0.2.1: no interface"), "{error}");
    assert!(error.contains("`ip address`") && !error.contains('\n'), "{error}");

    config.turn.relay_addresses.clear();
    config.turn.relay_ports = 50_000..=50_002;
    let error = start(&config, Arc::new(|_| {})).err().unwrap().to_string();
    assert!(error.starts_with("turn.relay_ports = 50000-50002: 2 shards"), "{error}");
    assert!(error.contains("49152-65535") && !error.contains('\n'), "{error}");
}

#[test]
fn a_wildcard_listens_on_concrete_addresses() {
    let directory = Directory::new();
    // Port 0 gives each address a port of its own.
    let config = config(&directory, IoKind::Uring, 1, "0.0.0.0:0");
    let relay = start(&config, Arc::new(|_| {})).unwrap();

    assert!(relay.listen().iter().all(|address| !address.ip().is_unspecified()));
    assert!(relay.listen().iter().any(|address| address.ip().is_loopback()));
    assert!(relay.candidates()[0].ip().is_loopback(), "development mode");
}

#[test]
fn the_certificate_is_made_once_kept_private_and_used_again() {
    let directory = Directory::new();
    let config = config(&directory, IoKind::Mmsg, 1, "127.0.0.1:0");
    let file = directory.0.join("dtls.pem");
    start(&config, Arc::new(|_| {})).unwrap().stop();
    let first = std::fs::read(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    start(&config, Arc::new(|_| {})).unwrap().stop();
    assert_eq!(std::fs::read(&file).unwrap(), first);

    std::fs::write(&file, "no certificate").unwrap();
    let error = start(&config, Arc::new(|_| {})).err().unwrap().to_string();
    assert!(error.contains("dtls.pem") && error.contains("remove the file"), "{error}");
}
