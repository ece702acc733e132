//! Media logs on the disk, as a relay would have written them.

use super::source::Source;
use relay_recorder::facts::{Fact, Participant, Room, Track};
use relay_wire::control::{Codec, TrackId};
use relay_wire::medialog::{self, ALIGNMENT, Block, End, LogId, Packet, Record, Report, Start};
use std::path::Path;

pub(crate) const UNIX_US: u64 = 1_767_225_600_000_000;
/// Sender reports' clock at the log's start, in seconds.
const NTP_S: u64 = 3_900_000_000;

/// A log that is being written.
pub(crate) struct Writing {
    block: Block<Vec<u8>>,
    blocks: Vec<Vec<u8>>,
    /// Packets, facts and reports with their times; sorted at the end.
    records: Vec<(u64, Owned)>,
}

enum Owned {
    Packet {
        track: u64,
        codec: Codec,
        sequence: u64,
        timestamp: u32,
        marker: bool,
        payload: Vec<u8>,
    },
    Report {
        track: u64,
        ntp: u64,
        timestamp: u32,
    },
    Fact(Vec<u8>),
    Other(Record<'static>),
}

/// How a stream reaches the log.
pub(crate) struct Way {
    pub(crate) track: u64,
    /// When it starts: microseconds.
    pub(crate) start_us: u64,
    /// How long its packets take.
    pub(crate) delay_us: u64,
    /// What becomes of a packet, by its number: `None` is lost, else how much later it comes.
    pub(crate) fate: fn(usize) -> Option<u64>,
    /// Whether its sender sends reports.
    pub(crate) reports: bool,
}

impl Writing {
    pub(crate) fn new() -> Self {
        let mut block = Block::new(vec![0; 8 * ALIGNMENT], LogId(99), 0);
        assert!(block.push(&Record::Start(Start { unix_us: UNIX_US })));
        let mut writing = Self { block, blocks: Vec::new(), records: Vec::new() };
        let room = Room { name: "tea".into(), sid: "RM_1".into() };
        writing.fact(0, &Fact::Room(room));

        writing
    }

    pub(crate) fn fact(&mut self, at_us: u64, fact: &Fact) {
        self.records.push((at_us, Owned::Fact(fact.write())));
    }

    /// A record of another kind.
    pub(crate) fn other(&mut self, record: Record<'static>) {
        self.records.push((record.at_us(), Owned::Other(record)));
    }

    /// A participant with one track.
    pub(crate) fn somebody(&mut self, participant: u64, track: u64, source: &str, encrypted: bool) {
        let identity = format!("ann/{participant}");
        let name = format!("Ann {participant}");
        let sid = format!("PA_{participant}");
        let who = Participant { participant, sid, identity, name };
        self.fact(0, &Fact::Participant(who));
        let sid = format!("TR_{track}");
        let source = source.into();
        self.fact(0, &Fact::Track(Track { track, participant, sid, source, encrypted }));
    }

    /// A stream from its first frame to its last.
    pub(crate) fn stream(&mut self, source: &Source, way: &Way) {
        self.number_from(0, 0, source, way);
    }

    /// A stream that goes on where another one of the same track and clock ends.
    pub(crate) fn stream_after(&mut self, before: &Source, source: &Source, way: &Way) {
        let packets = before.frames.iter().map(Vec::len).sum();
        self.number_from(packets, before.frames.len(), source, way);
    }

    fn number_from(&mut self, mut number: usize, begin: usize, source: &Source, way: &Way) {
        let rate = if source.codec == Codec::Opus { 48_000 } else { 90_000 };
        let first = u32::MAX - 50_000;
        for (index, payloads) in (begin..).zip(&source.frames) {
            let ticks = u64::from(source.step) * index as u64;
            let sent_us = way.start_us + ticks * 1_000_000 / rate;
            let timestamp = first.wrapping_add(ticks as u32);
            if way.reports && index % 20 == 0 {
                let ntp = (NTP_S << 32) + (sent_us << 32) / 1_000_000;
                let report = Owned::Report { track: way.track, ntp, timestamp };
                self.records.push((sent_us + way.delay_us + 3_000, report));
            }
            for (at, payload) in payloads.iter().enumerate() {
                let sequence = 65_530 + number as u64;
                let fate = (way.fate)(number);
                number += 1;
                let Some(late) = fate else { continue };
                let packet = Owned::Packet {
                    track: way.track,
                    codec: source.codec,
                    sequence,
                    timestamp,
                    marker: at + 1 == payloads.len(),
                    payload: payload.clone(),
                };
                self.records.push((sent_us + way.delay_us + late + at as u64, packet));
            }
        }
    }

    /// The log in a directory, in two files.
    pub(crate) fn finish(mut self, directory: &Path) {
        self.records.sort_by_key(|(at_us, _)| *at_us);
        let end_us = self.records.last().map_or(0, |(at_us, _)| *at_us);
        for (at_us, record) in std::mem::take(&mut self.records) {
            self.push(&record.record(at_us));
        }
        self.push(&Record::End(End { at_us: end_us }));
        self.blocks.push(self.block.seal().to_vec());
        std::fs::create_dir_all(directory).expect("a directory");
        let (first, second) = self.blocks.split_at(self.blocks.len() / 2);
        std::fs::write(directory.join("00000.mlog"), first.concat()).expect("a file");
        std::fs::write(directory.join("00001.mlog"), second.concat()).expect("a file");
    }

    fn push(&mut self, record: &Record<'_>) {
        if !self.block.push(record) {
            self.blocks.push(self.block.seal().to_vec());
            self.block.next();
            assert!(self.block.push(record));
        }
    }
}

impl Owned {
    fn record(&self, at_us: u64) -> Record<'_> {
        match self {
            Self::Packet { track, codec, sequence, timestamp, marker, payload } => {
                Record::Packet(Packet {
                    at_us,
                    track: TrackId(*track),
                    layer: 0,
                    codec: *codec,
                    sequence: *sequence,
                    timestamp: *timestamp,
                    marker: *marker,
                    repair: false,
                    audio_level: None,
                    orientation: None,
                    payload,
                })
            }
            Self::Report { track, ntp, timestamp } => Record::Report(Report {
                at_us,
                track: TrackId(*track),
                layer: 0,
                ntp: *ntp,
                timestamp: *timestamp,
            }),
            Self::Other(record) => record.clone(),
            Self::Fact(json) => Record::Fact(medialog::Fact { at_us, json }),
        }
    }
}
