//! Packet in, verdict, packet out: the table of docs/xdp.md, run by the kernel.

mod lab;

use ebpf_loader::{Binding, BindingKey, Mode, Offload, Way};
use lab::Expect::{Dropped, Passed, Redirected, Transmitted};
use lab::{CLIENT_MAC, Frame, Lab, PEER_MAC, RELAY_MAC, RELAY_MAC_2, TO_CLIENT, TO_PEER, Table};
use lab::{address, binding, down, in_the_lab, options, payload, row, up, with_ipv4_checksum};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// IPv4 or IPv6 on either side.
const FAMILIES: [(bool, bool); 4] = [(true, true), (true, false), (false, true), (false, false)];

#[test]
fn channel_data_becomes_a_datagram_to_the_peer_and_back() {
    in_the_lab(|table, _| {
        for (client_ipv4, peer_ipv4) in FAMILIES {
            let binding = binding(client_ipv4, peer_ipv4);
            table.offload.bind(&binding).unwrap();
            for data in [&b""[..], b"x", b"hello", &[0x40, 1, 0, 0], &[7; 1_000], &[0; 33]] {
                let name = format!("{} bytes, IPv4: {client_ipv4}, {peer_ipv4}", data.len());
                let (input, output) = up(&binding, data);
                table.client_sends([row(&name, input.bytes(), Redirected(output.bytes()))]);
                let (input, output) = down(&binding, data);
                table.peer_sends([row(&name, input.bytes(), Redirected(output.bytes()))]);
            }
        }
    });
}

#[test]
fn a_peer_behind_the_same_interface_is_answered_there() {
    in_the_lab(|table, _| {
        let relayed = address(true, 1, 1, 50_000);
        let binding = Binding { relayed, peer: address(true, 1, 2, 6_000), ..binding(true, true) };
        table.offload.bind(&binding).unwrap();
        let (input, output) = up(&binding, b"hello");
        let output = output.macs(CLIENT_MAC, RELAY_MAC).bytes();
        table.client_sends([row("up", input.bytes(), Transmitted(output))]);
        let (input, output) = down(&binding, b"hello");
        let input = input.macs(RELAY_MAC, CLIENT_MAC).bytes();
        table.client_sends([row("down", input, Transmitted(output.bytes()))]);
    });
}

#[test]
fn checksums_are_those_of_a_sender_that_computes_them() {
    in_the_lab(|table, _| {
        let four = binding(true, true);
        table.offload.bind(&four).unwrap();
        let (input, output) = up(&four, b"hello");
        let (none, none_out) = (input.clone().without_checksum(), output.without_checksum());
        let mut wrong = input.bytes();
        *wrong.last_mut().unwrap() ^= 1;
        let mut wrong_out = up(&four, b"hello").1.bytes();
        *wrong_out.last_mut().unwrap() ^= 1;
        // A sum whose complement is 0 is sent as 0xffff: the data that makes it so.
        let checksum = |frame: &Frame| frame.bytes()[14 + 26..14 + 28].to_vec();
        let zero = (0..=u16::MAX).map(u16::to_be_bytes);
        let zero = zero.map(|data| up(&four, &data)).find(|(_, out)| checksum(out) == [0xff; 2]);
        let (zero, zero_out) = zero.expect("one word of 65,536");
        table.client_sends([
            row("none in IPv4 stays none", none.bytes(), Redirected(none_out.bytes())),
            row("a wrong one stays wrong", wrong, Redirected(wrong_out)),
            row("0 is sent as 0xffff", zero.bytes(), Redirected(zero_out.bytes())),
        ]);

        let mixed = binding(true, false);
        table.offload.bind(&mixed).unwrap();
        let to_six = up(&mixed, b"hello").0.without_checksum();
        table.client_sends([row("none, to IPv6", to_six.bytes(), Passed("no_checksum"))]);
        let six = binding(false, true);
        table.offload.bind(&six).unwrap();
        let from_six = up(&six, b"hello").0.without_checksum();
        table.client_sends([row("none in IPv6", from_six.bytes(), Passed("no_checksum"))]);
    });
}

#[test]
fn headers_are_those_of_a_new_packet() {
    in_the_lab(|table, _| {
        let four = binding(true, true);
        table.offload.bind(&four).unwrap();
        let (input, output) = up(&four, b"hello");
        let mut last_hop = input.clone();
        last_hop.ttl = 1;
        let class = with_ipv4_checksum(input.bytes(), 14, |header| header[1] = 0xb9);
        let numbered = with_ipv4_checksum(input.bytes(), 14, |header| {
            header[4..8].copy_from_slice(&[0x12, 0x34, 0, 0]);
        });
        let output = || Redirected(output.bytes());
        table.client_sends([
            row("TTL 1", last_hop.bytes(), output()),
            row("DSCP and ECN", class, output()),
            row("numbered, fragments allowed", numbered, output()),
        ]);

        let six = binding(false, false);
        table.offload.bind(&six).unwrap();
        let (input, output) = up(&six, b"hello");
        let mut labelled = input.bytes();
        labelled[14..18].copy_from_slice(&[0x6b, 0x9a, 0xbc, 0xde]);
        let row = row("traffic class and flow label", labelled, Redirected(output.bytes()));
        table.client_sends([row]);
    });
}

#[test]
fn what_is_not_a_plain_whole_datagram_for_us_passes() {
    in_the_lab(|table, _| {
        let (four, six) = (binding(true, true), binding(false, false));
        let six = Binding { key: BindingKey { channel: 0x4002, ..six.key }, ..six };
        table.offload.bind(&four).unwrap();
        table.offload.bind(&six).unwrap();
        let (input, six) = (up(&four, b"hello").0, up(&six, b"hello").0.bytes());
        let plain = input.bytes();
        let four = |change: fn(&mut [u8])| with_ipv4_checksum(plain.clone(), 14, change);
        let with = |bytes: &[u8], changes: &[(usize, u8)]| {
            let mut bytes = bytes.to_vec();
            changes.iter().for_each(|(at, byte)| bytes[*at] = *byte);
            bytes
        };
        let mut options = plain.clone();
        options.splice(34..34, [1; 4]);
        let options = with_ipv4_checksum(options, 14, |header| {
            (header[0], header[3]) = (0x46, header[3] + 4);
        });
        let longer = [&plain[..], &[0; 7]].concat();
        let other = input.clone().macs(PEER_MAC, CLIENT_MAC).bytes();
        let broadcast = input.clone().macs([0xff; 6], CLIENT_MAC).bytes();
        table.client_sends([
            row("ARP", with(&plain, &[(12, 8), (13, 6)]), Passed("not_ip")),
            row("an Ethernet header alone", &plain[..14], Passed("malformed")),
            row("TCP", four(|header| header[9] = 6), Passed("not_udp")),
            row("a first fragment", four(|header| header[6] = 0x20), Passed("fragment")),
            row("a later fragment", four(|header| header[7] = 1), Passed("fragment")),
            row("IPv4 options", options, Passed("options")),
            row("IPv4 that says 5", with(&plain, &[(14, 0x55)]), Passed("malformed")),
            row("IPv4 header checksum", with(&plain, &[(25, plain[25] ^ 1)]), Passed("malformed")),
            row("shorter than it says", &plain[..plain.len() - 1], Passed("malformed")),
            row("padding of Ethernet", longer, Passed("malformed")),
            row("UDP length", with(&plain, &[(39, 16)]), Passed("malformed")),
            row("UDP length of 7", with(&plain, &[(39, 7)]), Passed("malformed")),
            row("IPv6 that says 4", with(&six, &[(14, 0x40)]), Passed("malformed")),
            row("IPv6 options", with(&six, &[(20, 0)]), Passed("not_udp")),
            row("an IPv6 fragment", with(&six, &[(20, 44)]), Passed("not_udp")),
            row("IPv6 length", with(&six, &[(19, 18)]), Passed("malformed")),
            row("for another station", other, Passed("other_station")),
            row("for all stations", broadcast, Passed("other_station")),
        ]);
    });
}

#[test]
fn what_is_of_no_flow_passes() {
    in_the_lab(|table, _| {
        let bound = binding(true, true);
        table.offload.bind(&bound).unwrap();
        let (client, server) = (bound.key.client, bound.key.server);
        let frame = |payload: &[u8]| Frame::new(client, server, payload).bytes();
        let mut stranger = Frame::new(client, server, &payload(0x4001, b"hello"));
        stranger.source.set_port(5_001);
        let mut other_peer = down(&bound, b"hello").0;
        other_peer.source.set_port(6_001);
        let stun = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let short = [0x40, 1, 0, 9, b'h', b'i'];
        let padded = [0x40, 1, 0, 1, b'h', 0, 0, 0];
        table.client_sends([
            row("another channel", frame(&payload(0x4002, b"hello")), Passed("no_flow")),
            row("another client", stranger.bytes(), Passed("no_flow")),
            row("STUN", frame(&stun), Passed("no_flow")),
            row("RTP", frame(&[0x80; 40]), Passed("no_flow")),
            row("nothing", frame(&[]), Passed("no_flow")),
            row("half a header", frame(&[0x40, 1, 0]), Passed("no_flow")),
            row("less data than it says", frame(&short), Passed("padded")),
            row("padding of ChannelData", frame(&padded), Passed("padded")),
        ]);
        table.peer_sends([row("another peer", other_peer.bytes(), Passed("no_flow"))]);

        table.offload.unbind(&bound.key).unwrap();
        let (up, down) = (up(&bound, b"hello").0, down(&bound, b"hello").0);
        table.client_sends([row("unbound", up.bytes(), Passed("no_flow"))]);
        table.peer_sends([row("unbound", down.bytes(), Passed("no_flow"))]);
    });
}

#[test]
fn what_has_expired_passes_and_what_is_refreshed_stays() {
    in_the_lab(|table, _| {
        let expired =
            Binding { expires: Instant::now() - Duration::from_secs(1), ..binding(true, true) };
        table.offload.bind(&expired).unwrap();
        let (input, output) = up(&expired, b"hello");
        table.client_sends([row("expired", input.bytes(), Passed("expired"))]);
        let back = down(&expired, b"hello").0;
        table.peer_sends([row("expired", back.bytes(), Passed("expired"))]);

        table.offload.bind(&binding(true, true)).unwrap();
        table.client_sends([row("refreshed", input.bytes(), Redirected(output.bytes()))]);
    });
}

#[test]
fn tags_of_vlans_are_read_and_written() {
    in_the_lab(|table, _| {
        let bound = binding(true, true);
        table.offload.bind(&bound).unwrap();
        let (input, output) = up(&bound, b"hello");
        let tagged = |tags: &[(u16, u16)]| input.clone().tags(tags).bytes();
        table.client_sends([
            row("a VLAN that is not ours", tagged(&[(0x8100, 10)]), Passed("other_station")),
            row("three tags", tagged(&[(0x8100, 10); 3]), Passed("not_ip")),
        ]);
        let way = |interface, port, tags: &[[u16; 2]], mac| Way {
            interface,
            port,
            tags: tags.to_vec(),
            mac,
        };
        let (to_client, to_peer) = (table.to_client, table.to_peer);
        for tags in [&[[0x8100, 10]][..], &[[0x88a8, 20], [0x8100, 30]]] {
            table.offload.add_way(&way(to_client, to_client, tags, RELAY_MAC)).unwrap();
            table.offload.add_way(&way(to_peer, to_peer, tags, RELAY_MAC_2)).unwrap();
            let pairs: Vec<(u16, u16)> = tags.iter().map(|[kind, vlan]| (*kind, *vlan)).collect();
            let urgent: Vec<_> = pairs.iter().map(|(kind, vlan)| (*kind, vlan | 0xe000)).collect();
            let output = || Redirected(output.clone().tags(&pairs).bytes());
            table.client_sends([
                row("a tag in, a tag out", tagged(&pairs), output()),
                row("with a priority", tagged(&urgent), output()),
                row("none in", input.bytes(), output()),
            ]);
            let (back, forth) = down(&bound, b"hello");
            let row = row("back", back.bytes(), Redirected(forth.tags(&pairs).bytes()));
            table.peer_sends([row]);
        }
    });
}

/// Two clients with an allocation each, both bound to the other's relayed address.
fn pair() -> [Binding; 2] {
    let first = Binding {
        relayed: address(false, 1, 1, 50_000),
        peer: address(false, 2, 1, 50_002),
        inside: true,
        ..binding(true, false)
    };
    let key = BindingKey {
        client: address(true, 2, 2, 7_000),
        server: address(true, 2, 1, 3_478),
        channel: 0x4fff,
    };
    let (relayed, peer) = (first.peer, first.relayed);

    [first, Binding { key, relayed, peer, allocation: 2, ..first }]
}

#[test]
fn from_client_to_client_it_goes_in_one_pass() {
    in_the_lab(|table, _| {
        let [first, second] = pair();
        let (one, other) = (first.key, second.key);
        let input = Frame::new(one.client, one.server, &payload(one.channel, b"hello"));
        table.offload.bind(&first).unwrap();
        table.client_sends([row("half", input.bytes(), Passed("inside_elsewhere"))]);
        table.offload.bind(&second).unwrap();
        let data = payload(other.channel, b"hello");
        let output = Frame::new(other.server, other.client, &data).macs(PEER_MAC, RELAY_MAC_2);
        table.client_sends([row("there", input.bytes(), Redirected(output.bytes()))]);
        let input = Frame::new(other.client, other.server, &data).macs(RELAY_MAC_2, PEER_MAC);
        let data = payload(one.channel, b"hello");
        let output = Frame::new(one.server, one.client, &data).macs(CLIENT_MAC, RELAY_MAC);
        table.peer_sends([row("back", input.bytes(), Redirected(output.bytes()))]);

        let mut counted = BTreeMap::new();
        table.offload.counters(|key, each| _ = counted.insert(key.channel, each)).unwrap();
        let each = |channel: u16| {
            let counted = &counted[&channel];
            [counted.up.packets, counted.up.bytes, counted.down.packets, counted.down.bytes]
        };
        assert_eq!((each(one.channel), each(other.channel)), ([1, 5, 1, 5], [1, 5, 1, 5]));
    });
}

#[test]
fn without_a_next_hop_it_passes() {
    in_the_lab(|table, _| {
        let mut check = |name: &str, peer: &str, label| {
            let binding = Binding { peer: peer.parse().unwrap(), ..binding(true, true) };
            table.offload.bind(&binding).unwrap();
            let input = up(&binding, b"hello").0.bytes();
            table.client_sends([row(name, input, Passed(label))]);
        };
        check("no route", "192.0.2.1:6000", "no_route");
        check("an address of this machine", "10.0.2.1:6000", "no_route");
        check("a multicast group", "224.0.0.1:6000", "no_route");
        check("nobody is known there", "10.0.2.77:6000", "no_neighbour");
    });
}

#[test]
fn what_would_leave_by_another_interface_passes() {
    let lab = Lab::new();
    lab.relay.enter(|| {
        let offload = Offload::attach(&options(&[TO_CLIENT], Mode::Driver)).unwrap();
        let to_client = offload.interfaces()[0].1;
        let mut table = Table { offload, to_client, to_peer: 0 };
        table.offload.bind(&binding(true, true)).unwrap();
        let input = up(&binding(true, true), b"hello").0.bytes();
        table.client_sends([row("not attached", input, Passed("no_link"))]);
    });
}

#[test]
fn what_is_longer_than_the_link_takes_passes() {
    in_the_lab(|table, _| {
        let (same, other) = (binding(true, true), binding(true, false));
        table.offload.bind(&same).unwrap();
        // 1500 bytes of IPv4 in; header and ChannelData are 32 bytes of them.
        let (input, output) = up(&same, &[7; 1_468]);
        let fits = row("four bytes less", input.bytes(), Redirected(output.bytes()));
        table.client_sends([fits]);
        let (fits, output) = down(&same, &[7; 1_468]);
        let longest = down(&same, &[7; 1_472]).0.bytes();
        table.peer_sends([
            row("four bytes more", fits.bytes(), Redirected(output.bytes())),
            row("five bytes more than fit", longest, Passed("too_long")),
        ]);
        table.offload.bind(&other).unwrap();
        let input = up(&other, &[7; 1_468]).0.bytes();
        table.client_sends([row("IPv6 is longer", input, Passed("too_long"))]);
    });
}

#[test]
fn bandwidth_is_of_an_allocation_and_of_each_direction() {
    in_the_lab(|table, _| {
        // The bucket of a slow allocation holds 1,500 bytes.
        let limited = Binding { bandwidth_bps: Some(1), ..binding(true, true) };
        let sibling = Binding {
            key: BindingKey { channel: 0x4002, ..limited.key },
            peer: address(true, 2, 2, 6_001),
            ..limited
        };
        let refill = |table: &mut Table, rate: u64| {
            let binding = Binding { bandwidth_bps: Some(rate), ..limited };
            table.offload.bind(&binding).unwrap();
        };
        table.offload.bind(&limited).unwrap();
        table.offload.bind(&sibling).unwrap();
        let (input, output) = up(&limited, &[7; 1_000]);
        let second = up(&sibling, &[7; 1_000]).0;
        table.client_sends([
            row("within", input.bytes(), Redirected(output.bytes())),
            row("beyond", input.bytes(), Dropped("bandwidth")),
            row("beyond, by another channel", second.bytes(), Dropped("bandwidth")),
        ]);
        let (back, forth) = down(&limited, &[7; 1_000]);
        table.peer_sends([
            row("the other direction", back.bytes(), Redirected(forth.bytes())),
            row("beyond", back.bytes(), Dropped("bandwidth")),
        ]);
        refill(table, 80_000_000);
        table.client_sends([row("a new rate", input.bytes(), Redirected(output.bytes()))]);

        let mut counted = BTreeMap::new();
        table.offload.counters(|key, each| _ = counted.insert(key.channel, each)).unwrap();
        let (first, second) = (counted[&0x4001], counted[&0x4002]);
        assert_eq!((first.up.packets, first.up.bytes, first.up.refused), (2, 2_000, 1));
        assert_eq!((first.down.packets, first.down.refused), (1, 1));
        assert_eq!((second.up.packets, second.up.refused), (0, 1));
        table.offload.counters(|key, _| panic!("{key:?} was told twice")).unwrap();
    });
}

#[test]
fn full_maps_refuse_and_take_again_what_is_given_up() {
    let lab = Lab::new();
    lab.relay.enter(|| {
        let mut options = options(&[TO_CLIENT, TO_PEER], Mode::Driver);
        options.bindings_max = 2;
        let mut offload = Offload::attach(&options).unwrap();
        let nth = |index: u16| Binding {
            key: BindingKey { channel: 0x4000 + index, ..binding(true, true).key },
            peer: address(true, 2, 2, 6_000 + index),
            ..binding(true, true)
        };
        offload.bind(&nth(0)).unwrap();
        offload.bind(&nth(1)).unwrap();
        let full = offload.bind(&nth(2)).unwrap_err();

        assert!(matches!(full, ebpf_loader::BindError::Full), "{full}");
        assert_eq!(offload.keys().count(), 2);
        offload.bind(&nth(1)).expect("a refresh needs no room");
        offload.unbind(&nth(0).key).expect("it was bound");
        // Slots rest for a second: a program that runs may still hold one.
        let until = Instant::now() + Duration::from_secs(10);
        while offload.bind(&nth(2)).is_err() {
            assert!(Instant::now() < until, "given-up slots come back");
            std::thread::yield_now();
        }
    });
}
