//! One function per fuzz target: bytes of a stranger go in, and what must hold then is asserted.
//!
//! The targets in `tests/fuzz`, the replay of their seeds and the property tests share them.
#![allow(dead_code, reason = "a fuzz target uses its own function only")]

mod turn;

pub(crate) use turn::{stream, stun};

use relay_wire::{av1, control, data, dependency, frame, h264, medialog, rtcp, rtp, vp8, vp9};
use std::time::Duration;

/// A target's function.
pub(crate) type Target = fn(&[u8]);

/// All targets by name: `tests/fuzz/fuzz_targets/NAME.rs`, `tests/fuzz/seeds/NAME/`.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("stun", stun),
    ("stream", stream),
    ("rtp", rtp),
    ("rtcp", rtcp),
    ("vp8", vp8),
    ("dependency", dependency),
    ("data", data),
    ("frame", frame),
    ("medialog", medialog),
];

/// A media log's bytes, read at once and in pieces.
pub(crate) fn medialog(bytes: &[u8]) {
    let items = |piece: usize| {
        let mut reader = medialog::Reader::new();
        let mut items = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.push(piece);
            while let Some(item) = reader.next() {
                items.push(format!("{item:?}"));
            }
        }
        while let Some(item) = reader.finish() {
            items.push(format!("{item:?}"));
        }
        items
    };
    assert_eq!(items(bytes.len().max(1)), items(1000));
}

/// RTP headers with their extensions.
pub(crate) fn rtp(bytes: &[u8]) {
    let Some(header) = rtp::Header::parse(bytes) else { return };
    assert!(header.len <= bytes.len());
    assert!(header.csrcs(bytes).count() == usize::from(header.csrc_count));
    if let Some(payload) = header.payload(bytes) {
        assert!(payload.start == header.len && payload.end <= bytes.len());
    }
    let mut buffer = vec![0; rtp::HEADER_MAX.max(bytes.len() + 16)];
    let mut writer = rtp::Writer::begin(&mut buffer, &header.fixed());
    let mut carried = Vec::new();
    for (id, value) in header.extensions(bytes) {
        rtp::AudioLevel::parse(value);
        if (1..=14).contains(&id) && (1..=16).contains(&value.len()) {
            writer.extension(id, value);
            carried.push((id, value));
        }
    }
    for (id, value) in &carried {
        let range = header.extension_range(bytes, *id).expect("the extension is there");
        assert_eq!(header.extension(bytes, *id), Some(&bytes[range]));
        assert!(!value.is_empty());
    }
    let len = writer.finish().expect("a header's extensions fit into its length");
    let again = rtp::Header::parse(&buffer[..len]).expect("what we write, we read");
    assert_eq!(again.fixed(), header.fixed());
    assert_eq!(again.len, len);
    assert!(again.extensions(&buffer).eq(carried));
}

/// RTCP compounds.
pub(crate) fn rtcp(bytes: &[u8]) {
    rtcp::is_well_formed(bytes);
    for packet in rtcp::packets(bytes) {
        match packet {
            rtcp::Packet::SenderReport { ntp, reports, .. } => {
                rtcp::ntp::to_duration(ntp);
                reports.for_each(|report| report_block(&report));
            }
            rtcp::Packet::ReceiverReport { reports, .. } => {
                reports.for_each(|report| report_block(&report));
            }
            rtcp::Packet::Sdes(items) => {
                assert!(items.filter_map(|item| item.cname()).all(|name| name.len() < 256));
            }
            rtcp::Packet::Bye(ssrcs) => assert!(ssrcs.count() <= 31),
            rtcp::Packet::Nack { sequences, .. } => nack(sequences.collect()),
            rtcp::Packet::TransportCc(feedback) => transport_cc(&feedback),
            rtcp::Packet::Fir { entries, .. } => entries.for_each(drop),
            rtcp::Packet::Remb(remb) => assert!(remb.ssrcs.count() <= 255),
            rtcp::Packet::Pli { .. } | rtcp::Packet::Unknown { .. } => {}
        }
    }
}

/// Dependency descriptors: the first byte says where a first one ends, whose structure the second
/// one may refer to.
pub(crate) fn dependency(bytes: &[u8]) {
    let Some((cut, values)) = bytes.split_first() else { return };
    let (first, second) = values.split_at(values.len().min((*cut).into()));
    dependency::Fields::parse(second);
    let Some(structure) = dependency::Structure::parse(first) else { return };
    assert!((1..=dependency::TARGETS_MAX).contains(&structure.targets()));
    assert!(structure.template_indications().len() <= dependency::TEMPLATES_MAX);
    for value in [first, second] {
        let Some(frame) = structure.frame(value) else { continue };
        let known = structure.all_targets();
        assert_eq!(frame.active.unwrap_or(0) & !known, 0);
        assert_eq!(frame.indications.checked_shr(2 * structure.targets() as u32).unwrap_or(0), 0);
    }
}

/// Payloads of VP8, and of the other video codecs.
pub(crate) fn vp8(bytes: &[u8]) {
    h264::is_keyframe(bytes);
    av1::is_keyframe(bytes);
    if let Some(descriptor) = vp9::Descriptor::parse(bytes) {
        let len = descriptor.front_len;
        assert!(len <= bytes.len().min(vp9::FRONT_MAX));
        assert!(descriptor.picture_id.is_none_or(|id| id.at + usize::from(id.wide) < len));
    }
    vp8::is_keyframe(bytes);
    let Some(descriptor) = vp8::Descriptor::parse(bytes) else { return };
    assert!(descriptor.len <= bytes.len().min(vp8::DESCRIPTOR_MAX));

    let mut renumbered = bytes.to_vec();
    descriptor.renumber(&mut renumbered, 0x1234, 0x56);
    let again = vp8::Descriptor::parse(&renumbered).expect("the descriptor keeps its form");
    assert_eq!(again.len, descriptor.len);
    assert_eq!(again.tl0_pic_idx, descriptor.tl0_pic_idx.map(|_| 0x56));
    if let Some(id) = again.picture_id {
        assert_eq!(id.value, if id.wide { 0x1234 } else { 0x34 });
    }
    assert_eq!(renumbered[descriptor.len..], bytes[descriptor.len..]);
}

/// Data channels: their opening, and LiveKit's messages.
pub(crate) fn data(bytes: &[u8]) {
    if let Some(data::Dcep::Open(open)) = data::Dcep::parse(bytes) {
        let mut buffer = vec![0; bytes.len()];
        let len = open.write(&mut buffer).expect("a message fits into its length");
        assert_eq!(data::Dcep::parse(&buffer[..len]), Some(data::Dcep::Open(open)));
    }
    let Some(packet) = data::DataPacket::scan(bytes) else { return };
    let length: usize = packet.destinations().map(str::len).sum();
    assert!(length <= bytes.len());

    let stamped = [bytes, b"\x22\x01x"].concat();
    let stamped = data::DataPacket::scan(&stamped).expect("fields may be appended");
    assert!(stamped.destinations().eq(packet.destinations()));
}

/// The control socket: the first byte says in which pieces the others arrive.
pub(crate) fn frame(bytes: &[u8]) {
    let Some((pieces, stream)) = bytes.split_first() else { return };
    let mut requests = frame::Reader::new();
    let mut messages = frame::Reader::new();
    for piece in stream.chunks(usize::from(*pieces).max(1)) {
        requests.push(piece);
        messages.push(piece);
        while let Ok(Some(request)) = requests.next::<control::Request>() {
            framed(&request);
        }
        while let Ok(Some(message)) = messages.next::<control::Message>() {
            framed(&message);
        }
    }
}

/// Encodes a message, and reads the same bytes back.
fn framed<T: serde::Serialize + serde::de::DeserializeOwned>(message: &T) {
    let mut stream = Vec::new();
    frame::encode(message, &mut stream).expect("a message that was received can be sent");
    let mut reader = frame::Reader::new();
    reader.push(&stream);
    let again: T = reader.next().expect("no error").expect("what we write, we read");
    let mut copy = Vec::new();
    frame::encode(&again, &mut copy).expect("it was encoded before");
    // Compared as bytes: a float that is not a number does not equal itself.
    assert_eq!(copy, stream);
}

fn report_block(report: &rtcp::ReportBlock) {
    assert_eq!(rtcp::ReportBlock::parse(&report.write()), Some(*report));
    rtcp::ntp::round_trip(0, report.last_sr, report.delay);
}

fn nack(mut sequences: Vec<u16>) {
    let mut buffer = vec![0; 12 + 4 * sequences.len()];
    let mut writer = rtcp::Writer::new(&mut buffer);
    assert!(writer.nack(1, 2, sequences.iter().copied()));
    let Some(rtcp::Packet::Nack { sequences: again, .. }) = rtcp::packets(writer.written()).next()
    else {
        panic!("what we write, we read");
    };
    let mut again: Vec<u16> = again.collect();
    again.sort_unstable();
    again.dedup();
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!(again, sequences);
}

fn transport_cc(feedback: &rtcp::TransportCc<'_>) {
    assert_eq!(feedback.deltas().count(), usize::from(feedback.count));
    let mut arrivals = Vec::new();
    for (sequence, at) in feedback.arrivals() {
        let Some(Ok(ticks)) = at.map(u64::try_from) else { continue };
        arrivals.push((sequence, Duration::from_micros(ticks * rtcp::TICK_US)));
    }
    let mut rest = arrivals.as_slice();
    while let [(base, _), ..] = *rest {
        let mut buffer = [0; 400];
        let mut writer = rtcp::Writer::new(&mut buffer);
        let told = writer.transport_cc((1, 2), base, 0, rest);
        assert!(told > 0, "the first arrival always fits");
        let Some(rtcp::Packet::TransportCc(again)) = rtcp::packets(writer.written()).next() else {
            panic!("what we write, we read");
        };
        let again = again.arrivals().filter_map(|(sequence, at)| Some((sequence, at?)));
        // Times come back modulo what a reference of 24 bits can tell.
        let modulus = (1 << 24) * 256;
        let expected = rest[..told]
            .iter()
            .map(|(sequence, at)| (*sequence, (at.as_micros() as u64 / rtcp::TICK_US) as i64));
        let offset = expected.clone().next().map_or(0, |(_, at)| at - at % modulus);
        assert!(again.eq(expected.map(|(sequence, at)| (sequence, at - offset))));
        rest = &rest[told..];
    }
}
