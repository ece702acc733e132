//! `millrace doctor` on this machine, whatever it is like.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::Place;
use serde_json::Value;

/// Runs it; the exit code, what it prints, and the last line of what it complains of.
fn doctor(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Place::new().run(&[&["doctor"], args].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();

    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn each_line_says_how_it_is_to_be_taken() {
    let (_, lines, _) = doctor(&[]);
    let findings: Vec<&str> = lines.lines().filter(|line| !line.starts_with("      ")).collect();
    assert!(findings.len() >= 9, "{lines}");
    for line in &findings {
        let level = line.split(' ').next().unwrap();
        assert!(["ok", "warn", "fail"].contains(&level), "{line}");
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    assert!(lines.contains(&format!("kernel: Linux {}", release.trim())), "{lines}");
}

#[test]
fn programs_read_the_same_as_json() {
    let (code, json, _) = doctor(&["--json"]);
    let findings: Vec<Value> = serde_json::from_str(&json).unwrap();
    let fails = findings.iter().filter(|finding| finding["level"] == "fail").count();
    assert_eq!(code, Some(i32::from(fails > 0)), "{json}");
    for finding in &findings {
        let well = finding["level"] == "ok";
        assert_eq!(finding["fix"] == "", well, "what is not well has a fix: {finding}");
    }
}

#[test]
fn what_is_asked_for_and_not_there_fails() {
    let (code, lines, error) = doctor(&["--set", "xdp.interface=nowhere0"]);
    assert_eq!(code, Some(1), "{lines}");
    let line = "fail  nowhere0: xdp.interface = nowhere0: there is no such interface";
    assert!(lines.contains(line), "{lines}");
    assert!(error.contains("must be changed"), "{error}");

    let (code, _, error) = doctor(&["--set", "xdp.bindings_max=0"]);
    assert_eq!(code, Some(2));
    assert!(error.contains("xdp.bindings_max: must be a whole number"), "{error}");
}
