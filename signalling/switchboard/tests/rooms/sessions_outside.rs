//! WHIP and WHEP sessions as an operator's back end sees and handles them.

use crate::script::info_of;
use crate::whip::{expected, flowing, patch, play, publish, refused, session, subscribed};
use crate::world::World;
use livekit_protocol as proto;
use livekit_protocol::participant_info::{Kind as Sort, State};
use relay_wire::control::{Codec, Command, Event};
use serde_json::Value;
use signalling_switchboard::token::{Claims, Grants};
use signalling_switchboard::{
    AdminError, AdminRequest, AdminResponse, Config, ErrorCode, Join, SessionError, SessionReply,
    SessionRequest, SessionRole,
};
use std::time::Duration;

fn ask(world: &mut World, request: AdminRequest) -> Result<AdminResponse, AdminError> {
    let (room_admin, room_create) = (true, true);
    let video = Grants { room: "demo".into(), room_admin, room_create, ..Grants::default() };
    world.administer(&Claims { video, ..Claims::default() }, request)
}

fn listed(world: &mut World) -> Vec<proto::ParticipantInfo> {
    let request = proto::ListParticipantsRequest { room: "demo".into() };
    match ask(world, AdminRequest::ListParticipants(request)) {
        Ok(AdminResponse::Participants(listed)) => listed.participants,
        other => panic!("{other:?}"),
    }
}

/// The identity under which a player of this token is there.
fn player_of(world: &mut World, identity: &str) -> String {
    let start = format!("{identity}#WHEP_");
    let found = listed(world).into_iter().find(|info| info.identity.starts_with(&start));
    found.expect("a player").identity
}

fn permit(world: &mut World, identity: &str, permission: proto::ParticipantPermission) {
    let request = proto::UpdateParticipantRequest {
        room: "demo".into(),
        identity: identity.into(),
        permission: Some(permission),
        ..Default::default()
    };
    ask(world, AdminRequest::UpdateParticipant(request)).unwrap();
}

fn everything() -> proto::ParticipantPermission {
    proto::ParticipantPermission {
        can_subscribe: true,
        can_publish: true,
        can_publish_data: true,
        ..Default::default()
    }
}

/// Events since: the name, and of whom.
fn told(world: &mut World) -> Vec<(String, String)> {
    let events = std::mem::take(&mut world.events);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let read = |event: &signalling_switchboard::RoomEvent| {
        let body: Value = serde_json::from_slice(&event.body).unwrap();
        (text(&body["event"]), text(&body["participant"]["identity"]))
    };
    events.iter().map(read).collect()
}

fn names(events: &[(String, String)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

fn webhooks() -> World {
    World::with(Config { webhooks: true, ..Config::default() })
}

#[test]
fn back_end_is_told_of_a_publisher_from_its_beginning_to_its_end() {
    let mut world = webhooks();
    let (resource, ..) = publish(&mut world, "obs");
    let transport = world.transport_opened();
    assert_eq!(names(&told(&mut world)), ["room_started"], "not before its media stands");
    world.event(Event::Connected(transport));
    for (kind, track) in expected(&world.commands()) {
        let sound = kind == relay_wire::control::Kind::Audio;
        world.event(Event::Started(track, if sound { Codec::Opus } else { Codec::Vp8 }));
    }
    let events = told(&mut world);
    assert_eq!(names(&events), ["participant_joined", "track_published", "track_published"]);
    assert!(events.iter().all(|(_, identity)| identity == "obs"));

    world.session(SessionRequest::Delete(session(SessionRole::Publish, "obs", &resource)));
    let events = told(&mut world);
    assert_eq!(names(&events), ["track_unpublished", "track_unpublished", "participant_left"]);
    world.sleep(Duration::from_secs(30));
    assert_eq!(names(&told(&mut world)), ["room_finished"]);
}

#[test]
fn back_end_is_told_of_sessions_without_media_and_of_players() {
    let mut world = webhooks();
    publish(&mut world, "obs");
    world.sleep(Duration::from_secs(35));
    assert_eq!(names(&told(&mut world)), ["room_started", "participant_connection_aborted"]);

    let (resource, ..) = play(&mut world, "viewer");
    let transport = world.transport_opened();
    world.event(Event::Connected(transport));
    world.sleep(Duration::from_secs(600));
    let events = told(&mut world);
    assert_eq!(names(&events), ["participant_joined"], "who plays keeps the room");
    assert!(events[0].1.starts_with("viewer#WHEP_"));
    world.session(SessionRequest::Delete(session(SessionRole::Play, "viewer", &resource)));
    world.sleep(Duration::from_secs(30));
    assert_eq!(names(&told(&mut world)), ["participant_left", "room_finished"]);
}

#[test]
fn sessions_are_listed_and_removed_like_anybody() {
    let mut world = World::new();
    let alice = world.join("alice");
    let (resource, ..) = flowing(&mut world, "obs");
    let (playing, ..) = play(&mut world, "viewer");
    let all = listed(&mut world);
    let obs = all.iter().find(|info| info.identity == "obs").unwrap();
    assert_eq!((all.len(), obs.kind(), obs.tracks.len()), (3, Sort::Ingress, 2));

    world.commands();
    let identity = proto::RoomParticipantIdentity {
        room: "demo".into(),
        identity: "obs".into(),
        ..Default::default()
    };
    assert_eq!(ask(&mut world, AdminRequest::RemoveParticipant(identity)), Ok(AdminResponse::Done));
    let removed = |command: &Command| matches!(command, Command::RemoveParticipant(_));
    assert!(world.commands().iter().any(removed), "its transport ends");
    assert_eq!(info_of(&world.read(&alice), "obs").unwrap().state(), State::Disconnected);
    let late = patch("obs", &resource, Some("*"), "a=end-of-candidates");
    assert_eq!(refused(&mut world, late), SessionError::Unknown);

    let room = proto::DeleteRoomRequest { room: "demo".into() };
    assert_eq!(ask(&mut world, AdminRequest::DeleteRoom(room)), Ok(AdminResponse::Done));
    let delete = SessionRequest::Delete(session(SessionRole::Play, "viewer", &playing));
    assert_eq!(refused(&mut world, delete), SessionError::Unknown);
    let counters = world.board.counters();
    assert_eq!((counters.participants, counters.rooms), (0, 0));
}

#[test]
fn publisher_is_muted_at_the_relay_for_nobody_can_ask_it_to() {
    let mut world = World::new();
    let (_, audio, _) = flowing(&mut world, "obs");
    world.commands();
    let sid = listed(&mut world)[0].tracks[0].sid.clone();
    let mut mute = |muted| {
        let asked = proto::MuteRoomTrackRequest {
            room: "demo".into(),
            identity: "obs".into(),
            track_sid: sid.clone(),
            muted,
        };
        ask(&mut world, AdminRequest::MutePublishedTrack(asked))
    };

    let Ok(AdminResponse::Track(answer)) = mute(true) else { panic!("not muted") };
    assert!(answer.track.unwrap().muted);
    assert_eq!(mute(false).unwrap_err().code, ErrorCode::FailedPrecondition);
    let told = world.commands();
    let muted = |c: &Command| matches!(c, Command::Mute { track, muted: true } if *track == audio);
    assert!(told.iter().any(muted), "{told:?}");
}

#[test]
fn permissions_make_nothing_of_a_session_that_it_cannot_be() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.publish_camera(&alice);
    let (_, audio, video) = flowing(&mut world, "obs");
    play(&mut world, "viewer");
    let player = player_of(&mut world, "viewer");
    world.read(&alice);
    world.commands();

    permit(&mut world, &player, everything());
    assert!(info_of(&world.read(&alice), &player).is_none(), "a player stays hidden");
    let subscriptions = world.board.counters().subscriptions;
    permit(&mut world, "obs", everything());
    assert_eq!(world.board.counters().subscriptions, subscriptions, "a publisher gets nothing");

    permit(&mut world, "obs", proto::ParticipantPermission { can_publish: false, ..everything() });
    let told = world.commands();
    for track in [audio, video] {
        assert!(told.iter().any(|c| matches!(c, Command::Unpublish(gone) if *gone == track)));
    }
    permit(&mut world, &player, proto::ParticipantPermission::default());
    assert!(world.commands().iter().any(|c| matches!(c, Command::Unsubscribe(_))));
}

#[test]
fn player_is_led_from_track_to_track_from_outside() {
    let mut world = World::new();
    let (_, _, first) = flowing(&mut world, "first");
    let (_, _, second) = flowing(&mut world, "second");
    play(&mut world, "viewer");
    let playing: Vec<_> = subscribed(&world.commands()).iter().map(|spec| spec.track).collect();
    assert!(playing.contains(&first) && !playing.contains(&second));

    let identity = player_of(&mut world, "viewer");
    let sids = listed(&mut world)[0].tracks.iter().map(|track| track.sid.clone()).collect();
    let asked = proto::UpdateSubscriptionsRequest {
        room: "demo".into(),
        identity,
        track_sids: sids,
        subscribe: false,
        ..Default::default()
    };
    ask(&mut world, AdminRequest::UpdateSubscriptions(asked)).unwrap();
    let playing: Vec<_> = subscribed(&world.commands()).iter().map(|spec| spec.track).collect();
    assert!(playing.contains(&second) && !playing.contains(&first));
}

#[test]
fn sessions_end_with_the_relay_and_cannot_be_resumed() {
    let mut world = webhooks();
    let (resource, ..) = publish(&mut world, "obs");
    let join = Join {
        reconnect: true,
        sid: Some(listed(&mut world)[0].sid.clone()),
        ..Join::new(World::claims("obs"))
    };
    let connection = world.connect(join);
    assert!(world.is_closed(connection), "a session has no connection that could come back");

    world.event(Event::Reset);
    let late = patch("obs", &resource, Some("*"), "a=end-of-candidates");
    assert_eq!(refused(&mut world, late), SessionError::Unknown);
    let events = told(&mut world);
    assert_eq!(names(&events), ["room_started", "participant_connection_aborted"]);
    let (again, ..) = publish(&mut world, "obs");
    let delete = SessionRequest::Delete(session(SessionRole::Publish, "obs", &again));
    assert_eq!(world.session(delete), SessionReply::Deleted);
}
