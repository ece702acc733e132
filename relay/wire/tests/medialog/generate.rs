//! Records that are made up, and logs of them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use relay_wire::control::{Codec, ParticipantId, TrackId};
use relay_wire::medialog::{
    Block, End, Fact, LogId, Lost, Mute, Packet, Record, Report, Speakers, Start,
};

pub(crate) const LOG: LogId = LogId(0x0123_4567_89ab_cdef);

/// A record with bytes of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Owned {
    record: Record<'static>,
    bytes: Vec<u8>,
}

impl Owned {
    pub(crate) fn of(record: &Record<'_>) -> Self {
        let (record, bytes) = match record {
            Record::Packet(packet) => {
                (Record::Packet(Packet { payload: &[], ..*packet }), packet.payload.to_vec())
            }
            Record::Fact(fact) => (Record::Fact(Fact { json: &[], ..*fact }), fact.json.to_vec()),
            Record::Start(start) => (Record::Start(*start), vec![]),
            Record::Report(report) => (Record::Report(*report), vec![]),
            Record::Speakers(speakers) => (Record::Speakers(*speakers), vec![]),
            Record::Mute(mute) => (Record::Mute(*mute), vec![]),
            Record::Lost(lost) => (Record::Lost(*lost), vec![]),
            Record::End(end) => (Record::End(*end), vec![]),
        };

        Self { record, bytes }
    }

    pub(crate) fn record(&self) -> Record<'_> {
        match &self.record {
            Record::Packet(packet) => Record::Packet(Packet { payload: &self.bytes, ..*packet }),
            Record::Fact(fact) => Record::Fact(Fact { json: &self.bytes, ..*fact }),
            record => record.clone(),
        }
    }

    pub(crate) fn packet(at_us: u64, payload: &[u8]) -> Self {
        Self::of(&Record::Packet(Packet {
            at_us,
            track: TrackId(1),
            layer: 0,
            codec: Codec::Vp8,
            sequence: 65_536 + at_us,
            timestamp: 90 * at_us as u32,
            marker: true,
            repair: false,
            audio_level: None,
            orientation: None,
            payload,
        }))
    }

    pub(crate) fn end(at_us: u64) -> Self {
        Self::of(&Record::End(End { at_us }))
    }
}

/// A log in blocks of at most so many bytes.
pub(crate) fn write(log: LogId, records: &[Owned], block_len: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut block = Block::new(vec![0; block_len], log, 0);
    for owned in records {
        if !block.push(&owned.record()) {
            file.extend_from_slice(block.seal());
            block.next();
            assert!(block.push(&owned.record()), "a record fits into an empty block");
        }
    }
    file.extend_from_slice(block.seal());

    file
}

pub(crate) fn records() -> impl Strategy<Value = Vec<Owned>> {
    vec(record(), 0..60)
}

fn record() -> impl Strategy<Value = Owned> {
    prop_oneof![
        8 => packet(),
        1 => report(),
        1 => (any::<u64>(), vec(any::<u8>(), 0..500)).prop_map(|(at_us, json)| {
            Owned::of(&Record::Fact(Fact { at_us, json: &json }))
        }),
        1 => (any::<u64>(), vec(any::<u64>(), 0..17)).prop_map(|(at_us, loudest)| {
            let loudest = loudest.into_iter().map(ParticipantId);
            Owned::of(&Record::Speakers(Speakers::new(at_us, loudest)))
        }),
        1 => (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(at_us, track, muted)| {
            Owned::of(&Record::Mute(Mute { at_us, track: TrackId(track), muted }))
        }),
        1 => any::<[u64; 4]>().prop_map(|[at_us, since_us, records, bytes]| {
            Owned::of(&Record::Lost(Lost { at_us, since_us, records, bytes }))
        }),
        1 => any::<u64>().prop_map(|unix_us| Owned::of(&Record::Start(Start { unix_us }))),
        1 => any::<u64>().prop_map(Owned::end),
    ]
}

fn report() -> impl Strategy<Value = Owned> {
    (any::<u64>(), any::<u64>(), any::<u8>(), any::<u64>(), any::<u32>()).prop_map(
        |(at_us, track, layer, ntp, timestamp)| {
            let track = TrackId(track);
            Owned::of(&Record::Report(Report { at_us, track, layer, ntp, timestamp }))
        },
    )
}

fn packet() -> impl Strategy<Value = Owned> {
    let numbers = (any::<u64>(), any::<u64>(), any::<u8>(), any::<u64>(), any::<u32>());
    let facts = (0..Codec::ALL.len(), any::<bool>(), any::<bool>());
    let extensions = (option::of(0_u8..128), option::of(any::<u8>()));
    (numbers, facts, extensions, vec(any::<u8>(), 0..1500)).prop_map(
        |((at_us, track, layer, sequence, timestamp), facts, extensions, payload)| {
            let (codec, marker, repair) = facts;
            let (audio_level, orientation) = extensions;
            Owned::of(&Record::Packet(Packet {
                at_us,
                track: TrackId(track),
                layer,
                codec: Codec::ALL[codec],
                sequence,
                timestamp,
                marker,
                repair,
                audio_level,
                orientation,
                payload: &payload,
            }))
        },
    )
}
