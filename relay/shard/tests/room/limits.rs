//! Bounds, contradictions, and rooms that end.

use crate::world::{AUDIO, PUBLISHER, Stream, VIDEO, World, vp8};
use relay_shard::{DropReason, Limits};
use relay_wire::control::{
    Answer, Choice, Command, DataRole, ParticipantId, Refusal, SubscriptionId, TrackId, TransportId,
};

fn refused(refusal: Refusal) -> Answer {
    Answer::Refused(refusal)
}

#[test]
fn full_means_refused() {
    let limits = Limits { room_participants: 2, participant_tracks: 1, ..Limits::default() };
    let mut world = World::empty(limits);
    world.join(1, PUBLISHER, DataRole::Accept);
    world.join(100, World::subscriber(0), DataRole::Open);
    let third = Command::Participant(World::participant(3));
    assert_eq!(world.command(&third), refused(Refusal::Full));
    let known = Command::Participant(World::participant(1));
    assert_eq!(world.command(&known), Answer::Done);

    world.publish(&World::video_track(&[]));
    let second = Command::Publish(World::audio_track());
    assert_eq!(world.command(&second), refused(Refusal::Full));
    world.publish(&World::video_track(&[]));

    for transport in [11, 12, 13] {
        let id = ParticipantId(1);
        let opened = world.room.opened(world.now, TransportId(transport), id, DataRole::Open);
        assert_eq!(opened, Ok(()));
    }
    let fifth = world.room.opened(world.now, TransportId(14), ParticipantId(1), DataRole::Open);
    assert_eq!(fifth, Err(Refusal::Full));
}

#[test]
fn what_is_not_there_is_unknown() {
    let mut world = World::with_call(&[], 1);
    let (track, subscription) = (TrackId(9), SubscriptionId(9));
    let commands = [
        Command::RemoveParticipant(ParticipantId(9)),
        Command::Unpublish(track),
        Command::Mute { track, muted: true },
        Command::Choose { subscription, choice: Choice::Low, fps_max: None },
        Command::Unsubscribe(subscription),
    ];

    for command in commands {
        assert_eq!(world.command(&command), refused(Refusal::Unknown));
    }
}

#[test]
fn contradictions_are_refused() {
    let mut world = World::with_call(&[], 2);
    let mut long = World::video_track(&[]);
    long.mid = "a mid that is too long".into();
    assert_eq!(world.command(&Command::Publish(long)), refused(Refusal::Invalid));
    let mut id = World::video_track(&[]);
    id.extensions.mid = Some(15);
    assert_eq!(world.command(&Command::Publish(id)), refused(Refusal::Invalid));
    let mut codec = World::audio_track();
    codec.codecs = World::video_track(&[]).codecs;
    assert_eq!(world.command(&Command::Publish(codec)), refused(Refusal::Invalid));
    let mut foreign = World::video_subscription(0);
    foreign.transport = World::subscriber(1);
    assert_eq!(world.command(&Command::Subscribe(foreign)), refused(Refusal::Invalid));
    let mut taken = World::video_subscription(0);
    (taken.subscription, taken.rtx_ssrc) = (SubscriptionId(7), Some(6000));
    assert_eq!(world.command(&Command::Subscribe(taken)), refused(Refusal::Invalid));
}

#[test]
fn unknown_sources_beyond_the_limit_are_not_learnt() {
    let mut world = World::empty(Limits { transport_ssrcs: 1, ..Limits::default() });
    world.join(1, PUBLISHER, DataRole::Accept);
    world.publish(&World::video_track(&["q", "f"]));
    world.receive(&Stream::video(30, Some("q")).packet(&vp8(true, 1, 1, b"")));
    world.receive(&Stream::video(31, Some("f")).packet(&vp8(true, 1, 1, b"")));

    assert_eq!(world.out.drops.get(DropReason::SsrcLimit), 1);
    world.receive(&Stream::video(32, Some("q")).packet(&vp8(true, 1, 1, b"")));
    assert_eq!(world.out.drops.get(DropReason::SsrcLimit), 1, "the new one takes its place");
    world.receive(&Stream::video(33, Some("x")).packet(&vp8(true, 1, 1, b"")));
    assert_eq!(world.out.drops.get(DropReason::UnknownTrack), 1);
}

#[test]
fn a_source_without_mid_is_known_by_its_payload_type() {
    let mut world = World::with_call(&[], 1);
    let mut track = World::video_track(&[]);
    track.extensions.mid = None;
    world.publish(&track);
    let mut audio = World::audio_track();
    (audio.extensions.mid, audio.ssrcs) = (None, Vec::new());
    world.publish(&audio);

    assert_eq!(world.receive(&Stream::audio(555).packet(b"x")).len(), 1);
    assert_eq!(world.receive(&Stream::video(556, None).packet(&vp8(true, 1, 1, b""))).len(), 1);
}

#[test]
fn tracks_and_subscriptions_end_with_their_transport() {
    let mut world = World::with_call(&[], 3);
    let counters = world.counters();
    assert_eq!((counters.participants, counters.tracks, counters.subscriptions), (4, 2, 6));

    world.room.closed(world.now, World::subscriber(0), &mut world.out);
    assert_eq!(world.counters().subscriptions, 4);
    let sent = world.receive(&Stream::audio(20).packet(b"x"));
    let reached: Vec<_> = sent.iter().map(|sent| sent.to).collect();
    assert_eq!(reached.len(), 2);
    assert!(!reached.contains(&World::subscriber(0)));

    world.room.closed(world.now, PUBLISHER, &mut world.out);
    let counters = world.counters();
    assert_eq!((counters.participants, counters.tracks, counters.subscriptions), (4, 0, 0));
    assert!(world.receive(&Stream::audio(20).packet(b"x")).is_empty());
}

#[test]
fn a_subscription_in_the_middle_may_end() {
    let mut world = World::with_call(&[], 4);
    let mut stream = Stream::audio(20);
    world.receive(&stream.packet(b"x"));
    let ended = SubscriptionId(1101);
    assert_eq!(world.command(&Command::Unsubscribe(ended)), Answer::Done);

    let mut reached: Vec<_> =
        world.receive(&stream.next().packet(b"x")).iter().map(|sent| sent.to.0).collect();
    reached.sort_unstable();
    assert_eq!(reached, [100, 102, 103]);
    let choice = Choice::Paused;
    let subscription = SubscriptionId(1103);
    assert_eq!(
        world.command(&Command::Choose { subscription, choice, fps_max: None }),
        Answer::Done
    );
    assert_eq!(world.receive(&stream.next().packet(b"x")).len(), 2);
}

#[test]
fn an_ssrc_that_is_used_again_does_not_repeat_numbers() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream::audio(20);
    let before = world.receive(&stream.packet(b"x"))[0].header().sequence;
    world.command(&Command::Unsubscribe(SubscriptionId(1100)));
    let mut spec = World::audio_subscription(0);
    spec.subscription = SubscriptionId(4);
    world.subscribe(&spec);

    let after = world.receive(&stream.next().packet(b"x"))[0].header().sequence;
    assert_eq!(after.wrapping_sub(before), 1);
}

#[test]
fn an_ssrc_that_is_used_again_goes_on_in_time() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream::audio(20);
    let before = world.receive(&stream.packet(b"x"))[0].header().timestamp;
    world.command(&Command::Unsubscribe(SubscriptionId(1100)));
    let mut spec = World::audio_subscription(0);
    spec.subscription = SubscriptionId(4);
    world.subscribe(&spec);
    world.sleep_ms(500);

    // As if another publisher came, with a clock of its own.
    stream.fixed.timestamp = before.wrapping_add(3_000_000_000);
    let after = world.receive(&stream.next().packet(b"x"))[0].header().timestamp;
    let step = after.wrapping_sub(before);
    assert!((24_000..=25_000).contains(&step), "half a second, not {step} ticks");
}

#[test]
fn a_room_ends_empty_and_asks_for_no_more_time() {
    let mut world = World::with_call(&[], 3);
    world.receive(&Stream::video(30, None).packet(&vp8(true, 1, 1, b"")));
    assert!(!world.room.is_empty());
    assert_eq!(world.room.transports().len(), 4);
    assert_eq!(world.command(&Command::Unpublish(VIDEO)), Answer::Done);
    assert_eq!(world.command(&Command::RemoveParticipant(ParticipantId(100))), Answer::Done);
    assert!(world.room.transports_of(ParticipantId(100)).is_empty());
    assert_eq!(world.command(&Command::CloseRoom), Answer::Done);

    assert!(world.room.is_empty());
    world.sleep_ms(500);
    assert_eq!(world.room.next_timeout(), None);
    let counters = world.counters();
    assert_eq!((counters.tracks, counters.subscriptions, counters.rtp_in), (0, 0, 1));
    assert_eq!(world.command(&Command::Unpublish(AUDIO)), refused(Refusal::Unknown));
}
