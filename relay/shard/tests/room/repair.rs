//! Losses on both sides: asked for once, answered from the store.

use crate::world::{PUBLISHER, Sent, Stream, VP8, World, vp8};
use relay_shard::DropReason;
use relay_wire::control::{Codec, CodecSpec};
use relay_wire::rtcp::Writer;

const NUMBERS: [u16; 2] = [3, 4];

/// A call in which frames 0..20 were sent; those of `lost` did not reach us.
fn call(subscribers: u64, lost: &[u16]) -> (World, Stream, Vec<Sent>) {
    let mut world = World::with_call(&[], subscribers);
    let mut stream = Stream::video(30, None);
    stream.fixed.sequence = u16::MAX;
    let mut sent = Vec::new();
    for frame in 0..20 {
        stream.next();
        if !lost.contains(&frame) {
            let payload = vp8(frame == 0, 100 + frame, 0, &[frame as u8]);
            sent.extend(world.receive(&stream.packet(&payload)));
        }
    }
    world.take_plis();
    (world, stream, sent)
}

fn at(stream: &Stream, sequence: u16) -> Stream {
    let mut old = stream.clone();
    let back = stream.fixed.sequence.wrapping_sub(sequence);
    old.fixed.sequence = sequence;
    old.fixed.timestamp = stream.fixed.timestamp.wrapping_sub(3000 * u32::from(back));
    old
}

#[test]
fn a_loss_is_asked_for_once_whatever_the_number_of_subscribers() {
    let (mut world, _, _) = call(3, &NUMBERS);
    world.sleep_ms(10);

    assert_eq!(world.take_nacks(), NUMBERS);
    world.sleep_ms(60);
    assert!(world.take_nacks().is_empty());
}

#[test]
fn a_loss_that_stays_is_asked_for_again_but_not_for_ever() {
    let (mut world, _, _) = call(1, &[3]);
    world.sleep_ms(10_000);

    let asked = world.take_nacks().len();
    assert!((4..=8).contains(&asked), "asked {asked} times");
}

#[test]
fn reordering_is_not_loss() {
    let (mut world, stream, _) = call(1, &NUMBERS);
    world.sleep_ms(4);
    for number in NUMBERS {
        world.receive(&at(&stream, number).packet(&vp8(false, 1, 1, b"late")));
    }
    world.sleep_ms(1000);

    assert!(world.take_nacks().is_empty());
}

#[test]
fn a_retransmission_of_the_publisher_fits_into_the_gap() {
    let (mut world, stream, sent) = call(1, &[3]);
    world.sleep_ms(10);
    let repair = at(&stream, 3).repair(31, 500, &vp8(false, 103, 0, &[3]));
    let repaired = world.receive(&repair);

    assert_eq!(repaired.len(), 1);
    let (first, fourth) = (sent[0].header(), repaired[0].header());
    assert_eq!(fourth.sequence.wrapping_sub(first.sequence), 3);
    assert_eq!(fourth.timestamp.wrapping_sub(first.timestamp), 9000);
    assert_eq!((fourth.ssrc, fourth.payload_type), (5000, 120));
    world.sleep_ms(1000);
    assert_eq!(world.take_nacks(), [3]);
    assert!(world.receive(&repair).is_empty());
    assert_eq!(world.out.drops.get(DropReason::Duplicate), 1);
}

#[test]
fn a_subscribers_loss_is_answered_once_in_the_stream_of_retransmissions() {
    let (mut world, _, sent) = call(2, &[]);
    let own: Vec<&Sent> = sent.iter().filter(|s| s.to == World::subscriber(1)).collect();
    let lost = own[7].header();
    let ask = |world: &mut World| {
        world.rtcp(World::subscriber(1), |rtcp| {
            assert!(rtcp.nack(1, 5000, [lost.sequence]));
        })
    };

    let repair = ask(&mut world);
    assert_eq!(repair.len(), 1);
    assert_eq!(repair[0].to, World::subscriber(1));
    let header = repair[0].header();
    assert_eq!((header.ssrc, header.payload_type), (5001, 121));
    assert_eq!((header.timestamp, header.marker), (lost.timestamp, lost.marker));
    assert_eq!(repair[0].payload()[..2], lost.sequence.to_be_bytes());
    assert_eq!(&repair[0].payload()[2..], own[7].payload());
    assert!(ask(&mut world).is_empty(), "it is on its way");

    world.sleep_ms(25);
    let again = ask(&mut world);
    assert_eq!(again[0].header().sequence, header.sequence.wrapping_add(1));
    assert_eq!(world.counters().retransmitted, 2);
}

#[test]
fn without_negotiated_retransmissions_a_repeat_is_the_same_packet() {
    let mut world = World::with_call(&[], 0);
    let role = relay_wire::control::DataRole::Open;
    world.join(100, World::subscriber(0), role);
    let mut spec = World::video_subscription(0);
    spec.rtx_ssrc = None;
    spec.codecs = vec![CodecSpec { codec: Codec::Vp8, payload_type: 120, rtx: None }];
    world.subscribe(&spec);
    let mut stream = Stream::video(30, None);
    world.receive(&stream.packet(&vp8(true, 7, 7, b"key")));
    let sent = world.receive(&stream.next().packet(&vp8(false, 8, 7, b"delta")));
    world.sleep_ms(100);

    let repeated = world.rtcp(World::subscriber(0), |rtcp| {
        assert!(rtcp.nack(1, 5000, [sent[0].header().sequence]));
    });
    assert_eq!(repeated, sent);
}

#[test]
fn what_was_never_sent_is_not_sent_again() {
    let (mut world, _, sent) = call(1, &[]);
    let beyond = sent[19].header().sequence.wrapping_add(1);
    let before = sent[0].header().sequence.wrapping_sub(1);

    let repairs = world.rtcp(World::subscriber(0), |rtcp| {
        assert!(rtcp.nack(1, 5000, [beyond]));
        assert!(rtcp.nack(1, 5000, [before]));
        assert!(rtcp.nack(1, 5001, [1]));
        assert!(rtcp.nack(1, 4242, [1]));
    });
    assert!(repairs.is_empty());
}

#[test]
fn keyframe_requests_of_many_become_one() {
    let (mut world, stream, _) = call(3, &[]);
    world.sleep_ms(600);
    for number in 0..3 {
        world.rtcp(World::subscriber(number), |rtcp| {
            assert!(rtcp.pli(1, 5000));
        });
    }
    assert_eq!(world.take_plis(), [30]);
    world.sleep_ms(600);
    assert_eq!(world.take_plis(), [30], "it was not answered");
    world.receive(&stream.clone().next().packet(&vp8(true, 300, 0, b"key")));
    world.sleep_ms(2000);
    assert!(world.take_plis().is_empty());
    assert_eq!(world.counters().plis_in, 3);
}

#[test]
fn probes_in_the_stream_of_retransmissions_go_nowhere() {
    let (mut world, stream, _) = call(1, &[]);
    let fixed = relay_wire::rtp::Fixed { ssrc: 31, payload_type: VP8 + 1, ..stream.fixed };
    let probe = Stream { fixed, ..stream.clone() }.packet(&[]);

    assert!(world.receive(&probe).is_empty());
    assert!(world.receive(&stream.repair(31, 9, &vp8(false, 119, 0, &[19]))).is_empty());
    assert_eq!(world.out.drops.get(DropReason::Duplicate), 1);
}

#[test]
fn a_burst_of_losses_ends_in_a_keyframe_request() {
    let (mut world, mut stream, _) = call(1, &[]);
    stream.fixed.sequence += 600;
    world.sleep_ms(600);
    world.receive(&stream.packet(&vp8(false, 500, 0, b"far")));

    assert_eq!(world.take_plis(), [30]);
    world.sleep_ms(100);
    assert!(world.take_nacks().is_empty());
}

#[test]
fn garbage_is_dropped_and_counted() {
    let mut world = World::with_call(&[], 1);
    world.receive(&[]);
    world.receive(&[0x80; 11]);
    world.receive_from(relay_wire::control::TransportId(999), &Stream::audio(20).packet(b"x"));
    let mut stranger = Stream::audio(77);
    stranger.mid = "7";
    world.receive(&stranger.packet(b"x"));
    let mut other = Stream::audio(20);
    other.fixed.payload_type = 5;
    world.receive(&other.packet(b"x"));
    world.room.rtcp(world.now, PUBLISHER, &[0x80; 7], &mut world.egress, &mut world.out);

    let drops = &world.out.drops;
    assert_eq!(drops.get(DropReason::Malformed), 2);
    assert_eq!(drops.get(DropReason::UnknownTrack), 2);
    assert_eq!(drops.get(DropReason::UnknownPayloadType), 1);
}

#[test]
fn a_subscriber_that_asks_for_everything_again_and_again_gets_no_flood() {
    let (mut world, mut stream, _) = call(1, &[]);
    let (mut sent, mut repeated) = (20, 0);
    for frame in 20..420_u16 {
        stream.next();
        let passed = world.receive(&stream.packet(&vp8(false, 100 + frame, 0, b"frame")));
        sent += passed.len();
        let newest = passed[0].header().sequence;
        for _ in 0..10 {
            world.sleep_ms(1);
            let all = (0..400).rev().map(|back| newest.wrapping_sub(back));
            let nack = |rtcp: &mut Writer<'_>| assert!(rtcp.nack(1, 5000, all));
            repeated += world.rtcp(World::subscriber(0), nack).len();
        }
    }
    assert!(sent >= 400 && repeated > 200, "{repeated} for {sent}");
    assert!(repeated <= 2 * sent, "{repeated} for {sent} that were sent");
}
