//! A room's tap: what is recorded of it, as records in blocks of memory that the driver lends.
//!
//! Nothing waits for the disk. When no memory is left, records are counted, and the log says so
//! where writing goes on.

mod commands;
mod tapped;

pub(super) use tapped::Tapped;

use super::notify;
use crate::{Counters, Logged, LoggedBlock, Outbox, Unwritten};
use relay_wire::control::{Event, RecordingNews, RecordingSpec, RoomId, Speaker};
use relay_wire::medialog::{ALIGNMENT, Block, End, LogId, Lost, Record, Speakers, Start};
use std::time::{Duration, Instant};

/// A block is handed out at most this long after its first record.
const SEAL_EVERY: Duration = Duration::from_secs(1);
/// Signalling hears of losses this often at most.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The block that is being filled.
struct Filling {
    block: Block<Box<[u8]>>,
    records: u64,
    /// Records missing in front of it, and their bytes.
    missing: (u64, u64),
    since: Instant,
    /// When its first record came.
    begun: Instant,
}

/// Records that are missing since a moment.
#[derive(Clone, Copy)]
struct Gap {
    since: Instant,
    records: u64,
    bytes: u64,
}

/// A recorded room's log.
pub(super) struct Tap {
    room: RoomId,
    log: LogId,
    start: Instant,
    filling: Option<Filling>,
    /// The next block's number.
    number: u64,
    gap: Option<Gap>,
    /// When the log is next tried to go on behind a gap, though nothing comes.
    retry_at: Instant,
    /// Losses that signalling has not heard of.
    untold: (u64, u64),
    tell_at: Instant,
    /// Kept for the log's end: it can always be written.
    last: Box<[u8]>,
    records: u64,
    bytes: u64,
    lost: u64,
}

impl Tap {
    /// Begins a log. `unix`: the wall clock, since the Unix epoch.
    pub(super) fn new(
        now: Instant,
        unix: Duration,
        room: RoomId,
        spec: &RecordingSpec,
        out: &mut Outbox,
    ) -> Self {
        let mut tap = Self {
            room,
            log: spec.log,
            start: now,
            filling: None,
            number: 0,
            gap: None,
            retry_at: now,
            untold: (0, 0),
            tell_at: now,
            last: vec![0; ALIGNMENT].into_boxed_slice(),
            records: 0,
            bytes: 0,
            lost: 0,
        };
        out.log(Logged::Opened { room, log: spec.log, name: spec.name.clone() });
        let unix_us = unix.as_micros() as u64;
        tap.push(now, &Record::Start(Start { unix_us }), out);

        tap
    }

    /// Microseconds since the log's start.
    pub(super) fn at_us(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_micros() as u64
    }

    /// Appends a record, or counts it as lost.
    pub(super) fn push(&mut self, now: Instant, record: &Record<'_>, out: &mut Outbox) {
        if self.append(now, record, out) {
            self.records += 1;
            return;
        }
        let gap = self.gap.get_or_insert(Gap { since: now, records: 0, bytes: 0 });
        gap.records += 1;
        gap.bytes += weight(record);
        self.lost += 1;
    }

    /// Logs who speaks from now on.
    pub(super) fn speakers(&mut self, now: Instant, loudest: &[Speaker], out: &mut Outbox) {
        let loudest = loudest.iter().map(|speaker| speaker.participant);
        self.push(now, &Record::Speakers(Speakers::new(self.at_us(now), loudest)), out);
    }

    /// Counts what was handed out and could not be written.
    pub(super) fn unwritten(&mut self, refused: &Unwritten) {
        let Unwritten { records, bytes, missing, since, .. } = *refused;
        let gap = self.gap.get_or_insert(Gap { since, records: 0, bytes: 0 });
        gap.since = gap.since.min(since);
        gap.records += records + missing.0;
        gap.bytes += bytes + missing.1;
        self.lost += records;
    }

    /// Hands out what has waited long enough.
    pub(super) fn advance(&mut self, now: Instant, out: &mut Outbox) {
        if self.seal_at().is_some_and(|due| due <= now) {
            self.seal(out);
        }
        if self.retries().is_some_and(|due| due <= now) {
            self.retry_at = now + SEAL_EVERY;
            if let Some(memory) = out.take_block() {
                self.begin(now, memory, out);
            }
        }
        if now >= self.tell_at {
            self.tell(now, out);
        }
    }

    /// When `advance` is next needed.
    pub(super) fn due(&self) -> Option<Instant> {
        let tell = (self.untold.0 > 0).then_some(self.tell_at);

        [self.seal_at(), self.retries(), tell].into_iter().flatten().min()
    }

    /// Ends the log.
    pub(super) fn end(mut self, now: Instant, out: &mut Outbox) -> Counters {
        self.seal(out);
        let memory = std::mem::take(&mut self.last);
        self.begin(now, memory, out);
        self.push(now, &Record::End(End { at_us: self.at_us(now) }), out);
        self.seal(out);
        self.tell(now, out);
        out.log(Logged::Closed(self.log));
        let mut counters = Counters::default();
        self.count(&mut counters);

        counters
    }

    /// Adds what was recorded so far.
    pub(super) fn count(&self, total: &mut Counters) {
        total.recorded_records += self.records;
        total.recorded_bytes += self.bytes;
        total.recording_lost += self.lost;
    }

    fn seal_at(&self) -> Option<Instant> {
        self.filling.as_ref().map(|filling| filling.begun + SEAL_EVERY)
    }

    /// When a gap is next told, where no record begins a block.
    fn retries(&self) -> Option<Instant> {
        let stands = self.gap.is_some() && self.filling.is_none();

        stands.then_some(self.retry_at)
    }

    fn append(&mut self, now: Instant, record: &Record<'_>, out: &mut Outbox) -> bool {
        for _ in 0..2 {
            if self.filling.is_none() {
                let Some(memory) = out.take_block() else { return false };
                self.begin(now, memory, out);
            }
            let Some(filling) = &mut self.filling else { return false };
            let before = filling.block.len();
            if filling.block.push(record) {
                filling.records += 1;
                self.bytes += (filling.block.len() - before) as u64;
                return true;
            }
            if filling.block.is_empty() {
                return false;
            }
            self.seal(out);
        }

        false
    }

    /// Starts the next block; what is missing is its first record.
    fn begin(&mut self, now: Instant, memory: Box<[u8]>, out: &mut Outbox) {
        let mut block = Block::new(memory, self.log, self.number);
        self.number += 1;
        let (mut missing, mut since) = ((0, 0), now);
        if let Some(gap) = self.gap.take() {
            let (at_us, since_us) = (self.at_us(now), self.at_us(gap.since));
            let Gap { records, bytes, .. } = gap;
            block.push(&Record::Lost(Lost { at_us, since_us, records, bytes }));
            (missing, since) = ((records, bytes), gap.since);
            self.untold = (self.untold.0 + records, self.untold.1 + bytes);
        }
        self.filling = Some(Filling { block, records: 0, missing, since, begun: now });
        if now >= self.tell_at {
            self.tell(now, out);
        }
    }

    fn tell(&mut self, now: Instant, out: &mut Outbox) {
        let (records, bytes) = std::mem::take(&mut self.untold);
        if records > 0 {
            self.tell_at = now + TELL_EVERY;
            let lost = RecordingNews::Lost { records, bytes };
            notify(Event::Recording(self.room, self.log, lost), out);
        }
    }

    fn seal(&mut self, out: &mut Outbox) {
        let Some(Filling { block, records, missing, since, .. }) = self.filling.take() else {
            return;
        };
        let (log, room) = (self.log, self.room);
        out.log(Logged::Block(LoggedBlock { log, room, block, records, missing, since }));
    }
}

/// About how many bytes a record has that was not written.
fn weight(record: &Record<'_>) -> u64 {
    let payload = match record {
        Record::Packet(packet) => packet.payload.len(),
        Record::Fact(fact) => fact.json.len(),
        Record::Start(_)
        | Record::Report(_)
        | Record::Speakers(_)
        | Record::Mute(_)
        | Record::Lost(_)
        | Record::End(_) => 0,
    };

    payload as u64
}
