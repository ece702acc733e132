//! Rooms that are recorded: who may, who is told, and what the relay is told of people.

use crate::world::{Client, World};
use livekit_protocol::signal_request::Message as Say;
use livekit_protocol::signal_response::Message;
use relay_wire::control::{Command, Event, RecordingNews, RecordingSpec, Refusal, RoomId};
use serde_json::{Value, json};
use signalling_switchboard::token::{Claims, Grants};
use signalling_switchboard::{
    AdminError, AdminRequest, AdminResponse, Config, ErrorCode, Join, RecordingAct, RecordingInfo,
};

fn recorder(room: &str) -> Claims {
    let video = Grants { room: room.into(), room_record: true, ..Grants::default() };
    Claims { video, ..Claims::default() }
}

fn ask(world: &mut World, request: AdminRequest) -> Result<RecordingInfo, AdminError> {
    match world.administer(&recorder("demo"), request)? {
        AdminResponse::Recording(recording) => Ok(recording),
        other => panic!("{other:?}"),
    }
}

fn start(world: &mut World) -> Result<RecordingInfo, AdminError> {
    ask(world, AdminRequest::Recording(RecordingAct::Start, "demo".into()))
}

fn show(world: &mut World) -> Result<RecordingInfo, AdminError> {
    ask(world, AdminRequest::Recording(RecordingAct::Show, "demo".into()))
}

fn stop(world: &mut World) -> Result<RecordingInfo, AdminError> {
    ask(world, AdminRequest::Recording(RecordingAct::Stop, "demo".into()))
}

fn code(outcome: Result<RecordingInfo, AdminError>) -> Option<ErrorCode> {
    outcome.err().map(|error| error.code)
}

/// Whether somebody who joins is told that the room is recorded.
fn joins_recorded(world: &mut World, identity: &str) -> bool {
    let connection = world.connect(Join::new(World::claims(identity)));
    let joined = world.read_connection(connection).into_iter().find_map(|message| match message {
        Message::Join(join) => join.room,
        _ => None,
    });
    joined.expect("a join").active_recording
}

/// What clients were told last of whether they are recorded.
fn told(world: &mut World, client: &Client) -> Option<bool> {
    let last = world.read(client).into_iter().rev().find_map(|message| match message {
        Message::RoomUpdate(update) => update.room,
        _ => None,
    });
    last.map(|room| room.active_recording)
}

fn facts(commands: &[Command]) -> Vec<Value> {
    let notes = commands.iter().filter_map(|command| match command {
        Command::Note(json) => Some(serde_json::from_slice(json).unwrap()),
        _ => None,
    });
    notes.collect()
}

/// Names of facts, and where recording begins and ends among them.
fn story(commands: &[Command]) -> Vec<String> {
    let part = |command: &Command| match command {
        Command::Note(json) => {
            let fact: Value = serde_json::from_slice(json).unwrap();
            Some(fact["fact"].as_str().unwrap().to_owned())
        }
        Command::Record(_) => Some("RECORD".to_owned()),
        Command::StopRecording => Some("STOP".to_owned()),
        Command::RemoveParticipant(_) => Some("REMOVE".to_owned()),
        _ => None,
    };
    commands.iter().filter_map(part).collect()
}

fn spec(commands: &[Command]) -> RecordingSpec {
    let found = commands.iter().find_map(|command| match command {
        Command::Record(spec) => Some(spec.clone()),
        _ => None,
    });
    found.expect("a Record command")
}

#[test]
fn everybody_is_told_and_the_log_learns_who_is_who() {
    let mut world = World::new();
    let alice = world.join("alice");
    let (sid, track) = world.publish_camera(&alice);
    let bob = world.join("bob");
    world.commands();
    world.read(&alice);
    world.read(&bob);

    let recording = start(&mut world).unwrap();
    let room = world.room();
    assert_eq!((told(&mut world, &alice), told(&mut world, &bob)), (Some(true), Some(true)));
    let commands = world.commands();
    let spec = spec(&commands);
    assert!(spec.is_valid());
    assert_eq!(recording.log, spec.name);
    assert_eq!(recording.started_at_ms, 1_800_000_000_000);
    assert_eq!(story(&commands), ["RECORD", "room", "participant", "track", "participant"]);
    let facts = facts(&commands);
    assert_eq!(facts[0], json!({"fact": "room", "name": "demo", "sid": recording.room_sid}));
    assert_eq!(facts[1]["identity"], "alice");
    assert_eq!((&facts[1]["name"], &facts[1]["sid"]), (&json!("ALICE"), &json!(alice.sid)));
    assert_eq!((&facts[2]["track"], &facts[2]["sid"]), (&json!(track.0), &json!(sid)));
    assert_eq!(facts[2]["participant"], facts[1]["participant"]);
    assert_eq!((&facts[2]["source"], &facts[2]["encrypted"]), (&json!("camera"), &json!(false)));

    assert!(joins_recorded(&mut world, "cleo"));
    let leave = livekit_protocol::LeaveRequest::default();
    world.say(&bob, Say::Leave(leave));
    assert_eq!(story(&world.commands()), ["participant", "left", "REMOVE"]);

    let log = spec.log;
    let lost = RecordingNews::Lost { records: 7, bytes: 700 };
    world.event(Event::Recording(room, log, lost));
    let failed = RecordingNews::Failed { reason: "No space left".into() };
    world.event(Event::Recording(room, log, failed));
    let shown = show(&mut world).unwrap();
    assert_eq!((shown.lost_records, shown.failure.as_deref()), (7, Some("No space left")));

    stop(&mut world).unwrap();
    assert_eq!(story(&world.commands()), ["STOP"]);
    assert_eq!(told(&mut world, &alice), Some(false));
    world.join("dave");
    assert_eq!(story(&world.commands()), [""; 0], "nobody listens any more");
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let mut world = World::new();
    assert_eq!(code(start(&mut world)), Some(ErrorCode::NotFound), "no such room");
    let alice = world.join("alice");
    assert_eq!(code(stop(&mut world)), Some(ErrorCode::NotFound));
    assert_eq!(code(show(&mut world)), Some(ErrorCode::NotFound));
    let admin = Grants { room: "demo".into(), room_admin: true, ..Grants::default() };
    let admin = Claims { video: admin, ..Claims::default() };
    for claims in [admin, recorder("other")] {
        let refused =
            world.administer(&claims, AdminRequest::Recording(RecordingAct::Start, "demo".into()));
        assert_eq!(refused.unwrap_err().code, ErrorCode::Unauthenticated);
    }
    world
        .administer(&recorder(""), AdminRequest::Recording(RecordingAct::Start, "demo".into()))
        .unwrap();
    assert_eq!(code(start(&mut world)), Some(ErrorCode::AlreadyExists));
    world.say(&alice, Say::Leave(livekit_protocol::LeaveRequest::default()));
    assert_eq!(code(start(&mut world)), Some(ErrorCode::FailedPrecondition), "nobody is there");
}

#[test]
fn what_the_relay_refuses_or_ends_is_told() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.refuse = |command| matches!(command, Command::Record(_)).then_some(Refusal::Full);
    start(&mut world).unwrap();
    assert_eq!(told(&mut world, &alice), Some(false));
    world.refuse = |_| None;
    world.commands();

    start(&mut world).unwrap();
    let room = world.room();
    let log = spec(&world.commands()).log;
    let other = relay_wire::medialog::LogId(log.0 + 1);
    world.event(Event::Recording(room, other, RecordingNews::Ended));
    world.event(Event::Recording(RoomId(1), log, RecordingNews::Ended));
    assert_eq!(told(&mut world, &alice), Some(true), "that was about others");
    world.event(Event::Recording(room, log, RecordingNews::Ended));
    assert_eq!(told(&mut world, &alice), Some(false));
}

#[test]
fn a_room_that_everybody_left_is_not_recorded_when_somebody_comes_back() {
    let mut world = World::new();
    let alice = world.join("alice");
    start(&mut world).unwrap();
    world.say(&alice, Say::Leave(livekit_protocol::LeaveRequest::default()));
    assert!(!joins_recorded(&mut world, "alice"));
    start(&mut world).unwrap();
    world.event(Event::Reset);
    assert!(!joins_recorded(&mut world, "alice"), "another relay knows nothing of it");
}

#[test]
fn every_room_is_recorded_where_that_is_configured() {
    let mut world = World::with(Config { record_rooms: true, ..Config::default() });
    assert!(joins_recorded(&mut world, "alice"));
    assert_eq!(story(&world.commands()), ["RECORD", "room", "participant"]);
    world.join("bob");
    assert_eq!(story(&world.commands()), ["participant"]);
    assert_eq!(code(start(&mut world)), Some(ErrorCode::AlreadyExists));
}
