//! Bodies of records: numbers in network order, in the order of their fields.

use super::record::{
    End, FACT_MAX, Fact, Lost, Mute, PAYLOAD_MAX, Packet, Record, Report, SPEAKERS_MAX, Speakers,
    Start,
};
use crate::bytes::Sink;
use crate::control::{Codec, ParticipantId, TrackId};

pub(super) const START: u8 = 1;
pub(super) const PACKET: u8 = 2;
pub(super) const REPORT: u8 = 3;
pub(super) const FACT: u8 = 4;
pub(super) const SPEAKERS: u8 = 5;
pub(super) const MUTE: u8 = 6;
pub(super) const LOST: u8 = 7;
pub(super) const END: u8 = 8;

const MARKER: u8 = 0x01;
const REPAIR: u8 = 0x02;
const LEVEL: u8 = 0x04;
const ORIENTATION: u8 = 0x08;

/// Takes fields off the front of a body.
struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (value, rest) = self.0.split_first_chunk()?;
        self.0 = rest;

        Some(*value)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn rest(self, max: usize) -> Option<&'a [u8]> {
        (self.0.len() <= max).then_some(self.0)
    }
}

pub(super) fn parse(kind: u8, body: &[u8]) -> Option<Record<'_>> {
    let mut source = Source(body);

    Some(match kind {
        START => Record::Start(Start { unix_us: source.u64()? }),
        PACKET => Record::Packet(packet(source)?),
        REPORT => Record::Report(Report {
            at_us: source.u64()?,
            track: TrackId(source.u64()?),
            layer: source.u8()?,
            ntp: source.u64()?,
            timestamp: source.u32()?,
        }),
        FACT => Record::Fact(Fact { at_us: source.u64()?, json: source.rest(FACT_MAX)? }),
        SPEAKERS => Record::Speakers(speakers(source)?),
        MUTE => Record::Mute(Mute {
            at_us: source.u64()?,
            track: TrackId(source.u64()?),
            muted: source.u8()? != 0,
        }),
        LOST => Record::Lost(Lost {
            at_us: source.u64()?,
            since_us: source.u64()?,
            records: source.u64()?,
            bytes: source.u64()?,
        }),
        END => Record::End(End { at_us: source.u64()? }),
        _ => return None,
    })
}

fn packet(mut source: Source<'_>) -> Option<Packet<'_>> {
    let at_us = source.u64()?;
    let track = TrackId(source.u64()?);
    let layer = source.u8()?;
    let codec = *Codec::ALL.get(usize::from(source.u8()?))?;
    let flags = source.u8()?;
    let level = source.u8()?;
    let orientation = source.u8()?;
    let sequence = source.u64()?;
    let timestamp = source.u32()?;

    Some(Packet {
        at_us,
        track,
        layer,
        codec,
        sequence,
        timestamp,
        marker: flags & MARKER != 0,
        repair: flags & REPAIR != 0,
        audio_level: (flags & LEVEL != 0).then_some(level & 0x7f),
        orientation: (flags & ORIENTATION != 0).then_some(orientation),
        payload: source.rest(PAYLOAD_MAX)?,
    })
}

fn speakers(mut source: Source<'_>) -> Option<Speakers> {
    let at_us = source.u64()?;
    let count = usize::from(source.u8()?);
    if count > SPEAKERS_MAX {
        return None;
    }
    let mut loudest = [ParticipantId(0); SPEAKERS_MAX];
    for place in &mut loudest[..count] {
        *place = ParticipantId(source.u64()?);
    }

    Some(Speakers::new(at_us, loudest.into_iter().take(count)))
}

pub(super) fn write(record: &Record<'_>, sink: &mut Sink<'_>) {
    match record {
        Record::Start(start) => sink.put(&start.unix_us.to_be_bytes()),
        Record::Packet(packet) => write_packet(packet, sink),
        Record::Report(report) => {
            sink.put(&report.at_us.to_be_bytes());
            sink.put(&report.track.0.to_be_bytes());
            sink.put(&[report.layer]);
            sink.put(&report.ntp.to_be_bytes());
            sink.put(&report.timestamp.to_be_bytes());
        }
        Record::Fact(fact) => {
            sink.put(&fact.at_us.to_be_bytes());
            bounded(fact.json, FACT_MAX, sink);
        }
        Record::Speakers(speakers) => {
            let loudest = speakers.loudest_first();
            sink.put(&speakers.at_us.to_be_bytes());
            sink.put(&[loudest.len() as u8]);
            loudest.iter().for_each(|speaker| sink.put(&speaker.0.to_be_bytes()));
        }
        Record::Mute(mute) => {
            sink.put(&mute.at_us.to_be_bytes());
            sink.put(&mute.track.0.to_be_bytes());
            sink.put(&[u8::from(mute.muted)]);
        }
        Record::Lost(lost) => {
            for number in [lost.at_us, lost.since_us, lost.records, lost.bytes] {
                sink.put(&number.to_be_bytes());
            }
        }
        Record::End(end) => sink.put(&end.at_us.to_be_bytes()),
    }
}

fn write_packet(packet: &Packet<'_>, sink: &mut Sink<'_>) {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let flags = flag(packet.marker, MARKER)
        | flag(packet.repair, REPAIR)
        | flag(packet.audio_level.is_some(), LEVEL)
        | flag(packet.orientation.is_some(), ORIENTATION);
    // One copy of the whole head: a packet of a busy room is logged in some tens of nanoseconds.
    let mut head = [0; 33];
    head[..8].copy_from_slice(&packet.at_us.to_be_bytes());
    head[8..16].copy_from_slice(&packet.track.0.to_be_bytes());
    head[16..21].copy_from_slice(&[
        packet.layer,
        packet.codec as u8,
        flags,
        packet.audio_level.unwrap_or_default(),
        packet.orientation.unwrap_or_default(),
    ]);
    head[21..29].copy_from_slice(&packet.sequence.to_be_bytes());
    head[29..].copy_from_slice(&packet.timestamp.to_be_bytes());
    sink.put(&head);
    bounded(packet.payload, PAYLOAD_MAX, sink);
}

/// A body that no reader would take must not be written.
fn bounded(bytes: &[u8], max: usize, sink: &mut Sink<'_>) {
    match bytes.len() <= max {
        true => sink.put(bytes),
        false => sink.spoil(),
    }
}
