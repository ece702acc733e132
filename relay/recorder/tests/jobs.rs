//! From a log on the disk to its files, whatever happens in between.

#[path = "tracks/logging.rs"]
#[allow(dead_code, reason = "shared with the tests of tracks")]
mod logging;
#[path = "tracks/source.rs"]
#[allow(dead_code, reason = "shared with the tests of tracks")]
mod source;

use logging::{Way, Writing};
use relay_recorder::job::Outcome;
use relay_recorder::service::{Recorder, work};
use relay_recorder::shelf::{ATTEMPTS_MAX, Entry, Failures, Shelf, State, WRITING};
use relay_wire::control::Codec;
use source::Source;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

/// A shelf that is gone when the test has ended well.
struct Scratch {
    path: PathBuf,
    shelf: Shelf,
}

impl Scratch {
    fn new(name: &str) -> Self {
        let directory = format!("millrace-jobs-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(directory);
        fs::create_dir_all(&path).expect("a directory");
        let shelf = Shelf::new(path.join("shelf"));

        Self { path, shelf }
    }

    /// A log of one camera, that nobody writes any more.
    fn log(&self, name: &str) -> PathBuf {
        static SOURCE: OnceLock<Source> = OnceLock::new();
        let source = SOURCE.get_or_init(|| source::encode(&self.path, Codec::Vp8));
        let mut writing = Writing::new();
        writing.somebody(1, 1, "camera", false);
        let fate = |_| Some(0);
        writing.stream(source, &Way { track: 1, start_us: 0, delay_us: 0, fate, reports: true });
        let directory = self.shelf.root().join(name);
        writing.finish(&directory);
        File::create(directory.join(WRITING)).expect("the relay's lock, released");

        directory
    }

    /// Works on all that is due; how many were done and how many failed.
    fn work(&self) -> (usize, usize) {
        let now = SystemTime::now();
        let entries = self.shelf.entries(now).expect("the shelf");
        let due = entries.iter().filter(|entry| entry.is_due(now));
        let worked: Vec<_> = due.map(work).collect();
        let done = worked.iter().filter(|worked| matches!(worked, Ok(Some(_)))).count();

        (done, worked.iter().filter(|worked| worked.is_err()).count())
    }

    fn state(&self, name: &str) -> State {
        self.shelf.entry(name, SystemTime::now()).expect("the log").state
    }

    /// All files made of a log, with their bytes.
    fn made(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        let tracks = self.shelf.root().join(name).join("tracks");
        let files = fs::read_dir(tracks).expect("the files").map(|file| {
            let path = file.expect("a file").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(path).expect("its bytes"))
        });

        files.collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

#[test]
fn a_log_becomes_its_files_once() {
    let scratch = Scratch::new("once");
    scratch.log("RM_a");
    assert_eq!(scratch.state("RM_a"), State::Waiting(Failures::default()));

    assert_eq!(scratch.work(), (1, 0));
    assert_eq!(scratch.state("RM_a"), State::Done);
    let entry = scratch.shelf.entry("RM_a", SystemTime::now()).expect("the log");
    let outcome: Outcome = entry.result().expect("the result");
    assert_eq!((outcome.room.as_str(), outcome.notes.len()), ("tea", 0));
    assert_eq!(outcome.tracks.len(), scratch.made("RM_a").len());
    assert_eq!(outcome.started_ms, logging::UNIX_US / 1000);

    assert_eq!(outcome.composite.as_deref(), Some("composite.mp4"));
    assert!(scratch.shelf.root().join("RM_a/composite.mp4").exists());

    assert_eq!(scratch.work(), (0, 0), "it is done");
}

#[test]
fn a_recorder_that_was_killed_leaves_nothing_that_hurts() {
    let scratch = Scratch::new("killed");
    let directory = scratch.log("RM_a");
    scratch.work();
    let expected = scratch.made("RM_a");

    // Killed while it wrote files; between files and result; while it wrote the result.
    let half =
        ["tracks.part/camera-ann_1-1.webm.part", "tracks/camera-ann_1-1.webm", "result.part"];
    for left in half {
        fs::remove_file(directory.join("result.json")).expect("the result");
        let path = directory.join(left);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, b"half").expect("a file");
        assert_eq!(scratch.work(), (1, 0), "{left}");
        assert_eq!(scratch.made("RM_a"), expected, "{left}");
        assert!(!directory.join("tracks.part").exists(), "{left}");
    }
}

#[test]
fn what_is_being_written_or_worked_on_is_left_alone() {
    let scratch = Scratch::new("locks");
    let directory = scratch.log("RM_a");
    let relay = File::create(directory.join(WRITING)).expect("the file");
    relay.lock().expect("the lock");
    assert_eq!(scratch.state("RM_a"), State::Recording);
    assert_eq!(scratch.work(), (0, 0));
    drop(relay);

    let entry = scratch.shelf.entry("RM_a", SystemTime::now()).expect("the log");
    let claim = entry.claim().expect("a claim").expect("nobody else has it");
    assert!(entry.claim().expect("a claim").is_none());
    assert_eq!(scratch.state("RM_a"), State::Working);
    assert_eq!(scratch.work(), (0, 0));
    drop(claim);
    assert_eq!(scratch.work(), (1, 0));
}

#[test]
fn a_log_without_a_lock_is_over_when_it_is_quiet() {
    let scratch = Scratch::new("quiet");
    let directory = scratch.log("RM_a");
    fs::remove_file(directory.join(WRITING)).expect("the file");
    assert_eq!(scratch.state("RM_a"), State::Recording);
    let later = SystemTime::now() + Duration::from_secs(61);
    let entry = scratch.shelf.entry("RM_a", later).expect("the log");
    assert!(entry.is_due(later), "{:?}", entry.state);
}

#[test]
fn what_fails_is_tried_again_and_given_up_and_taken_up() {
    let scratch = Scratch::new("fails");
    let directory = scratch.log("RM_a");
    // A directory where the recorder's own is to be made cannot be cleared.
    fs::write(directory.join("tracks.part"), b"a file").expect("a file");
    let mut now = SystemTime::now();
    assert_eq!(scratch.work(), (0, 1));
    let State::Waiting(failures) = scratch.state("RM_a") else { panic!("it waits") };
    assert_eq!(failures.attempts, 1);
    assert!(!failures.reason.is_empty());
    assert_eq!(scratch.work(), (0, 0), "it is not due yet");

    for attempt in 2..=ATTEMPTS_MAX {
        now += Duration::from_secs(4000);
        let entry = scratch.shelf.entry("RM_a", now).expect("the log");
        assert!(entry.is_due(now), "{attempt}: {:?}", entry.state);
        let claim = entry.claim().expect("a claim").expect("it is free");
        claim.fail("still", now).expect("noted");
    }
    assert!(matches!(scratch.state("RM_a"), State::Dead(f) if f.reason == "still"));
    assert_eq!(scratch.work(), (0, 0), "it is given up");

    fs::remove_file(directory.join("tracks.part")).expect("the file");
    let entry = scratch.shelf.entry("RM_a", now).expect("the log");
    entry.claim().expect("a claim").expect("it is free").reset().expect("it is work again");
    assert_eq!(scratch.work(), (1, 0));
}

#[test]
fn a_log_that_is_nothing_but_damage_ends_with_a_reason() {
    let scratch = Scratch::new("damage");
    let directory = scratch.log("RM_a");
    fs::write(directory.join("00000.mlog"), vec![7; 20_000]).expect("a file");
    fs::write(directory.join("00001.mlog"), b"").expect("a file");
    assert_eq!(scratch.work(), (1, 0));
    let entry = scratch.shelf.entry("RM_a", SystemTime::now()).expect("the log");
    let outcome: Outcome = entry.result().expect("the result");
    let notes = ["20000 bytes of the media log are damaged", "the media log has no end"];
    assert_eq!(outcome.notes.len(), 2, "{:?}", outcome.notes);
    assert!(outcome.notes.iter().zip(notes).all(|(note, start)| note.starts_with(start)));
}

#[test]
fn a_worker_that_is_killed_is_a_failure_and_the_service_ends_when_it_is_dropped() {
    let scratch = Scratch::new("service");
    scratch.log("RM_a");
    let worker = |_: &Entry| {
        let mut worker = Command::new("sh");
        worker.args(["-c", "kill -SEGV $$"]);
        worker
    };
    let recorder = Recorder::start(scratch.shelf.clone(), Box::new(worker)).expect("a thread");
    let begun = Instant::now();
    while recorder.counters().failed == 0 {
        std::thread::sleep(Duration::from_millis(10));
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
    drop(recorder);
    let State::Waiting(failures) = scratch.state("RM_a") else { panic!("it waits") };
    assert_eq!(failures.reason, "its worker was killed by signal 11");
}

#[test]
fn names_do_not_lead_out_of_the_shelf() {
    let scratch = Scratch::new("names");
    scratch.log("RM_a");
    for name in ["", ".", "..", "../shelf", "RM_a/../RM_a", "RM_b", ".."] {
        let error = scratch.shelf.entry(name, SystemTime::now()).expect_err(name);
        assert!(error.to_string().contains("no recording"), "{error}");
    }
    assert_eq!(Shelf::new("/no/such/place").entries(SystemTime::now()).expect("none").len(), 0);
}
