//! TURN for clients: the relay's service, with credentials of their own.

use crate::world::{Client, World};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use livekit_protocol as proto;
use livekit_protocol::signal_response::Message;
use relay_wire::control::{Event, TurnService};
use ring::hmac;
use signalling_switchboard::{Config, IceServer, Join};
use std::time::Duration;

const URL: &str = "turn:192.0.2.1:3478?transport=udp";
const NOW: u64 = 1_800_000_000;

fn turn(secret: &str) -> Event {
    Event::Turn(TurnService { urls: vec![URL.to_owned()], secret: secret.to_owned() })
}

fn joined(world: &mut World, identity: &str) -> (Client, Vec<proto::IceServer>) {
    let client = world.join_with(Join::new(World::claims(identity)));
    let Message::Join(join) = world.read(&client).remove(0) else { panic!("no JoinResponse") };

    (client, join.ice_servers)
}

/// The expiry and the user, if the credential is the one that a TURN server expects.
fn checked(server: &proto::IceServer, secret: &str) -> (u64, String) {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let tag = STANDARD.decode(&server.credential).unwrap();
    hmac::verify(&key, server.username.as_bytes(), &tag).expect("the server's own HMAC");
    let (expiry, user) = server.username.split_once(':').unwrap();

    (expiry.parse().unwrap(), user.to_owned())
}

#[test]
fn without_a_turn_service_clients_are_told_of_none() {
    let mut world = World::new();
    assert_eq!(joined(&mut world, "alice").1, []);
    world.event(Event::Turn(TurnService::default()));
    assert_eq!(joined(&mut world, "bob").1, []);
}

#[test]
fn everybody_gets_credentials_of_his_own_that_outlive_a_call() {
    let mut world = World::new();
    world.event(turn("secret"));
    for identity in ["alice", "bob@example.org"] {
        let servers = joined(&mut world, identity).1;
        assert_eq!(servers.len(), 1);
        assert_eq!(servers[0].urls, [URL]);
        assert_eq!(checked(&servers[0], "secret"), (NOW + 12 * 3_600, identity.to_owned()));
    }
}

#[test]
fn a_resume_brings_fresh_credentials_by_the_newest_secret() {
    let mut world = World::new();
    world.event(turn("old"));
    let (alice, _) = joined(&mut world, "alice");
    world.settle(&alice);
    world.cut(&alice);
    world.sleep(Duration::from_secs(10));
    world.event(turn("new"));

    let mut join = Join::new(World::claims("alice"));
    (join.reconnect, join.sid) = (true, Some(alice.sid));
    let connection = world.connect(join);
    let Message::Reconnect(response) = world.read_connection(connection).remove(0) else {
        panic!("no ReconnectResponse")
    };
    assert_eq!(checked(&response.ice_servers[0], "new").0, NOW + 10 + 12 * 3_600);
}

#[test]
fn a_relay_that_starts_afresh_replaces_the_service() {
    let mut world = World::new();
    world.event(turn("old"));
    world.event(Event::Reset);
    world.event(turn("new"));
    checked(&joined(&mut world, "alice").1[0], "new");
    world.event(Event::Turn(TurnService::default()));
    assert_eq!(joined(&mut world, "bob").1, []);
}

#[test]
fn configured_servers_come_first_and_stay() {
    let stun = IceServer {
        urls: vec!["stun:192.0.2.5".to_owned()],
        username: String::new(),
        credential: String::new(),
    };
    let mut world = World::with(Config { ice_servers: vec![stun], ..Config::default() });
    assert_eq!(joined(&mut world, "alice").1.len(), 1);
    world.event(turn("secret"));
    let servers = joined(&mut world, "bob").1;
    assert_eq!((servers[0].urls[0].as_str(), servers[0].username.as_str()), ("stun:192.0.2.5", ""));
    checked(&servers[1], "secret");
}

#[test]
fn no_identity_can_break_the_user_name() {
    let mut world = World::new();
    world.event(turn("secret"));
    let long = "x".repeat(200);
    let odd = ["9999999999:admin", "a b", "tab\there", "zo\u{eb}", "line\nbreak", "#1", &long];
    let mut users = Vec::new();
    for identity in odd {
        let server = joined(&mut world, identity).1.remove(0);
        assert!(server.username.len() <= 128, "{}", server.username);
        assert!(server.username.is_ascii(), "{}", server.username);
        let (expiry, user) = checked(&server, "secret");
        assert_eq!(expiry, NOW + 12 * 3_600);
        assert!(user.starts_with('#') && !user.contains([':', ' ']), "{user}");
        users.push(user);
    }
    users.sort_unstable();
    users.dedup();
    assert_eq!(users.len(), odd.len(), "two identities are never one user");
}
