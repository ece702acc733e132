//! Reads a media log's bytes; what is damaged costs just that.

use super::block::{ALIGNMENT, BLOCK_MAX, Header, LogId, record, record_len};
use super::record::Record;
use std::collections::VecDeque;
use std::ops::Range;

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    /// A record.
    Record(Record<'a>),
    /// Something that is not as it was written.
    Damage(Damage),
}

/// What is missing of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Bytes that are no block of this log.
    NoBlock {
        /// How many, up to the next block or the end of the file.
        bytes: u64,
    },
    /// Blocks that are not there, or not in this order.
    Missing {
        /// The number that was expected.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// Bytes within a block that are no record.
    NoRecord {
        /// How many.
        bytes: u64,
    },
    /// A record of a kind that this version does not know, or whose body it cannot read.
    Unknown {
        /// The record's kind.
        kind: u8,
    },
    /// The file ends within a block.
    Truncated {
        /// Bytes that are missing, padding included.
        bytes: u64,
    },
}

/// Reads the files of one log, one after another; holds one block at most. Push bytes, then ask
/// until nothing comes.
#[derive(Debug, Default)]
pub struct Reader {
    /// Bytes that were pushed and not read, from `at` on.
    bytes: Vec<u8>,
    at: usize,
    /// The records of the block that is being read, within `bytes`.
    records: Range<usize>,
    log: Option<LogId>,
    expected: u64,
    /// Bytes without a block that were passed.
    astray: u64,
    found: VecDeque<Damage>,
}

impl Reader {
    /// A reader at a log's start.
    pub fn new() -> Self {
        Self::default()
    }

    /// The log's number, once a block was read.
    pub fn log(&self) -> Option<LogId> {
        self.log
    }

    /// Bytes that should be pushed at once.
    pub const PUSH_MAX: usize = BLOCK_MAX;

    /// Appends bytes of the file.
    pub fn push(&mut self, bytes: &[u8]) {
        let read = if self.records.is_empty() { self.at } else { self.records.start };
        self.bytes.drain(..read);
        self.at -= read;
        let shifted = |at: usize| at.saturating_sub(read);
        self.records = shifted(self.records.start)..shifted(self.records.end);
        self.bytes.extend_from_slice(bytes);
    }

    #[expect(clippy::should_implement_trait, reason = "items borrow what was pushed")]
    /// What comes next; `None`: push more, or, after the file's last bytes, `finish`.
    pub fn next(&mut self) -> Option<Item<'_>> {
        self.step(false)
    }

    /// What comes next of a file of which everything was pushed. After `None` the next file of the
    /// log may be pushed.
    pub fn finish(&mut self) -> Option<Item<'_>> {
        self.step(true)
    }

    fn step(&mut self, ends: bool) -> Option<Item<'_>> {
        loop {
            if let Some(damage) = self.found.pop_front() {
                return Some(Item::Damage(damage));
            }
            if !self.records.is_empty() {
                let Some((kind, body)) = self.take_record() else { continue };
                return Some(match Record::parse(kind, &self.bytes[body]) {
                    Some(record) => Item::Record(record),
                    None => Item::Damage(Damage::Unknown { kind }),
                });
            }
            if !self.enter(ends) {
                return None;
            }
        }
    }

    /// Takes the next record of the block; passes what is none.
    fn take_record(&mut self) -> Option<(u8, Range<usize>)> {
        let log = self.log?;
        let Range { start, end } = self.records;
        let Some((kind, body)) = record(log, &self.bytes[start..end]) else {
            let next = (start..end).find(|at| record(log, &self.bytes[*at..end]).is_some());
            self.records.start = next.unwrap_or(end);
            let bytes = (self.records.start - start) as u64;
            self.found.push_back(Damage::NoRecord { bytes });
            return None;
        };
        let next = start + record_len(body);
        let body = next - body.len()..next;
        self.records.start = next;

        Some((kind, body))
    }

    /// Enters the next block; false when more bytes are needed, or, in the end, when none is left.
    fn enter(&mut self, ends: bool) -> bool {
        let left = self.bytes.len() - self.at;
        if left < Header::LEN.max(if ends { 1 } else { ALIGNMENT }) {
            return ends && self.leave(left);
        }
        let header = Header::parse(&self.bytes[self.at..]);
        let header = header.filter(|header| self.log.is_none_or(|log| log == header.log));
        let Some(header) = header else {
            let step = ALIGNMENT.min(left);
            self.astray += step as u64;
            self.at += step;
            return true;
        };
        if left < header.len() && !ends {
            return false;
        }
        self.note_astray();
        self.log = Some(header.log);
        if header.number != self.expected {
            let (expected, found) = (self.expected, header.number);
            self.found.push_back(Damage::Missing { expected, found });
        }
        self.expected = header.number.saturating_add(1);
        let start = self.at + Header::LEN;
        self.records = start..(start + header.used).min(self.bytes.len());
        self.at += header.len();
        if let Some(bytes) = self.at.checked_sub(self.bytes.len()).filter(|bytes| *bytes > 0) {
            self.found.push_back(Damage::Truncated { bytes: bytes as u64 });
            self.at = self.bytes.len();
        }

        true
    }

    /// The file has ended, perhaps with some bytes that are no block; true if there is damage to
    /// tell.
    fn leave(&mut self, left: usize) -> bool {
        self.astray += left as u64;
        self.at = self.bytes.len();
        self.note_astray();

        !self.found.is_empty()
    }

    fn note_astray(&mut self) {
        if self.astray > 0 {
            self.found.push_back(Damage::NoBlock { bytes: self.astray });
            self.astray = 0;
        }
    }
}
