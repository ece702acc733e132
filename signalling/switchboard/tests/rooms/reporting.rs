//! What the back end is told, and fresh tokens.

use crate::script::{self, Line};
use crate::world::World;
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Say;
use livekit_protocol::signal_response::Message;
use relay_wire::control::Event;
use serde_json::Value;
use signalling_switchboard::token::{Claims, Grants, verify};
use signalling_switchboard::{AdminRequest, Config, Join};
use std::collections::BTreeSet;
use std::time::Duration;

const SECRET: &str = "a secret of the tests, long enough";
const BEGIN: u64 = 1_800_000_000;

fn world() -> World {
    let keys = [("key".to_owned(), SECRET.to_owned())].into();
    World::with(Config { webhooks: true, keys, ..Config::default() })
}

fn told(world: &mut World) -> Vec<Value> {
    let events = std::mem::take(&mut world.events);
    assert!(events.iter().all(|event| event.room == "demo"));
    let bodies = events.iter().map(|event| serde_json::from_slice(&event.body).unwrap());
    let bodies: Vec<Value> = bodies.collect();
    assert!(events.iter().zip(&bodies).all(|(event, body)| body["id"] == event.id));
    bodies
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

#[test]
fn a_call_is_told_from_its_beginning_to_its_end() {
    let mut world = world();
    let alice = world.join("alice");
    let (sid, _) = world.publish_camera(&alice);
    world.say(&alice, script::offer(2, &[Line::video("1", "cam").inactive()], "publ"));
    world.publish_camera(&alice);
    world.say(&alice, Say::Leave(proto::LeaveRequest::default()));
    world.sleep(Duration::from_secs(30));

    let events = told(&mut world);
    let expected = [
        "room_started",
        "participant_joined",
        "track_published",
        "track_unpublished",
        "track_published",
        "track_unpublished",
        "participant_left",
        "room_finished",
    ];
    assert_eq!(names(&events), expected);
    let ids: BTreeSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), events.len());
    assert!(events[0]["id"].as_str().unwrap().starts_with("EV_"));
    // 64-bit numbers are texts in proto3's JSON.
    assert_eq!(events[0]["createdAt"], BEGIN.to_string());
    let rooms: BTreeSet<_> = events.iter().map(|e| e["room"]["sid"].to_string()).collect();
    assert_eq!(rooms.len(), 1);
    assert_eq!(events[1]["participant"]["state"], "ACTIVE");
    assert_eq!(
        (&events[2]["track"]["sid"], &events[2]["track"]["type"]),
        (&sid.into(), &"VIDEO".into())
    );
    assert_eq!(events[2]["participant"]["identity"], "alice");
    assert_eq!(events[6]["participant"]["disconnectReason"], "CLIENT_INITIATED");
    assert_eq!(events[7]["roomEndReason"], "ROOM_END_IDLE_TIMEOUT");
}

#[test]
fn who_never_gets_as_far_as_media_aborts() {
    let mut world = world();
    let alice = world.join_with(Join::new(World::claims("alice")));
    world.cut(&alice);
    world.sleep(Duration::from_secs(20));
    let events = told(&mut world);
    assert_eq!(names(&events), ["room_started", "participant_connection_aborted"]);
}

#[test]
fn a_reset_and_a_stop_are_told_too() {
    let mut world = world();
    world.join("alice");
    world.event(Event::Reset);
    let events = told(&mut world);
    assert_eq!(names(&events), ["room_started", "participant_joined", "participant_left"]);
    world.join("bob");
    world.shutdown();
    let events = told(&mut world);
    assert_eq!(names(&events), ["participant_joined", "participant_left", "room_finished"]);
    assert_eq!(events[2]["roomEndReason"], "ROOM_END_SERVER_SHUTDOWN");
}

#[test]
fn nothing_is_built_when_nobody_listens() {
    let mut world = World::new();
    world.join("alice");
    assert!(told(&mut world).is_empty());
}

#[test]
fn numbers_without_a_meaning_do_not_stop_the_events() {
    let mut world = world();
    let alice = world.join("alice");
    let mut add = script::camera("cam");
    (add.source, add.encryption, add.backup_codec_policy) = (77, 78, 79);
    add.layers[0].quality = 80;
    add.audio_features = vec![81];
    world.say(&alice, Say::AddTrack(add));
    world.say(&alice, script::offer(1, &[Line::video("1", "cam")], "publ"));
    for command in world.commands() {
        if let relay_wire::control::Command::Publish(spec) = command {
            world.event(Event::Started(spec.track, relay_wire::control::Codec::Vp8));
        }
    }
    assert_eq!(names(&told(&mut world)).last(), Some(&"track_published"));
}

fn signed(identity: &str) -> Claims {
    Claims { iss: "key".into(), exp: Some(BEGIN + 60), ..World::claims(identity) }
}

fn tokens(messages: &[Message]) -> Vec<String> {
    let tokens = messages.iter().filter_map(|message| match message {
        Message::RefreshToken(token) => Some(token.clone()),
        _ => None,
    });
    tokens.collect()
}

#[test]
fn a_fresh_token_comes_soon_and_again_before_half_of_its_life_is_over() {
    let mut world = world();
    let alice = world.join_with(Join::new(signed("alice")));
    world.settle(&alice);
    world.sleep_pinging(Duration::from_secs(2), &[&alice]);
    let first = tokens(&world.read(&alice));
    assert_eq!(first.len(), 1);
    let claims = verify(&first[0], |key| (key == "key").then_some(SECRET), BEGIN + 2).unwrap();
    assert_eq!((claims.sub.as_str(), claims.name.as_str()), ("alice", "ALICE"));
    assert_eq!(claims.video, signed("alice").video);
    assert!(claims.exp.unwrap() >= BEGIN + 600);

    world.sleep_pinging(Duration::from_secs(299), &[&alice]);
    assert_eq!(tokens(&world.read(&alice)).len(), 1);
}

#[test]
fn a_fresh_token_says_what_an_administrator_changed_and_never_ends_sooner() {
    let mut world = world();
    let claims = Claims { exp: Some(BEGIN + 36_000), ..signed("alice") };
    let alice = world.join_with(Join::new(claims));
    world.settle(&alice);
    let video = Grants { room: "demo".into(), room_admin: true, ..Grants::default() };
    let request = proto::UpdateParticipantRequest {
        room: "demo".into(),
        identity: "alice".into(),
        metadata: "changed".into(),
        permission: Some(proto::ParticipantPermission {
            can_subscribe: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    let admin = Claims { video, ..Claims::default() };
    world.administer(&admin, AdminRequest::UpdateParticipant(request)).unwrap();
    let fresh = tokens(&world.read(&alice)).pop().unwrap();
    let claims = verify(&fresh, |_| Some(SECRET), BEGIN).unwrap();
    assert_eq!((claims.metadata.as_str(), claims.video.can_publish), ("changed", Some(false)));
    assert!(claims.video.room_join && claims.video.room == "demo");
    assert_eq!(claims.exp, Some(BEGIN + 36_000));
}
