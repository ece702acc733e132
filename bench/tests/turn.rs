//! `millrace-bench turn` against coturn, against faults of a network, and against wrong input.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod proxy;

use proxy::{Proxy, bare_relay, bench, error_of, strict_server};
use relay_wire::stun::Class;
use serde_json::Value;
use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Runs the bench, writes JSON and reads it.
fn measure(name: &str, arguments: &[&str]) -> Value {
    let file = std::env::temp_dir().join(format!("bench-{name}-{}.json", std::process::id()));
    let path = file.display().to_string();
    let output = bench(&[&["turn", "--json", &path], arguments].concat());
    assert!(output.status.success(), "{}", error_of(&output));
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();

    serde_json::from_str(&text).unwrap()
}

/// Whether these tests run as root.
fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn median(report: &Value, experiment: usize, figure: &str, server: &str) -> f64 {
    let value = &report["experiments"][experiment]["figures"][figure][server]["median"];
    value.as_f64().unwrap_or_else(|| panic!("no {figure} of {server} in {report:#}"))
}

#[test]
fn faults_of_the_network_are_reported_as_they_were() {
    let all = "loss=3%,duplicate=3%,reorder=3%,flip=3%,delay=20ms";
    for (row, direction) in [
        ("loss=1%", "up"),
        ("loss=10%,burst=5", "up"),
        ("duplicate=10%", "up"),
        ("reorder=10%", "up"),
        ("flip=10%", "up"),
        (all, "up"),
        (all, "down"),
    ] {
        let relay = bare_relay();
        let proxy = Proxy::start(relay.address, &format!("{row},only=media"));
        let line = "--clients 1 --size 172 --rate 1000 --seconds 1 --settle-ms 0 --repeat 1";
        let mut arguments = vec!["--server", &proxy.address, "--direction", direction];
        arguments.extend(line.split(' '));

        let report = measure(direction, &arguments);
        let told = proxy.stop();

        let told = |name: &str| told[name].as_u64().unwrap();
        let figure = |name| median(&report, 0, name, "server") as u64;
        assert!(told("packets") > 100, "{direction}: only {} packets", told("packets"));
        let done = ["lost", "duplicated", "reordered", "flipped"].map(told);
        assert!(done.iter().sum::<u64>() > 0, "{row}: the proxy did nothing");
        // Downwards what never reached the proxy is the relay's loss, of which there is none.
        assert_eq!(figure("sent"), told("packets"), "{row} {direction}");
        let seen = ["lost", "duplicates", "reordered", "corrupted"].map(figure);
        assert_eq!(seen, done, "{row} {direction}");
        let received = told("sent") - told("duplicated") - told("flipped");
        assert_eq!(figure("received"), received, "{row} {direction}");
        if row.contains("delay") {
            let latency = median(&report, 0, "latency_p50_us", "server");
            assert!((20_000.0..30_000.0).contains(&latency), "{latency} us");
        }
    }
}

#[test]
fn coturn_is_measured_by_every_transport_beside_bare_sockets() {
    let line = "--compare coturn --without-millrace --transport udp,tcp,tls --direction both,c2c \
                --burst 8 --size 173 --clients 2 --rate 800 --seconds 1 --settle-ms 100 --repeat 1";
    let report = measure("coturn", &line.split_whitespace().collect::<Vec<_>>());

    for experiment in 0..6 {
        assert!(median(&report, experiment, "received", "coturn") > 0.0);
        assert!(median(&report, experiment, "cpu_us_per_packet", "coturn") > 0.0);
        for fault in ["corrupted", "duplicates"] {
            assert_eq!(median(&report, experiment, fault, "coturn"), 0.0);
        }
    }
    for server in ["bare", "bare+gso"] {
        assert!(median(&report, 0, "received", server) > 0.0);
        assert!(median(&report, 1, "received", server) > 0.0);
        assert!(report["experiments"][2]["figures"]["received"][server].is_null());
    }
}

#[test]
fn coturn_s_allocations_and_strangers_are_measured() {
    let line = "--compare coturn --without-millrace --allocations 200 --flood 300 --repeat 1";
    let report = measure("kept", &line.split(' ').collect::<Vec<_>>());

    assert!(median(&report, 0, "cpu_us_per_allocation", "coturn") > 0.0);
    assert!(median(&report, 0, "pss_bytes_per_allocation", "coturn") > 1_000.0);
    assert_eq!(median(&report, 1, "answered", "coturn"), 1.0);
    // coturn answers a bare Allocate with a challenge of five times its size.
    assert!(median(&report, 1, "answer_by_bare_allocate", "coturn") > 2.0);
}

#[test]
fn our_own_server_relays_by_every_transport_without_a_fault() {
    let line = "--transport udp,tcp,tls --direction both,c2c --burst 8 --size 173 --clients 2 \
                --rate 800 --seconds 1 --settle-ms 100 --repeat 1";
    let report = measure("own", &line.split_whitespace().collect::<Vec<_>>());

    for experiment in 0..6 {
        assert!(median(&report, experiment, "received", "millrace") > 0.0);
        for fault in ["corrupted", "duplicates"] {
            assert_eq!(median(&report, experiment, fault, "millrace"), 0.0);
        }
    }
}

#[test]
fn our_own_server_keeps_nothing_of_strangers_and_answers_them_briefly() {
    let report =
        measure("strangers", &["--allocations", "500", "--flood", "6000", "--repeat", "1"]);

    // coturn 4.6.1 keeps 20 kB of each.
    assert!(median(&report, 1, "pss_bytes_per_source", "millrace") < 100.0, "{report:#}");
    for answer in ["answer_by_binding", "answer_by_bare_allocate", "answer_by_allocate"] {
        assert!(median(&report, 1, answer, "millrace") <= 2.0, "{answer}");
    }
}

#[test]
fn a_network_that_is_asked_for_is_reported_with_what_it_did() {
    let line = "--clients 5 --rate 2000 --seconds 1 --repeat 1 --network loopback \
                --impair up:loss=20%,delay=400ms,only=media";
    let report = measure("impaired", &line.split_whitespace().collect::<Vec<_>>());

    let loss = median(&report, 0, "loss", "millrace");
    assert!((0.15..0.25).contains(&loss), "{loss}");
    // What takes longer than the harness waits for stragglers is not lost either.
    assert!(median(&report, 0, "latency_p50_us", "millrace") > 400_000.0);
    let text = report.to_string();
    assert!(text.contains("the impaired network lost"), "{text}");
}

#[test]
fn packets_cross_namespaces_where_we_may_make_them() {
    for kind in ["veth", "veth6"] {
        let line = format!("--clients 5 --rate 2000 --seconds 1 --repeat 1 --network {kind}");
        let arguments: Vec<_> = ["turn"].into_iter().chain(line.split(' ')).collect();
        if !is_root() {
            let output = bench(&arguments);
            assert_eq!(output.status.code(), Some(1));
            assert!(error_of(&output).contains("--network loopback does without"));
            continue;
        }

        let report = measure(kind, &arguments[1..]);
        assert!(median(&report, 0, "received", "millrace") > 1_000.0);
        assert_eq!(median(&report, 0, "corrupted", "millrace"), 0.0);
        assert!(median(&report, 0, "napi_us_per_packet", "millrace") > 0.0);
    }
}

#[test]
fn what_xdp_relays_costs_the_process_nothing_where_we_may_have_it() {
    for (kind, load) in [
        ("veth", "--offload --inject"),
        ("veth6", "--offload --inject"),
        ("veth", "--offload --rate 2000"),
    ] {
        let line = format!("{load} --clients 3 --size 1000 --seconds 1 --repeat 1");
        let line = format!("{line} --network {kind}");
        let arguments: Vec<_> = ["turn"].into_iter().chain(line.split(' ')).collect();
        if !is_root() {
            assert_eq!(bench(&arguments).status.code(), Some(1), "{line}");
            continue;
        }

        let report = measure("xdp", &arguments[1..]);
        let of = |figure, server| median(&report, 0, figure, server);
        assert!(of("relayed_per_second", "millrace-xdp") > 100.0, "{line}");
        let [ours, plain] = ["millrace-xdp", "millrace"].map(|s| of("cpu_us_per_packet", s));
        assert!(ours * 2.0 < plain, "{line}: the process spent {ours} us, without XDP {plain} us");
        assert!(of("loss", "millrace-xdp") < 0.1, "{line}");
    }
}

#[test]
fn what_takes_cards_says_so_where_there_are_none() {
    for (load, words) in [
        ("--inject", "--network veth-plain"),
        ("--offload", "--network veth-plain"),
        ("--inject --direction down", "leave --direction at up"),
    ] {
        let line = format!("turn --network loopback {load}");
        let output = bench(&line.split(' ').collect::<Vec<_>>());

        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(error_of(&output).contains(words), "{line}: {}", error_of(&output));
    }
}

#[test]
fn server_that_dies_is_told_with_what_was_measured_until_then() {
    let relay = bare_relay();
    let server = relay.address.to_string();
    let line = "--clients 1 --rate 5000 --seconds 60 --settle-ms 0 --repeat 2";
    let bench = Command::new(env!("CARGO_BIN_EXE_millrace-bench"))
        .args(["turn", "--server", &server])
        .args(line.split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    relay.die_after(Duration::from_millis(30));
    let output = bench.wait_with_output().unwrap();

    let table = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("no server at"), "{}", error_of(&output));
    let received = table.lines().find(|line| line.contains("received")).unwrap_or_default();
    assert!(received.chars().any(|c| c.is_ascii_digit() && c != '0'), "{table}");
}

#[test]
fn absent_server_is_told_at_once() {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    for (transport, by) in [("udp", "UDP"), ("tcp", "TCP"), ("tls", "TCP")] {
        let output = bench(&["turn", "--server", &free, "--transport", transport]);

        assert_eq!(output.status.code(), Some(1));
        let expected = format!("no server at {free} by {by}");
        assert!(error_of(&output).contains(&expected), "{}", error_of(&output));
    }
}

#[test]
fn wrong_credentials_and_other_refusals_are_told_at_once() {
    let rows = [
        (401, "Unauthorized", vec!["--user", "bob", "--pass", "x"], "refuses user \"bob\""),
        (401, "Unauthorized", vec!["--secret", "x"], "wrong credentials"),
        (401, "Unauthorized", vec![], "wants credentials: give --user and --pass, or --secret"),
        (486, "Quota", vec![], "refuses Allocate: 486 Quota"),
    ];
    for (code, reason, credentials, words) in rows {
        let server = strict_server(Class::Error, code, reason);
        let address = server.to_string();
        let output = bench(&[vec!["turn", "--server", &address], credentials].concat());

        assert_eq!(output.status.code(), Some(1));
        assert!(error_of(&output).contains(words), "{words}: {}", error_of(&output));
    }
}

#[test]
fn too_few_descriptors_are_told_before_anything_starts() {
    let program = env!("CARGO_BIN_EXE_millrace-bench");
    let script = format!("ulimit -n 500; exec {program} turn --allocations 1000");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(error_of(&output).contains("needs 1653 file descriptors"), "{}", error_of(&output));
    assert!(error_of(&output).contains("the hard limit here is 500"));
}

#[test]
fn wrong_arguments_exit_with_two() {
    for line in [
        "--rate 0",
        "--size 8",
        "--size 4000",
        "--burst 0",
        "--direction sideways",
        "--user bob",
        "--server nowhere",
        "--server 127.0.0.1:1 --compare coturn",
        "--without-millrace",
        "--saturate --rate 5",
        "--inject --rate 5",
        "--offload --server 127.0.0.1:1",
        "--seconds 1000",
        "--impair loss=200%",
        "--network veth --server 127.0.0.1:1",
    ] {
        let arguments: Vec<_> = ["turn"].into_iter().chain(line.split(' ')).collect();
        assert_eq!(bench(&arguments).status.code(), Some(2), "{line}");
    }
}
