//! `millrace recorder` on small media logs, whole and damaged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Place, free_port, get};
use serde_json::Value;
use std::time::{Duration, Instant};

/// A log of one packet, a fact and some more; see `tests/fuzz/seeds/medialog`.
fn seed(name: &str) -> String {
    format!("{}/../../tests/fuzz/seeds/medialog/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs it; the exit code, what it prints, and what it complains of.
fn recorder(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Place::new().run(&[&["recorder"], args].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();

    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_log_is_told_in_short() {
    let (code, text, error) = recorder(&["inspect", &seed("whole")]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(text.contains("lost      2 records: the disk was too slow"), "{text}");
    assert!(text.contains("1      -       -    vp8    0.0 s  0.0 s  1        0"), "{text}");
    assert!(!text.contains("damaged") && !text.contains("missing"), "{text}");

    let (_, json, _) = recorder(&["inspect", "--json", &seed("whole")]);
    let summary: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&summary["ended"], &summary["bytes"]), (&Value::Bool(true), &Value::from(7)));
}

#[test]
fn damage_is_told() {
    let (code, text, _) = recorder(&["inspect", &seed("torn")]);
    assert_eq!(code, Some(0));
    assert!(text.contains("its end is missing") && text.contains("damaged"), "{text}");
    let (_, text, _) = recorder(&["inspect", &seed("flipped")]);
    assert!(text.contains("damaged   48 bytes, 0 missing blocks"), "{text}");
}

#[test]
fn tracks_that_never_had_a_picture_make_no_file() {
    let directory = std::env::temp_dir().join(format!("millrace-export-{}", std::process::id()));
    let (code, text, error) = recorder(&["export", &seed("whole"), directory.to_str().unwrap()]);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(text.contains("no track has anything that can be shown or heard"), "{text}");
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
    std::fs::remove_dir(&directory).unwrap();
}

#[test]
fn what_is_not_there_is_named() {
    let (code, text, error) = recorder(&["inspect", "no/such/log"]);
    assert_eq!((code, text.as_str()), (Some(1), ""));
    assert!(error.contains("cannot read the media log no/such/log"), "{error}");
    let empty = std::env::temp_dir().join(format!("millrace-empty-{}", std::process::id()));
    std::fs::create_dir_all(&empty).unwrap();
    let (_, _, error) = recorder(&["inspect", empty.to_str().unwrap()]);
    assert!(error.contains("no media log is in") && error.contains("*.mlog"), "{error}");
    std::fs::remove_dir(&empty).unwrap();
}

/// A shelf with one log that nobody writes any more.
fn shelf(place: &Place) -> std::path::PathBuf {
    let log = place.directory.join("shelf/RM_a");
    std::fs::create_dir_all(&log).unwrap();
    std::fs::copy(seed("whole"), log.join("00000.mlog")).unwrap();
    std::fs::write(log.join("writing"), b"").unwrap();

    place.directory.join("shelf")
}

/// Asks until the answer has this in it; the answer.
fn once_it_has(wanted: &str, ask: impl Fn() -> String) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = ask();
        if answer.contains(wanted) {
            return answer;
        }
        assert!(Instant::now() < deadline, "no {wanted} in {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_service_makes_files_and_lists_them_and_makes_them_again() {
    let place = Place::new();
    let shelf = shelf(&place);
    let set = format!("recording.directory={}", shelf.display());
    let port = free_port();
    let metrics = format!("metrics.listen=127.0.0.1:{port}");
    let run = |args: &[&str]| {
        let output = place.run(&[&["--set", &set, "recorder"], args].concat());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout) + &text(output.stderr))
    };
    assert_eq!(run(&["list"]), (Some(0), "RM_a  waits for a recorder\n".to_owned()));

    let _service = place.start(&["recorder", "--set", &set, "--set", &metrics], &[]);
    get(port, "/healthz", 200);
    let listed = once_it_has("done", || run(&["list", "--json"]).1);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["state"]), (&"RM_a".into(), &"done".into()));
    let result = std::fs::read(shelf.join("RM_a/result.json")).unwrap();
    let result: Value = serde_json::from_slice(&result).unwrap();
    assert_eq!(result["notes"][0], "2 records were lost, since the disk was too slow");
    let counted = "millrace_recorder_jobs_total{outcome=\"done\"} 1";
    once_it_has(counted, || get(port, "/metrics", 200));

    assert_eq!(run(&["retry", "RM_a"]), (Some(0), "RM_a waits for a recorder\n".to_owned()));
    let (code, error) = run(&["retry", "RM_b"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("no recording \"RM_b\" is in"), "{error}");
}
