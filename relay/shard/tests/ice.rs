//! ICE-lite as a full agent sees it: checks made by hand, through the shard.
#![allow(clippy::unwrap_used)]

mod world;

use relay_shard::{DropReason, Event};
use relay_wire::control::{
    Answer, CloseReason, Command, DataRole, Event as Told, Opened, Refusal, TransportId,
};
use relay_wire::ice::shard_of;
use relay_wire::stun::{Class, Message, Method, Writer};
use std::time::Duration;
use world::checker::{Check, Reply, remote};
use world::{World, path, refused};

const TRANSPORT: TransportId = TransportId(1);

fn opened() -> (World, Opened) {
    let mut world = World::new();
    let opened = world.open(1, DataRole::Accept);

    (world, opened)
}

fn admitted() -> (World, Opened) {
    let (mut world, opened) = opened();
    let admit = Command::Admit { transport: TRANSPORT, remote: remote() };
    assert_eq!(world.command(admit), Answer::Done);

    (world, opened)
}

fn restart(world: &mut World) -> Opened {
    match world.command(Command::RestartIce(TRANSPORT)) {
        Answer::Opened(opened) => opened,
        other => panic!("{other:?}"),
    }
}

/// Where the relay sends what it says to this transport: provoked by a DTLS hello.
fn selected(world: &mut World, from: u16) -> Option<u16> {
    world.sent.clear();
    world.receive(path(from), &world::hello::client_hello());
    world.sleep(Duration::from_millis(1));
    world.sent.first().map(|(path, _)| path.remote.port())
}

#[test]
fn credentials_name_the_shard_and_are_long_enough() {
    let (_, opened) = opened();
    assert_eq!(shard_of(&opened.ufrag), Some(0));
    assert!(opened.pwd.len() >= 22);
    assert_eq!(opened.candidates, vec![world::local()]);
    assert_eq!(opened.fingerprint.digest.len(), 32);
}

#[test]
fn a_check_is_answered_with_the_address_it_came_from() {
    let (mut world, opened) = admitted();
    let reply = world.check(path(5000), &Check::of(&opened));
    assert_eq!(reply, Reply::Success(path(5000).remote));
    assert!(world.events.contains(&Event::FlowBound(path(5000))));
}

#[test]
fn a_check_that_comes_before_its_sender_is_admitted_is_answered() {
    let (mut world, opened) = opened();
    let reply = world.check(path(5000), &Check::of(&opened));
    assert_eq!(reply, Reply::Success(path(5000).remote));
}

#[test]
fn a_check_from_a_stranger_to_the_user_name_is_dropped() {
    let (mut world, opened) = admitted();
    let username = format!("{}:other", opened.ufrag);
    let reply = world.check(path(5000), &Check { username, ..Check::of(&opened) });
    assert_eq!(reply, Reply::Silence);
    assert_eq!(world.drops(DropReason::StunUnauthentic), 1);
}

#[test]
fn a_check_with_a_wrong_password_is_dropped_and_binds_nothing() {
    let (mut world, opened) = admitted();
    let check = Check { pwd: "wrong+password+of+24+chr", ..Check::of(&opened) };
    assert_eq!(world.check(path(5000), &check), Reply::Silence);
    assert_eq!(world.drops(DropReason::StunUnauthentic), 1);
    assert!(world.events.is_empty());
}

#[test]
fn a_check_without_fingerprint_is_dropped() {
    let (mut world, opened) = admitted();
    let check = Check { fingerprint: false, ..Check::of(&opened) };
    assert_eq!(world.check(path(5000), &check), Reply::Silence);
}

#[test]
fn a_check_for_an_unknown_fragment_is_dropped_in_silence() {
    let (mut world, opened) = admitted();
    let username = "00abcdefgh:remote".to_string();
    let reply = world.check(path(5000), &Check { username, ..Check::of(&opened) });
    assert_eq!(reply, Reply::Silence);
    assert_eq!(world.drops(DropReason::UnknownUfrag), 1);
}

#[test]
fn a_sender_that_claims_our_role_is_told_of_the_conflict() {
    let (mut world, opened) = admitted();
    let check = Check { controlled: true, ..Check::of(&opened) };
    assert_eq!(world.check(path(5000), &check), Reply::Error(487, vec![]));
    assert!(world.events.is_empty());
}

#[test]
fn an_attribute_that_must_be_understood_and_is_not_is_refused() {
    let (mut world, opened) = admitted();
    let check = Check { unknown: true, ..Check::of(&opened) };
    assert_eq!(world.check(path(5000), &check), Reply::Error(420, vec![0x7abc]));
}

#[test]
fn the_first_valid_path_is_used_until_another_is_nominated() {
    let (mut world, opened) = admitted();
    world.check(path(5000), &Check::of(&opened));
    world.check(path(5001), &Check::of(&opened));
    assert_eq!(selected(&mut world, 5001), Some(5000));
}

#[test]
fn the_latest_nomination_wins() {
    let (mut world, opened) = admitted();
    world.check(path(5000), &Check::nominating(&opened));
    world.check(path(5001), &Check::of(&opened));
    world.check(path(5002), &Check::nominating(&opened));
    assert_eq!(selected(&mut world, 5000), Some(5002));
}

#[test]
fn when_the_selected_path_falls_silent_a_living_one_takes_over() {
    let mut world = World::with(|config| {
        config.limits.connect_timeout = Duration::from_secs(100);
    });
    let opened = world.open(1, DataRole::Accept);
    world.check(path(5000), &Check::nominating(&opened));
    world.sleep(Duration::from_secs(20));
    world.check(path(5001), &Check::of(&opened));
    world.sleep(Duration::from_secs(10));

    assert!(world.events.contains(&Event::FlowUnbound(path(5000))));
    assert_eq!(selected(&mut world, 5001), Some(5001));
}

#[test]
fn a_ninth_path_takes_the_place_of_the_one_that_was_silent_longest() {
    let (mut world, opened) = admitted();
    for port in 5000..5009 {
        world.check(path(port), &Check::of(&opened));
        world.sleep(Duration::from_millis(10));
    }
    // 5000 is the selected one.
    let unbound: Vec<_> =
        world.events.iter().filter(|event| matches!(event, Event::FlowUnbound(_))).collect();
    assert_eq!(unbound, vec![&Event::FlowUnbound(path(5001))]);
}

#[test]
fn who_knows_nothing_is_told_the_paths_that_are_left() {
    let (mut world, opened) = admitted();
    for port in 5000..5009 {
        world.check(path(port), &Check::of(&opened));
        world.sleep(Duration::from_millis(10));
    }
    world.events.clear();
    world.shard.retell(&mut world.out);
    let mut told: Vec<Event> = world.out.events.drain(..).collect();
    told.sort_by_key(|event| format!("{event:?}"));
    let left = (5000..5009).filter(|port| *port != 5001);
    assert_eq!(told, left.map(|port| Event::FlowBound(path(port))).collect::<Vec<_>>());

    world.command(Command::Close(TRANSPORT));
    world.shard.retell(&mut world.out);
    assert_eq!(world.out.events, []);
}

fn bound(world: &World) -> usize {
    world.events.iter().filter(|event| matches!(event, Event::FlowBound(_))).count()
}

#[test]
fn paths_that_a_client_binds_in_a_second_are_bounded() {
    let (mut world, opened) = admitted();
    for port in 0..5_000 {
        world.check(path(port), &Check::of(&opened));
    }
    assert!(bound(&world) < 50, "each is a letter to every other shard: {}", bound(&world));
    assert!(world.drops(DropReason::PathLimit) > 4_900);

    world.sleep(Duration::from_secs(1));
    assert_eq!(world.check(path(6_000), &Check::of(&opened)), Reply::Success(path(6_000).remote));
}

#[test]
fn two_clients_cannot_pass_a_path_to_and_fro_without_end() {
    let (mut world, first) = admitted();
    let second = world.open(2, DataRole::Accept);
    for _ in 0..1_000 {
        world.check(path(5000), &Check::of(&first));
        world.check(path(5000), &Check::of(&second));
    }
    assert!(bound(&world) < 100, "each is a letter to every other shard: {}", bound(&world));
}

#[test]
fn a_path_goes_to_the_transport_that_checked_it_last() {
    let (mut world, first) = admitted();
    let second = world.open(2, DataRole::Accept);
    world.check(path(5000), &Check::nominating(&first));
    world.check(path(5000), &Check::nominating(&second));

    assert_eq!(world.command(Command::Close(TransportId(1))), Answer::Done);
    assert!(!world.events.contains(&Event::FlowUnbound(path(5000))));
    assert_eq!(world.command(Command::Close(TransportId(2))), Answer::Done);
    assert!(world.events.contains(&Event::FlowUnbound(path(5000))));
}

#[test]
fn a_restart_makes_new_credentials_and_keeps_the_old_until_the_new_are_nominated() {
    let (mut world, old) = admitted();
    world.check(path(5000), &Check::nominating(&old));
    let new = restart(&mut world);
    assert_ne!((&old.ufrag, &old.pwd), (&new.ufrag, &new.pwd));
    assert_eq!(old.fingerprint, new.fingerprint);

    let success = |port| Reply::Success(path(port).remote);
    assert_eq!(world.check(path(5000), &Check::nominating(&old)), success(5000));
    assert_eq!(world.check(path(5001), &Check::of(&new)), success(5001));
    assert_eq!(selected(&mut world, 5000), Some(5000));
    assert_eq!(world.check(path(5001), &Check::nominating(&new)), success(5001));
    assert_eq!(selected(&mut world, 5000), Some(5001));
    assert_eq!(world.check(path(5000), &Check::of(&old)), Reply::Silence);
}

#[test]
fn old_credentials_are_forgotten_in_time() {
    let (mut world, old) = admitted();
    restart(&mut world);
    world.sleep(Duration::from_secs(14));
    assert_eq!(world.check(path(5000), &Check::of(&old)), Reply::Success(path(5000).remote));
    let newest = restart(&mut world);
    restart(&mut world);
    assert_eq!(world.check(path(5000), &Check::of(&old)), Reply::Silence);
    assert_eq!(world.check(path(5000), &Check::of(&newest)), Reply::Success(path(5000).remote));
}

#[test]
fn after_a_restart_the_new_remote_side_is_believed_before_and_after_it_is_admitted() {
    let (mut world, _) = admitted();
    let new = restart(&mut world);
    let username = format!("{}:fresh", new.ufrag);
    let check = Check { username, ..Check::of(&new) };
    assert_eq!(world.check(path(5000), &check), Reply::Success(path(5000).remote));

    let mut remote = remote();
    remote.ufrag = "fresh".into();
    world.command(Command::Admit { transport: TRANSPORT, remote });
    assert_eq!(world.check(path(5000), &check), Reply::Success(path(5000).remote));
    assert_eq!(world.check(path(5000), &Check::of(&new)), Reply::Silence);
}

#[test]
fn a_peer_that_only_checks_is_forgotten_after_the_connect_timeout() {
    let (mut world, opened) = admitted();
    for _ in 0..19 {
        world.check(path(5000), &Check::nominating(&opened));
        world.sleep(Duration::from_secs(1));
    }
    assert_eq!(world.counters().transports, 1);
    world.sleep(Duration::from_secs(1));

    assert_eq!(world.counters().transports, 0);
    assert!(world.was_told(&Told::Closed(TRANSPORT, CloseReason::ConnectTimeout)));
    assert!(world.events.contains(&Event::FlowUnbound(path(5000))));
    assert_eq!(world.check(path(5000), &Check::of(&opened)), Reply::Silence);
    assert_eq!(world.command(Command::Close(TRANSPORT)), refused(Refusal::Unknown));
}

#[test]
fn a_transport_nobody_comes_to_is_forgotten() {
    let (mut world, _) = opened();
    world.sleep(Duration::from_secs(21));
    assert!(world.was_told(&Told::Closed(TRANSPORT, CloseReason::ConnectTimeout)));
    assert_eq!(world.shard.next_timeout(), None);
}

fn bare_request(unknown: bool) -> Vec<u8> {
    let mut buffer = [0; 64];
    let mut writer = Writer::begin(&mut buffer, Class::Request, Method::BINDING, b"transaction!");
    if unknown {
        writer.attribute(0x0003, &[0; 4]);
    }
    let len = writer.finish().unwrap();

    buffer[..len].to_vec()
}

#[test]
fn a_bare_binding_request_is_answered_as_a_stun_server_does() {
    let mut world = World::new();
    let request = bare_request(false);
    world.receive(path(5000), &request);

    let (back, bytes) = world.sent.pop().unwrap();
    let response = Message::parse(&bytes).unwrap();
    assert_eq!(back, path(5000));
    assert_eq!(response.class(), Class::Success);
    assert_eq!(response.xor_mapped_address(), Some(path(5000).remote));
    assert!(bytes.len() <= 2 * request.len());
}

#[test]
fn a_binding_request_that_is_not_understood_is_refused() {
    let mut world = World::new();
    let request = bare_request(true);
    world.receive(path(5000), &request);

    let (_, bytes) = world.sent.pop().unwrap();
    let response = Message::parse(&bytes).unwrap();
    assert_eq!(response.error_code().unwrap().code, 420);
    assert!(bytes.len() <= 2 * request.len());
}

#[test]
fn indications_get_silence() {
    let mut world = World::new();
    let mut indication = bare_request(false);
    indication[1] |= 0x10;
    world.receive(path(5000), &indication);

    assert!(world.sent.is_empty());
    assert_eq!(world.drops(DropReason::StunUnexpected), 1);
}
