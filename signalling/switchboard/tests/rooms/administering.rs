//! `livekit.RoomService` against rooms in virtual time.

use crate::script::{self, info_of, leave_of};
use crate::world::{Client, World};
use livekit_protocol as proto;
use livekit_protocol::participant_info::State;
use livekit_protocol::signal_request::Message as Say;
use livekit_protocol::signal_response::Message;
use livekit_protocol::{DisconnectReason, ParticipantPermission, TrackSource};
use prost::Message as _;
use relay_wire::control::{Channel, Command};
use signalling_switchboard::token::{Claims, Grants};
use signalling_switchboard::{AdminError, AdminRequest, AdminResponse, ErrorCode, Join, JoinError};
use std::time::Duration;

fn claims() -> Claims {
    let video = Grants {
        room: "demo".into(),
        room_admin: true,
        room_create: true,
        room_list: true,
        ..Grants::default()
    };
    Claims { video, ..Claims::default() }
}

fn ask(world: &mut World, request: AdminRequest) -> Result<AdminResponse, AdminError> {
    world.administer(&claims(), request)
}

fn create(world: &mut World, change: fn(&mut proto::CreateRoomRequest)) -> proto::Room {
    let mut request = proto::CreateRoomRequest { name: "demo".into(), ..Default::default() };
    change(&mut request);
    match ask(world, AdminRequest::CreateRoom(Box::new(request))) {
        Ok(AdminResponse::Room(room)) => *room,
        other => panic!("{other:?}"),
    }
}

fn identity(who: &Client) -> proto::RoomParticipantIdentity {
    proto::RoomParticipantIdentity {
        room: "demo".into(),
        identity: who.identity.clone(),
        ..Default::default()
    }
}

fn update(who: &Client) -> proto::UpdateParticipantRequest {
    proto::UpdateParticipantRequest {
        room: "demo".into(),
        identity: who.identity.clone(),
        ..Default::default()
    }
}

fn permit(world: &mut World, who: &Client, change: fn(&mut ParticipantPermission)) {
    let mut permission = ParticipantPermission {
        can_subscribe: true,
        can_publish: true,
        can_publish_data: true,
        ..Default::default()
    };
    change(&mut permission);
    let request = proto::UpdateParticipantRequest { permission: Some(permission), ..update(who) };
    ask(world, AdminRequest::UpdateParticipant(request)).unwrap();
}

fn rooms(world: &mut World) -> Vec<proto::Room> {
    match ask(world, AdminRequest::ListRooms(proto::ListRoomsRequest::default())) {
        Ok(AdminResponse::Rooms(listed)) => listed.rooms,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_created_room_ends_when_nobody_comes_in_time() {
    let mut world = World::new();
    let room = create(&mut world, |_| ());
    assert_eq!((room.empty_timeout, room.departure_timeout), (300, 20));
    world.sleep(Duration::from_secs(298));
    assert_eq!(rooms(&mut world)[0].sid, room.sid);
    world.sleep(Duration::from_secs(3));
    assert!(rooms(&mut world).is_empty());
    assert_eq!(world.board.next_timeout(), None);
}

#[test]
fn a_room_that_everybody_left_is_kept_for_a_while_and_stays_the_same() {
    let mut world = World::new();
    let room = create(&mut world, |room| {
        (room.empty_timeout, room.departure_timeout) = (60, 5);
    });
    let alice = world.join("alice");
    world.sleep_pinging(Duration::from_secs(90), &[&alice]);
    let listed = rooms(&mut world);
    assert_eq!((listed[0].num_participants, listed[0].sid.clone()), (1, room.sid.clone()));
    world.say(&alice, Say::Leave(proto::LeaveRequest::default()));
    world.sleep(Duration::from_secs(3));
    let bob = world.join("bob");
    assert_eq!(rooms(&mut world)[0].sid, room.sid);
    world.say(&bob, Say::Leave(proto::LeaveRequest::default()));
    world.sleep(Duration::from_secs(7));
    assert!(rooms(&mut world).is_empty());
}

#[test]
fn a_room_holds_as_many_as_it_was_made_for() {
    let mut world = World::new();
    create(&mut world, |room| room.max_participants = 1);
    world.join("alice");
    assert_eq!(world.board.admissible(&World::claims("bob")), Err(JoinError::RoomFull));
    assert_eq!(world.board.admissible(&World::claims("alice")), Ok(()));
    let again = create(&mut world, |room| room.max_participants = 2);
    assert_eq!((again.max_participants, again.num_participants), (2, 1));
    assert_eq!(world.board.admissible(&World::claims("bob")), Ok(()));
}

#[test]
fn deleting_a_room_sends_everybody_away() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let delete = || AdminRequest::DeleteRoom(proto::DeleteRoomRequest { room: "demo".into() });
    assert_eq!(ask(&mut world, delete()), Ok(AdminResponse::Done));
    for client in [&alice, &bob] {
        let leave = leave_of(&world.read(client)).unwrap();
        assert_eq!(leave.reason(), DisconnectReason::RoomDeleted);
        assert!(world.is_closed(client.connection));
    }
    assert_eq!(world.board.counters().rooms, 0);
    assert_eq!(ask(&mut world, delete()).unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn grants_are_asked_for_each_method() {
    let mut world = World::new();
    let alice = world.join("alice");
    let get = || AdminRequest::GetParticipant(identity(&alice));
    let elsewhere = |change: fn(&mut Grants)| {
        let mut claims = claims();
        change(&mut claims.video);
        claims
    };
    let no_admin = elsewhere(|grants| grants.room_admin = false);
    let other_room = elsewhere(|grants| grants.room = "other".into());
    for claims in [&no_admin, &other_room, &World::claims("alice")] {
        let refused = world.administer(claims, get()).unwrap_err();
        assert_eq!((refused.code, refused.code.status()), (ErrorCode::Unauthenticated, 401));
    }
    assert!(world.administer(&claims(), get()).is_ok());
    let list = AdminRequest::ListRooms(proto::ListRoomsRequest::default());
    let no_list = elsewhere(|grants| grants.room_list = false);
    assert!(world.administer(&no_list, list).is_err());
    let create = || AdminRequest::CreateRoom(Box::default());
    let no_create = elsewhere(|grants| grants.room_create = false);
    let code = |outcome: Result<_, AdminError>| outcome.unwrap_err().code;
    assert_eq!(code(world.administer(&no_create, create())), ErrorCode::Unauthenticated);
    assert_eq!(code(ask(&mut world, create())), ErrorCode::InvalidArgument);
    assert_eq!(world.board.counters().denied, 5);
}

#[test]
fn a_removed_participant_is_told_and_announced() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.read(&bob);
    let remove = || AdminRequest::RemoveParticipant(identity(&alice));
    assert_eq!(ask(&mut world, remove()), Ok(AdminResponse::Done));
    let leave = leave_of(&world.read(&alice)).unwrap();
    assert_eq!(leave.reason(), DisconnectReason::ParticipantRemoved);
    let info = info_of(&world.read(&bob), "alice").unwrap();
    assert_eq!(info.state(), State::Disconnected);
    assert_eq!(ask(&mut world, remove()).unwrap_err().msg, "participant does not exist");
}

#[test]
fn a_muted_track_stops_at_the_relay_and_its_publisher_is_told() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, track) = world.publish_camera(&alice);
    world.commands();
    world.read(&alice);
    world.read(&bob);
    let mut mute = proto::MuteRoomTrackRequest {
        room: "demo".into(),
        identity: "alice".into(),
        track_sid: sid.clone(),
        muted: true,
    };
    let outcome = ask(&mut world, AdminRequest::MutePublishedTrack(mute.clone()));
    assert!(matches!(outcome, Ok(AdminResponse::Track(muted))
        if muted.track.as_ref().unwrap().muted));
    assert!(world.commands().contains(&Command::Mute { track, muted: true }));
    assert!(world.read(&alice).iter().any(|message| matches!(message, Message::Mute(mute)
        if mute.sid == sid && mute.muted)));
    assert!(info_of(&world.read(&bob), "alice").unwrap().tracks[0].muted);

    mute.muted = false;
    let outcome = ask(&mut world, AdminRequest::MutePublishedTrack(mute.clone()));
    assert_eq!(outcome.unwrap_err().code, ErrorCode::FailedPrecondition);
    mute.track_sid = "TR_none".into();
    let outcome = ask(&mut world, AdminRequest::MutePublishedTrack(mute));
    assert_eq!(outcome.unwrap_err().code, ErrorCode::NotFound);
}

#[test]
fn a_participant_gets_another_name_metadata_and_attributes() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.read(&bob);
    let request = proto::UpdateParticipantRequest {
        name: "Alice A.".into(),
        metadata: "m".into(),
        attributes: [("a".to_owned(), "1".to_owned())].into(),
        ..update(&alice)
    };
    ask(&mut world, AdminRequest::UpdateParticipant(request)).unwrap();
    for client in [&alice, &bob] {
        let info = info_of(&world.read(client), "alice").unwrap();
        assert_eq!((info.name.as_str(), info.metadata.as_str()), ("Alice A.", "m"));
        assert_eq!(info.attributes["a"], "1");
    }
    let metadata = "x".repeat(65 * 1024);
    let long = proto::UpdateParticipantRequest { metadata, ..update(&alice) };
    let outcome = ask(&mut world, AdminRequest::UpdateParticipant(long));
    assert_eq!(outcome.unwrap_err().code, ErrorCode::InvalidArgument);
}

#[test]
fn who_may_publish_no_more_loses_its_tracks_at_once() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, track) = world.publish_watched_camera(&alice, &bob);
    permit(&mut world, &alice, |permission| {
        permission.can_publish_sources = vec![TrackSource::Microphone as i32];
    });
    assert!(world.commands().contains(&Command::Unpublish(track)));
    let messages = world.read(&alice);
    assert!(messages.iter().any(|message| matches!(message, Message::TrackUnpublished(gone)
        if gone.track_sid == sid)));
    let permission = info_of(&messages, "alice").unwrap().permission.unwrap();
    assert_eq!(permission.can_publish_sources, [TrackSource::Microphone as i32]);
    assert!(info_of(&world.read(&bob), "alice").unwrap().tracks.is_empty());

    world.say(&alice, Say::AddTrack(script::camera("again")));
    assert!(matches!(&world.read(&alice)[0], Message::RequestResponse(_)));
    world.say(&alice, Say::AddTrack(script::microphone("mic")));
    assert!(matches!(&world.read(&alice)[0], Message::TrackPublished(_)));
}

#[test]
fn who_may_subscribe_no_more_receives_nothing_until_it_may_again() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.publish_camera(&alice);
    world.answer_offers(&bob, |sdp| script::answer_to(sdp, "answ"));
    world.commands();
    permit(&mut world, &bob, |permission| permission.can_subscribe = false);
    let commands = world.commands();
    assert!(commands.iter().any(|command| matches!(command, Command::Unsubscribe(_))));
    assert!(commands.iter().any(|command| matches!(command, Command::Participant(spec)
        if spec.can_publish_data)));

    world.answer_offers(&bob, |sdp| script::answer_to(sdp, "answ"));
    permit(&mut world, &bob, |permission| permission.can_publish_data = false);
    world.answer_offers(&bob, |sdp| script::answer_to(sdp, "answ"));
    let commands = world.commands();
    assert!(commands.iter().any(|command| matches!(command, Command::Subscribe(_))));
    assert!(commands.iter().any(|command| matches!(command, Command::Participant(spec)
        if !spec.can_publish_data)));
}

#[test]
fn who_hides_leaves_as_the_others_see_it() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.publish_watched_camera(&alice, &bob);
    permit(&mut world, &alice, |permission| permission.hidden = true);
    let gone = info_of(&world.read(&bob), "alice").unwrap();
    assert_eq!((gone.state(), gone.tracks.len()), (State::Disconnected, 0));
    let commands = world.commands();
    assert!(commands.iter().any(|command| matches!(command, Command::Unsubscribe(_))));
    assert_eq!(rooms(&mut world)[0].num_participants, 1);
    let myself = info_of(&world.read(&alice), "alice").unwrap();
    assert_eq!(myself.state(), State::Active);

    permit(&mut world, &alice, |_| ());
    let back = info_of(&world.read(&bob), "alice").unwrap();
    assert_eq!((back.state(), back.tracks.len()), (State::Active, 1));
    assert!(back.version > gone.version);
}

#[test]
fn subscriptions_are_ended_and_begun_from_outside() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, _) = world.publish_camera(&alice);
    world.answer_offers(&bob, |sdp| script::answer_to(sdp, "answ"));
    world.commands();
    let mut request = proto::UpdateSubscriptionsRequest {
        room: "demo".into(),
        identity: "bob".into(),
        track_sids: vec![sid],
        ..Default::default()
    };
    ask(&mut world, AdminRequest::UpdateSubscriptions(request.clone())).unwrap();
    let commands = world.commands();
    assert!(commands.iter().any(|command| matches!(command, Command::Unsubscribe(_))));
    world.answer_offers(&bob, |sdp| script::answer_to(sdp, "answ"));
    request.subscribe = true;
    ask(&mut world, AdminRequest::UpdateSubscriptions(request)).unwrap();
    world.answer_offers(&bob, |sdp| script::answer_to(sdp, "answ"));
    let commands = world.commands();
    assert!(commands.iter().any(|command| matches!(command, Command::Subscribe(_))));
}

#[test]
fn data_goes_to_whom_it_names_and_to_nobody_else() {
    let mut world = World::new();
    let (_alice, bob) = (world.join("alice"), world.join("bob"));
    world.commands();
    let request = proto::SendDataRequest {
        room: "demo".into(),
        data: b"hello".to_vec(),
        topic: Some("t".into()),
        ..Default::default()
    };
    let mut send = |change: fn(&mut proto::SendDataRequest), named: Option<&Client>| {
        let mut request = request.clone();
        change(&mut request);
        request.destination_identities.extend(named.map(|client| client.identity.clone()));
        ask(&mut world, AdminRequest::SendData(request)).map(|_| world.commands())
    };
    let sent = send(|_| (), None).unwrap();
    let [Command::SendData { channel, to, payload }] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!((*channel, to.len()), (Channel::Reliable, 2));
    let packet = proto::DataPacket::decode(payload.as_slice()).unwrap();
    assert!(matches!(packet.value, Some(proto::data_packet::Value::User(user))
        if user.payload == b"hello" && user.topic.as_deref() == Some("t")));

    let lossy = |request: &mut proto::SendDataRequest| request.kind = 1;
    let sent = send(lossy, Some(&bob)).unwrap();
    assert!(matches!(sent.as_slice(), [Command::SendData { channel: Channel::Lossy, to, .. }]
        if to.len() == 1));
    let nobody = |request: &mut proto::SendDataRequest| {
        request.destination_identities = vec!["nobody".into()];
    };
    assert_eq!(send(nobody, None), Ok(Vec::new()));
    let long = |request: &mut proto::SendDataRequest| request.data = vec![0; 65_536];
    assert_eq!(send(long, None).unwrap_err().code, ErrorCode::InvalidArgument);
}

#[test]
fn metadata_of_a_room_is_told_to_everybody_and_to_those_who_come() {
    let mut world = World::new();
    let alice = world.join("alice");
    let (room, metadata) = ("demo".into(), "new".into());
    let request = proto::UpdateRoomMetadataRequest { room, metadata };
    ask(&mut world, AdminRequest::UpdateRoomMetadata(request)).unwrap();
    assert!(world.read(&alice).iter().any(|message| matches!(message, Message::RoomUpdate(update)
        if update.room.as_ref().unwrap().metadata == "new")));
    let bob = world.join_with(Join::new(World::claims("bob")));
    assert!(matches!(&world.read(&bob)[0], Message::Join(join)
        if join.room.as_ref().unwrap().metadata == "new"));
}
