//! Client, relay and peer in three namespaces: real sockets at both ends, nobody in the middle but
//! the program.

mod lab;

use ebpf_loader::{Binding, Counted, Injector, Mode, Offload, Sink};
use lab::{Frame, Lab, TO_CLIENT, TO_PEER, binding, options, payload};
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Datagrams each way; a veth's ring holds 256.
const COUNT: u16 = 200;

/// Longest wait for a datagram that is on its way.
const PATIENCE: Duration = Duration::from_secs(5);

fn socket(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("the namespace has the address");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");

    socket
}

/// The peer sends each datagram back, in capitals, to whom it came from.
fn echo(peer: &UdpSocket, relayed: SocketAddr) {
    let mut buffer = [0; 2_000];
    for _ in 0..COUNT {
        let (len, from) = peer.recv_from(&mut buffer).expect("the client's datagram");
        assert_eq!(from, relayed);
        buffer[..len].make_ascii_uppercase();
        peer.send_to(&buffer[..len], from).expect("sent");
    }
}

/// The client sends on its channel, and reads what comes back.
fn talk(client: &UdpSocket, server: SocketAddr) {
    let mut buffer = [0; 2_000];
    for number in 0..COUNT {
        let data = format!("datagram {number} {}", "x".repeat(usize::from(number) * 7));
        client.send_to(&payload(0x4001, data.as_bytes()), server).expect("sent");
        let (len, from) = client.recv_from(&mut buffer).expect("the peer's datagram");
        let expected = payload(0x4001, data.to_ascii_uppercase().as_bytes());
        assert_eq!((from, &buffer[..len]), (server, &expected[..]));
    }
}

fn relays(mode: Mode) {
    let lab = Lab::new();
    let _far = lab.far_ends(mode);
    lab.relay.enter(|| {
        let mut offload = Offload::attach(&options(&[TO_CLIENT, TO_PEER], mode)).expect("root");
        for (client_ipv4, peer_ipv4) in [(true, true), (true, false), (false, true), (false, false)]
        {
            let bound: Binding = binding(client_ipv4, peer_ipv4);
            offload.bind(&bound).expect("room");
            let (ready, is_ready) = mpsc::channel();
            std::thread::scope(|scope| {
                let peer = scope.spawn(|| {
                    lab.peer.enter(|| {
                        let peer = socket(bound.peer);
                        ready.send(()).expect("the test waits");
                        echo(&peer, bound.relayed);
                    });
                });
                is_ready.recv().expect("the peer listens");
                lab.client.enter(|| talk(&socket(bound.key.client), bound.key.server));
                peer.join().expect("the peer has echoed");
            });
            let Counted { up, down } = offload.unbind(&bound.key).expect("bound");
            let count = u64::from(COUNT);
            assert_eq!((up.packets, down.packets, up.bytes), (count, count, down.bytes));
        }
    });
}

#[test]
fn sockets_talk_through_the_driver() {
    relays(Mode::Driver);
}

#[test]
fn sockets_talk_through_the_generic_way() {
    relays(Mode::Generic);
}

#[test]
fn injected_frames_are_all_the_same() {
    let lab = Lab::new();
    let _far = lab.far_ends(Mode::Driver);
    lab.relay.enter(|| {
        let mut offload =
            Offload::attach(&options(&[TO_CLIENT, TO_PEER], Mode::Driver)).expect("root");
        let bound = binding(true, true);
        offload.bind(&bound).expect("room");
        let data = payload(0x4001, &[7; 1_000]);
        let frame = [Frame::new(bound.key.client, bound.key.server, &data).bytes()];
        let mut relayed = 0;
        // Few at a time: a veth's ring holds 256.
        for _ in 0..20 {
            lab.client.enter(|| {
                Injector::new("eth0", &frame).expect("root").send(100).expect("a driver with XDP");
            });
            let until = Instant::now() + PATIENCE;
            let wanted = relayed + 100;
            while relayed < wanted {
                assert!(Instant::now() < until, "{relayed} of {wanted} frames were relayed");
                let count = |_, counted: Counted| relayed += counted.up.packets;
                offload.counters(count).expect("counters");
            }
        }
        assert_eq!(relayed, 2_000);
    });
}

#[test]
fn injected_frames_go_in_turn_and_a_sink_takes_those_for_its_port() {
    let lab = Lab::new();
    let _sender = lab.client.enter(|| Sink::attach("eth0").expect("root"));
    let mut sink = lab.peer.enter(|| Sink::attach("eth0").expect("root"));
    lab.relay.enter(|| {
        let mut offload =
            Offload::attach(&options(&[TO_CLIENT, TO_PEER], Mode::Driver)).expect("root");
        for (client_ipv4, peer_ipv4) in [(true, true), (false, false)] {
            let bound = binding(client_ipv4, peer_ipv4);
            offload.bind(&bound).expect("room");
            sink.take(bound.peer.port()).expect("a map");
            let before = sink.taken().expect("a counter");
            // The second of them is of no channel that is bound.
            let frames = [0x4001, 0x4002].map(|channel| {
                let data = payload(channel, &[7; 1_000]);
                Frame::new(bound.key.client, bound.key.server, &data).bytes()
            });
            lab.client.enter(|| {
                let injector = Injector::new("eth0", &frames).expect("root");
                injector.send(100).expect("a driver with XDP");
            });
            let until = Instant::now() + PATIENCE;
            while sink.taken().expect("a counter") < before + 50 {
                assert!(Instant::now() < until, "{:?}", sink.taken());
                std::thread::yield_now();
            }
            assert_eq!(offload.unbind(&bound.key).expect("bound").up.packets, 50);
            assert_eq!(sink.taken().expect("a counter"), before + 50);
        }
    });
}

#[test]
fn a_stale_neighbour_is_asked_for_again() {
    let lab = Lab::new();
    lab.relay.enter(|| {
        let offload = Offload::attach(&options(&[TO_CLIENT, TO_PEER], Mode::Driver)).expect("root");
        let _far = lab.far_ends(Mode::Driver);
        lab.relay.exec(&["sysctl", "-qw", "net.ipv4.neigh.p0.delay_first_probe_time=0"]);
        let state = || lab.relay.output(&["neigh", "show", "10.0.2.2", "dev", TO_PEER]);
        lab.relay.ip(&format!("neigh change 10.0.2.2 nud stale dev {TO_PEER}"));
        assert!(state().contains("STALE"), "{}", state());
        assert!(offload.refresh_neighbours().expect("netlink") >= 1);
        let until = Instant::now() + PATIENCE;
        while !state().contains("REACHABLE") {
            assert!(Instant::now() < until, "{}", state());
            std::thread::yield_now();
        }
    });
}
