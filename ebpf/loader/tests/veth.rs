//! What a veth pair needs for frames of XDP to arrive: pitfalls that look like a relay's faults,
//! since they are counted as relayed.

mod lab;

use ebpf_loader::{Binding, Mode, Offload};
use lab::{Lab, TO_CLIENT, TO_PEER, binding, options, payload};
use std::net::UdpSocket;
use std::time::Duration;

/// Longest wait for a datagram that is on its way.
const PATIENCE: Duration = Duration::from_secs(5);

/// The lab with the program in the middle, and a socket at both ends.
fn with_sockets(test: impl FnOnce(&Lab, &mut Offload, &Ends) + Send) {
    let lab = Lab::new();
    lab.relay.enter(|| {
        let all = options(&[TO_CLIENT, TO_PEER], Mode::Driver);
        let mut offload = Offload::attach(&all).expect("root");
        let bound = binding(true, true);
        offload.bind(&bound).expect("room");
        let client = lab.client.enter(|| UdpSocket::bind(bound.key.client).expect("its address"));
        let peer = lab.peer.enter(|| UdpSocket::bind(bound.peer).expect("its address"));
        peer.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        test(&lab, &mut offload, &Ends { bound, client, peer });
    });
}

struct Ends {
    bound: Binding,
    client: UdpSocket,
    peer: UdpSocket,
}

impl Ends {
    fn send(&self, data: &[u8]) {
        let datagram = payload(self.bound.key.channel, data);
        self.client.send_to(&datagram, self.bound.key.server).expect("sent");
    }

    /// The next datagram that the peer gets.
    fn arrives(&self) -> Vec<u8> {
        let mut buffer = [0; 2_000];
        let len = self.peer.recv(&mut buffer).expect("a datagram");

        buffer[..len].to_vec()
    }
}

/// Waits until the kernel has relayed so many packets more.
fn relayed(offload: &mut Offload, count: u64) {
    let until = std::time::Instant::now() + PATIENCE;
    let mut packets = 0;
    while packets < count {
        assert!(std::time::Instant::now() < until, "{packets} of {count} were relayed");
        offload.counters(|_, counted| packets += counted.up.packets).expect("counters");
    }
}

#[test]
fn the_far_end_takes_frames_only_with_a_program_or_gro() {
    with_sockets(|lab, offload, ends| {
        lab.peer.exec(&["ethtool", "-K", "eth0", "gro", "off"]);
        ends.send(b"lost");
        relayed(offload, 1);
        lab.peer.exec(&["ethtool", "-K", "eth0", "gro", "on"]);
        ends.send(b"by GRO");
        assert_eq!(ends.arrives(), b"by GRO");
        lab.peer.exec(&["ethtool", "-K", "eth0", "gro", "off"]);
        ends.send(b"lost too");
        relayed(offload, 2);
        let _far = lab.far_ends(Mode::Driver);
        ends.send(b"by a program");
        assert_eq!(ends.arrives(), b"by a program");
    });
}

#[test]
fn a_checksum_that_was_left_to_a_card_is_wrong_on_the_way() {
    with_sockets(|lab, offload, ends| {
        let _far = lab.far_ends(Mode::Driver);
        lab.client.exec(&["ethtool", "-K", "eth0", "tx", "on"]);
        ends.send(b"left to the card");
        relayed(offload, 1);
        lab.client.exec(&["ethtool", "-K", "eth0", "tx", "off"]);
        ends.send(b"computed");
        assert_eq!(ends.arrives(), b"computed");
    });
}
