//! What subscribers see of a track: numbers without a seam, extensions with their own ids.

use crate::world::{
    AUDIO, AV1, H264, SUBSCRIBER_IDS, Sent, Stream, VIDEO, VP8, VP9, World, read_vp8, vp8,
};
use relay_shard::DropReason;
use relay_wire::control::{Choice, Codec, Event};

fn numbers(sent: &[Sent]) -> Vec<(u16, u32)> {
    sent.iter().map(|sent| (sent.header().sequence, sent.header().timestamp)).collect()
}

/// Frames of one packet each, 33 ms apart; returns what one subscriber got.
fn play(world: &mut World, stream: &mut Stream, picture: &mut u16, frames: usize) -> Vec<Sent> {
    let mut sent = Vec::new();
    for _ in 0..frames {
        *picture += 1;
        sent.extend(world.receive(&stream.next().packet(&vp8(false, *picture, 0, b"x"))));
        world.sleep_ms(33);
    }
    sent
}

#[test]
fn sound_goes_out_at_once_with_the_subscribers_numbers_and_extensions() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream { level: Some(30), ..Stream::audio(20) };

    let sent = world.receive(&stream.packet(b"sound"));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].to, World::subscriber(0));
    assert_eq!((sent[0].header().ssrc, sent[0].header().payload_type), (6000, 110));
    assert_eq!(sent[0].payload(), b"sound");
    assert_eq!(sent[0].extension(SUBSCRIBER_IDS.mid), Some(&b"a0"[..]));
    assert_eq!(sent[0].extension(SUBSCRIBER_IDS.audio_level), Some(&[0x80 | 30][..]));
    assert!(sent[0].extension(SUBSCRIBER_IDS.abs_send_time).is_some());

    let more = world.receive(&stream.next().packet(b"more"));
    let step = |id| {
        let value = |sent: &Sent| {
            let bytes = sent.extension(id).expect("a stamp").try_into().expect("two bytes");
            u16::from_be_bytes(bytes)
        };
        value(&more[0]).wrapping_sub(value(&sent[0]))
    };
    assert_eq!(step(SUBSCRIBER_IDS.transport_cc), 1);
    assert_eq!(
        more[0].header().sequence.wrapping_sub(sent[0].header().sequence),
        1,
        "over the source's wrap"
    );
}

#[test]
fn the_first_packet_of_a_track_is_told_with_its_codec() {
    let mut world = World::with_call(&[], 1);
    world.receive(&Stream::audio(20).packet(b"sound"));
    world.receive(&Stream::video(30, None).packet(&vp8(true, 1, 1, b"")));

    let events = world.take_events();
    assert_eq!(events, [Event::Started(AUDIO, Codec::Opus), Event::Started(VIDEO, Codec::Vp8)]);
}

#[test]
fn video_starts_with_a_keyframe_which_is_asked_for() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream { orientation: Some(1), ..Stream::video(30, None) };

    assert!(world.receive(&stream.packet(&vp8(false, 1, 1, b"delta"))).is_empty());
    assert_eq!(world.take_plis(), [30]);
    let sent = world.receive(&stream.next().packet(&vp8(true, 2, 2, b"key")));
    assert_eq!(sent.len(), 1);
    assert_eq!(read_vp8(sent[0].payload()).2, b"key");
    assert_eq!(sent[0].extension(SUBSCRIBER_IDS.video_orientation), Some(&[1][..]));
}

#[test]
fn a_pause_leaves_no_seam() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream::video(30, None);
    let mut picture = 100;
    let first = world.receive(&stream.packet(&vp8(true, 100, 9, b"key")));
    let before = play(&mut world, &mut stream, &mut picture, 5);
    world.choose(0, Choice::Paused);
    assert!(play(&mut world, &mut stream, &mut picture, 30).is_empty());

    world.choose(0, Choice::High);
    assert!(play(&mut world, &mut stream, &mut picture, 1).is_empty(), "no keyframe yet");
    let after = world.receive(&stream.next().packet(&vp8(true, 200, 77, b"key")));

    let (last, next) = (numbers(&before)[4], numbers(&after)[0]);
    assert_eq!(next.0.wrapping_sub(last.0), 1);
    assert_eq!(next.1.wrapping_sub(last.1), 32 * 3000);
    let (last, next) = (read_vp8(before[4].payload()), read_vp8(after[0].payload()));
    assert_eq!(next.0.wrapping_sub(last.0) & 0x7fff, 1);
    assert_eq!(first.len(), 1);
}

#[test]
fn a_muted_track_is_neither_forwarded_nor_asked_for_keyframes() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream::video(30, None);
    let mut picture = 1;
    let before = world.receive(&stream.packet(&vp8(true, 1, 1, b"key")));
    world.mute(VIDEO, true);
    world.take_plis();

    assert!(play(&mut world, &mut stream, &mut picture, 30).is_empty());
    assert!(world.take_plis().is_empty());
    assert_eq!(world.out.drops.get(DropReason::Muted), 30);

    world.mute(VIDEO, false);
    assert_eq!(world.take_plis(), [30]);
    let after = world.receive(&stream.next().packet(&vp8(true, 90, 1, b"key")));
    assert_eq!(numbers(&after)[0].0.wrapping_sub(numbers(&before)[0].0), 1);
}

#[test]
fn what_the_publisher_lost_stays_a_gap_and_a_late_packet_fills_it() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream::video(30, None);
    let first = world.receive(&stream.packet(&vp8(true, 1, 1, b"key")));
    let lost = stream.next().packet(&vp8(false, 2, 2, b"late"));
    let third = world.receive(&stream.next().packet(&vp8(false, 3, 3, b"third")));

    let base = numbers(&first)[0].0;
    assert_eq!(numbers(&third)[0].0.wrapping_sub(base), 2);
    let late = world.receive(&lost);
    assert_eq!(numbers(&late)[0].0.wrapping_sub(base), 1);
    assert!(world.receive(&lost).is_empty());
    assert_eq!(world.out.drops.get(DropReason::Duplicate), 1);
}

#[test]
fn packets_of_padding_only_leave_no_gap() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream::video(30, None);
    let first = world.receive(&stream.packet(&vp8(true, 1, 1, b"key")));
    for _ in 0..3 {
        assert!(world.receive(&stream.next().packet(&[])).is_empty());
    }
    let late = stream.next().packet(&[]);
    let next = world.receive(&stream.next().packet(&vp8(false, 2, 2, b"next")));

    let base = numbers(&first)[0].0;
    assert_eq!(numbers(&next)[0].0.wrapping_sub(base), 2, "one that may come is left free");
    let filled = world.receive(&late);
    assert_eq!(numbers(&filled)[0].0.wrapping_sub(base), 1);
    assert!(filled[0].payload().is_empty());
}

#[test]
fn payloads_that_show_nothing_are_forwarded_after_a_while() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream::video(30, None);
    stream.fixed.payload_type = H264;
    let mut sent = Vec::new();
    for _ in 0..120 {
        sent.extend(world.receive(&stream.next().packet(&[0xff, 0xff, 0xff])));
        world.sleep_ms(33);
    }

    assert!((60..=80).contains(&sent.len()), "{}", sent.len());
    assert!((2..=4).contains(&world.take_plis().len()));
    assert_eq!(sent[0].header().payload_type, 122);
}

#[test]
fn a_stream_that_starts_anew_goes_on_without_a_seam() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream::audio(20);
    let before = world.receive(&stream.packet(b"a"));
    stream.fixed.sequence = 30_000;
    stream.fixed.timestamp = 7;
    world.sleep_ms(20);
    assert!(world.receive(&stream.packet(b"b")).is_empty(), "it may be a stray packet");
    let after = world.receive(&stream.next().packet(b"c"));

    let (last, next) = (numbers(&before)[0], numbers(&after)[0]);
    assert_eq!(next.0.wrapping_sub(last.0), 1);
    assert_eq!(next.1.wrapping_sub(last.1), 960, "by the time of arrival");
}

#[test]
fn a_subscriber_without_connection_gets_nothing_and_asks_for_nothing() {
    let mut world = World::with_call(&[], 0);
    let (id, transport) = (100, World::subscriber(0));
    let spec = World::participant(id);
    world.command(&relay_wire::control::Command::Participant(spec));
    let role = relay_wire::control::DataRole::Open;
    let participant = relay_wire::control::ParticipantId(id);
    world.room.opened(world.now, transport, participant, role).expect("a place");
    world.subscribe(&World::video_subscription(0));
    let mut stream = Stream::video(30, None);

    assert!(world.receive(&stream.packet(&vp8(true, 1, 1, b"key"))).is_empty());
    assert!(world.take_plis().is_empty());
    world.room.connected(world.now, transport, &mut world.egress, &mut world.out);
    assert_eq!(world.take_plis(), [30]);
    assert_eq!(world.receive(&stream.next().packet(&vp8(true, 2, 2, b"key"))).len(), 1);
}

#[test]
fn every_codec_is_forwarded_from_its_keyframe_on() {
    let rows: [(u8, &[u8], u8); 4] = [
        (VP8, b"\x10\x00", 120),
        (H264, b"\x65x", 122),
        (VP9, b"\x08x", 124),
        (AV1, b"\x18x", 126),
    ];
    for (payload_type, keyframe, expected) in rows {
        let mut world = World::with_call(&[], 1);
        let mut stream = Stream::video(30, None);
        stream.fixed.payload_type = payload_type;
        let sent = world.receive(&stream.packet(keyframe));

        assert_eq!(sent.len(), 1, "payload type {payload_type}");
        assert_eq!((sent[0].header().payload_type, sent[0].payload()), (expected, keyframe));
    }
}
