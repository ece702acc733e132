//! Composites of whole calls, out of logs of streams that independent encoders made; ffmpeg plays
//! them.

mod hostile;
#[allow(dead_code, reason = "other tests need the rest")]
#[path = "../tracks/logging.rs"]
mod logging;
mod played;
#[allow(dead_code, reason = "other tests need the rest")]
#[path = "../tracks/source.rs"]
mod source;

use logging::{Way, Writing};
use played::Played;
use relay_recorder::composite::{ComposeError, Settings, Summary, compose};
use relay_recorder::facts::{Fact, Track};
use relay_recorder::{Log, Survey};
use relay_wire::control::{Codec, ParticipantId, TrackId};
use relay_wire::medialog::{Mute, Record, Speakers};
use source::{Source, encode_input};
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::PathBuf;

const SECOND: u64 = 1_000_000;
/// Y, U, V of ffmpeg's colours in BT.601.
const RED: [u8; 3] = [81, 90, 240];
const LIME: [u8; 3] = [145, 54, 34];
const BLUE: [u8; 3] = [41, 240, 110];
const YELLOW: [u8; 3] = [210, 16, 146];

/// A directory that is gone when the test has ended well.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let directory = format!("millrace-composite-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(directory);
        fs::create_dir_all(&path).expect("a directory");

        Self(path)
    }

    /// So many seconds of one colour.
    fn colour(&self, codec: Codec, colour: &str, seconds: u32) -> Source {
        let input = format!("color=c={colour}:size=640x360:rate=25:duration={seconds}");

        encode_input(&self.0, codec, &input)
    }

    /// So many seconds of a tone.
    fn tone(&self, seconds: u32) -> Source {
        encode_input(&self.0, Codec::Opus, &format!("sine=frequency=440:duration={seconds}"))
    }

    /// Writes the log, and composes it.
    fn compose(&self, writing: Writing) -> Result<(Played, Summary), ComposeError> {
        let (directory, file) = (self.0.join("log"), self.0.join("call.mp4"));
        writing.finish(&directory);
        let log = Log::open(&directory).expect("the log");
        let survey = Survey::of(&log).expect("the log is read");
        let out = File::create(&file).expect("a file");
        let go_on = |_| ControlFlow::Continue(());
        let (_, summary) = compose(&log, &survey, out, Settings::default(), go_on)?;

        Ok((Played::new(&file), summary))
    }

    /// Composes what must succeed without any failure, as long as the log is.
    fn played(&self, writing: Writing, seconds: f64) -> Played {
        let (played, summary) = self.compose(writing).expect("a composite");
        assert_eq!(summary.failed, Default::default());
        assert_eq!(played.codecs, ["h264", "opus"]);
        assert_eq!(played.pictures() as u64, summary.pictures);
        let told = summary.duration_us as f64 / SECOND as f64;
        for duration in [played.duration, told, played.pictures() as f64 / 25.0] {
            let off = (duration - seconds).abs();
            assert!(off < (seconds * 0.02).max(0.1), "{duration} of {seconds} s");
        }

        played
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// A stream without loss that starts at this time.
fn from(track: u64, start_us: u64) -> Way {
    Way { track, start_us, delay_us: 20_000, fate: |_| Some(0), reports: true }
}

fn track(track: u64, participant: u64, source: &str) -> Fact {
    let sid = format!("TR_{track}");

    Fact::Track(Track { track, participant, sid, source: source.into(), encrypted: false })
}

fn is(seen: [u8; 3], colour: [u8; 3]) -> bool {
    seen.iter().zip(colour).all(|(seen, told)| seen.abs_diff(told) <= 12)
}

#[track_caller]
fn assert_seen(played: &Played, second: f64, place: (usize, usize), colour: [u8; 3]) {
    let seen = played.colour(second, place);
    assert!(is(seen, colour), "at {second} s, {place:?}: {seen:?} instead of {colour:?}");
}

#[test]
fn each_codec_is_seen_in_its_tile_and_heard() {
    let scratch = Scratch::new("codecs");
    let mut writing = Writing::new();
    let shown = [(Codec::Vp8, "red"), (Codec::Vp9, "lime"), (Codec::H264, "blue")];
    for ((codec, colour), number) in shown.into_iter().zip(1..) {
        writing.somebody(number, number, "camera", false);
        writing.stream(&scratch.colour(codec, colour, 4), &from(number, 0));
    }
    writing.somebody(4, 4, "camera", false);
    writing.stream(&scratch.colour(Codec::Av1, "yellow", 1), &from(4, 0));
    writing.fact(0, &track(10, 1, "microphone"));
    writing.stream(&scratch.tone(3), &from(10, SECOND / 2));
    let played = scratch.played(writing, 4.0);

    assert_seen(&played, 3.0, (320, 180), RED);
    assert_seen(&played, 3.0, (960, 180), LIME);
    assert_seen(&played, 3.0, (320, 540), BLUE);
    // What cannot be decoded is a name on a colour of its own.
    assert!(!is(played.colour(3.0, (1000, 400)), YELLOW));
    assert!(played.colour(3.0, (1000, 400))[0] > 40);
    assert!(played.loudness(0.3) < 0.01 && played.loudness(1.0) > 0.05);
    assert!(played.loudness(3.4) > 0.05 && played.loudness(3.7) < 0.01);
}

#[test]
fn lips_and_voice_stay_together() {
    let scratch = Scratch::new("lips");
    let when = "between(t,1,1.2)+between(t,2.5,2.7)+between(t,4,4.2)";
    let flash = format!(
        "color=black:size=640x360:rate=25:duration=5,drawbox=enable='{when}':color=white:t=fill"
    );
    let beep = format!("sine=frequency=1000:duration=5,volume=enable='not({when})':volume=0");
    let mut writing = Writing::new();
    writing.somebody(1, 1, "camera", false);
    writing.fact(0, &track(2, 1, "microphone"));
    // Pictures take longer than sound, as they do.
    let way = Way { delay_us: 400_000, ..from(1, 0) };
    writing.stream(&encode_input(&scratch.0, Codec::Vp8, &flash), &way);
    writing.stream(&encode_input(&scratch.0, Codec::Opus, &beep), &from(2, 0));
    let played = scratch.played(writing, 5.4);

    let (flashes, beeps) = (played.flashes((640, 360)), played.beeps());
    assert_eq!((flashes.len(), beeps.len()), (3, 3), "{flashes:?} {beeps:?}");
    for (flash, beep) in flashes.iter().zip(&beeps) {
        assert!((flash - beep).abs() < 0.08, "{flashes:?} {beeps:?}");
    }
}

#[test]
fn the_picture_follows_who_comes_shares_mutes_speaks_and_goes() {
    let scratch = Scratch::new("follows");
    let (red, lime) =
        (scratch.colour(Codec::Vp8, "red", 12), scratch.colour(Codec::Vp8, "lime", 8));
    let mut writing = Writing::new();
    writing.somebody(1, 1, "camera", false);
    writing.stream(&red, &from(1, 0));
    let second = track(2, 2, "camera");
    writing.fact(2 * SECOND, &second);
    writing.stream(&lime, &from(2, 2 * SECOND));
    writing.fact(4 * SECOND, &track(3, 1, "screen_share"));
    writing.stream(&scratch.colour(Codec::Vp8, "blue", 2), &from(3, 4 * SECOND));
    writing.fact(6 * SECOND + 500_000, &Fact::Unpublished { track: 3 });
    let loudest = Speakers::new(7 * SECOND, [ParticipantId(2)]);
    writing.other(Record::Speakers(loudest));
    writing.other(Record::Mute(Mute { at_us: 8 * SECOND, track: TrackId(2), muted: true }));
    writing.fact(10 * SECOND, &Fact::Left { participant: 2 });
    let played = scratch.compose(writing).expect("a composite").0;

    assert_seen(&played, 1.0, (640, 100), RED);
    assert_seen(&played, 3.0, (320, 250), RED);
    assert_seen(&played, 3.0, (960, 250), LIME);
    assert_seen(&played, 5.5, (500, 360), BLUE);
    assert_seen(&played, 5.5, (1160, 320), RED);
    assert_seen(&played, 5.5, (1160, 410), LIME);
    assert_seen(&played, 6.8, (320, 250), RED);
    // The speaker's edge, on the right tile only.
    let edge = |second| played.colour(second, (1276, 360))[0];
    assert!(edge(6.8) < 130 && edge(7.5) > 150, "{} {}", edge(6.8), edge(7.5));
    assert!(!is(played.colour(8.5, (960, 250)), LIME), "muted: the name");
    assert_seen(&played, 11.0, (640, 100), RED);
}

#[test]
fn ten_people_have_ten_tiles() {
    let scratch = Scratch::new("ten");
    let mut writing = Writing::new();
    let sources = ["red", "lime", "blue"].map(|colour| scratch.colour(Codec::H264, colour, 2));
    for number in 0..10 {
        writing.somebody(number + 1, number + 1, "camera", false);
        writing.stream(&sources[number as usize % 3], &from(number + 1, 0));
    }
    let played = scratch.played(writing, 2.0);

    // Four columns of 320x180, the last row of two in the middle.
    let row =
        |row: usize| (0..4).map(move |column| (160 + 320 * column, 90 + 150 + 180 * row - 60));
    let last = [(480, 90 + 360 + 90), (800, 90 + 360 + 90)];
    let places: Vec<_> = row(0).chain(row(1)).chain(last).collect();
    for (number, place) in places.into_iter().enumerate() {
        assert_seen(&played, 1.5, place, [RED, LIME, BLUE][number % 3]);
    }
}

#[test]
fn what_stops_freezes_and_becomes_a_name_and_what_was_lost_ends_nothing() {
    let scratch = Scratch::new("loss");
    let mut writing = Writing::new();
    writing.somebody(1, 1, "camera", false);
    writing.somebody(2, 2, "camera", false);
    writing.fact(0, &track(3, 2, "microphone"));
    writing.stream(&scratch.colour(Codec::Vp8, "red", 2), &from(1, 0));
    let lossy: fn(usize) -> Option<u64> = |number| (number % 17 != 3).then_some(0);
    let pattern = encode_input(&scratch.0, Codec::H264, "testsrc2=size=640x360:rate=25:duration=9");
    writing.stream(&pattern, &Way { fate: lossy, ..from(2, 0) });
    writing.stream(&scratch.tone(9), &Way { fate: lossy, ..from(3, 0) });
    let played = scratch.played(writing, 9.0);

    assert_seen(&played, 1.0, (320, 250), RED);
    assert_seen(&played, 5.0, (320, 250), RED);
    assert!(!is(played.colour(8.5, (320, 250)), RED), "the name");
    let silent = (5..430).filter(|at| played.loudness(f64::from(*at) / 50.0) < 0.03).count();
    assert_eq!(silent, 0, "single packets are made up for");
}

#[test]
fn a_stream_may_change_its_size_and_another_never_have_a_keyframe() {
    let scratch = Scratch::new("size");
    let mut writing = Writing::new();
    writing.somebody(1, 1, "camera", false);
    writing.somebody(2, 2, "camera", false);
    let small = encode_input(&scratch.0, Codec::Vp9, "color=red:size=320x180:rate=25:duration=2");
    let large = encode_input(&scratch.0, Codec::Vp9, "color=blue:size=1280x720:rate=25:duration=2");
    writing.stream(&small, &from(1, 0));
    writing.stream_after(&small, &large, &from(1, 0));
    let mut headless = scratch.colour(Codec::Vp8, "lime", 1);
    headless.frames.drain(..1);
    headless.frames.truncate(10);
    writing.stream(&headless, &from(2, 0));
    let (played, summary) = scratch.compose(writing).expect("a composite");

    assert_eq!(summary.failed, Default::default());
    assert_seen(&played, 1.5, (320, 250), RED);
    assert_seen(&played, 3.5, (320, 250), BLUE);
    assert!(!is(played.colour(0.3, (960, 250)), LIME));
}

#[test]
fn a_payload_that_is_damaged_costs_pictures_and_nothing_else() {
    let scratch = Scratch::new("damage");
    let mut writing = Writing::new();
    for (codec, number) in [Codec::Vp8, Codec::Vp9, Codec::H264].into_iter().zip(1..) {
        writing.somebody(number, number, "camera", false);
        let input = "testsrc2=size=640x360:rate=25:duration=3";
        let mut source = encode_input(&scratch.0, codec, input);
        for (at, payload) in source.frames.iter_mut().flatten().enumerate().skip(20) {
            let place = at * 7919 % payload.len();
            payload[place] ^= 0x55;
        }
        writing.stream(&source, &from(number, 0));
    }
    writing.somebody(4, 4, "camera", false);
    let mut liar = scratch.colour(Codec::H264, "red", 2);
    liar.codec = Codec::Vp8;
    writing.stream(&liar, &from(4, 0));
    writing.somebody(5, 5, "camera", false);
    writing.stream(&scratch.colour(Codec::Vp8, "red", 3), &from(5, 0));
    let (played, summary) = scratch.compose(writing).expect("a composite");

    assert!(summary.failed.frames > 0, "{summary:?}");
    assert_eq!(played.pictures() as u64, summary.pictures);
    assert!((played.duration - 3.0).abs() < 0.06);
    // Five tiles: the last one is the second of the lower row.
    assert_seen(&played, 2.5, (853, 430), RED);
}

#[test]
fn an_encrypted_call_is_names_and_silence() {
    let scratch = Scratch::new("encrypted");
    let mut writing = Writing::new();
    writing.somebody(1, 1, "camera", true);
    writing.somebody(2, 2, "microphone", true);
    writing.stream(&scratch.colour(Codec::Vp8, "red", 2), &from(1, 0));
    writing.stream(&scratch.tone(2), &from(2, 0));
    let played = scratch.played(writing, 2.0);

    assert!(!is(played.colour(1.0, (320, 250)), RED));
    assert!((0..90).all(|at| played.loudness(f64::from(at) / 50.0) < 0.001));
}

#[test]
fn a_call_without_duration_and_one_that_is_not_wanted_are_errors() {
    let scratch = Scratch::new("empty");
    assert!(matches!(scratch.compose(Writing::new()), Err(ComposeError::Empty)));

    let mut writing = Writing::new();
    writing.somebody(1, 1, "microphone", false);
    writing.stream(&scratch.tone(9), &from(1, 0));
    writing.finish(&scratch.0.join("long"));
    let log = Log::open(&scratch.0.join("long")).expect("the log");
    let survey = Survey::of(&log).expect("the log is read");
    let mut told = Vec::new();
    let out = std::io::Cursor::new(Vec::new());
    let composed = compose(&log, &survey, out, Settings::default(), |time_us| {
        told.push(time_us);
        if told.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(composed, Err(ComposeError::Cancelled)));
    assert!(told.is_sorted() && told[2] < 5 * SECOND, "{told:?}");
}
