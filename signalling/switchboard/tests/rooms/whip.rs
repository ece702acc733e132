use crate::script::{info_of, player_offer, publisher_offer};
use crate::world::World;
use livekit_protocol::TrackSource;
use livekit_protocol::participant_info::{Kind as Sort, State};
use relay_wire::control::{Codec, Command, Event, Kind, Refusal, SubscriptionSpec, TrackId};
use signalling_switchboard::token::Claims;
use signalling_switchboard::{
    Credentials, SessionError, SessionOffer, SessionReply, SessionRequest, SessionRole,
};
use std::time::Duration;

use SessionRole::{Play, Publish};

fn offer(role: SessionRole, claims: Claims, sdp: &str) -> SessionRequest {
    let offer = SessionOffer { role, claims, participant: None, sdp: sdp.into() };
    SessionRequest::Offer(Box::new(offer))
}

pub(crate) fn session(role: SessionRole, identity: &str, resource: &str) -> Box<Credentials> {
    let claims = World::claims(identity);
    Box::new(Credentials { role, resource: resource.into(), claims })
}

pub(crate) fn patch(
    identity: &str,
    resource: &str,
    tag: Option<&str>,
    fragment: &str,
) -> SessionRequest {
    SessionRequest::Patch {
        session: session(Publish, identity, resource),
        if_match: tag.map(str::to_owned),
        fragment: fragment.into(),
    }
}

/// Resource, entity tag and answer of a new session.
fn opened(world: &mut World, request: SessionRequest) -> (String, String, String) {
    match world.session(request) {
        SessionReply::Created { resource, etag, sdp, .. } => (resource, etag, sdp),
        reply => panic!("{reply:?}"),
    }
}

pub(crate) fn publish(world: &mut World, identity: &str) -> (String, String, String) {
    opened(world, offer(Publish, World::claims(identity), &publisher_offer("publ")))
}

pub(crate) fn play(world: &mut World, identity: &str) -> (String, String, String) {
    opened(world, offer(Play, World::claims(identity), &player_offer("play")))
}

pub(crate) fn refused(world: &mut World, request: SessionRequest) -> SessionError {
    match world.session(request) {
        SessionReply::Refused(error) => error,
        reply => panic!("{reply:?}"),
    }
}

/// Tracks that the relay was told to expect since, sound first.
pub(crate) fn expected(commands: &[Command]) -> Vec<(Kind, TrackId)> {
    let tracks = commands.iter().filter_map(|command| match command {
        Command::Publish(spec) => Some((spec.kind, spec.track)),
        _ => None,
    });
    let mut tracks: Vec<_> = tracks.collect();
    tracks.sort_unstable();
    tracks
}

pub(crate) fn subscribed(commands: &[Command]) -> Vec<SubscriptionSpec> {
    let specs = commands.iter().filter_map(|command| match command {
        Command::Subscribe(spec) => Some(spec.clone()),
        _ => None,
    });
    specs.collect()
}

/// A WHIP publisher whose sound and pictures flow, as the relay knows them.
pub(crate) fn flowing(world: &mut World, identity: &str) -> (String, TrackId, TrackId) {
    world.commands();
    let (resource, ..) = publish(world, identity);
    let tracks = expected(&world.commands());
    let [(Kind::Audio, audio), (Kind::Video, video)] = tracks[..] else { panic!("{tracks:?}") };
    world.event(Event::Started(audio, Codec::Opus));
    world.event(Event::Started(video, Codec::Vp8));
    (resource, audio, video)
}

#[test]
fn whip_publisher_is_a_participant_whose_tracks_the_others_get() {
    let mut world = World::new();
    let alice = world.join("alice");
    let (resource, etag, sdp) = publish(&mut world, "obs");

    assert!(resource.len() >= 24 && !etag.is_empty());
    assert!(sdp.contains("a=ice-lite") && sdp.contains("a=setup:passive"));
    assert!(sdp.contains("a=candidate:") && sdp.contains("a=end-of-candidates"));
    assert_eq!(sdp.matches("a=recvonly").count(), 2);
    let tracks = expected(&world.commands());
    world.event(Event::Started(tracks[1].1, Codec::H264));

    let seen = world.read(&alice);
    let obs = info_of(&seen, "obs").unwrap();
    assert_eq!(obs.kind(), Sort::Ingress);
    assert_eq!(obs.tracks[0].source(), TrackSource::Camera);
    assert_eq!(obs.tracks[0].mime_type, "video/H264");
    assert!(obs.tracks[0].codecs[0].layers.len() == 3, "simulcast as offered");
    assert_eq!(crate::script::offers(&seen).len(), 1, "alice is offered the track");
}

/// An offer that knows no other codec for pictures.
fn in_vp8_only(offer: &str) -> String {
    [" H264/", " VP9/", " AV1/"]
        .into_iter()
        .fold(offer.into(), |sdp, name| sdp.replace(name, " X/"))
}

#[test]
fn vp9_and_av1_are_published_and_played_with_their_dependency_descriptors() {
    let mut world = World::new();
    let (_, _, answer) = play(&mut world, "viewer");
    assert!(answer.contains("VP9/90000") && answer.contains("AV1/90000"));
    for (codec, identity) in [(Codec::Vp8, "a"), (Codec::Vp9, "b"), (Codec::Av1, "c")] {
        world.commands();
        let (resource, _, answer) = publish(&mut world, identity);
        assert!(answer.contains("VP9/90000") && answer.contains("AV1/90000"));
        let [_, (Kind::Video, video)] = expected(&world.commands())[..] else { panic!() };
        world.event(Event::Started(video, codec));

        let specs = subscribed(&world.commands());
        assert!(specs[0].codecs.iter().any(|spec| spec.codec == codec));
        // A player believes a descriptor more than VP8's own numbers, which we rewrite.
        let told = specs[0].extensions.dependency_descriptor;
        assert_eq!(told, (codec != Codec::Vp8).then_some(12), "{codec:?}");
        let session = session(Publish, identity, &resource);
        world.session(SessionRequest::Delete(session));
    }
}

#[test]
fn layers_are_told_apart_by_their_names_not_by_their_order() {
    for (offered, low_to_high) in [
        ("q;h;f", ["q", "h", "f"]),
        ("f;h;q", ["q", "h", "f"]),
        ("h;m;l", ["l", "m", "h"]),
        ("high;medium;low", ["low", "medium", "high"]),
        // OBS: 0 is the full picture.
        ("0;1;2", ["2", "1", "0"]),
        ("a;b;c", ["a", "b", "c"]),
    ] {
        let mut world = World::new();
        let sdp = publisher_offer("publ")
            .replace("simulcast:send q;h;f", &format!("simulcast:send {offered}"));
        opened(&mut world, offer(Publish, World::claims("obs"), &sdp));
        let commands = world.commands();
        let rids = commands.iter().find_map(|command| match command {
            Command::Publish(spec) if spec.kind == Kind::Video => Some(spec.rids.clone()),
            _ => None,
        });
        assert_eq!(rids.unwrap(), low_to_high, "{offered}");
    }
}

#[test]
fn whip_publisher_is_active_once_its_media_stands_and_gone_when_it_ends() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.commands();
    publish(&mut world, "obs");
    assert_eq!(info_of(&world.read(&alice), "obs").unwrap().state(), State::Joined);

    let transport = world.transport_opened();
    world.event(Event::Connected(transport));
    assert_eq!(info_of(&world.read(&alice), "obs").unwrap().state(), State::Active);
    world.sleep_pinging(Duration::from_secs(90), &[&alice]);
    assert_eq!(world.board.counters().participants, 2, "it needs no signalling to stay");

    world.event(Event::Closed(transport, relay_wire::control::CloseReason::PeerClosed));
    assert_eq!(info_of(&world.read(&alice), "obs").unwrap().state(), State::Disconnected);
}

#[test]
fn session_that_never_connects_ends() {
    let mut world = World::new();
    let (resource, etag, _) = publish(&mut world, "obs");
    world.sleep(Duration::from_secs(40));

    assert_eq!(world.board.counters().participants, 0);
    let tag = format!("\"{etag}\"");
    let asked = patch("obs", &resource, Some(&tag), "a=end-of-candidates\r\n");
    assert_eq!(refused(&mut world, asked), SessionError::Unknown);
}

#[test]
fn delete_ends_a_session_and_only_its_owner_may() {
    let mut world = World::new();
    let alice = world.join("alice");
    let (resource, ..) = publish(&mut world, "obs");

    let by_alice = SessionRequest::Delete(session(Publish, "alice", &resource));
    assert_eq!(refused(&mut world, by_alice), SessionError::NotYours);
    let as_player = SessionRequest::Delete(session(Play, "obs", &resource));
    assert_eq!(refused(&mut world, as_player), SessionError::Unknown);
    let own = SessionRequest::Delete(session(Publish, "obs", &resource));
    assert_eq!(world.session(own.clone()), SessionReply::Deleted);
    assert_eq!(info_of(&world.read(&alice), "obs").unwrap().state(), State::Disconnected);
    assert_eq!(refused(&mut world, own), SessionError::Unknown);
}

#[test]
fn second_session_of_an_identity_replaces_the_first() {
    let mut world = World::new();
    let (first, ..) = publish(&mut world, "obs");
    let (second, ..) = publish(&mut world, "obs");

    assert_eq!(world.board.counters().participants, 1);
    let gone = SessionRequest::Delete(session(Publish, "obs", &first));
    assert_eq!(refused(&mut world, gone), SessionError::Unknown);
    let there = SessionRequest::Delete(session(Publish, "obs", &second));
    assert_eq!(world.session(there), SessionReply::Deleted);
}

#[test]
fn candidates_are_taken_and_preconditions_hold() {
    let mut world = World::new();
    let (resource, etag, _) = publish(&mut world, "obs");
    let tag = format!("\"{etag}\"");
    let trickle = "a=ice-ufrag:publ\r\na=ice-pwd:publpasswordpasswordpassword\r\n\
        m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
    let mut ask = |tag: Option<&str>, text| world.session(patch("obs", &resource, tag, text));

    assert_eq!(ask(Some(&tag), trickle), SessionReply::Trickled);
    assert_eq!(ask(Some("*"), trickle), SessionReply::Trickled);
    let no = |error| SessionReply::Refused(error);
    assert_eq!(ask(None, trickle), no(SessionError::NoPrecondition));
    assert_eq!(ask(Some("\"other\""), trickle), no(SessionError::Precondition));
    let weak = format!("W/{tag}");
    assert_eq!(ask(Some(&weak), trickle), no(SessionError::Precondition));
    let SessionReply::Refused(error) = ask(Some(&tag), "nonsense") else { panic!() };
    assert_eq!(error.status(), 400);
    let SessionReply::Refused(error) = ask(Some(&tag), "a=ice-ufrag:abcd\r\n") else { panic!() };
    assert_eq!(error.status(), 422);
}

#[test]
fn ice_restart_gives_new_credentials_and_another_entity_tag() {
    let mut world = World::new();
    let (resource, etag, sdp) = publish(&mut world, "obs");
    world.commands();
    let restart = "a=ice-ufrag:anew\r\na=ice-pwd:anewpasswordpasswordpassword\r\n";
    let reply = world.session(patch("obs", &resource, Some("*"), restart));

    let SessionReply::Restarted { etag: next, fragment } = reply else { panic!("{reply:?}") };
    assert_ne!(next, etag);
    let ufrag = fragment.lines().find(|line| line.starts_with("a=ice-ufrag:")).unwrap();
    assert!(!sdp.contains(ufrag), "credentials are new");
    assert!(fragment.contains("a=candidate:") && fragment.contains("m=audio "));
    let commands = world.commands();
    assert!(matches!(&commands[0], Command::RestartIce(_)));
    assert!(matches!(&commands[1], Command::Admit { remote, .. } if remote.ufrag == "anew"));
    let old = patch("obs", &resource, Some(&format!("\"{etag}\"")), restart);
    assert_eq!(refused(&mut world, old), SessionError::Precondition);
}

#[test]
fn restart_that_the_relay_refuses_leaves_the_session() {
    let mut world = World::new();
    let (resource, etag, _) = publish(&mut world, "obs");
    world.refuse = |c| matches!(c, Command::RestartIce(_)).then_some(Refusal::Full);
    let restart = "a=ice-ufrag:anew\r\na=ice-pwd:anewpasswordpasswordpassword\r\n";
    let asked = patch("obs", &resource, Some("*"), restart);
    assert_eq!(refused(&mut world, asked).status(), 503);

    let trickle = patch("obs", &resource, Some(&format!("\"{etag}\"")), "a=end-of-candidates");
    assert_eq!(world.session(trickle), SessionReply::Trickled);
}

#[test]
fn second_restart_is_refused_while_the_first_is_under_way() {
    let mut world = World::new();
    let (resource, ..) = publish(&mut world, "obs");
    world.silent = true;
    let restart = "a=ice-ufrag:anew\r\na=ice-pwd:anewpasswordpasswordpassword\r\n";
    world.ask_session(patch("obs", &resource, Some("*"), restart));
    let asked = patch("obs", &resource, Some("*"), restart);
    let error = refused(&mut world, asked);
    assert_eq!((error, error.status()), (SessionError::Busy, 409));
}

#[test]
fn too_many_patches_are_refused() {
    let mut world = World::new();
    let (resource, ..) = publish(&mut world, "obs");
    let mut last = SessionReply::Trickled;
    for _ in 0..60 {
        last = world.session(patch("obs", &resource, Some("*"), "a=end-of-candidates"));
    }
    assert_eq!(last, SessionReply::Refused(SessionError::TooFast));
}

#[test]
fn offers_that_cannot_be_served_say_why() {
    let mut world = World::new();
    let good = publisher_offer("publ");
    let status = |world: &mut World, role, sdp: &str| {
        refused(world, offer(role, World::claims("obs"), sdp)).status()
    };
    assert_eq!(status(&mut world, Publish, "nonsense"), 400);
    assert_eq!(status(&mut world, Publish, &good.replace("a=ice-ufrag", "a=x")), 422);
    assert_eq!(status(&mut world, Publish, &good.replace("a=fingerprint", "a=x")), 422);
    assert_eq!(status(&mut world, Publish, &good.replace("actpass", "passive")), 422);
    assert_eq!(status(&mut world, Publish, &player_offer("play")), 422);
    assert_eq!(status(&mut world, Play, &good), 422);
    let strange = good.replace("opus/48000/2", "PCMU/8000");
    assert_eq!(status(&mut world, Publish, &strange), 406);
    let strange = in_vp8_only(&player_offer("play")).replace("VP8", "VP7");
    assert_eq!(status(&mut world, Play, &strange), 406);
    assert_eq!(world.board.counters().rooms, 0, "nobody came in");
}

#[test]
fn tokens_are_obeyed() {
    let mut world = World::new();
    let mut claims = World::claims("obs");
    claims.video.can_publish = Some(false);
    let sdp = publisher_offer("publ");
    let asked = offer(Publish, claims.clone(), &sdp);
    assert_eq!(refused(&mut world, asked), SessionError::MayNotPublish);
    claims.video.can_publish = Some(true);
    claims.video.can_publish_sources = vec!["camera".into()];
    let asked = offer(Publish, claims.clone(), &sdp);
    assert_eq!(refused(&mut world, asked), SessionError::MayNotPublish, "no microphone");
    claims.video.can_subscribe = Some(false);
    let asked = offer(Play, claims.clone(), &player_offer("play"));
    assert_eq!(refused(&mut world, asked), SessionError::MayNotSubscribe);
    claims = World::claims("obs");
    claims.video.room_join = false;
    assert_eq!(refused(&mut world, offer(Publish, claims, &sdp)).status(), 403);
}

#[test]
fn player_is_seen_by_nobody_and_gets_what_there_is() {
    let mut world = World::new();
    let alice = world.join("alice");
    let (_, audio, video) = flowing(&mut world, "obs");
    world.read(&alice);
    let (.., sdp) = play(&mut world, "alice");

    assert!(!world.is_closed(alice.connection), "the token's other sessions stay");
    assert!(info_of(&world.read(&alice), "alice").is_none());
    assert_eq!(sdp.matches("a=sendonly").count(), 2);
    let specs = subscribed(&world.commands());
    let tracks: Vec<TrackId> = specs.iter().map(|spec| spec.track).collect();
    assert_eq!(tracks, [audio, video]);
    assert!(specs.iter().all(|spec| sdp.contains(&format!("a=ssrc:{} ", spec.ssrc))));
    assert!(specs[1].codecs.len() == 4, "whatever codec comes: {:?}", specs[1].codecs);
}

#[test]
fn player_waits_and_follows_from_one_publisher_to_the_next() {
    let mut world = World::new();
    play(&mut world, "viewer");
    assert!(subscribed(&world.commands()).is_empty());

    let (resource, ..) = publish(&mut world, "first");
    let tracks = expected(&world.commands());
    world.event(Event::Started(tracks[1].1, Codec::Vp8));
    let before = subscribed(&world.commands());
    assert_eq!(before[0].track, tracks[1].1);
    let (_, _, next) = flowing(&mut world, "second");
    let sound = subscribed(&world.commands());
    assert_eq!(sound.len(), 1, "sound of the second, since the first has none; no pictures");

    world.session(SessionRequest::Delete(session(Publish, "first", &resource)));
    let after = subscribed(&world.commands());
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].track, next);
    let streams = |spec: &SubscriptionSpec| (spec.ssrc, spec.rtx_ssrc, spec.mid.clone());
    assert_eq!(streams(&after[0]), streams(&before[0]), "the m-line's streams stay the same");
}

#[test]
fn player_follows_a_track_that_changes_its_codec_and_leaves_what_it_cannot_decode() {
    let mut world = World::new();
    let only_vp8 = in_vp8_only(&player_offer("play"));
    opened(&mut world, offer(Play, World::claims("viewer"), &only_vp8));
    play(&mut world, "other");
    let (_, _, video) = flowing(&mut world, "obs");
    world.commands();

    world.event(Event::Started(video, Codec::H264));
    let specs = subscribed(&world.commands());
    assert_eq!(specs.len(), 1, "who offered H.264 gets it: {specs:?}");
    assert_eq!(specs[0].codecs.len(), 4);
    assert_eq!(world.board.counters().subscriptions, 3);
    let now = world.board.counters();
    assert_eq!((now.publishers, now.players, now.participants), (1, 2, 3));
}

#[test]
fn player_of_a_named_participant_gets_nobody_else() {
    let mut world = World::new();
    let asked = SessionOffer {
        role: Play,
        claims: World::claims("viewer"),
        participant: Some("second".into()),
        sdp: player_offer("play"),
    };
    opened(&mut world, SessionRequest::Offer(Box::new(asked)));
    flowing(&mut world, "first");
    assert!(subscribed(&world.commands()).is_empty());

    let (_, audio, video) = flowing(&mut world, "second");
    let tracks: Vec<_> = subscribed(&world.commands()).iter().map(|spec| spec.track).collect();
    assert_eq!(tracks, [audio, video]);
}

#[test]
fn session_that_the_relay_refuses_is_refused() {
    let mut world = World::new();
    world.refuse = |c| matches!(c, Command::Open { .. }).then_some(Refusal::Full);
    let asked = offer(Publish, World::claims("obs"), &publisher_offer("publ"));
    assert_eq!(refused(&mut world, asked).status(), 503);
    assert_eq!(world.board.counters().participants, 0);
}
