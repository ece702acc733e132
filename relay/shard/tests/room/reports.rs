//! RTCP of our own: to publishers and to subscribers, and what theirs tells.

use crate::world::{AUDIO, PUBLISHER, Stream, World, vp8};
use relay_shard::Limits;
use relay_wire::control::{Command, DataRole, Event, Extensions};
use relay_wire::rtcp::{self, Packet, ReportBlock, ntp};
use std::time::Duration;

/// The first of the packets in these compounds that `find` knows.
fn first<T>(compounds: &[Vec<u8>], find: impl Fn(Packet<'_>) -> Option<T>) -> Option<T> {
    compounds.iter().flat_map(|compound| rtcp::packets(compound)).find_map(find)
}

fn block(packet: Packet<'_>, wanted: u32) -> Option<ReportBlock> {
    let Packet::ReceiverReport { mut reports, .. } = packet else { return None };
    reports.find(|block| block.ssrc == wanted)
}

/// NTP time, RTP time and packets of a sender report.
fn sender_report(packet: &Packet<'_>, wanted: u32) -> Option<(u64, u32, u32)> {
    match packet {
        Packet::SenderReport { ssrc, ntp, rtp, packets, .. } if *ssrc == wanted => {
            Some((*ntp, *rtp, *packets))
        }
        _ => None,
    }
}

/// A second of sound, one packet in ten lost.
fn talk(world: &mut World, stream: &mut Stream, lose: bool) {
    for number in 0..50 {
        let packet = stream.next().packet(b"sound");
        if !(lose && number % 10 == 5) {
            world.receive(&packet);
        }
        world.sleep_ms(20);
    }
}

#[test]
fn publishers_learn_what_they_lost() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream::audio(20);
    talk(&mut world, &mut stream, true);
    talk(&mut world, &mut stream, true);
    world.sleep_ms(1000);

    let compounds = world.take_rtcp(PUBLISHER);
    let loss: Vec<u8> = compounds
        .iter()
        .flat_map(|compound| rtcp::packets(compound))
        .filter_map(|packet| block(packet, 20))
        .map(|block| block.fraction_lost)
        .collect();
    assert!(loss.iter().any(|fraction| (20..=30).contains(fraction)), "{loss:?}");
    assert!(compounds.iter().all(|compound| rtcp::is_well_formed(compound)));
    assert_eq!(world.counters().lost_in, 10);
}

#[test]
fn publishers_learn_when_their_packets_arrived() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream::audio(20);
    for number in [65_534_u16, 65_535, 1, 2] {
        stream.transport_cc = Some(number);
        world.receive(&stream.next().packet(b"x"));
        world.sleep_ms(10);
    }
    world.sleep_ms(100);

    let compounds = world.take_rtcp(PUBLISHER);
    let arrivals = first(&compounds, |packet| match packet {
        Packet::TransportCc(feedback) => Some(feedback.arrivals().collect::<Vec<_>>()),
        _ => None,
    })
    .expect("feedback");
    let numbers: Vec<_> = arrivals.iter().map(|(number, at)| (*number, at.is_some())).collect();
    let told = [(65_534, true), (65_535, true), (0, false), (1, true), (2, true)];
    assert_eq!(numbers, told);
    let at = |index: usize| arrivals[index].1.expect("an arrival");
    assert_eq!(at(1) - at(0), 40, "10 ms in steps of 250 us");
    assert_eq!(at(3) - at(1), 40);
    world.sleep_ms(1000);
    let again = world.take_rtcp(PUBLISHER);
    assert!(first(&again, |p| matches!(p, Packet::TransportCc(_)).then_some(())).is_none());
}

#[test]
fn feedback_names_a_stream_that_has_begun() {
    let mut world = World::empty(Limits::default());
    world.join(1, PUBLISHER, DataRole::Accept);
    world.publish(&World::video_track(&["q", "h", "f"]));
    let mut stream = Stream::video(32, Some("h"));
    stream.transport_cc = Some(1);
    world.receive(&stream.next().packet(&vp8(true, 1, 1, b"")));
    world.sleep_ms(100);

    let media = first(&world.take_rtcp(PUBLISHER), |packet| match packet {
        Packet::TransportCc(feedback) => Some(feedback.media),
        _ => None,
    });
    assert_eq!(media, Some(32), "browsers ignore feedback on other SSRCs");
}

#[test]
fn publishers_without_transport_wide_feedback_get_an_estimate() {
    let mut world = World::empty(Limits::default());
    world.join(1, PUBLISHER, DataRole::Accept);
    let mut spec = World::video_track(&[]);
    spec.extensions = Extensions { transport_cc: None, ..spec.extensions };
    world.publish(&spec);
    let mut stream = Stream::video(30, None);
    for _ in 0..60 {
        world.receive(&stream.next().packet(&vp8(true, 1, 1, b"")));
        world.sleep_ms(33);
    }

    let compounds = world.take_rtcp(PUBLISHER);
    let bitrate = first(&compounds, |packet| match packet {
        Packet::Remb(remb) => Some(remb.bitrate_bps),
        _ => None,
    });
    assert!(bitrate.expect("an estimate") > 1_000_000);
}

#[test]
fn sound_and_pictures_stay_in_step() {
    let mut world = World::with_call(&[], 1);
    let (mut audio, mut video) = (Stream::audio(20), Stream::video(30, None));
    let media = |world: &mut World, audio: &mut Stream, video: &mut Stream| {
        let sound = world.receive(&audio.next().packet(b"x"));
        let picture = world.receive(&video.next().packet(&vp8(true, 1, 1, b"x")));
        world.sleep_ms(20);
        (sound[0].header().timestamp, picture[0].header().timestamp)
    };
    let heard = media(&mut world, &mut audio, &mut video);
    let shift_audio = heard.0.wrapping_sub(audio.fixed.timestamp);
    let shift_video = heard.1.wrapping_sub(video.fixed.timestamp);
    // One moment of the publisher's clock in both media; the reports take 30 and 80 ms.
    let clock = 77_u64 << 32;
    let moment = (audio.fixed.timestamp, video.fixed.timestamp);
    world.sleep_ms(30);
    let report = |ssrc, rtp| rtcp::SenderInfo { ssrc, ntp: clock, rtp, packets: 1, octets: 1 };
    world.rtcp(PUBLISHER, |rtcp| assert!(rtcp.sender_report(&report(20, moment.0), &[])));
    world.sleep_ms(50);
    world.rtcp(PUBLISHER, |rtcp| assert!(rtcp.sender_report(&report(30, moment.1), &[])));
    world.sleep_ms(1100);

    let compounds = world.take_rtcp(World::subscriber(0));
    let told = |ssrc| first(&compounds, |packet| sender_report(&packet, ssrc)).expect("a report");
    let (audio, video) = (told(6000), told(5000));
    // Both reports, taken back to the publisher's moment, must name the same time of ours.
    let seconds = |ntp: u64, ticks: u32, rate: f64| {
        ntp::to_duration(ntp).as_secs_f64() - f64::from(ticks) / rate
    };
    let sound = audio.1.wrapping_sub(moment.0.wrapping_add(shift_audio));
    let picture = video.1.wrapping_sub(moment.1.wrapping_add(shift_video));
    let apart = seconds(audio.0, sound, 48_000.0) - seconds(video.0, picture, 90_000.0);
    assert!(apart.abs() < 0.001, "{apart} s apart");
    let cname = |wanted| {
        first(&compounds, |packet| match packet {
            Packet::Sdes(mut items) => items
                .find(|item| item.ssrc == wanted)
                .and_then(|item| Some(item.cname()?.to_owned())),
            _ => None,
        })
    };
    assert!(cname(5000).is_some());
    assert_eq!(cname(5000), cname(6000));
}

#[test]
fn receivers_reports_tell_round_trip_and_loss() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream::audio(20);
    talk(&mut world, &mut stream, false);
    let info = rtcp::SenderInfo { ssrc: 20, ntp: 1 << 32, rtp: 0, packets: 1, octets: 1 };
    world.rtcp(PUBLISHER, |rtcp| assert!(rtcp.sender_report(&info, &[])));
    talk(&mut world, &mut stream, false);
    let compounds = world.take_rtcp(World::subscriber(0));
    let (sent_at, ..) = first(&compounds, |packet| sender_report(&packet, 6000)).expect("a report");
    let before = world.now;
    world.sleep_ms(2000);

    let delay = ntp::short(Duration::from_millis(1500));
    for highest in [70_000, 70_100] {
        let last_sr = ntp::middle(sent_at);
        let block = ReportBlock {
            ssrc: 6000,
            fraction_lost: 64,
            highest,
            last_sr,
            delay,
            ..ReportBlock::default()
        };
        world.rtcp(World::subscriber(0), |rtcp| assert!(rtcp.receiver_report(1, &[block])));
    }
    world.take_events();
    world.sleep_ms(4000);
    let quality = world.take_events().into_iter().find_map(|event| match event {
        Event::Quality(transport, quality) if transport == World::subscriber(0) => Some(quality),
        _ => None,
    });
    let quality = quality.expect("an event");
    assert!((0.24..0.26).contains(&quality.loss), "{}", quality.loss);
    let most = world.now.duration_since(before).as_millis() as u32;
    assert!((400..most).contains(&quality.rtt_ms), "{}", quality.rtt_ms);
    assert_eq!(world.counters().rtt_samples, 2);
}

#[test]
fn a_round_trip_of_hours_is_not_believed() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream::audio(20);
    talk(&mut world, &mut stream, false);
    let block = ReportBlock { ssrc: 6000, last_sr: 1, delay: 1, ..ReportBlock::default() };
    world.rtcp(World::subscriber(0), |rtcp| assert!(rtcp.receiver_report(1, &[block])));

    assert_eq!(world.counters().rtt_samples, 0);
}

#[test]
fn who_speaks_is_told_when_it_changes() {
    let mut world = World::with_call(&[], 1);
    let mut stream = Stream { level: Some(10), ..Stream::audio(20) };
    talk(&mut world, &mut stream, false);
    let speakers = |world: &mut World| -> Vec<Vec<u64>> {
        let events = world.take_events().into_iter();
        let speakers = events.filter_map(|event| match event {
            Event::Speakers(_, speakers) => Some(speakers),
            _ => None,
        });
        speakers.map(|list| list.iter().map(|s| s.participant.0).collect()).collect()
    };

    assert_eq!(speakers(&mut world).last(), Some(&vec![1]));
    stream.level = Some(127);
    talk(&mut world, &mut stream, false);
    assert_eq!(speakers(&mut world).last(), Some(&vec![]));
    talk(&mut world, &mut stream, false);
    assert!(speakers(&mut world).is_empty());

    stream.level = Some(10);
    talk(&mut world, &mut stream, false);
    world.command(&Command::Mute { track: AUDIO, muted: true });
    world.sleep_ms(400);
    assert_eq!(speakers(&mut world).last(), Some(&vec![]));
}
