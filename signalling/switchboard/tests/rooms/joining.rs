use crate::script::{info_of, leave_of, offers};
use crate::world::World;
use livekit_protocol as proto;
use livekit_protocol::DisconnectReason;
use livekit_protocol::leave_request::Action;
use livekit_protocol::participant_info::State;
use livekit_protocol::signal_request::Message as Say;
use livekit_protocol::signal_response::Message;
use prost::Message as _;
use relay_wire::control::{CloseReason, Command, Event, Quality, Refusal, Speaker};
use signalling_switchboard::{Config, Join, JoinError};
use std::time::Duration;

#[test]
fn what_a_hidden_participant_sends_does_not_name_it() {
    let mut world = World::new();
    let mut claims = World::claims("alice");
    claims.video.hidden = true;
    world.join_with(Join::new(claims));
    let spec = world.commands().into_iter().find_map(|command| match command {
        Command::Participant(spec) => Some(spec),
        _ => None,
    });
    let said = proto::DataPacket {
        participant_identity: "alice".into(),
        participant_sid: "PA_x".into(),
        ..Default::default()
    };
    let mut sent = said.encode_to_vec();
    sent.extend(spec.unwrap().stamp);
    let packet = proto::DataPacket::decode(&*sent).unwrap();
    assert_eq!((packet.participant_identity.as_str(), packet.participant_sid.as_str()), ("", ""));
}

#[test]
fn first_message_is_a_complete_join_response_then_comes_the_offer() {
    let mut world = World::new();
    let alice = world.join_with(Join::new(World::claims("alice")));

    let messages = world.read(&alice);

    let Message::Join(join) = &messages[0] else { panic!("{messages:?}") };
    let room = join.room.as_ref().unwrap();
    assert!(room.sid.starts_with("RM_") && room.name == "demo" && room.creation_time > 0);
    let me = join.participant.as_ref().unwrap();
    assert!(me.sid.starts_with("PA_") && me.sid.len() == 15);
    assert_eq!((me.identity.as_str(), me.name.as_str()), ("alice", "ALICE"));
    assert_eq!(me.state(), State::Joined);
    assert!(me.permission.as_ref().unwrap().can_publish && me.joined_at > 0 && me.version > 0);
    assert_eq!((join.ping_interval, join.ping_timeout), (5, 15));
    assert!(join.subscriber_primary && join.fast_publish);
    let server = join.server_info.as_ref().unwrap();
    assert_eq!((server.protocol, server.version.as_str()), (16, "1.9.0"), "below 1.8.0 no RPC");
    let mimes: Vec<_> = join.enabled_publish_codecs.iter().map(|codec| &codec.mime).collect();
    let expected = ["video/VP8", "video/H264", "video/VP9", "video/AV1", "audio/opus"];
    assert_eq!(mimes, expected, "clients that ask for none of these take the first");

    let offer = offers(&messages)[0];
    assert_eq!(offer.id, 1);
    assert!(offer.sdp.contains("m=application 9 UDP/DTLS/SCTP webrtc-datachannel"));
    assert!(offer.sdp.contains("a=ice-lite") && offer.sdp.contains("a=setup:passive"));
}

#[test]
fn relay_is_told_who_speaks_in_data_messages() {
    let mut world = World::new();
    let alice = world.join("alice");
    let commands = world.commands();

    let Command::Participant(spec) = &commands[0] else { panic!("{commands:?}") };
    let stamp = proto::DataPacket::decode(spec.stamp.as_slice()).unwrap();
    assert_eq!(stamp.participant_identity, "alice");
    assert_eq!(stamp.participant_sid, alice.sid);
    assert!(matches!(commands[1], Command::Open { .. }));
    assert!(matches!(&commands[2], Command::Admit { remote, .. } if remote.ufrag == "answ"));
}

#[test]
fn participant_is_active_once_its_media_stands() {
    let mut world = World::new();
    let alice = world.join("alice");
    let bob = world.join_with(Join::new(World::claims("bob")));
    assert_eq!(info_of(&world.read(&alice), "bob").unwrap().state(), State::Joined);

    world.answer_offers(&bob, |sdp| crate::script::answer_to(sdp, "answ"));
    world.sleep(Duration::from_millis(300));
    let transport = world.subscriber_of(&bob);
    world.event(Event::Connected(transport));

    let seen = info_of(&world.read(&alice), "bob").unwrap();
    assert_eq!(seen.state(), State::Active);
    assert_eq!(info_of(&world.read(&bob), "bob").unwrap().version, seen.version);
    assert_eq!(world.board.counters().join_times.count, 2);
    assert_eq!(world.board.counters().join_times.sum_ms, 300);
}

#[test]
fn leaving_is_seen_by_the_others_at_once() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.commands();

    world.say(&bob, Say::Leave(proto::LeaveRequest::default()));

    let seen = info_of(&world.read(&alice), "bob").unwrap();
    assert_eq!(seen.state(), State::Disconnected);
    assert_eq!(seen.disconnect_reason(), DisconnectReason::ClientInitiated);
    assert!(world.is_closed(bob.connection));
    assert!(matches!(world.commands()[..], [Command::RemoveParticipant(_)]));
}

#[test]
fn empty_room_is_forgotten_and_the_next_one_is_another() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.commands();
    world.say(&alice, Say::Leave(proto::LeaveRequest::default()));

    assert!(matches!(world.commands()[..], [Command::RemoveParticipant(_)]));
    world.sleep(Duration::from_secs(22));
    assert_eq!(world.board.counters().rooms, 0);
    assert_eq!(world.board.next_timeout(), None);
    assert_ne!(world.join("alice").sid, alice.sid);
}

#[test]
fn same_identity_again_ends_the_older_one() {
    let mut world = World::new();
    let older = world.join("alice");
    let newer = world.join("alice");

    let leave = leave_of(&world.read(&older)).unwrap();
    assert_eq!(leave.reason(), DisconnectReason::DuplicateIdentity);
    assert_eq!(leave.action(), Action::Disconnect);
    assert!(world.is_closed(older.connection) && !world.is_closed(newer.connection));
    assert_eq!(world.board.counters().participants, 1);
}

#[test]
fn claims_that_lack_something_are_not_admissible() {
    let world = World::new();
    let check = |change: fn(&mut signalling_switchboard::token::Claims)| {
        let mut claims = World::claims("alice");
        change(&mut claims);
        world.board.admissible(&claims)
    };
    assert_eq!(check(|_| ()), Ok(()));
    assert_eq!(check(|claims| claims.video.room_join = false), Err(JoinError::NotPermitted));
    assert_eq!(check(|claims| claims.sub.clear()), Err(JoinError::NoIdentity));
    assert_eq!(check(|claims| claims.video.room.clear()), Err(JoinError::NoRoom));
    assert_eq!(check(|claims| claims.metadata = "x".repeat(100_000)), Err(JoinError::TooLong));
}

#[test]
fn hidden_participant_sees_and_is_not_seen() {
    let mut world = World::new();
    let alice = world.join("alice");
    let mut claims = World::claims("ghost");
    claims.video.hidden = true;
    let ghost = world.join_with(Join::new(claims));
    let Message::Join(join) = world.read(&ghost).remove(0) else { panic!() };
    world.say(&ghost, Say::Leave(proto::LeaveRequest::default()));

    assert_eq!(join.other_participants.len(), 1);
    assert!(info_of(&world.read(&alice), "ghost").is_none());
}

#[test]
fn speakers_are_told_as_they_change() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let room = world.room();
    let commands = world.commands();
    let who = commands.iter().find_map(|command| match command {
        Command::Participant(spec) if spec.identity == "bob" => Some(spec.participant),
        _ => None,
    });
    let speakers = vec![Speaker { participant: who.unwrap(), level: 0.5 }];
    let told = |world: &mut World| match &world.read(&alice)[..] {
        [Message::SpeakersChanged(changed)] => changed.speakers.clone(),
        [] => Vec::new(),
        other => panic!("{other:?}"),
    };
    world.read(&alice);

    world.event(Event::Speakers(room, speakers.clone()));
    let begun = told(&mut world);
    assert_eq!((begun[0].sid.as_str(), begun[0].level), (bob.sid.as_str(), 0.5));
    assert!(begun[0].active);
    world.event(Event::Speakers(room, speakers));
    assert!(told(&mut world).is_empty(), "nothing has changed");
    world.event(Event::Speakers(room, Vec::new()));
    assert!(!told(&mut world)[0].active);
}

#[test]
fn quality_is_told_each_five_seconds_and_never_lost() {
    let mut world = World::new();
    let alice = world.join("alice");
    let transport = world.subscriber_of(&alice);
    world.event(Event::Quality(transport, Quality { loss: 1.0, rtt_ms: 9_000 }));

    world.sleep(Duration::from_secs(6));

    let messages = world.read(&alice);
    let update = messages.iter().find_map(|message| match message {
        Message::ConnectionQuality(update) => Some(update.updates[0].clone()),
        _ => None,
    });
    assert_eq!(update.unwrap().quality(), proto::ConnectionQuality::Poor);
}

#[test]
fn pings_are_answered() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.say(&alice, Say::PingReq(proto::Ping { timestamp: 42, rtt: 1 }));
    world.say(&alice, Say::Ping(42));
    let messages = world.read(&alice);
    assert!(matches!(&messages[0], Message::PongResp(p) if p.last_ping_timestamp == 42));
    assert!(matches!(messages[1], Message::Pong(_)));
}

#[test]
fn metadata_changes_need_the_grant() {
    let mut world = World::new();
    let alice = world.join("alice");
    let wanted = proto::UpdateParticipantMetadata {
        name: "Al".into(),
        attributes: [("hand".to_owned(), "up".to_owned())].into(),
        request_id: 9,
        ..Default::default()
    };
    world.say(&alice, Say::UpdateMetadata(wanted.clone()));
    let denied = world.read(&alice);
    assert!(matches!(&denied[..], [Message::RequestResponse(r)]
        if r.request_id == 9 && r.reason() == proto::request_response::Reason::NotAllowed));

    let mut claims = World::claims("bob");
    claims.video.can_update_own_metadata = Some(true);
    let bob = world.join_with(Join::new(claims));
    world.read(&alice);
    world.say(&bob, Say::UpdateMetadata(wanted));
    let seen = info_of(&world.read(&alice), "bob").unwrap();
    assert_eq!((seen.name.as_str(), seen.attributes["hand"].as_str()), ("Al", "up"));
}

#[test]
fn lost_media_makes_the_client_join_afresh() {
    let mut world = World::new();
    let alice = world.join("alice");
    let transport = world.subscriber_of(&alice);
    world.event(Event::Closed(transport, CloseReason::ConsentLost));

    let leave = leave_of(&world.read(&alice)).unwrap();
    assert_eq!(leave.action(), Action::Reconnect);
    assert!(leave.can_reconnect && world.is_closed(alice.connection));
}

#[test]
fn full_relay_turns_a_participant_away() {
    let mut world = World::new();
    world.refuse = |command| matches!(command, Command::Open { .. }).then_some(Refusal::Full);
    let alice = world.join_with(Join::new(World::claims("alice")));
    let leave = leave_of(&world.read(&alice)).unwrap();
    assert_eq!(leave.reason(), DisconnectReason::JoinFailure);
    assert_eq!(world.board.counters().participants, 0);
    assert!(world.board.counters().leaves().any(|left| left == ("relay_full", 1)));
}

#[test]
fn shutdown_tells_everybody() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.commands();
    world.shutdown();
    for client in [alice, bob] {
        let leave = leave_of(&world.read(&client)).unwrap();
        assert_eq!(leave.reason(), DisconnectReason::ServerShutdown);
        assert!(world.is_closed(client.connection));
    }
    assert!(matches!(world.commands()[..], [Command::CloseRoom]));
}

#[test]
fn configured_ice_servers_are_passed_on() {
    let server = signalling_switchboard::IceServer {
        urls: vec!["turn:example.org:3478?transport=udp".into()],
        username: "u".into(),
        credential: "c".into(),
    };
    let mut world = World::with(Config { ice_servers: vec![server], ..Config::default() });
    let alice = world.join_with(Join::new(World::claims("alice")));
    let Message::Join(join) = world.read(&alice).remove(0) else { panic!() };
    assert_eq!(join.ice_servers[0].credential, "c");
}
