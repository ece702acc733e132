//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1).

use crate::bytes::{Sink, u16_at, u24_at};
use crate::rtp::sequence;
use std::time::Duration;

/// Microseconds of a tick, the unit of deltas.
pub const TICK_US: u64 = 250;

/// Ticks of the reference time's unit, 64 ms.
const REFERENCE_TICKS: u64 = 256;

/// Statuses that one run-length chunk can hold.
const RUN_MAX: usize = 0x1fff;

/// Which packets arrived, and when.
#[derive(Clone, Debug)]
pub struct TransportCc<'a> {
    /// Who received them.
    pub sender: u32,
    /// A stream of the packets' sender.
    pub media: u32,
    /// The first packet's transport-wide sequence number.
    pub base: u16,
    /// Number of packets told of.
    pub count: u16,
    /// What the first delta counts from: units of 64 ms since any moment, 24 bits.
    pub reference: u32,
    /// Counts feedback packets, to tell lost ones.
    pub feedback_count: u8,
    deltas: Deltas<'a>,
}

impl<'a> TransportCc<'a> {
    /// Reads and checks the whole feedback.
    pub(super) fn parse(sender: u32, media: u32, control: &'a [u8]) -> Option<Self> {
        let base = u16_at(control, 0)?;
        let count = u16_at(control, 2)?;
        let reference = u24_at(control, 4)?;
        let feedback_count = *control.get(7)?;
        let chunks = control.get(8..)?;
        let deltas = Deltas::parse(base, count, chunks)?;

        Some(Self { sender, media, base, count, reference, feedback_count, deltas })
    }

    /// The packets in order: sequence number, and ticks since the arrival before it (since the
    /// reference for the first); `None` if it did not arrive.
    pub fn deltas(&self) -> Deltas<'a> {
        self.deltas.clone()
    }

    /// The packets in order: sequence number, and ticks from the moment that `reference` counts
    /// from to its arrival; `None` if it did not arrive.
    pub fn arrivals(&self) -> impl Iterator<Item = (u16, Option<i64>)> + use<'a> {
        let mut at = i64::from(self.reference) * REFERENCE_TICKS as i64;

        self.deltas().map(move |(sequence, delta)| {
            let arrived = delta.map(|delta| {
                at += i64::from(delta);
                at
            });
            (sequence, arrived)
        })
    }
}

/// What a feedback tells of one packet (section 3.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Missing = 0,
    Small = 1,
    Large = 2,
}

impl Status {
    fn of(symbol: u16) -> Option<Self> {
        match symbol {
            0 => Some(Self::Missing),
            1 => Some(Self::Small),
            2 => Some(Self::Large),
            _ => None,
        }
    }

    /// Bytes of its delta.
    fn delta_len(self) -> usize {
        self as usize
    }
}

/// A packet status chunk: a run of one status, or a vector of them.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    bits: u16,
    left: usize,
}

impl Chunk {
    fn parse(bits: u16) -> Self {
        let left = match bits >> 14 {
            0 | 1 => usize::from(bits) & RUN_MAX,
            2 => 14,
            _ => 7,
        };

        Self { bits, left }
    }

    /// The next status; `None` if it is the reserved one.
    fn take(&mut self) -> Option<Status> {
        self.left -= 1;
        let symbol = match self.bits >> 14 {
            0 | 1 => self.bits >> 13,
            2 => self.bits >> self.left & 1,
            _ => self.bits >> (2 * self.left) & 3,
        };

        Status::of(symbol)
    }
}

/// Packets in order: sequence number, and ticks since the arrival before it.
#[derive(Clone, Debug)]
pub struct Deltas<'a> {
    sequence: u16,
    count: u16,
    chunk: Chunk,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> Deltas<'a> {
    /// Finds where the chunks end and the deltas start.
    fn parse(base: u16, count: u16, bytes: &'a [u8]) -> Option<Self> {
        let mut all =
            Self { sequence: base, count, chunk: Chunk::parse(0), chunks: bytes, deltas: &[] };
        let mut walk = all.clone();
        let mut deltas_len = 0;
        while walk.count > 0 {
            deltas_len += walk.status()?.delta_len();
        }
        let chunks_len = bytes.len() - walk.chunks.len();
        (all.chunks, all.deltas) = bytes.split_at(chunks_len);
        all.deltas = all.deltas.get(..deltas_len)?;

        Some(all)
    }

    /// The next packet's status.
    fn status(&mut self) -> Option<Status> {
        self.count = self.count.checked_sub(1)?;
        if self.chunk.left == 0 {
            self.chunk = Chunk::parse(u16_at(self.chunks, 0)?);
            self.chunks = &self.chunks[2..];
        }
        if self.chunk.left == 0 {
            return None;
        }

        self.chunk.take()
    }
}

impl Iterator for Deltas<'_> {
    type Item = (u16, Option<i16>);

    fn next(&mut self) -> Option<Self::Item> {
        let status = self.status()?;
        let (delta, rest) = self.deltas.split_at_checked(status.delta_len())?;
        self.deltas = rest;
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let delta = match *delta {
            [] => None,
            [small] => Some(i16::from(small)),
            [high, low, ..] => Some(i16::from_be_bytes([high, low])),
        };

        Some((sequence, delta))
    }
}

/// The statuses from a base on to the last arrival, and each one's delta.
#[derive(Clone, Debug)]
struct Statuses<'a> {
    sequence: u16,
    ticks: u64,
    arrivals: &'a [(u16, Duration)],
}

impl Iterator for Statuses<'_> {
    type Item = (Status, i16);

    fn next(&mut self) -> Option<(Status, i16)> {
        let ((sequence, arrival), rest) = self.arrivals.split_first()?;
        let missing = *sequence != self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        if missing {
            return Some((Status::Missing, 0));
        }
        let delta = delta(self.ticks, *arrival)?;
        self.ticks = ticks(*arrival);
        self.arrivals = rest;
        let status = if (0..256).contains(&delta) { Status::Small } else { Status::Large };

        Some((status, delta))
    }
}

/// Writes feedback on the packets from `base` on, behind the two SSRCs; returns how many of the
/// arrivals it tells of. A packet ends before an arrival that it has no room for, whose delta is
/// too large, or which is out of order.
pub(super) fn write(
    sink: &mut Sink<'_>,
    base: u16,
    feedback_count: u8,
    arrivals: &[(u16, Duration)],
) -> usize {
    let Some((_, first)) = arrivals.first() else { return 0 };
    let reference = ticks(*first) / REFERENCE_TICKS;
    let start = reference * REFERENCE_TICKS;
    let told = fitting(base, start, arrivals, sink.room().saturating_sub(8 + 3));
    let Some((last, _)) = arrivals[..told].last() else { return 0 };

    sink.put(&base.to_be_bytes());
    sink.put(&last.wrapping_sub(base).wrapping_add(1).to_be_bytes());
    sink.put(&(reference as u32).to_be_bytes()[1..]);
    sink.put(&[feedback_count]);
    let statuses = Statuses { sequence: base, ticks: start, arrivals: &arrivals[..told] };
    chunks(sink, statuses.clone());
    for (status, delta) in statuses {
        match status {
            Status::Missing => {}
            Status::Small => sink.put(&[delta as u8]),
            Status::Large => sink.put(&delta.to_be_bytes()),
        }
    }
    sink.pad();

    told
}

/// How many arrivals certainly fit into `room` bytes.
fn fitting(base: u16, start: u64, arrivals: &[(u16, Duration)], mut room: usize) -> usize {
    let mut next = base;
    let mut before = start;
    for (index, (sequence, arrival)) in arrivals.iter().enumerate() {
        let in_order = *sequence == next || sequence::newer(*sequence, next);
        let told = sequence.wrapping_sub(base) < 0x8000;
        let gap = usize::from(sequence.wrapping_sub(next));
        // A delta and a chunk that starts here; in a gap start full runs, the last run, and at most
        // two vectors.
        let gap_chunks = if gap == 0 { 0 } else { gap / RUN_MAX + 3 };
        let cost = 2 + 2 * (1 + gap_chunks);
        if !in_order || !told || delta(before, *arrival).is_none() || cost > room {
            return index;
        }
        room -= cost;
        next = sequence.wrapping_add(1);
        before = ticks(*arrival);
    }

    arrivals.len()
}

/// Writes status chunks: a run where it saves something, else a vector.
fn chunks(sink: &mut Sink<'_>, mut statuses: Statuses<'_>) {
    while let Some((first, _)) = statuses.clone().next() {
        let same = |(status, _): &(Status, i16)| *status == first;
        let run = statuses.clone().take(RUN_MAX).take_while(same).count();
        let two_bits = statuses.clone().take(14).any(|(status, _)| status == Status::Large);
        let (chunk, covered) = if run >= 14 || run >= 7 && two_bits {
            ((first as u16) << 13 | run as u16, run)
        } else if two_bits {
            (0xc000 | vector(&statuses, 7, 2), 7)
        } else {
            (0x8000 | vector(&statuses, 14, 1), 14)
        };
        sink.put(&chunk.to_be_bytes());
        statuses.by_ref().take(covered).for_each(drop);
    }
}

/// The next `len` statuses of `bits` each; `Missing` behind the end.
fn vector(statuses: &Statuses<'_>, len: usize, bits: usize) -> u16 {
    let padded = statuses.clone().map(|(status, _)| status as u16).chain(std::iter::repeat(0));

    padded.take(len).fold(0, |vector, symbol| vector << bits | symbol)
}

fn ticks(arrival: Duration) -> u64 {
    (arrival.as_micros() as u64) / TICK_US
}

fn delta(before: u64, arrival: Duration) -> Option<i16> {
    i16::try_from(ticks(arrival).wrapping_sub(before) as i64).ok()
}
