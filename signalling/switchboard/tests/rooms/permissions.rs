//! What a token permits, to the letter, and what becomes of the room that it names.

use crate::script::{self, Line, answers, info_of, leave_of};
use crate::world::{Client, World};
use livekit_protocol as proto;
use livekit_protocol::request_response::Reason;
use livekit_protocol::signal_request::Message as Say;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{ConnectionQuality, DisconnectReason, TrackSource};
use relay_wire::control::{Command, Event, ParticipantSpec, Quality};
use signalling_switchboard::token::{Claims, Grants, RoomConfig};
use signalling_switchboard::{AdminRequest, AdminResponse, Join, JoinError};
use std::time::Duration;

/// What is changed of a token.
type Change = fn(&mut Claims);

fn enter(world: &mut World, identity: &str, change: Change) -> Client {
    let mut claims = World::claims(identity);
    change(&mut claims);
    let client = world.join_with(Join::new(claims));
    world.settle(&client);
    client
}

fn spec_of(commands: &[Command], identity: &str) -> ParticipantSpec {
    let found = commands.iter().rev().find_map(|command| match command {
        Command::Participant(spec) if spec.identity == identity => Some(spec.clone()),
        _ => None,
    });
    found.expect("a Participant command")
}

fn refusals(messages: &[Message]) -> Vec<Reason> {
    let refusals = messages.iter().filter_map(|message| match message {
        Message::RequestResponse(response) => Some(response.reason()),
        _ => None,
    });
    refusals.collect()
}

fn room(world: &mut World) -> proto::Room {
    let video = Grants { room_list: true, ..Grants::default() };
    let list = AdminRequest::ListRooms(proto::ListRoomsRequest::default());
    match world.administer(&Claims { video, ..Claims::default() }, list) {
        Ok(AdminResponse::Rooms(mut listed)) => listed.rooms.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_may_not_publish_publishes_nothing_announced_or_not() {
    let mut world = World::new();
    let alice = enter(&mut world, "alice", |claims| claims.video.can_publish = Some(false));
    world.commands();
    for add in [script::camera("cam"), script::microphone("mic")] {
        world.say(&alice, Say::AddTrack(add));
    }
    world.say(&alice, script::offer(1, &[Line::video("1", "cam")], "publ"));

    let messages = world.read(&alice);
    assert_eq!(refusals(&messages), [Reason::NotAllowed; 2]);
    assert!(answers(&messages)[0].sdp.contains("a=inactive"));
    assert!(!world.commands().iter().any(|command| matches!(command, Command::Publish(_))));
    assert_eq!(world.board.counters().denied, 2);
}

#[test]
fn named_sources_are_the_only_ones() {
    let mut world = World::new();
    let add = |source: TrackSource| proto::AddTrackRequest {
        source: source as i32,
        ..script::camera(source.as_str_name())
    };
    let all = [
        TrackSource::Camera,
        TrackSource::Microphone,
        TrackSource::ScreenShare,
        TrackSource::ScreenShareAudio,
        TrackSource::Unknown,
    ];
    let mut permitted = |identity: &str, change: Change| {
        let client = enter(&mut world, identity, change);
        for source in all {
            world.say(&client, Say::AddTrack(add(source)));
        }
        let messages = world.read(&client);
        let published = messages.iter().filter_map(|message| match message {
            Message::TrackPublished(published) => Some(published.track.as_ref()?.source()),
            _ => None,
        });
        published.collect::<Vec<_>>()
    };
    assert_eq!(permitted("all", |_| ()), all);
    let shared = permitted("sharing", |claims| {
        claims.video.can_publish_sources =
            ["screen_share", "SCREEN_SHARE_AUDIO"].map(String::from).into();
    });
    assert_eq!(shared, [TrackSource::ScreenShare, TrackSource::ScreenShareAudio]);
    let nothing = permitted("nonsense", |claims| {
        claims.video.can_publish_sources = vec!["tea".into()];
    });
    assert_eq!(nothing, []);
}

/// A list in which no source can be read was once taken for an empty one, which permits all.
#[test]
fn unknown_sources_from_outside_permit_none() {
    let mut world = World::new();
    let alice = world.join("alice");
    let permission = proto::ParticipantPermission {
        can_publish: true,
        can_publish_sources: vec![TrackSource::Unknown as i32],
        ..Default::default()
    };
    let request = proto::UpdateParticipantRequest {
        room: "demo".into(),
        identity: "alice".into(),
        permission: Some(permission),
        ..Default::default()
    };
    let video = Grants { room: "demo".into(), room_admin: true, ..Grants::default() };
    let admin = Claims { video, ..Claims::default() };
    world.administer(&admin, AdminRequest::UpdateParticipant(request)).unwrap();

    let told = info_of(&world.read(&alice), "alice").unwrap().permission.unwrap();
    assert_eq!(told.can_publish_sources, [TrackSource::Unknown as i32], "not an empty list");
    world.say(&alice, Say::AddTrack(script::camera("cam")));
    assert_eq!(refusals(&world.read(&alice)), [Reason::NotAllowed]);
}

#[test]
fn data_may_be_sent_as_the_token_says_and_received_by_everybody() {
    let mut world = World::new();
    let rows: [(&str, Change, bool); 5] = [
        ("all", |_| (), true),
        ("listener", |claims| claims.video.can_publish = Some(false), false),
        ("silent", |claims| claims.video.can_publish_data = Some(false), false),
        (
            "writer",
            |claims| {
                (claims.video.can_publish, claims.video.can_publish_data) =
                    (Some(false), Some(true));
            },
            true,
        ),
        ("camera", |claims| claims.video.can_subscribe = Some(false), true),
    ];
    for (identity, change, may_send) in rows {
        enter(&mut world, identity, change);
        let spec = spec_of(&world.commands(), identity);
        assert_eq!(spec.can_publish_data, may_send, "{identity}");
        assert!(spec.can_subscribe, "{identity} has a channel: canSubscribe is about tracks");
    }
}

#[test]
fn own_metadata_and_attributes_have_limits_and_attributes_go_when_they_are_empty() {
    let mut world = World::new();
    let bob = world.join("bob");
    let alice = enter(&mut world, "alice", |claims| {
        claims.video.can_update_own_metadata = Some(true);
        claims.attributes = [("seat".to_owned(), "1".to_owned())].into();
    });
    world.read(&bob);
    let mut update = |metadata: &str, attributes: &[(&str, &str)]| {
        let attributes = attributes.iter().map(|(key, value)| ((*key).into(), (*value).into()));
        let wanted = proto::UpdateParticipantMetadata {
            metadata: metadata.into(),
            attributes: attributes.collect(),
            request_id: 5,
            ..Default::default()
        };
        world.say(&alice, Say::UpdateMetadata(wanted));
        (refusals(&world.read(&alice)), info_of(&world.read(&bob), "alice"))
    };

    let (reasons, info) = update("m", &[("hand", "up")]);
    let info = info.unwrap();
    assert_eq!((reasons, info.metadata.as_str()), (vec![Reason::Ok], "m"));
    assert_eq!((info.attributes["seat"].as_str(), info.attributes["hand"].as_str()), ("1", "up"));
    let (_, info) = update("", &[("hand", "")]);
    let info = info.unwrap();
    assert_eq!(info.metadata, "m", "what is not told stays");
    assert_eq!(info.attributes.keys().collect::<Vec<_>>(), ["seat"]);
    let long = "x".repeat(64 * 1024);
    assert_eq!(update(&(long.clone() + "x"), &[]), (vec![Reason::LimitExceeded], None));
    assert_eq!(update("", &[("hand", &long)]), (vec![Reason::LimitExceeded], None));
    assert_eq!(update(&long, &[]).0, [Reason::Ok]);
}

#[test]
fn attributes_of_the_query_need_the_grant() {
    let mut world = World::new();
    let mut attributes_of = |may: bool| {
        let mut claims = World::claims("alice");
        claims.video.can_update_own_metadata = Some(may);
        let attributes = [("from".to_owned(), "query".to_owned())].into();
        let client = world.join_with(Join { attributes, ..Join::new(claims) });
        let Message::Join(join) = world.read(&client).remove(0) else { panic!() };
        join.participant.unwrap().attributes
    };
    assert!(attributes_of(false).is_empty());
    assert_eq!(attributes_of(true)["from"], "query");
}

#[test]
fn a_hidden_publisher_is_neither_received_nor_counted_nor_graded() {
    let mut world = World::new();
    let bob = world.join("bob");
    let mut claims = World::claims("ghost");
    claims.video.hidden = true;
    let ghost = world.join_with(Join::new(claims));
    let transport = world.transport_opened();
    world.publish_camera(&ghost);
    world.event(Event::Quality(transport, Quality { loss: 0.5, rtt_ms: 1 }));
    world.sleep_pinging(Duration::from_secs(6), &[&bob, &ghost]);

    let seen = world.read(&bob);
    assert!(info_of(&seen, "ghost").is_none() && script::offers(&seen).is_empty());
    assert!(!seen.iter().any(|message| matches!(message, Message::ConnectionQuality(_))));
    let room = room(&mut world);
    assert_eq!((room.num_participants, room.num_publishers), (1, 0));
}

fn grades(messages: &[Message]) -> Vec<ConnectionQuality> {
    let updates = messages.iter().filter_map(|message| match message {
        Message::ConnectionQuality(update) => Some(update.updates[0].quality()),
        _ => None,
    });
    updates.collect()
}

#[test]
fn quality_is_that_of_the_worse_direction_and_old_measurements_are_forgotten() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.say(&alice, script::offer(1, &[], "publ"));
    let down = world.subscriber_of(&alice);
    let up = world.transport_opened();
    assert_ne!(up, down);
    world.sleep_pinging(Duration::from_secs(5), &[&alice]);
    assert_eq!(grades(&world.read(&alice)), [], "nothing was measured");

    for (transport, loss) in [(up, 0.04), (down, 0.0)] {
        world.event(Event::Quality(transport, Quality { loss, rtt_ms: 30 }));
    }
    world.sleep_pinging(Duration::from_secs(5), &[&alice]);
    assert_eq!(grades(&world.read(&alice)), [ConnectionQuality::Good]);
    world.event(Event::Quality(down, Quality { loss: 0.0, rtt_ms: 2_000 }));
    world.sleep_pinging(Duration::from_secs(5), &[&alice]);
    assert_eq!(grades(&world.read(&alice)), [ConnectionQuality::Poor]);

    // Muted since: what nothing travels on is not bad.
    world.sleep_pinging(Duration::from_secs(15), &[&alice]);
    assert_eq!(grades(&world.read(&alice)).last(), Some(&ConnectionQuality::Excellent));
}

#[test]
fn a_token_of_another_room_does_not_resume() {
    let mut world = World::new();
    let alice = world.join("alice");
    let mut claims = World::claims("alice");
    claims.video.room = "other".into();
    let back = Join { reconnect: true, sid: Some(alice.sid.clone()), ..Join::new(claims) };
    let connection = world.connect(back);
    assert!(leave_of(&world.read_connection(connection)).is_some());
    assert!(world.is_closed(connection) && !world.is_closed(alice.connection));
}

#[test]
fn a_token_says_how_the_room_is_that_it_creates_and_changes_no_other() {
    let mut world = World::new();
    let config = |claims: &mut Claims| {
        claims.room_config = Some(RoomConfig {
            departure_timeout: 3,
            max_participants: 2,
            metadata: "from the token".into(),
            ..RoomConfig::default()
        });
    };
    let alice = enter(&mut world, "alice", config);
    let first = room(&mut world);
    assert_eq!((first.metadata.as_str(), first.max_participants), ("from the token", 2));
    assert_eq!((first.departure_timeout, first.empty_timeout), (3, 300));

    let bob = enter(&mut world, "bob", |claims| {
        let config = RoomConfig { max_participants: 50, ..RoomConfig::default() };
        claims.room_config = Some(config);
    });
    assert_eq!(room(&mut world).max_participants, 2);
    assert_eq!(world.board.admissible(&World::claims("eve")), Err(JoinError::RoomFull));
    for client in [alice, bob] {
        world.say(&client, Say::Leave(proto::LeaveRequest::default()));
    }
    world.sleep(Duration::from_secs(5));
    assert_eq!(world.board.counters().rooms, 0);

    let mut long = World::claims("alice");
    long.room_config = Some(RoomConfig { metadata: "x".repeat(100_000), ..RoomConfig::default() });
    assert_eq!(world.board.admissible(&long), Err(JoinError::TooLong));
}

#[test]
fn agents_and_recorders_take_no_place_and_keep_no_room() {
    let mut world = World::new();
    let agent = enter(&mut world, "agent", |claims| claims.kind = "agent".into());
    let alice = world.join("alice");
    world.administer(&creator(), limited_to_one()).unwrap();
    let recorder = enter(&mut world, "recorder", |claims| claims.video.recorder = true);
    assert_eq!(world.board.admissible(&World::claims("bob")), Err(JoinError::RoomFull));
    assert_eq!(world.board.counters().participants, 3);

    world.sleep_pinging(Duration::from_secs(400), &[&agent, &alice, &recorder]);
    assert_eq!(world.board.counters().rooms, 1);
    world.say(&alice, Say::Leave(proto::LeaveRequest::default()));
    world.sleep_pinging(Duration::from_secs(22), &[&agent, &recorder]);
    for client in [&agent, &recorder] {
        let leave = leave_of(&world.read(client)).unwrap();
        assert_eq!(leave.reason(), DisconnectReason::RoomClosed);
        assert!(world.is_closed(client.connection));
    }
    assert_eq!(world.board.counters().rooms, 0);
}

fn creator() -> Claims {
    let video = Grants { room_create: true, ..Grants::default() };
    Claims { video, ..Claims::default() }
}

fn limited_to_one() -> AdminRequest {
    let request =
        proto::CreateRoomRequest { name: "demo".into(), max_participants: 1, ..Default::default() };
    AdminRequest::CreateRoom(Box::new(request))
}
