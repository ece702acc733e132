use crate::script::{self, Line, leave_of};
use crate::world::World;
use livekit_protocol::request_response::Reason;
use livekit_protocol::signal_request::Message as Say;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{SubscriptionPermission, TrackPermission};
use relay_wire::control::{Codec, Command, Event};
use signalling_switchboard::{Config, Join, JoinError, Limits};
use std::time::Duration;

fn world(change: fn(&mut Limits)) -> World {
    let mut config = Config::default();
    change(&mut config.limits);
    World::with(config)
}

fn hits(world: &World, label: &str) -> u64 {
    world.board.counters().limits_hit().find(|hit| hit.0 == label).unwrap().1
}

#[test]
fn rooms_and_participants_are_bounded() {
    let mut world = world(|limits| (limits.rooms, limits.room_participants) = (1, 1));
    world.join("alice");
    let mut elsewhere = World::claims("bob");
    elsewhere.video.room = "other".into();

    assert_eq!(world.board.admissible(&elsewhere), Err(JoinError::TooManyRooms));
    assert_eq!(world.board.admissible(&World::claims("bob")), Err(JoinError::RoomFull));
    assert_eq!(world.board.admissible(&World::claims("alice")), Ok(()), "it takes its own place");
    let refused = world.connect(Join::new(elsewhere));
    assert!(leave_of(&world.read_connection(refused)).is_some() && world.is_closed(refused));
    world.connect(Join::new(World::claims("bob")));
    assert_eq!((hits(&world, "rooms"), hits(&world, "room_participants")), (1, 1));
    assert_eq!(JoinError::RoomFull.status(), 503);
}

#[test]
fn tracks_are_bounded() {
    let mut world = world(|limits| limits.pending_tracks = 2);
    let alice = world.join("alice");
    for cid in ["a", "b", "c"] {
        world.say(&alice, Say::AddTrack(script::camera(cid)));
    }
    let messages = world.read(&alice);
    assert!(matches!(&messages[2], Message::RequestResponse(r)
        if r.reason() == Reason::LimitExceeded));
    assert_eq!(hits(&world, "pending_tracks"), 1);
}

#[test]
fn subscriber_lines_are_bounded() {
    let mut world = world(|limits| limits.subscriber_sections = 1);
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    for cid in ["one", "two"] {
        world.say(&alice, Say::AddTrack(script::camera(cid)));
    }
    let lines = [Line::video("1", "one"), Line::video("2", "two")];
    world.say(&alice, script::offer(1, &lines, "publ"));
    for command in world.commands() {
        if let Command::Publish(spec) = command {
            world.event(Event::Started(spec.track, Codec::Vp8));
        }
    }
    world.answer_offers(&bob, |sdp| script::answer_to(sdp, "answ"));

    let is_subscribe = |command: &&Command| matches!(command, Command::Subscribe(_));
    assert_eq!(world.commands().iter().filter(is_subscribe).count(), 1);
    assert_eq!(hits(&world, "subscriber_sections"), 1);
}

#[test]
fn too_many_messages_close_the_connection_and_the_client_resumes() {
    let mut world = world(|limits| limits.message_burst = 5);
    let alice = world.join("alice");
    for _ in 0..10 {
        world.say(&alice, Say::Ping(1));
    }
    assert!(world.is_closed(alice.connection));
    assert_eq!((hits(&world, "message_rate"), world.board.counters().participants), (1, 1));
}

#[test]
fn garbage_ends_the_participant_after_a_bounded_number() {
    let mut world = World::new();
    let alice = world.join("alice");
    for _ in 0..9 {
        world.frame(alice.connection, &[0xff; 7]);
    }
    assert!(!world.is_closed(alice.connection));
    world.frame(alice.connection, &[0xff; 7]);
    assert!(world.is_closed(alice.connection));
    assert_eq!(world.board.counters().malformed, 10);
    assert_eq!(world.board.counters().participants, 0);
}

#[test]
fn oversized_messages_and_bad_descriptions_count_as_malformed() {
    let mut world = world(|limits| limits.message_bytes = 1000);
    let alice = world.join("alice");
    world.frame(alice.connection, &[0; 1001]);
    let bad = livekit_protocol::SessionDescription { sdp: "v=0".into(), ..Default::default() };
    world.say(&alice, Say::Offer(bad));
    assert_eq!((world.board.counters().malformed, hits(&world, "message_bytes")), (2, 1));
}

#[test]
fn unanswered_questions_to_the_relay_are_bounded() {
    let mut world = world(|limits| limits.relay_questions = 1);
    world.connect(Join::new(World::claims("alice")));
    assert_eq!(hits(&world, "relay_questions"), 1);
}

/// Processor time that this thread spends on `work`: unlike the wall's, it does not depend on what
/// else the machine does.
fn processor_time(work: impl FnOnce()) -> Duration {
    let spent = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    };
    let before = spent();
    work();
    spent() - before
}

#[test]
fn a_long_list_of_who_may_subscribe_does_not_hold_up_the_other_rooms() {
    let mut world = World::new();
    let alice = world.join("alice");
    let cids: Vec<String> = (0..16).map(|number| format!("c{number}")).collect();
    let mids: Vec<String> = (1..17).map(|number| number.to_string()).collect();
    for cid in &cids {
        world.say(&alice, Say::AddTrack(script::camera(cid)));
    }
    let lines: Vec<_> = mids.iter().zip(&cids).map(|(mid, cid)| Line::video(mid, cid)).collect();
    world.say(&alice, script::offer(1, &lines, "publ"));
    for command in world.commands() {
        if let Command::Publish(spec) = command {
            world.event(Event::Started(spec.track, Codec::Vp8));
        }
    }
    for number in 0..40 {
        world.join(&format!("guest{number}"));
    }
    let entry = |number| TrackPermission {
        participant_sid: format!("PA_{number:012}"),
        participant_identity: format!("guest with the number {number:012}"),
        all_tracks: true,
        ..Default::default()
    };
    let list = SubscriptionPermission {
        all_participants: false,
        track_permissions: (0..1_000).map(entry).collect(),
    };

    let took = processor_time(|| {
        for _ in 0..20 {
            world.say(&alice, Say::SubscriptionPermission(list.clone()));
        }
    });

    assert!(took < Duration::from_millis(200), "{took:?}");
}
