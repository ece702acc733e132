//! `millrace-bench room` against our own server, started for the run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

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
    figure_of(report, name, "millrace")
}

fn figure_of(report: &Value, name: &str, server: &str) -> f64 {
    let value = &report["experiments"][0]["figures"][name][server]["median"];
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
fn somebody_who_only_listens_takes_little_memory() {
    let report = measure("memory", "--scenario audio --subscribers 60 --seconds 1");

    let each = figure(&report, "pss_bytes_per_participant");
    assert!((1.0..120_000.0).contains(&each), "{each} bytes");
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
fn webinars_are_joined_by_whip_and_whep() {
    let report = measure("whip", "--join whip --subscribers 3 --seconds 1");

    assert_whole(&report);
    assert_eq!(figure(&report, "expected"), 3.0 * figure(&report, "sent"));
}

/// A Janus on a loopback address of its own; it ends with this value.
struct Janus {
    child: Child,
    directory: PathBuf,
    url: String,
}

impl Janus {
    fn start(number: u32) -> Self {
        let process = std::process::id();
        let ip = format!("127.{}.{number}.1", 1 + process % 250);
        let directory = std::env::temp_dir().join(format!("room-janus-{process}-{number}"));
        fs::create_dir_all(&directory).unwrap();
        let file = |name: &str, text: &str| fs::write(directory.join(name), text).unwrap();
        file(
            "janus.jcfg",
            "general: { debug_level = 2 }\nmedia: { ipv6 = false }\n\
             transports: { disable = \"libjanus_http.so\" }\n",
        );
        file(
            "janus.transport.websockets.jcfg",
            &format!("general: {{ ws = true, ws_port = 8188, ws_ip = \"{ip}\" }}\n"),
        );
        file("janus.plugin.videoroom.jcfg", "general: { }\n");
        let place = directory.display();
        let child = Command::new("janus")
            .arg(format!("--config={place}/janus.jcfg"))
            .arg(format!("--configs-folder={place}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("janus is installed by .ci/install test");
        let began = Instant::now();
        while TcpStream::connect(format!("{ip}:8188")).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "Janus does not listen");
            thread::yield_now();
        }

        Self { child, directory, url: format!("ws://{ip}:8188") }
    }
}

impl Drop for Janus {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

#[test]
fn janus_is_loaded_as_our_own_server_is() {
    let janus = Janus::start(7);
    for (name, line) in [
        ("janus-webinar", "--publishers 2 --subscribers 3"),
        ("janus-meeting", "--scenario meeting --subscribers 3"),
    ] {
        let line = format!("--join janus --url {} --seconds 1 {line}", janus.url);
        let report = measure(name, &line);

        let value = |name| figure_of(&report, name, "server");
        assert!(value("received") > 0.0, "{report:#}");
        assert_eq!(value("received"), value("expected"), "{report:#}");
        assert_eq!(value("corrupted") + value("duplicates"), 0.0, "{report:#}");
    }
}

#[test]
fn a_server_that_dies_is_told_with_what_was_measured_until_then() {
    let janus = Janus::start(8);
    let line = "room --join janus --subscribers 2 --seconds 60 --url";
    let mut run = Command::new(env!("CARGO_BIN_EXE_millrace-bench"))
        .args(line.split(' '))
        .arg(&janus.url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(run.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.contains("1/60 s")), "it ended before the first second");
    drop(janus);

    let told: Vec<_> = said.collect();
    let output = run.wait_with_output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    let gone = |line: &String| {
        line.contains("closed the signalling line")
            || line.contains("signalling line broke")
            || line.contains("nobody listens")
    };
    assert!(told.iter().any(gone), "{told:#?}");
    assert!(table.contains("received"), "{table}");
}

#[test]
fn too_few_descriptors_are_told_before_anything_is_joined() {
    let program = env!("CARGO_BIN_EXE_millrace-bench");
    let url = "--url ws://127.0.0.1:1";
    let script = format!("ulimit -n 500; exec {program} room --subscribers 1000 {url}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("needs 3067 file descriptors"), "{}", error_of(&output));
}

#[test]
fn subscribers_get_the_layers_that_they_ask_for() {
    let report = measure("layers", "--simulcast --subscribers 6 --seconds 3");

    assert_whole(&report);
    for layer in ["received_large", "received_middle", "received_small"] {
        assert!(figure(&report, layer) > 0.0, "{layer}: {report:#}");
    }
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
        ("--join whip --publishers 2", "take one publisher"),
        ("--join janus", "needs the --url of a Janus"),
    ] {
        let arguments: Vec<_> = ["room"].into_iter().chain(line.split(' ')).collect();
        let output = bench(&arguments);

        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(error_of(&output).contains(words), "{line}: {}", error_of(&output));
    }
}

#[test]
fn faults_of_the_network_are_reported_and_no_others() {
    for (spec, fault) in [
        ("down:loss=5%,only=media", "lost"),
        ("down:duplicate=5%,only=media", "duplicates"),
        ("down:flip=5%,only=media", "corrupted"),
        ("down:reorder=5%,delay=20ms,only=media", "reordered"),
    ] {
        let line = "--subscribers 2 --rate 500 --seconds 2 --impair";
        let report = measure("faults", &format!("{line} {spec}"));

        let share = figure(&report, fault) / figure(&report, "expected");
        assert!((0.02..0.09).contains(&share), "{spec}: {share} of {fault}: {report:#}");
        for other in ["lost", "duplicates", "reordered", "corrupted"] {
            let count = figure(&report, other);
            assert!(other == fault || count == 0.0, "{spec}: {count} {other}: {report:#}");
        }
        let late = figure(&report, "latency_p50_us") > 20_000.0;
        assert_eq!(late, spec.contains("delay"), "{spec}");
    }
}

#[test]
fn server_that_dies_is_told_with_what_was_measured_until_then() {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_millrace-bench"))
        .args(["room", "--subscribers", "2", "--seconds", "60"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(bench.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("2/60 s")), "nothing was measured");
    let task = format!("/proc/{0}/task/{0}/children", bench.id());
    let server = fs::read_to_string(task).unwrap();
    let killed = Command::new("kill").args(["-9", server.trim()]).status().unwrap();
    assert!(killed.success(), "the server is not `{server}`");

    let rest: Vec<_> = lines.collect();
    let output = bench.wait_with_output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(rest.iter().any(|line| line.contains("the server ended (signal: 9")), "{rest:?}");
    let received = table.lines().find(|line| line.contains("received")).unwrap_or_default();
    assert!(received.contains(|c: char| ('1'..='9').contains(&c)), "{table}");
}

#[test]
fn files_that_cannot_be_written_are_told_before_anything_starts() {
    let output = bench(&["room", "--json", "/proc/no/such.json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).starts_with("millrace-bench: cannot write /proc/no/such.json"));
}
