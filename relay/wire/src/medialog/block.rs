//! Blocks: what is written to the disk at once.

use super::record::Record;
use crate::bytes::{Sink, u32_at, u64_at};
use serde::{Deserialize, Serialize};

/// Blocks start at multiples of this, as direct I/O wants it.
pub const ALIGNMENT: usize = 4096;
/// Bytes of the longest block.
pub const BLOCK_MAX: usize = 128 << 10;

/// Magic bytes, the last of which is the version.
const MAGIC: [u8; 4] = *b"MRL\x01";
const HEADER_LEN: usize = 28;
/// Length of the body (two bytes), kind, a zero, checksum.
const RECORD_HEADER_LEN: usize = 8;

/// A log's random number. It goes into every checksum: what a participant sends in a payload can
/// then not pass for a record of the log, wherever a reader has to look for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogId(pub u64);

/// A block that is being filled; its memory is used again and again.
#[derive(Debug)]
pub struct Block<B> {
    bytes: B,
    used: usize,
    log: LogId,
    number: u64,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>> Block<B> {
    /// Starts this block of a log in this memory: a multiple of `ALIGNMENT`, of which `BLOCK_MAX`
    /// bytes are used at most. Blocks are numbered from 0 on, over all files of a log.
    pub fn new(bytes: B, log: LogId, number: u64) -> Self {
        let len = bytes.as_ref().len();
        assert!(len >= ALIGNMENT && len.is_multiple_of(ALIGNMENT), "a block's memory is aligned");

        Self { bytes, used: HEADER_LEN, log, number }
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.used == HEADER_LEN
    }

    /// Bytes of header and records.
    pub fn len(&self) -> usize {
        self.used
    }

    /// Appends a record; false when it does not fit, or is longer than its kind may be.
    pub fn push(&mut self, record: &Record<'_>) -> bool {
        let memory = self.bytes.as_mut();
        let end = memory.len().min(BLOCK_MAX);
        let Some(room) = memory.get_mut(self.used..end) else { return false };
        let Some((head, body)) = room.split_at_mut_checked(RECORD_HEADER_LEN) else { return false };
        let mut sink = Sink::new(body);
        record.write(&mut sink);
        let Some(len) = sink.finish().and_then(|len| u16::try_from(len).ok()) else { return false };
        let [high, low] = len.to_be_bytes();
        let front = [high, low, record.kind(), 0];
        let sum = checksum(self.log, &front, &body[..usize::from(len)]);
        head[..4].copy_from_slice(&front);
        head[4..].copy_from_slice(&sum.to_be_bytes());
        self.used += RECORD_HEADER_LEN + usize::from(len);

        true
    }

    /// Completes it; returns what is to be written, a multiple of `ALIGNMENT`.
    pub fn seal(&mut self) -> &[u8] {
        let used = self.used;
        let bytes = &mut self.bytes.as_mut()[..used.next_multiple_of(ALIGNMENT)];
        bytes[used..].fill(0);
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..12].copy_from_slice(&self.log.0.to_be_bytes());
        bytes[12..20].copy_from_slice(&self.number.to_be_bytes());
        bytes[20..24].copy_from_slice(&((used - HEADER_LEN) as u32).to_be_bytes());
        let sum = crc32fast::hash(&bytes[..24]);
        bytes[24..HEADER_LEN].copy_from_slice(&sum.to_be_bytes());

        bytes
    }

    /// Starts the log's next block in the same memory.
    pub fn next(&mut self) {
        self.used = HEADER_LEN;
        self.number += 1;
    }

    /// Its memory.
    pub fn into_bytes(self) -> B {
        self.bytes
    }
}

/// A block's header, as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) log: LogId,
    pub(super) number: u64,
    /// Bytes of records.
    pub(super) used: usize,
}

impl Header {
    pub(super) const LEN: usize = HEADER_LEN;

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEADER_LEN)?;
        let used = u32_at(head, 20)? as usize;
        let valid = head[..4] == MAGIC
            && u32_at(head, 24)? == crc32fast::hash(&head[..24])
            && used <= BLOCK_MAX - HEADER_LEN;

        valid.then_some(Self { log: LogId(u64_at(head, 4)?), number: u64_at(head, 12)?, used })
    }

    /// Bytes of the block.
    pub(super) fn len(&self) -> usize {
        (HEADER_LEN + self.used).next_multiple_of(ALIGNMENT)
    }
}

/// A record's kind and body at the front of `bytes`; `None` when they are not as they were written.
pub(super) fn record(log: LogId, bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<RECORD_HEADER_LEN>()?;
    let [high, low, kind, zero, sum @ ..] = *head;
    let body = rest.get(..u16::from_be_bytes([high, low]).into())?;
    let whole = zero == 0 && u32::from_be_bytes(sum) == checksum(log, &head[..4], body);

    whole.then_some((kind, body))
}

/// Bytes of a record with this body.
pub(super) fn record_len(body: &[u8]) -> usize {
    RECORD_HEADER_LEN + body.len()
}

fn checksum(log: LogId, front: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&log.0.to_be_bytes());
    hasher.update(front);
    hasher.update(body);

    hasher.finalize()
}
