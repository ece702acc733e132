//! Lines in virtual time.

use super::line::Line;
use super::spec::Spec;
use super::told::{Counts, Told};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Something that passes for RTP: its number behind the header.
fn packet(number: u32, len: usize) -> Vec<u8> {
    let mut bytes = vec![0x80; 12];
    bytes[1] = 96;
    bytes.extend(number.to_be_bytes());
    bytes.resize(len, 0x55);

    bytes
}

/// What arrived: when, counted from the beginning, and what.
type Arrivals = Vec<(Duration, Vec<u8>)>;

/// Sends `count` packets of 1000 bytes, one a `gap`, and waits for all of them.
fn send(text: &str, seed: u64, count: u32, gap: Duration) -> (Told, Arrivals) {
    let spec: Spec = text.parse().unwrap();
    let mut line = Line::new(spec.up, seed);
    let begin = Instant::now();
    let mut arrivals = Vec::new();
    let mut arrive = |line: &mut Line, until: Option<Instant>| {
        while let Some(next) = line.next_timeout().filter(|at| until.is_none_or(|u| *at <= u)) {
            while let Some(bytes) = line.send(next) {
                arrivals.push((next - begin, bytes));
            }
        }
    };
    for number in 0..count {
        let now = begin + gap * number;
        arrive(&mut line, Some(now));
        line.receive(now, &packet(number, 1_000));
    }
    arrive(&mut line, None);

    (line.told(), arrivals)
}

const GAP: Duration = Duration::from_millis(2);

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[test]
fn a_line_that_nothing_is_asked_of_changes_nothing() {
    let (told, arrivals) = send("down:loss=50%", 1, 100, GAP);

    let sent: Vec<_> = (0..100).map(|number| (GAP * number, packet(number, 1_000))).collect();
    assert_eq!(arrivals, sent);
    assert_eq!(told.media, Counts { packets: 100, sent: 100, ..Counts::default() });
}

#[test]
fn losses_are_as_many_and_as_long_as_asked_for() {
    for (text, burst) in [("loss=5%", 1.05), ("loss=5%,burst=4", 4.0)] {
        let (told, arrivals) = send(text, 7, 100_000, GAP);
        let numbers: Vec<_> = arrivals.iter().map(|(at, _)| (at.as_millis() / 2) as u32).collect();
        let bursts = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
        let mean = told.media.lost as f64 / bursts as f64;

        assert!((4_500..5_500).contains(&told.media.lost), "{told:?}");
        assert!((mean / burst - 1.0).abs() < 0.1, "{text}: bursts of {mean}");
        assert_eq!(told.media.sent + told.media.lost, 100_000);
    }
}

#[test]
fn delay_and_jitter_are_as_asked_for() {
    let (told, mut arrivals) = send("delay=20ms,jitter=5ms", 3, 10_000, GAP);
    arrivals.sort_by(|one, two| one.1.cmp(&two.1));
    let delays: Vec<_> = (0..).zip(&arrivals).map(|(n, (at, _))| ms(*at - GAP * n)).collect();
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;

    assert!(delays.iter().all(|delay| (15.0..=25.0).contains(delay)));
    assert!((19.5..20.5).contains(&mean), "{mean}");
    assert!(told.media.reordered > 100, "jitter above the gap reorders: {told:?}");
}

#[test]
fn those_that_are_reordered_come_behind_their_next() {
    let (told, arrivals) = send("reorder=10%", 5, 10_000, GAP);
    let numbers: Vec<_> = arrivals.iter().map(|(_, bytes)| bytes[12..16].to_vec()).collect();
    let swapped = numbers.windows(2).filter(|pair| pair[1] < pair[0]).count() as u64;

    assert_eq!(told.media.reordered, swapped);
    // Of two that are chosen in a row the first is overtaken by the one behind both.
    assert!((800..1_100).contains(&swapped), "{swapped}");
    assert_eq!(told.media.sent, 10_000);
}

#[test]
fn the_last_one_does_not_wait_for_ever_to_be_overtaken() {
    let (told, arrivals) = send("reorder=100%", 5, 1, GAP);

    assert_eq!(arrivals, [(Duration::from_millis(50), packet(0, 1_000))]);
    assert_eq!(told.media.reordered, 0);
}

#[test]
fn copies_and_changed_bits_are_as_told() {
    let (told, arrivals) = send("duplicate=3%,flip=2%", 9, 10_000, GAP);
    let changed = |bytes: &[u8]| {
        let ones = |bytes: &[u8]| bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
        let number = u32::from_be_bytes(bytes[12..16].try_into().unwrap());
        // A changed number would make another packet of it; then all else is whole.
        ones(&bytes[16..]) != ones(&packet(0, 1_000)[16..]) || number >= 10_000
    };
    let flips = arrivals.iter().filter(|(_, bytes)| changed(bytes)).count() as u64;

    assert!((250..350).contains(&told.media.duplicated), "{told:?}");
    assert!((150..250).contains(&told.media.flipped), "{told:?}");
    assert!(flips <= told.media.flipped && flips + 5 > told.media.flipped, "{flips}, {told:?}");
    assert_eq!(arrivals.len() as u64, 10_000 + told.media.duplicated);
    assert!(arrivals.iter().all(|(_, bytes)| bytes[..12] == packet(0, 12)[..12]));
}

#[test]
fn a_rate_passes_what_it_can_and_queues_no_longer_than_asked_for() {
    // 4 Mbit/s where 2 Mbit/s fit.
    let (told, arrivals) = send("rate=2mbit,queue=50ms", 1, 5_000, GAP);
    let (last, _) = arrivals.last().unwrap();
    let rate = told.media.sent as f64 * 8_000.0 / last.as_secs_f64();

    assert!((1.99e6..2.01e6).contains(&rate), "{rate}");
    assert_eq!(told.media.sent + told.media.overflowed, 5_000);
    assert!(ms(*last - GAP * 4_999) <= 50.0 + 4.0 + 0.1);
}

#[test]
fn handshakes_are_spared_if_only_media_is_asked_for() {
    let spec: Spec = "loss=100%,only=media".parse().unwrap();
    let mut line = Line::new(spec.down, 1);
    let now = Instant::now();
    line.receive(now, &[22; 100]);
    line.receive(now, &packet(0, 100));

    assert_eq!(line.send(now), Some(vec![22; 100]));
    assert_eq!(line.send(now), None);
    assert_eq!((line.told().other.sent, line.told().media.lost), (1, 1));
}

proptest! {
    #[test]
    fn every_packet_is_accounted_for(
        seed: u64,
        shares in prop::array::uniform4(0_u32..25),
        (delay, jitter, rate) in (20_u32..40, 0_u32..20, 1_u32..20),
    ) {
        let [loss, reorder, duplicate, flip] = shares;
        let text = format!(
            "loss={loss}%,reorder={reorder}%,duplicate={duplicate}%,flip={flip}%,\
             delay={delay}ms,jitter={jitter}ms,rate={rate}mbit"
        );
        let (told, arrivals) = send(&text, seed, 500, GAP);
        let media = told.media;

        prop_assert_eq!(media.sent, arrivals.len() as u64);
        let gone = media.lost + media.overflowed;
        prop_assert_eq!(media.packets + media.duplicated, media.sent + gone);
        prop_assert_eq!(send(&text, seed, 500, GAP), (told, arrivals));
    }
}
