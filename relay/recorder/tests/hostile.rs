//! Payloads of a codec that lies: no panic, no frame without end.

use proptest::collection::vec;
use proptest::prelude::*;
use relay_recorder::{Assembler, Order, Packet};
use relay_wire::control::Codec;

const CODECS: [Codec; 5] = Codec::ALL;

/// A payload that begins like one of a codec, or like nothing.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let fronts: &[&[u8]] = &[
        b"",
        b"\x10\x10\x00\x00\x9d\x01\x2a\x40\x01\xf0\x00",
        b"\x0c\x82\x49\x83\x42\x00",
        b"\x2f\x9b\x01\x02\xf0\xff\xff",
        b"\x67\x42\xc0\x1f",
        b"\x18\x00\x04\x67\x42\xc0\x1f",
        b"\x7c\x85\x88",
        b"\x18\x0a\x0b\x00\x00\x00",
    ];
    let front = prop::sample::select(fronts);

    (front, vec(any::<u8>(), 0..60)).prop_map(|(front, rest)| [front, &rest].concat())
}

fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let packet = (0..CODECS.len(), 0_u64..200, 0_u32..8, any::<bool>(), payload(), any::<u64>());
    let packet = packet.prop_map(|(codec, sequence, timestamp, marker, payload, at_us)| Packet {
        at_us,
        time_us: at_us,
        codec: CODECS[codec],
        sequence,
        timestamp,
        marker,
        orientation: None,
        payload,
    });

    vec(packet, 0..200)
}

proptest! {
    #[test]
    fn whatever_comes_is_sorted_and_assembled(packets in packets()) {
        let payloads: usize = packets.iter().map(|packet| packet.payload.len()).sum();
        let (mut order, mut assembler) = (Order::default(), Assembler::default());
        let (mut last, mut frames) = (None, 0);
        for packet in packets {
            order.push(packet);
        }
        while let Some(packet) = order.finish() {
            prop_assert!(last < Some(packet.sequence));
            last = Some(packet.sequence);
            if let Some(frame) = assembler.push(packet) {
                // Start codes, sizes and an index are all that is added.
                frames += frame.data.len();
                prop_assert!(frame.codec == Codec::Opus || !frame.keyframe || frame.data.len() > 1);
            }
        }
        prop_assert!(frames <= 5 * payloads + 64);
    }
}
