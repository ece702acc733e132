//! Files of tracks, out of logs of streams that independent encoders made; ffmpeg decodes them.

mod tracks {
    #[allow(dead_code, reason = "composites need the rest")]
    pub(crate) mod logging;
    pub(crate) mod source;
}

use relay_recorder::facts::Fact;
use relay_recorder::tracks::{Written, write};
use relay_recorder::{Log, Survey};
use relay_wire::control::Codec;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tracks::logging::{UNIX_US, Way, Writing};
use tracks::source::{Source, decoded, encode};

/// A directory that is gone when the test has ended well.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let directory = format!("millrace-tracks-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(directory);
        fs::create_dir_all(path.join("out")).expect("a directory");

        Self(path)
    }

    /// Writes the log, then its tracks.
    fn record(&self, writing: Writing) -> (Survey, Written) {
        let directory = self.0.join("log");
        writing.finish(&directory);
        let log = Log::open(&directory).expect("the log");
        let survey = Survey::of(&log).expect("the log is read");
        let written = write(&log, &survey, &self.out()).expect("the files are written");

        (survey, written)
    }

    fn out(&self) -> PathBuf {
        self.0.join("out")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// Reordered as networks do it: each seventh packet is late, some by a repair's time.
fn shuffled(number: usize) -> Option<u64> {
    Some(match number % 14 {
        7 => 30_000,
        13 => 250_000,
        _ => 0,
    })
}

fn way(track: u64) -> Way {
    Way { track, start_us: 700_000, delay_us: 20_000, fate: shuffled, reports: false }
}

/// A file's facts by ffprobe.
fn probe(file: &Path) -> String {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-show_entries"]);
    command.arg("format=format_name,duration:stream=codec_name,width,height,channels");
    command.args(["-show_entries", "stream_tags:format_tags", "-of", "default=nw=1"]).arg(file);
    let output = command.output().expect("ffprobe is needed: apt-get install ffmpeg");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");

    String::from_utf8(output.stdout).expect("text")
}

/// Records one stream without loss, out of order; what ffmpeg decodes of the file is what it
/// decodes of the encoder's own.
fn whole(codec: Codec, name: &str, facts: &[&str]) {
    let scratch = Scratch::new(name);
    let source = encode(&scratch.0, codec);
    let mut writing = Writing::new();
    writing.somebody(3, 8, "camera", false);
    writing.stream(&source, &way(8));
    let (survey, written) = scratch.record(writing);

    assert!(survey.ended && survey.damages.is_none());
    assert_eq!((written.missing, written.left_out), (0, 0));
    let [file] = &written.files[..] else { panic!("{written:?}") };
    assert_eq!(file.frames, source.frames.len() as u64);
    assert_eq!((file.identity.as_str(), file.track.as_str()), ("ann/3", "TR_8"));
    assert_eq!(file.offset_ms, 720);
    let path = scratch.out().join(&file.file);
    let probed = probe(&path);
    for fact in facts {
        assert!(probed.contains(fact), "{fact} is missing:\n{probed}");
    }
    // 0.72 s after the log's start.
    assert!(probed.contains("creation_time=2026-01-01T00:00:00.720"), "{probed}");
    assert_eq!(UNIX_US % 1_000_000, 0);
    let duration = probed.lines().find_map(|line| line.strip_prefix("duration=")).expect("it");
    let duration: f64 = duration.parse().expect("a number");
    assert!((duration - 2.0).abs() < 0.04, "{duration} s");
    if codec != Codec::Opus {
        assert_eq!(decoded(&path), decoded(&source.file));
    }
    let left: Vec<_> = fs::read_dir(scratch.out()).expect("the directory").collect();
    assert_eq!(left.len(), 1, "nothing half-written is left");
}

#[test]
fn vp8_becomes_webm() {
    whole(Codec::Vp8, "vp8", &["codec_name=vp8", "width=322", "height=242", "matroska,webm"]);
}

#[test]
fn vp9_becomes_webm() {
    whole(Codec::Vp9, "vp9", &["codec_name=vp9", "width=322", "height=242"]);
}

#[test]
fn h264_becomes_mkv() {
    whole(Codec::H264, "h264", &["codec_name=h264", "width=322", "height=242"]);
}

#[test]
fn av1_becomes_webm() {
    whole(Codec::Av1, "av1", &["codec_name=av1", "width=322", "height=242"]);
}

#[test]
fn opus_becomes_webm() {
    whole(Codec::Opus, "opus", &["codec_name=opus", "channels=2"]);
}

/// What is lost leaves out pictures up to the next keyframe, and what is left decodes without an
/// error.
fn lossy(codec: Codec, name: &str) {
    let scratch = Scratch::new(name);
    let source = encode(&scratch.0, codec);
    let packets: usize = source.frames.iter().map(Vec::len).sum();
    let mut writing = Writing::new();
    writing.somebody(1, 1, "camera", false);
    let fate = |number: usize| (number % 40 != 21).then_some(0);
    writing.stream(&source, &Way { fate, ..way(1) });
    let (_, written) = scratch.record(writing);

    assert_eq!(written.missing, (packets as u64 + 18) / 40);
    assert!(written.left_out > 0);
    let frames: u64 = written.files.iter().map(|file| file.frames).sum();
    assert!(frames >= 4, "{frames} of {} frames are left", source.frames.len());
    for file in &written.files {
        let pictures = decoded(&scratch.out().join(&file.file));
        assert_eq!(pictures.len() as u64, file.frames, "each frame is a picture");
    }
    let all = decoded(&source.file);
    let path = scratch.out().join(&written.files[0].file);
    assert!(decoded(&path).iter().all(|picture| all.contains(picture)), "a picture is damaged");
}

#[test]
fn loss_costs_pictures_and_damages_none() {
    lossy(Codec::Vp8, "lossy-vp8");
    lossy(Codec::Vp9, "lossy-vp9");
    lossy(Codec::H264, "lossy-h264");
    lossy(Codec::Av1, "lossy-av1");
}

#[test]
fn voice_and_lips_of_one_sender_are_together() {
    let scratch = Scratch::new("lips");
    let (voice, lips) = (encode(&scratch.0, Codec::Opus), encode(&scratch.0, Codec::Vp8));
    let mut writing = Writing::new();
    writing.somebody(1, 10, "microphone", false);
    writing.somebody(1, 11, "camera", false);
    let start_us = 1_000_000;
    // Pictures take 120 ms longer through the network than sound.
    let slow = Way { start_us, delay_us: 140_000, reports: true, ..way(11) };
    writing.stream(&lips, &slow);
    writing.stream(&voice, &Way { start_us, reports: true, ..way(10) });
    let (_, written) = scratch.record(writing);

    let offset = |source: &str| {
        let file = written.files.iter().find(|file| file.source == source).expect("the file");
        file.offset_ms
    };
    assert!(offset("camera").abs_diff(offset("microphone")) <= 1, "{written:?}");
}

#[test]
fn another_codec_and_another_size_go_on_in_another_file() {
    let scratch = Scratch::new("codecs");
    let sources = [encode(&scratch.0, Codec::H264), encode(&scratch.0, Codec::Vp8)];
    let mut writing = Writing::new();
    writing.somebody(1, 1, "screen_share", false);
    let [first, second] = sources;
    writing.stream(&first, &way(1));
    // The relay numbers a track's packets on and on: the second codec continues there.
    writing.stream_after(&first, &second, &way(1));
    let (_, written) = scratch.record(writing);

    let names: Vec<_> = written.files.iter().map(|file| file.file.as_str()).collect();
    assert_eq!(names, ["screen_share-ann_1-1.mkv", "screen_share-ann_1-1-2.webm"]);
    assert_eq!(written.files[1].offset_ms - written.files[0].offset_ms, 2000);
}

#[test]
fn encrypted_and_empty_tracks_make_no_file() {
    let scratch = Scratch::new("none");
    let source = encode(&scratch.0, Codec::Vp8);
    let mut writing = Writing::new();
    writing.somebody(1, 1, "camera", true);
    writing.somebody(2, 2, "camera", false);
    writing.somebody(4, 4, "camera", false);
    writing.stream(&source, &way(1));
    // The third one never sends a keyframe.
    let frames = source.frames[1..12].to_vec();
    writing.stream(&Source { frames, file: source.file.clone(), ..source }, &way(4));
    writing.fact(3_000_000, &Fact::Unpublished { track: 4 });
    let (survey, written) = scratch.record(writing);

    assert_eq!(survey.participants.len(), 3);
    assert_eq!((written.files.len(), written.encrypted), (0, 1));
    assert!(fs::read_dir(scratch.out()).expect("the directory").next().is_none());
}
