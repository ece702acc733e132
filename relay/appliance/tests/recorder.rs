//! `millrace recorder` on small media logs, whole and damaged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::Place;
use serde_json::Value;

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
