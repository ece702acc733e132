//! What must hold for any bytes, and for any values on their way through bytes.

mod fuzzing;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, proptest};
use relay_wire::{control, data, frame, ice, rtcp, rtp, stun, vp8};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Bytes that look like some protocol at the front, and like nothing behind.
fn datagrams() -> impl Strategy<Value = Vec<u8>> {
    let fronts: &[&[u8]] = &[
        b"",
        b"\x00\x01\x00\x08\x21\x12\xa4\x42",
        b"\x40\x01\x00\x04",
        b"\x90\x60",
        b"\x80\xc8\x00\x06",
        b"\x81\xc9\x00\x07",
        b"\x82\xca\x00\x05",
        b"\x81\xcd\x00\x04",
        b"\x8f\xcd\x00\x08",
        b"\x84\xce\x00\x04",
        b"\x8f\xce\x00\x05\0\0\0\0\0\0\0\0REMB",
        b"\x90\xf0",
        b"\x98",
        b"\x03",
        b"\x2a",
        b"\x01\x00\x00\x00\x02",
    ];

    (proptest::sample::select(fronts), vec(any::<u8>(), 0..200))
        .prop_map(|(front, rest)| [front, &rest].concat())
}

fn addresses() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

/// Arrivals in order: gaps between sequence numbers, and between times, which may go back.
fn arrivals() -> impl Strategy<Value = Vec<(u16, Duration)>> {
    let gap = proptest::prop_oneof![6 => Just(0_u16), 2 => 0..30_u16, 1 => 0..2000_u16];
    let delay = proptest::prop_oneof![6 => 0..60_i64, 2 => -50..300_i64, 1 => -8000..8000_i64];

    (any::<u16>(), (1 << 32)..(1_u64 << 40), vec((gap, delay), 0..400)).prop_map(
        |(mut sequence, start, steps)| {
            let mut ticks: u64 = start;
            let step = |(gap, delay): (u16, i64)| {
                sequence = sequence.wrapping_add(1 + gap);
                ticks = ticks.saturating_add_signed(delay);
                (sequence, Duration::from_micros(ticks * rtcp::TICK_US))
            };
            steps.into_iter().map(step).collect()
        },
    )
}

/// STUN messages of any attributes of known types, with values of any length.
fn stun_messages() -> impl Strategy<Value = Vec<u8>> {
    let known: Vec<u16> = (1..0x30).chain(0x8000..0x8005).chain(0x8022..0x8031).collect();
    let attribute = (proptest::sample::select(known), vec(any::<u8>(), 0..40));

    (0..0x400_u16, any::<[u8; 12]>(), vec(attribute, 0..12)).prop_map(|(kind, id, attributes)| {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend_from_slice(&kind.to_be_bytes());
            body.extend_from_slice(&(value.len() as u16).to_be_bytes());
            body.extend_from_slice(&value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let len = body.len() as u16;
        let cookie = *b"\x21\x12\xa4\x42";
        [&kind.to_be_bytes()[..], &len.to_be_bytes(), &cookie, &id, &body].concat()
    })
}

proptest! {
    #[test]
    fn no_attributes_bring_the_stun_reader_down(bytes in stun_messages()) {
        fuzzing::stun(&bytes);
    }

    #[test]
    fn no_bytes_bring_a_parser_down(bytes in datagrams()) {
        for (_, target) in fuzzing::TARGETS {
            target(&bytes);
        }
    }

    #[test]
    fn a_local_ufrag_names_its_shard(shard in 0..ice::SHARDS_MAX, random: [u8; 8]) {
        let ufrag = ice::ufrag(shard, random);

        prop_assert!(ice::is_ufrag(&ufrag));
        prop_assert_eq!(ice::shard_of(&ufrag), Some(shard));
    }

    #[test]
    fn a_values_range_is_where_the_value_stands(bytes in stun_messages(), kind in 0..0x30_u16) {
        let Some(message) = stun::Message::parse(&bytes) else { return Ok(()) };
        let at = message.value_range(kind).map(|range| &bytes[range]);

        prop_assert_eq!(at, message.attribute(kind));
    }

    #[test]
    fn a_stun_message_keeps_its_addresses(
        address in addresses(), id: [u8; 12], method in 0..0x100_u16,
    ) {
        let mut buffer = [0; 256];
        let method = stun::Method(method);
        let key = stun::IntegrityKey::short_term("a password of some length");
        let len = stun::Writer::begin(&mut buffer, stun::Class::Success, method, &id)
            .mapped_address(address)
            .xor_mapped_address(address)
            .integrity(&key)
            .fingerprint()
            .finish()
            .unwrap();
        let message = stun::Message::parse(&buffer[..len]).unwrap();

        prop_assert_eq!(message.class(), stun::Class::Success);
        prop_assert_eq!(message.method(), method);
        prop_assert_eq!(message.mapped_address(), Some(address));
        prop_assert_eq!(message.xor_mapped_address(), message.mapped_address());
        prop_assert!(message.verify_integrity(&key));
        prop_assert!(message.verify_fingerprint());
    }

    #[test]
    fn a_stun_message_with_a_flipped_bit_is_refused(byte in 20..88_usize, bit in 0..8_u8) {
        let mut buffer = [0; 256];
        let key = stun::IntegrityKey::short_term("a password of some length");
        let (class, method) = (stun::Class::Request, stun::Method::BINDING);
        let len = stun::Writer::begin(&mut buffer, class, method, &[7; 12])
            .username("someone:someoneelse")
            .priority(1)
            .ice_controlling(2)
            .integrity(&key)
            .finish()
            .unwrap();
        prop_assert_eq!(len, 88);
        buffer[byte] ^= 1 << bit;

        let message = stun::Message::parse(&buffer[..len]);
        prop_assert!(!message.is_some_and(|message| message.verify_integrity(&key)));
    }

    #[test]
    fn sequence_numbers_unwrap_in_order(start: u16, steps in vec(1..0x7fff_u16, 1..50)) {
        let mut extender = rtp::SequenceExtender::default();
        let mut sequence = start;
        let mut expected = extender.extend(start);
        for step in steps {
            sequence = sequence.wrapping_add(step);
            expected += u64::from(step);
            prop_assert_eq!(extender.extend(sequence), expected);
            prop_assert!(rtp::sequence::newer(sequence, sequence.wrapping_sub(step)));
            let late = extender.extend(sequence.wrapping_sub(step));
            prop_assert_eq!(late, expected - u64::from(step));
        }
    }

    #[test]
    fn reports_come_back_as_sent(
        info: [u32; 4], ntp: u64, fraction_lost: u8, lost in -0x80_0000..0x80_0000_i32,
        block: [u32; 5], blocks in 0..31_usize,
    ) {
        let [ssrc, rtp, packets, octets] = info;
        let [source, highest, jitter, last_sr, delay] = block;
        let info = rtcp::SenderInfo { ssrc, ntp, rtp, packets, octets };
        let block = rtcp::ReportBlock {
            ssrc: source, fraction_lost, lost, highest, jitter, last_sr, delay,
        };
        let mut buffer = [0; 1600];
        let mut writer = rtcp::Writer::new(&mut buffer);
        prop_assert!(writer.sender_report(&info, &vec![block; blocks]));
        prop_assert!(writer.receiver_report(ssrc, &vec![block; blocks]));

        prop_assert!(rtcp::is_well_formed(writer.written()));
        let mut seen = 0;
        for packet in rtcp::packets(writer.written()) {
            let reports = match packet {
                rtcp::Packet::SenderReport { ssrc, ntp, rtp, packets, octets, reports } => {
                    prop_assert_eq!(info, rtcp::SenderInfo { ssrc, ntp, rtp, packets, octets });
                    reports
                }
                rtcp::Packet::ReceiverReport { reports, .. } => reports,
                other => panic!("{other:?}"),
            };
            prop_assert!(reports.eq(std::iter::repeat_n(block, blocks)));
            seen += 1;
        }
        prop_assert_eq!(seen, 2);
    }

    #[test]
    fn transport_feedback_comes_back_as_sent(
        arrivals in arrivals(), lead in 0..20_u16, room in 60..1200_usize,
    ) {
        let mut rest = arrivals.as_slice();
        let mut base = rest.first().map_or(0, |(sequence, _)| sequence.wrapping_sub(lead));
        while !rest.is_empty() {
            let mut buffer = vec![0; room];
            let mut writer = rtcp::Writer::new(&mut buffer);
            let told = writer.transport_cc((1, 2), base, 3, rest);
            prop_assert!(told > 0);
            let packet = rtcp::packets(writer.written()).next();
            let Some(rtcp::Packet::TransportCc(feedback)) = packet else {
                panic!("what we write, we read");
            };
            let (last, _) = rest[told - 1];
            prop_assert_eq!(feedback.base, base);
            prop_assert_eq!(feedback.feedback_count, 3);
            prop_assert_eq!(feedback.count, last.wrapping_sub(base).wrapping_add(1));
            let wrap = (1 << 24) * 256;
            let expected = rest[..told]
                .iter()
                .map(|(sequence, at)| (*sequence, at.as_micros() as i64 / 250));
            let offset = expected.clone().next().map_or(0, |(_, at)| at - at % wrap);
            let received = feedback
                .arrivals()
                .filter_map(|(sequence, at)| Some((sequence, at? + offset)));
            prop_assert!(received.eq(expected));
            base = last.wrapping_add(1);
            rest = &rest[told..];
        }
    }

    #[test]
    fn intervals_survive_ntp(nanos in 0..u64::from(u32::MAX) * 1_000_000_000) {
        let interval = Duration::from_nanos(nanos);
        let back = rtcp::ntp::to_duration(rtcp::ntp::from_duration(interval));

        prop_assert!(interval.abs_diff(back) <= Duration::from_nanos(1));
    }

    #[test]
    fn a_remb_loses_less_than_its_precision(bitrate: u64, ssrcs in vec(any::<u32>(), 0..255)) {
        let mut buffer = [0; 2000];
        let mut writer = rtcp::Writer::new(&mut buffer);
        prop_assert!(writer.remb(1, bitrate, &ssrcs));
        let Some(rtcp::Packet::Remb(remb)) = rtcp::packets(writer.written()).next() else {
            panic!("what we write, we read");
        };

        prop_assert!(remb.bitrate_bps <= bitrate && bitrate - remb.bitrate_bps <= bitrate >> 17);
        prop_assert!(remb.ssrcs.eq(ssrcs));
    }

    #[test]
    fn an_opened_data_channel_comes_back_as_sent(
        label in "\\PC{0,40}", protocol in "\\PC{0,10}", ordered: bool, kind in 0..3_u8, n: u32,
        priority: u16,
    ) {
        let reliability = match kind {
            0 => data::Reliability::Reliable,
            1 => data::Reliability::Retransmits(n),
            _ => data::Reliability::LifetimeMs(n),
        };
        let (label, protocol) = (label.as_str(), protocol.as_str());
        let open = data::Open { ordered, reliability, priority, label, protocol };
        let mut buffer = [0; 400];
        let len = open.write(&mut buffer).unwrap();

        prop_assert_eq!(data::Dcep::parse(&buffer[..len]), Some(data::Dcep::Open(open)));
    }

    #[test]
    fn a_control_message_survives_any_cut(
        id: u64, room: u64, payload in vec(any::<u8>(), 0..300), piece in 1..50_usize,
    ) {
        let command = control::Command::SendData {
            channel: control::Channel::Lossy,
            to: vec![control::ParticipantId(id)],
            payload,
        };
        let request = control::Request { id, room: control::RoomId(room), command };
        let mut stream = Vec::new();
        frame::encode(&request, &mut stream).unwrap();
        frame::encode(&request, &mut stream).unwrap();
        let mut reader = frame::Reader::new();
        let mut received: Vec<control::Request> = Vec::new();
        for piece in stream.chunks(piece) {
            reader.push(piece);
            received.extend(std::iter::from_fn(|| reader.next().unwrap()));
        }

        prop_assert_eq!(received, vec![request.clone(), request]);
    }

    #[test]
    fn a_renumbered_descriptor_keeps_the_rest(
        payload in vec(any::<u8>(), 1..40), id: u16, tl0: u8,
    ) {
        let Some(before) = vp8::Descriptor::parse(&payload) else { return Ok(()) };
        let mut renumbered = payload.clone();
        before.renumber(&mut renumbered, id, tl0);
        let after = vp8::Descriptor::parse(&renumbered).unwrap();

        let vp8::Descriptor { picture_id, tl0_pic_idx, .. } = before;
        prop_assert_eq!(vp8::Descriptor { picture_id, tl0_pic_idx, ..after }, before);
    }
}
