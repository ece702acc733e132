use crate::script::{self, Line, answers, info_of};
use crate::world::World;
use livekit_protocol as proto;
use livekit_protocol::request_response::{Reason, Request};
use livekit_protocol::signal_request::Message as Say;
use livekit_protocol::signal_response::Message;
use relay_wire::control::{Codec, Command, DataRole, Event, Kind, Refusal, TrackSpec};
use signalling_switchboard::Join;

fn specs(commands: &[Command]) -> Vec<&TrackSpec> {
    let specs = commands.iter().filter_map(|command| match command {
        Command::Publish(spec) => Some(spec),
        _ => None,
    });
    specs.collect()
}

#[test]
fn added_track_is_published_with_the_answer() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.commands();

    world.say(&alice, Say::AddTrack(script::camera("cam")));
    let info = world.published(&alice);
    assert!(info.sid.starts_with("TR_") && info.disable_red);
    assert_eq!((info.width, info.source()), (1280, proto::TrackSource::Camera));
    world.say(&alice, script::offer(5, &[Line::video("1", "cam")], "publ"));

    let messages = world.read(&alice);
    let answer = answers(&messages)[0];
    assert_eq!(answer.id, 5, "JS ignores other ids");
    assert!(answer.sdp.contains("a=simulcast:recv q;h;f"));
    let commands = world.commands();
    assert!(matches!(commands[0], Command::Open { data: DataRole::Accept, .. }));
    assert!(matches!(&commands[1], Command::Admit { remote, .. } if remote.ufrag == "publ"));
    let spec = specs(&commands)[0];
    assert_eq!((spec.kind, spec.mid.as_str()), (Kind::Video, "1"));
    assert_eq!(spec.rids, ["q", "h", "f"]);
    assert_eq!(spec.codecs[0].payload_type, 96);
}

#[test]
fn layers_offered_high_to_low_reach_the_relay_low_to_high() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.say(&alice, Say::AddTrack(script::camera("cam")));
    let Say::Offer(mut offer) = script::offer(1, &[Line::video("1", "cam")], "publ") else {
        unreachable!("an offer")
    };
    offer.sdp = offer.sdp.replace("a=simulcast:send q;h;f", "a=simulcast:send f;h;q");
    world.say(&alice, Say::Offer(offer));

    assert_eq!(specs(&world.commands())[0].rids, ["q", "h", "f"]);
    let messages = world.read(&alice);
    assert!(answers(&messages)[0].sdp.contains("a=simulcast:recv f;h;q"), "as they were offered");
}

#[test]
fn layers_are_ordered_by_what_the_client_calls_them() {
    let mut world = World::new();
    let alice = world.join("alice");
    let mut add = script::camera("cam");
    for (layer, rid) in add.layers.iter_mut().zip(["f", "q", "h"]) {
        layer.rid = rid.into();
    }
    world.say(&alice, Say::AddTrack(add));
    world.say(&alice, script::offer(1, &[Line::video("1", "cam")], "publ"));

    assert_eq!(specs(&world.commands())[0].rids, ["f", "q", "h"]);
}

#[test]
fn asked_codec_goes_first() {
    let mut world = World::new();
    let alice = world.join("alice");
    let asked = [
        ("h264", Codec::H264),
        ("vp9", Codec::Vp9),
        ("AV1", Codec::Av1),
        ("video/VP9", Codec::Vp9),
        ("vp8", Codec::Vp8),
        // As it was offered: nothing was asked for, or what nobody here knows.
        ("", Codec::Vp8),
        ("h265", Codec::Vp8),
    ];
    for (number, (codec, first)) in (1..).zip(asked) {
        let (cid, mid) = (format!("cam{number}"), number.to_string());
        world.say(&alice, Say::AddTrack(in_codecs(&cid, &[codec])));
        let likely = world.published(&alice).mime_type;
        assert!(likely.eq_ignore_ascii_case(&format!("video/{first:?}")), "{likely}");
        world.say(&alice, script::offer(number, &[Line::video(&mid, &cid)], "publ"));
        assert_eq!(specs(&world.commands())[0].codecs[0].codec, first, "{codec}");
    }
    world.say(&alice, Say::AddTrack(script::camera("silent")));
    world.say(&alice, script::offer(9, &[Line::video("9", "silent")], "publ"));
    assert_eq!(specs(&world.commands())[0].codecs[0].codec, Codec::Vp8);
}

/// A camera for which these codecs are asked, the first one at once.
fn in_codecs(cid: &str, codecs: &[&str]) -> proto::AddTrackRequest {
    let codec = |(number, codec): (usize, &&str)| proto::SimulcastCodec {
        codec: (*codec).into(),
        cid: if number == 0 { cid.into() } else { String::new() },
        ..Default::default()
    };
    let simulcast_codecs = codecs.iter().enumerate().map(codec).collect();
    proto::AddTrackRequest { simulcast_codecs, ..script::camera(cid) }
}

/// livekit-client announces VP9 and AV1 with VP8 as a backup, and publishes that one only when it
/// is told to: a track of its own SID comes later, if at all.
#[test]
fn backup_codec_changes_nothing_of_the_track() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.say(&alice, Say::AddTrack(in_codecs("cam", &["vp9", "vp8"])));
    let sid = world.published(&alice).sid;
    world.say(&alice, script::offer(1, &[Line::video("1", "cam")], "publ"));
    let track = specs(&world.commands())[0].track;
    world.event(Event::Started(track, Codec::Vp9));

    let mut backup = in_codecs("cam-vp8", &["vp8"]);
    backup.sid.clone_from(&sid);
    world.say(&alice, Say::AddTrack(backup));
    assert_eq!(world.published(&alice).sid, sid);
    let lines = [Line::video("1", "cam"), Line::video("2", "cam-vp8")];
    world.say(&alice, script::offer(2, &lines, "publ"));

    assert!(specs(&world.commands()).is_empty(), "nothing new is received");
    let info = info_of(&world.read(&bob), "alice").unwrap();
    assert_eq!((info.tracks.len(), info.tracks[0].mime_type.as_str()), (1, "video/VP9"));
    let mimes: Vec<_> = info.tracks[0].codecs.iter().map(|codec| &*codec.mime_type).collect();
    assert_eq!(mimes, ["video/VP9", "video/VP8"]);
    let messages = world.read(&alice);
    let inactive = answers(&messages).last().unwrap().sdp.matches("a=inactive").count();
    assert_eq!(inactive, 1, "the backup's m-line");
}

#[test]
fn unknown_names_take_the_oldest_pending_track_of_the_kind() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.say(&alice, Say::AddTrack(script::microphone("mic")));
    world.say(&alice, Say::AddTrack(script::camera("first")));
    let first = world.published(&alice).sid;
    world.say(&alice, Say::AddTrack(script::camera("second")));
    let second = world.published(&alice).sid;
    let lines = [
        Line::video("1", "{firefox}"),
        Line::audio("2", "{firefox-too}"),
        Line::video("3", "second"),
    ];
    world.say(&alice, script::offer(1, &lines, "publ"));

    let commands = world.commands();
    let mids: Vec<_> = specs(&commands).iter().map(|spec| (spec.kind, &spec.mid[..])).collect();
    assert_eq!(mids, [(Kind::Video, "1"), (Kind::Audio, "2"), (Kind::Video, "3")]);
    let tracks: Vec<_> = specs(&commands).iter().map(|spec| spec.track).collect();
    for track in &tracks {
        world.event(Event::Started(*track, Codec::Vp8));
    }
    let me = info_of(&world.read(&alice), "alice").unwrap();
    let mid_of = |sid: &str| me.tracks.iter().find(|t| t.sid == sid).unwrap().mid.clone();
    assert_eq!((mid_of(&first), mid_of(&second)), ("1".into(), "3".into()));
}

#[test]
fn others_hear_of_a_track_with_its_first_packet() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, track) = world.offer_camera(&alice, "cam", "1");
    assert!(info_of(&world.read(&bob), "alice").is_none());

    world.event(Event::Started(track, Codec::Vp8));

    let info = info_of(&world.read(&bob), "alice").unwrap();
    assert!(info.is_publisher);
    assert_eq!(
        (info.tracks[0].sid.as_str(), info.tracks[0].mime_type.as_str()),
        (&*sid, "video/VP8")
    );
}

#[test]
fn mute_reaches_the_relay_and_everybody() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, track) = world.publish_camera(&alice);
    world.commands();
    world.read(&bob);

    world.say(&alice, Say::Mute(proto::MuteTrackRequest { sid: sid.clone(), muted: true }));
    world.say(&alice, Say::Mute(proto::MuteTrackRequest { sid, muted: true }));

    assert_eq!(world.commands(), [Command::Mute { track, muted: true }]);
    assert!(info_of(&world.read(&bob), "alice").unwrap().tracks[0].muted);
}

#[test]
fn inactive_line_unpublishes_and_may_carry_another_track() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, track) = world.publish_watched_camera(&alice, &bob);

    world.say(&alice, script::offer(2, &[Line::video("1", "cam").inactive()], "publ"));
    assert!(world.commands().contains(&Command::Unpublish(track)));
    assert!(info_of(&world.read(&bob), "alice").unwrap().tracks.is_empty());

    let (next, _) = world.offer_camera(&alice, "cam2", "1");
    assert_ne!(next, sid);
}

#[test]
fn ice_restart_of_the_publisher_gets_new_credentials() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.offer_camera(&alice, "cam", "1");
    world.commands();
    world.read(&alice);

    world.say(&alice, script::offer(2, &[Line::video("1", "cam")], "newu"));

    let commands = world.commands();
    assert!(matches!(commands[0], Command::RestartIce(_)));
    assert!(matches!(&commands[1], Command::Admit { remote, .. } if remote.ufrag == "newu"));
    assert_eq!(commands.len(), 2, "the track goes on");
    let messages = world.read(&alice);
    assert!(answers(&messages)[0].sdp.contains("a=ice-ufrag:00server3"));
}

#[test]
fn publishing_without_the_grant_is_refused() {
    let mut world = World::new();
    let mut claims = World::claims("alice");
    claims.video.can_publish_sources = vec!["microphone".into()];
    let alice = world.join_with(Join::new(claims));
    world.read(&alice);

    world.say(&alice, Say::AddTrack(script::camera("cam")));
    let messages = world.read(&alice);
    let [Message::RequestResponse(response)] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(response.reason(), Reason::NotAllowed);
    assert!(matches!(&response.request, Some(Request::AddTrack(add)) if add.cid == "cam"));
    world.say(&alice, Say::AddTrack(script::microphone("mic")));
    assert_eq!(world.published(&alice).source(), proto::TrackSource::Microphone);
}

#[test]
fn same_announcement_again_is_the_same_track() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.say(&alice, Say::AddTrack(script::camera("cam")));
    let first = world.published(&alice).sid;
    world.say(&alice, Say::AddTrack(script::camera("cam")));
    assert_eq!(world.published(&alice).sid, first);

    let backup = proto::AddTrackRequest { sid: first.clone(), ..script::camera("backup") };
    world.say(&alice, Say::AddTrack(backup));
    assert_eq!(world.published(&alice).sid, first);
    let lines = [Line::video("1", "cam"), Line::video("2", "backup")];
    world.say(&alice, script::offer(1, &lines, "publ"));
    assert_eq!(specs(&world.commands()).len(), 1, "a backup codec is not taken");
}

#[test]
fn track_that_the_relay_refuses_is_taken_back() {
    let mut world = World::new();
    world.refuse = |command| matches!(command, Command::Publish(_)).then_some(Refusal::Invalid);
    let alice = world.join("alice");
    let (sid, _) = world.offer_camera(&alice, "cam", "1");
    let messages = world.read(&alice);
    assert!(messages.iter().any(
        |message| matches!(message, Message::TrackUnpublished(gone) if gone.track_sid == sid)
    ));
    assert_eq!(world.board.counters().tracks, 0);
}

#[test]
fn offer_with_only_data_opens_the_transport() {
    let mut world = World::new();
    let alice = world.join("alice");
    world.commands();
    world.say(&alice, script::offer(1, &[], "publ"));
    let messages = world.read(&alice);
    assert!(answers(&messages)[0].sdp.contains("a=sctp-port:5000"));
    assert!(matches!(world.commands()[..], [Command::Open { .. }, Command::Admit { .. }]));
}
