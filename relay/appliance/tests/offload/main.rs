//! TURN that the kernel relays, with the running binary: client, relay and peer in namespaces.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../common/mod.rs"]
mod common;
mod lab;
#[path = "../../../../ebpf/loader/tests/lab/namespace.rs"]
mod namespace;
mod publisher;
mod steering;

use common::Service;
use common::turn::{Allocated, allocate_on};
use lab::{Lab, PEER};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CHANNEL: u16 = 0x4001;

/// Neighbours are refreshed every 30 seconds.
const REFRESHED_WITHIN: Duration = Duration::from_secs(45);

/// Time between two packets of a client that talks.
const PACE: Duration = Duration::from_millis(1);

const TO_PEER: &str = "millrace_relay_xdp_packets_total{direction=\"to_peer\"}";
const TO_CLIENT: &str = "millrace_relay_xdp_packets_total{direction=\"to_client\"}";
const BINDINGS: &str = "millrace_relay_xdp_bindings";

/// An allocation whose channel the kernel relays, and the peer's socket.
fn bound(lab: &Lab) -> (Allocated, UdpSocket) {
    let (peer, address) = lab.peer(6_000);
    let client = allocate_on(lab.client(5_000), "ann", "one").ok().unwrap();
    assert_eq!(client.relayed.ip().to_string(), "10.0.2.1");
    assert_eq!(client.bind(CHANNEL, address), Ok(()));
    // Neighbours are asked for by the first packets, which the stack sends.
    exchange(&client, &peer, 0);
    lab.until(BINDINGS, 1);

    (client, peer)
}

/// One packet each way; both must arrive as they are.
fn exchange(client: &Allocated, peer: &UdpSocket, number: u64) {
    let (mut bytes, data) = ([0; 64], number.to_be_bytes());
    client.send(CHANNEL, &data);
    let (len, from) = peer.recv_from(&mut bytes).unwrap();
    assert_eq!((from, &bytes[..len]), (client.relayed, &data[..]));
    peer.send_to(&data, from).unwrap();
    let expected = [&CHANNEL.to_be_bytes()[..], &[0, 8], &data].concat();
    assert_eq!(client.receive().unwrap(), expected);
}

/// What a client sends until it is told to stop, a packet each millisecond; how many: enough for
/// a hundredth of them to be some.
fn talk(client: &Allocated, stop: &AtomicBool) -> u64 {
    let mut sent = 0;
    while sent < 500 || !stop.load(Ordering::Relaxed) {
        client.send(CHANNEL, &u64::to_be_bytes(sent));
        sent += 1;
        std::thread::sleep(PACE);
    }

    sent
}

/// Tells who talks to stop.
struct Hush<'a>(&'a AtomicBool);

impl Drop for Hush<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How many packets a peer gets until there are no more.
fn listen(peer: &UdpSocket) -> u64 {
    peer.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let (mut bytes, mut got) = ([0; 64], 0);
    while peer.recv(&mut bytes).is_ok() {
        got += 1;
    }

    got
}

#[test]
fn the_kernel_relays_both_ways_and_what_it_relays_is_counted() {
    for mode in ["xdp.mode=driver", "xdp.mode=generic"] {
        let lab = Lab::new();
        let _service = lab.start(&[mode]);
        let (client, peer) = bound(&lab);
        let (up, down) = (lab.metric(TO_PEER), lab.metric(TO_CLIENT));
        let before = lab.metric("millrace_relay_datagrams_total{direction=\"in\"}");
        (1..=300).for_each(|number| exchange(&client, &peer, number));

        lab.until(TO_PEER, up + 300);
        lab.until(TO_CLIENT, down + 300);
        let seen = lab.metric("millrace_relay_datagrams_total{direction=\"in\"}") - before;
        assert!(seen < 10, "{mode}: the process saw {seen} of 600 packets");
        lab.until("millrace_turn_packets_total", 2 * 301);
        let list = ["turn", "list", "--json", "--set", "control.socket=control.sock"];
        let listed: Vec<serde_json::Value> =
            serde_json::from_slice(&lab.place.run(&list).stdout).unwrap();
        assert_eq!(listed[0]["sent"]["packets"], 301, "{listed:?}");
    }
}

#[test]
fn what_stands_outlives_a_killed_process() {
    let lab = Lab::new();
    let mut service = lab.start(&[]);
    let (client, peer) = bound(&lab);
    let stop = AtomicBool::new(false);
    let (sent, got) = std::thread::scope(|scope| {
        // Whatever fails: who talks must come to an end.
        let _hush = Hush(&stop);
        let talking = scope.spawn(|| talk(&client, &stop));
        let listening = scope.spawn(|| listen(&peer));
        service.signal("KILL");
        service.wait();
        assert!(lab.is_attached());
        service = lab.start(&[]);
        stop.store(true, Ordering::Relaxed);
        (talking.join().unwrap(), listening.join().unwrap())
    });
    assert!(got * 100 >= sent * 99, "{got} of {sent} arrived");

    assert_eq!(client.refresh(), Ok(()), "by the process that goes on");
    assert_eq!(client.bind(CHANNEL, PEER.parse().unwrap()), Ok(()));
    lab.until("millrace_turn_allocations_adopted_total", 1);
    lab.until(BINDINGS, 1);
    exchange(&client, &peer, 7);

    assert_eq!(client.end(), Ok(()));
    lab.until(BINDINGS, 0);
    client.send(CHANNEL, b"nobody");
    assert_eq!(listen(&peer), 0, "the channel is gone");

    service.signal("TERM");
    assert_eq!(service.wait().0, Some(0));
    assert!(lab.is_attached(), "a restart is no end");
    assert!(lab.detach().contains("link-c0"));
    // The kernel frees a link a moment after nobody holds it.
    let gone = (0..200).any(|_| !lab.is_attached());
    assert!(gone, "the program is still attached");
    assert!(lab.detach().starts_with("nothing is pinned"));
}

/// coturn's client (Debian package coturn), by channels to coturn's peer.
#[test]
fn another_makers_client_loses_nothing_by_the_kernel() {
    let lab = Lab::new();
    let _service = lab.start(&[]);
    let _peer = Service {
        child: lab.within(&lab.peer, "turnutils_peer", &["-L", "10.0.2.2"]).spawn().unwrap(),
    };
    let args = ["-u", "ann", "-w", "one", "-n", "200", "-z", "5", "-c", "-e", "10.0.2.2"];
    let mut client = lab.within(&lab.client, "turnutils_uclient", &args);
    let output = client.arg("10.0.1.1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("Total lost packets 0 (0.000000%)"), "{text}");

    for direction in [TO_PEER, TO_CLIENT] {
        lab.until_it_is(direction, |relayed| relayed >= 190);
    }
}

#[test]
fn a_full_map_leaves_the_rest_to_the_process() {
    let lab = Lab::new();
    let _service = lab.start(&["xdp.bindings_max=1"]);
    let (first, peer) = bound(&lab);
    let (other, address) = lab.peer(6_001);
    let second = allocate_on(lab.client(5_001), "ann", "one").ok().unwrap();
    assert_eq!(second.bind(CHANNEL, address), Ok(()));
    lab.until("millrace_relay_xdp_refused_total{reason=\"full\"}", 1);
    lab.until("millrace_relay_xdp_missed", 1);

    exchange(&first, &peer, 1);
    exchange(&second, &other, 2);
    assert_eq!(lab.metric(BINDINGS), 1);

    assert_eq!(first.end(), Ok(()));
    lab.until("millrace_relay_xdp_missed", 0);
    lab.until(BINDINGS, 1);
    let relayed = lab.metric(TO_PEER);
    exchange(&second, &other, 3);
    lab.until(TO_PEER, relayed + 1);
    assert_eq!(lab.metric("millrace_relay_xdp_refused_total{reason=\"full\"}"), 1);
}

#[test]
fn neighbours_that_only_the_kernel_sends_to_are_asked_for_again() {
    let lab = Lab::new();
    let _service = lab.start(&[]);
    let (client, peer) = bound(&lab);
    let state = || lab.relay.output(&["neigh", "show", "10.0.2.2", "dev", "p0"]);
    lab.relay.ip("neigh change 10.0.2.2 nud stale dev p0");
    (0..200).for_each(|number| exchange(&client, &peer, number));
    assert!(state().contains("STALE"), "what XDP sends is no use of it: {}", state());

    let until = Instant::now() + REFRESHED_WITHIN;
    while state().contains("STALE") {
        assert!(Instant::now() < until, "{}", state());
        exchange(&client, &peer, 0);
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn what_is_asked_for_and_not_possible_is_said_before_anything_is_served() {
    let lab = Lab::new();
    let line = lab.refused(&["xdp.interface=eth9"]);
    assert!(line.contains("xdp.interface = eth9: there is no such interface"), "{line}");
    let line = lab.refused(&["xdp.pins=pins"]);
    assert!(line.contains("mount -t bpf bpf /sys/fs/bpf"), "{line}");
    let line = lab.refused(&["xdp.mode=fast"]);
    assert!(line.contains("not one of \"driver\", \"generic\""), "{line}");
    let line = lab.refused(&["xdp.interface=a name that no interface has"]);
    assert!(line.contains("is not an interface"), "{line}");

    let _service = lab.start(&[]);
    let pins = format!("xdp.pins={}-2", lab.pins());
    let others = ["media.listen=10.0.1.1:3479", "metrics.listen=127.0.0.1:9479"];
    let line = lab.refused(&[&[pins.as_str(), "control.socket=other.sock"], &others[..]].concat());
    assert!(line.contains("another XDP program is attached"), "{line}");
}
