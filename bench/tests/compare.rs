//! `millrace-bench compare`: peers that work, that fail and that are missing, and a person who ends
//! it early.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A directory that ends with the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("bench-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// An adapter's file for a TURN server that is really `program` with some arguments.
    fn adapter(&self, name: &str, program: &str) -> String {
        let path = self.0.join(format!("{name}.toml"));
        let text = format!(
            "name = \"{name}\"\nkind = \"turn\"\npackage = \"the package of {name}\"\n\
             program = \"{program}\"\nversion = [\"--version\"]\n\
             ready = {{ stun = \"{{ip}}:{{port}}\" }}\n[turn]\naddress = \"{{ip}}:{{port}}\"\n"
        );
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn compare(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace-bench"));
    // Private directories of servers that are killed stay: here they end with the test.
    command.current_dir(directory).env("TMPDIR", directory).arg("compare").args(arguments);
    command
}

fn report(directory: &Path) -> (Value, String) {
    let json = fs::read_to_string(directory.join("compare.json")).unwrap();
    let html = fs::read_to_string(directory.join("compare.html")).unwrap();

    (serde_json::from_str(&json).unwrap(), html)
}

/// Starts a long comparison, and gives the lines that it writes.
fn start(directory: &Path) -> (Child, impl Iterator<Item = String>) {
    let mut command = compare(directory, &["--only", "turn"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);

    (child, lines)
}

#[test]
fn peers_are_measured_and_those_that_fail_or_are_missing_are_named() {
    let directory = Directory::new("compare");
    let broken = directory.adapter("broken", "false");
    let absent = directory.adapter("absent", "no-such-turn-server");
    let arguments = ["--quick", "--adapter", &broken, "--adapter", &absent];
    let output = compare(&directory.0, &arguments).output().unwrap();

    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(errors.contains("absent is left out") && errors.contains("the package of absent"));
    let (json, html) = report(&directory.0);
    let first = &json["experiments"][0];
    for server in ["millrace", "coturn", "bare"] {
        let cpu = &first["figures"]["cpu_us_per_packet"][server]["median"];
        assert!(cpu.as_f64().unwrap() > 0.0, "{server}: {first:#}");
    }
    let notes = first["notes"].to_string();
    assert!(notes.contains("broken: failed: broken does not start"), "{notes}");
    assert_eq!(json["schema"], 1);
    let rooms = json["experiments"].as_array().unwrap().last().unwrap();
    for server in ["millrace", "janus", "janus-tuned"] {
        let received = &rooms["figures"]["received"][server]["median"];
        assert!(received.as_f64().unwrap() > 0.0, "{server}: {rooms:#}");
    }
    for words in ["the package of absent", "broken does not start", "millrace-bench turn"] {
        assert!(html.contains(words), "{words}");
    }
    assert!(!html.contains("http"), "the page loads something");
}

#[test]
fn whoever_interrupts_gets_what_was_measured() {
    let directory = Directory::new("interrupted");
    let (mut child, mut lines) = start(&directory.0);

    assert!(lines.any(|line| line.contains("1/3 coturn: CPU per packet")));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let rest: Vec<_> = lines.collect();

    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(rest.iter().any(|line| line.contains("interrupted")), "{rest:?}");
    let (json, _) = report(&directory.0);
    assert_eq!(json["experiments"].as_array().unwrap().len(), 1);
    let figures = &json["experiments"][0]["figures"]["cpu_us_per_packet"];
    assert!(figures["coturn"]["median"].as_f64().unwrap() > 0.0);
}

#[test]
fn servers_end_with_us_even_if_we_are_killed() {
    let directory = Directory::new("killed");
    let (mut child, mut lines) = start(&directory.0);
    assert!(lines.any(|line| line.contains("1/3 millrace: CPU per packet")));
    // coturn's turn has begun, or is about to.
    let children = format!("/proc/{0}/task/{0}/children", child.id());
    let mut servers = (0..1_000_000).map(|_| fs::read_to_string(&children).unwrap());
    let server = servers.find(|pids| !pids.is_empty()).unwrap();
    let exe = format!("/proc/{}/exe", server.trim());
    assert!(fs::read_link(&exe).is_ok());

    child.kill().unwrap();
    child.wait().unwrap();

    assert!((0..1_000_000).any(|_| fs::read_link(&exe).is_err()), "{exe} is there still");
}

#[test]
fn what_cannot_work_is_told_before_anything_starts() {
    let directory = Directory::new("wrong");
    let file = directory.adapter("coturn", "turnserver");
    for (arguments, words) in [
        (["--html", "no/such/directory.html"], "cannot write no/such/directory.html"),
        (["--adapter", &file], "there is a server `coturn` already"),
        (["--adapter", "none.toml"], "cannot read none.toml"),
    ] {
        let output = compare(&directory.0, &arguments).output().unwrap();

        assert_eq!(output.status.code(), Some(1));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(words), "{errors}");
    }
    let output = compare(&directory.0, &["--repeat", "0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
