//! `millrace-bench room` against our own server, started for the run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::Value;
use std::fs;
use std::process::{Command, Output};

fn bench(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_millrace-bench");
    Command::new(program).args(arguments).output().unwrap()
}

fn error_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the bench, writes JSON and reads it.
fn measure(name: &str, line: &str) -> Value {
    let file = std::env::temp_dir().join(format!("room-{name}-{}.json", std::process::id()));
    let path = file.display().to_string();
    let arguments: Vec<_> = line.split_whitespace().collect();
    let output = bench(&[&["room", "--json", &path], &arguments[..]].concat());
    assert!(output.status.success(), "{}", error_of(&output));
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();

    serde_json::from_str(&text).unwrap()
}

fn figure(report: &Value, name: &str) -> f64 {
    let value = &report["experiments"][0]["figures"][name]["millrace"]["median"];
    value.as_f64().unwrap_or_else(|| panic!("no {name} in {report:#}"))
}

/// What came is what was sent, to the packet.
fn assert_whole(report: &Value) {
    assert!(figure(report, "received") > 0.0, "{report:#}");
    assert_eq!(figure(report, "received"), figure(report, "expected"), "{report:#}");
    for fault in ["lost", "duplicates", "reordered", "corrupted"] {
        assert_eq!(figure(report, fault), 0.0, "{fault}: {report:#}");
    }
}

#[test]
fn every_packet_of_a_webinar_reaches_every_subscriber() {
    let report = measure("webinar", "--publishers 2 --subscribers 5 --seconds 1");

    assert_whole(&report);
    assert_eq!(figure(&report, "expected"), 5.0 * figure(&report, "sent"));
    for known in ["cpu_us_per_packet", "join_p50_us", "first_frame_p99_us", "latency_p99_9_us"] {
        assert!(figure(&report, known) > 0.0, "{known}");
    }
}

#[test]
fn everybody_in_a_meeting_receives_everybody_else() {
    let report = measure("meeting", "--scenario meeting --subscribers 4 --seconds 1");

    assert_whole(&report);
    assert_eq!(figure(&report, "expected"), 3.0 * figure(&report, "sent"));
}

#[test]
fn an_audio_room_has_fifty_packets_a_second() {
    let line = "--scenario audio --publishers 2 --subscribers 4 --speakers-every 1 --seconds 2";
    let report = measure("audio", line);

    assert_whole(&report);
    assert!((180.0..=220.0).contains(&figure(&report, "sent")), "{report:#}");
}

#[test]
fn whole_stacks_measure_the_same() {
    let report = measure("str0m", "--client str0m --subscribers 3 --seconds 1");

    assert_whole(&report);
}

#[test]
fn a_wrong_secret_is_told_at_once() {
    let output = bench(&["room", "--subscribers", "1", "--api-secret", "not-the-server's-secret"]);

    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("refused the join: 401"), "{}", error_of(&output));
}

#[test]
fn what_does_not_go_together_is_told_with_what_to_do() {
    for (line, words) in [
        ("--client str0m --scenario meeting", "leave it out"),
        ("--scenario audio --simulcast", "leave one out"),
        ("--scenario meeting --subscribers 1", "--subscribers 2 or more"),
    ] {
        let arguments: Vec<_> = ["room"].into_iter().chain(line.split(' ')).collect();
        let output = bench(&arguments);

        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(error_of(&output).contains(words), "{line}: {}", error_of(&output));
    }
}
