use crate::rejection::rejection_of;
use crate::script::{self, Line, info_of, offers};
use crate::world::{Client, World};
use livekit_protocol as proto;
use livekit_protocol::signal_request::Message as Say;
use livekit_protocol::signal_response::Message;
use relay_wire::control::{Choice, Codec, Command, Event, SubscriptionSpec};
use signalling_switchboard::Join;
use signalling_switchboard::sdp::Description;

fn take(sdp: &str) -> String {
    script::answer_to(sdp, "answ")
}

fn specs(commands: Vec<Command>) -> Vec<SubscriptionSpec> {
    let spec = |command| match command {
        Command::Subscribe(spec) => Some(spec),
        _ => None,
    };
    commands.into_iter().filter_map(spec).collect()
}

fn wish(world: &mut World, client: &Client, sid: &str, subscribe: bool) {
    let track_sids = vec![sid.to_owned()];
    let wish = proto::UpdateSubscription { track_sids, subscribe, ..Default::default() };
    world.say(client, Say::Subscription(wish));
}

#[test]
fn track_is_announced_then_offered_then_forwarded() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, track) = world.publish_camera(&alice);
    world.read(&alice);
    world.commands();

    let messages = world.read(&bob);
    let [Message::Update(_), Message::Offer(offer)] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!(offer.id, 2);
    assert!(offer.sdp.contains(&format!("a=msid:{}|camera {sid}\r\n", alice.sid)));
    assert!(specs(world.commands()).is_empty(), "not before the answer");
    let answer = proto::SessionDescription { id: 2, sdp: take(&offer.sdp), ..Default::default() };
    world.say(&bob, Say::Answer(answer));

    let spec = specs(world.commands()).remove(0);
    assert_eq!((spec.track, spec.mid.as_str(), spec.choice), (track, "1", Choice::High));
    assert_eq!(spec.codecs[0].codec, Codec::Vp8);
    assert_eq!((spec.codecs[0].payload_type, spec.codecs[0].rtx), (96, Some(97)));
    assert!(spec.rtx_ssrc.is_some() && spec.extensions.mid == Some(4));
    let told = world.read(&alice);
    assert!(matches!(&told[..], [Message::TrackSubscribed(t)] if t.track_sid == sid));
}

#[test]
fn late_comer_gets_what_is_there_with_its_first_offer() {
    let mut world = World::new();
    let alice = world.join("alice");
    let (sid, _) = world.publish_camera(&alice);
    let bob = world.join_with(Join::new(World::claims("bob")));
    let messages = world.read(&bob);
    let Message::Join(join) = &messages[0] else { panic!() };
    assert_eq!(join.other_participants[0].tracks[0].sid, sid);
    assert!(offers(&messages)[0].sdp.contains(&sid));
}

#[test]
fn who_rejects_everything_is_offered_what_comes_later() {
    let mut world = World::new();
    let alice = world.join("alice");
    let bob = world.join_with(Join::new(World::claims("bob")));
    world.commands();
    world.answer_offers(&bob, rejection_of);
    let told = world.commands();
    assert!(!told.iter().any(|command| matches!(command, Command::Admit { .. })), "{told:?}");

    let (sid, track) = world.publish_camera(&alice);
    world.commands();
    let offer = world.take_offer(&bob).expect("an offer: the first one was answered");
    world.answer_offer(&bob, &offer, rejection_of);
    world.answer_offers(&bob, rejection_of);
    assert!(world.commands().is_empty());
    let rejected = world.read(&bob);
    let error = rejected.iter().find_map(|message| match message {
        Message::SubscriptionResponse(response) => Some(&response.track_sid),
        _ => None,
    });
    assert_eq!(error, Some(&sid));

    wish(&mut world, &bob, &sid, false);
    wish(&mut world, &bob, &sid, true);
    world.answer_offers(&bob, take);
    let told = world.commands();
    assert!(told.iter().any(|command| matches!(command, Command::Admit { .. })), "{told:?}");
    assert_eq!(specs(told).remove(0).track, track);
}

#[test]
fn one_offer_is_in_flight_and_changes_are_collected() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.say(&alice, Say::AddTrack(script::camera("cam")));
    world.say(&alice, Say::AddTrack(script::microphone("mic")));
    world.say(&alice, Say::AddTrack(script::camera("screen")));
    let lines = [Line::video("1", "cam"), Line::audio("2", "mic"), Line::video("3", "screen")];
    world.say(&alice, script::offer(1, &lines, "publ"));
    let commands = world.commands();
    for command in &commands {
        if let Command::Publish(spec) = command {
            let codec = spec.codecs[0].codec;
            world.event(Event::Started(spec.track, codec));
        }
    }

    let first = world.take_offer(&bob).unwrap();
    assert_eq!(first.sdp.matches("m=").count(), 2, "data and the first track");
    assert!(world.take_offer(&bob).is_none());
    world.say(
        &bob,
        Say::Answer(proto::SessionDescription {
            id: first.id,
            sdp: take(&first.sdp),
            ..Default::default()
        }),
    );
    let second = world.take_offer(&bob).unwrap();
    assert_eq!(second.sdp.matches("m=").count(), 4);
    assert_eq!(second.id, first.id + 1);
    let stale = proto::SessionDescription { id: first.id, ..Default::default() };
    world.say(&bob, Say::Answer(stale));
    assert_eq!(world.board.counters().malformed, 0, "an old answer is ignored");
}

#[test]
fn line_of_a_gone_track_is_rejected_then_its_place_is_taken() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.publish_camera(&alice);
    world.answer_offers(&bob, take);
    world.say(&alice, script::offer(2, &[Line::video("1", "cam").inactive()], "publ"));

    let offer = world.take_offer(&bob).unwrap();
    let read = Description::parse(&offer.sdp).unwrap();
    assert!(read.sections[1].rejected_in_offer());
    world.answer_offer(&bob, &offer, take);
    let (next, track) = world.offer_camera(&alice, "cam2", "2");
    world.event(Event::Started(track, Codec::H264));

    let offer = world.take_offer(&bob).unwrap();
    let read = Description::parse(&offer.sdp).unwrap();
    assert_eq!(read.sections.len(), 2, "no line was added");
    assert_eq!(read.sections[1].mid, "2", "a mid comes once");
    assert!(offer.sdp.contains(&format!("a=msid:{}|camera {next}\r\n", alice.sid)));
    assert!(offer.sdp.contains("H264"));
}

#[test]
fn place_of_a_line_is_not_taken_before_the_client_saw_it_rejected() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.publish_camera(&alice);
    world.answer_offers(&bob, take);
    world.say(&alice, script::offer(2, &[Line::video("1", "cam").inactive()], "publ"));
    let (_, track) = world.offer_camera(&alice, "cam2", "2");
    world.event(Event::Started(track, Codec::Vp8));

    let offer = world.take_offer(&bob).unwrap();
    let read = Description::parse(&offer.sdp).unwrap();
    assert_eq!(read.sections.len(), 2, "the answer to the rejection is awaited");
    world.answer_offer(&bob, &offer, take);
    let offer = world.take_offer(&bob).unwrap();
    world.answer_offer(&bob, &offer, take);
    let spec = specs(world.commands()).pop().unwrap();
    assert_eq!(spec.mid, "2");
}

#[test]
fn track_that_goes_and_comes_again_needs_no_more_lines() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, _) = world.publish_camera(&alice);
    let mut mids = Vec::new();
    for _ in 0..100 {
        wish(&mut world, &bob, &sid, true);
        world.answer_offers(&bob, |sdp| {
            assert!(sdp.matches("m=").count() <= 3, "{sdp}");
            take(sdp)
        });
        mids.extend(specs(world.commands()).into_iter().map(|spec| spec.mid));
        wish(&mut world, &bob, &sid, false);
        world.answer_offers(&bob, take);
    }
    assert_eq!(mids.len(), 100);
    mids.sort_unstable();
    mids.dedup();
    assert_eq!(mids.len(), 100, "LiveKit's Rust SDK takes a stream of a known mid for known");
}

#[test]
fn subscribing_by_hand() {
    let mut world = World::new();
    let alice = world.join("alice");
    let (sid, _) = world.publish_camera(&alice);
    let bob = world.join_with(Join { auto_subscribe: false, ..Join::new(World::claims("bob")) });
    world.settle(&bob);
    world.commands();

    wish(&mut world, &bob, &sid, true);
    world.answer_offers(&bob, take);
    assert_eq!(specs(world.commands()).len(), 1);
    wish(&mut world, &bob, &sid, false);
    assert!(matches!(world.commands()[..], [Command::Unsubscribe(_)]));
    world.read(&bob);
    wish(&mut world, &bob, "TR_nowhere", true);
    let messages = world.read(&bob);
    assert!(matches!(&messages[..], [Message::SubscriptionResponse(r)]
        if r.err() == proto::SubscriptionError::SeTrackNotfound));
}

#[test]
fn settings_choose_the_smallest_layer_that_covers() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, _) = world.publish_camera(&alice);
    world.answer_offers(&bob, take);
    world.commands();
    let mut choose = |change: fn(&mut proto::UpdateTrackSettings)| {
        let track_sids = vec![sid.clone()];
        let mut settings = proto::UpdateTrackSettings { track_sids, ..Default::default() };
        change(&mut settings);
        world.say(&bob, Say::TrackSetting(settings));
        match world.commands()[..] {
            [Command::Choose { choice, .. }] => Some(choice),
            _ => None,
        }
    };
    assert_eq!(choose(|s| (s.width, s.height) = (300, 170)), Some(Choice::Low));
    assert_eq!(choose(|s| (s.width, s.height) = (321, 181)), Some(Choice::Medium));
    assert_eq!(choose(|s| (s.width, s.height) = (4000, 3000)), Some(Choice::High));
    assert_eq!(choose(|s| s.disabled = true), Some(Choice::Paused));
    assert_eq!(choose(|s| s.quality = 1), Some(Choice::Medium));
    assert_eq!(choose(|s| s.quality = 1), None, "nothing has changed");
}

/// What a subscriber's settings choose of a track with these layers: quality, width and height.
fn chosen(layers: &[(i32, u32, u32)], quality: i32, width: u32, height: u32) -> Choice {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let layer = |&(quality, width, height): &(i32, u32, u32)| proto::VideoLayer {
        quality,
        width,
        height,
        ..Default::default()
    };
    let layers = layers.iter().map(layer).collect();
    let add = proto::AddTrackRequest { layers, ..script::camera("cam") };
    world.say(&alice, Say::AddTrack(add));
    let sid = world.published(&alice).sid;
    world.say(&alice, script::offer(1, &[Line::video("1", "cam")], "publ"));
    let track = world.commands().into_iter().find_map(|command| match command {
        Command::Publish(spec) => Some(spec.track),
        _ => None,
    });
    world.event(Event::Started(track.unwrap(), Codec::Vp9));
    let track_sids = vec![sid];
    let settings =
        proto::UpdateTrackSettings { track_sids, quality, width, height, ..Default::default() };
    world.say(&bob, Say::TrackSetting(settings));
    world.answer_offers(&bob, take);
    specs(world.commands()).remove(0).choice
}

#[test]
fn of_two_layers_the_lower_one_is_the_lowest_whatever_it_is_called() {
    // As livekit-client announces them: the lower one MEDIUM for SVC, LOW for simulcast.
    let svc = [(2, 640, 360), (1, 320, 180)];
    let simulcast = [(0, 320, 180), (1, 640, 360)];
    for layers in [svc, simulcast] {
        assert_eq!(chosen(&layers, 0, 300, 170), Choice::Low);
        assert_eq!(chosen(&layers, 0, 400, 200), Choice::High);
        assert_eq!(chosen(&layers, 0, 0, 0), Choice::Low);
        assert_eq!(chosen(&layers, 2, 0, 0), Choice::High);
    }
    assert_eq!(chosen(&svc, 1, 0, 0), Choice::Low);
    assert_eq!(chosen(&simulcast, 1, 0, 0), Choice::High);
    assert_eq!(chosen(&[], 1, 300, 170), Choice::High);
    assert_eq!(chosen(&[], 1, 0, 0), Choice::Medium);
}

#[test]
fn settings_limit_the_frame_rate() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, _) = world.publish_camera(&alice);
    world.answer_offers(&bob, take);
    world.commands();
    let mut limit = |fps, disabled| {
        let track_sids = vec![sid.clone()];
        let quality = proto::VideoQuality::High as i32;
        let settings =
            proto::UpdateTrackSettings { track_sids, fps, disabled, quality, ..Default::default() };
        world.say(&bob, Say::TrackSetting(settings));
        match world.commands()[..] {
            [Command::Choose { choice, fps_max, .. }] => Some((choice, fps_max)),
            _ => None,
        }
    };

    assert_eq!(limit(15, false), Some((Choice::High, Some(15))));
    assert_eq!(limit(15, false), None, "nothing has changed");
    assert_eq!(limit(u32::MAX, true), Some((Choice::Paused, Some(u16::MAX))));
    assert_eq!(limit(0, false), Some((Choice::High, None)));
}

#[test]
fn listener_without_the_grant_gets_nothing() {
    let mut world = World::new();
    let alice = world.join("alice");
    let mut claims = World::claims("bob");
    claims.video.can_subscribe = Some(false);
    let bob = world.join_with(Join::new(claims));
    world.settle(&bob);
    let (sid, _) = world.publish_camera(&alice);
    wish(&mut world, &bob, &sid, true);
    assert!(world.take_offer(&bob).is_none());
}

#[test]
fn publisher_says_who_may_receive() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, _) = world.publish_camera(&alice);
    world.answer_offers(&bob, take);
    world.commands();
    world.read(&bob);

    world.say(&alice, Say::SubscriptionPermission(proto::SubscriptionPermission::default()));
    assert!(matches!(world.commands()[..], [Command::Unsubscribe(_)]));
    let messages = world.read(&bob);
    assert!(messages.iter().any(|message| matches!(message,
        Message::SubscriptionPermissionUpdate(u) if !u.allowed && u.track_sid == sid)));

    let entry = proto::TrackPermission {
        participant_identity: "bob".into(),
        all_tracks: true,
        ..Default::default()
    };
    let permission =
        proto::SubscriptionPermission { track_permissions: vec![entry], ..Default::default() };
    world.say(&alice, Say::SubscriptionPermission(permission));
    let messages = world.read(&bob);
    assert!(
        messages.iter().any(
            |message| matches!(message, Message::SubscriptionPermissionUpdate(u) if u.allowed)
        )
    );
}

#[test]
fn codec_that_the_client_cannot_read_is_given_up() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, _) = world.publish_camera(&alice);
    world.read(&alice);
    world.commands();
    world.answer_offers(&bob, |sdp| take(sdp).replace("m=video 9", "m=video 0"));
    let messages = world.read(&bob);
    assert!(messages.iter().any(|message| matches!(message,
        Message::SubscriptionResponse(r) if r.track_sid == sid)));
    assert!(specs(world.commands()).is_empty());

    wish(&mut world, &bob, &sid, true);
    let offer = world.take_offer(&bob).unwrap();
    let read = Description::parse(&offer.sdp).unwrap();
    assert_eq!(read.sections[1].mid, "2", "a line that was given up comes back under a new mid");
}

#[test]
fn firefox_finds_the_track_in_the_stream_id() {
    let mut world = World::new();
    let alice = world.join("alice");
    let (sid, _) = world.publish_camera(&alice);
    let join = Join { browser: "Firefox".into(), ..Join::new(World::claims("bob")) };
    let bob = world.join_with(join);
    let offer = world.take_offer(&bob).unwrap();
    assert!(offer.sdp.contains(&format!("a=msid:{}|{sid} {sid}\r\n", alice.sid)));
}

#[test]
fn offers_say_which_track_is_on_which_line() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (sid, _) = world.publish_camera(&alice);

    let offer = world.take_offer(&bob).unwrap();
    assert_eq!(offer.mid_to_track_id, [("1".to_owned(), sid)].into());
}

#[test]
fn leaving_publisher_leaves_no_tracks() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    world.publish_camera(&alice);
    world.answer_offers(&bob, take);
    world.read(&bob);
    world.say(&alice, Say::Leave(proto::LeaveRequest::default()));
    let messages = world.read(&bob);
    assert!(info_of(&messages, "alice").unwrap().tracks.is_empty());
    assert!(offers(&messages)[0].sdp.contains("m=video 0 "));
    assert_eq!(world.board.counters().subscriptions, 0);
}

#[test]
fn changed_codec_of_a_track_is_offered_anew() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (_, track) = world.publish_camera(&alice);
    world.answer_offers(&bob, take);
    world.commands();
    world.event(Event::Started(track, Codec::H264));
    world.answer_offers(&bob, take);
    let spec = specs(world.commands()).pop().unwrap();
    assert_eq!((spec.track, spec.codecs[0].codec), (track, Codec::H264));
}
