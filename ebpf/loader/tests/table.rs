//! Packet in, verdict, packet out: the table of docs/xdp.md, run by the kernel.

mod lab;

use ebpf_loader::{Action, Mode, Offload};
use lab::{Frame, Lab, TO_CLIENT, TO_PEER, binding, options, payload};

/// IPv4 or IPv6 on either side.
const FAMILIES: [(bool, bool); 4] = [(true, true), (true, false), (false, true), (false, false)];

#[test]
fn channel_data_becomes_a_datagram_to_the_peer_and_back() {
    let lab = Lab::new();
    lab.relay.enter(|| {
        let mut offload = Offload::attach(&options(&[TO_CLIENT, TO_PEER], Mode::Driver)).unwrap();
        let [(_, to_client), (_, to_peer)] = offload.interfaces() else { panic!("two") };
        let (to_client, to_peer) = (*to_client, *to_peer);
        for (client_ipv4, peer_ipv4) in FAMILIES {
            let binding = binding(client_ipv4, peer_ipv4);
            offload.bind(&binding).unwrap();
            let (client, server) = (binding.key.client, binding.key.server);
            let (relayed, peer) = (binding.relayed, binding.peer);
            let data = payload(0x4001, b"hello");

            let up = offload.try_frame(to_client, &Frame::new(client, server, &data).bytes(), 1);
            let back = Frame::new(peer, relayed, b"hello").macs(lab::RELAY_MAC_2, lab::PEER_MAC);
            let down = offload.try_frame(to_peer, &back.bytes(), 1);

            let expected =
                Frame::new(relayed, peer, b"hello").macs(lab::PEER_MAC, lab::RELAY_MAC_2);
            let up = up.unwrap();
            assert_eq!((up.action, up.frame), (Action::Redirect, expected.bytes()));
            let expected = Frame::new(server, client, &data).macs(lab::CLIENT_MAC, lab::RELAY_MAC);
            let down = down.unwrap();
            assert_eq!((down.action, down.frame), (Action::Redirect, expected.bytes()));
        }
    });
}
