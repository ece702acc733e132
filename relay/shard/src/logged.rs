//! Media logs on their way to a disk: blocks of memory that the driver lends, and gets back full.

use relay_wire::control::RoomId;
use relay_wire::medialog::{Block, LogId};
use std::time::Instant;

/// Entries beside blocks that may wait without an allocation.
const OPENED_MAX: usize = 64;

/// Something for whoever writes media logs, in order.
#[derive(Debug)]
pub enum Logged {
    /// A log begins.
    Opened {
        /// The room that is recorded.
        room: RoomId,
        /// The log's number.
        log: LogId,
        /// Name of its directory.
        name: String,
    },
    /// A block to be written.
    Block(LoggedBlock),
    /// A log ended: nothing more of it comes.
    Closed(LogId),
}

/// A block of a media log.
#[derive(Debug)]
pub struct LoggedBlock {
    /// Whose it is.
    pub log: LogId,
    /// The room that is recorded.
    pub room: RoomId,
    /// The block; `seal` gives the bytes to write.
    pub block: Block<Box<[u8]>>,
    /// Records in it.
    pub(crate) records: u64,
    /// Records missing in front of it, of which it tells, and their bytes.
    pub(crate) missing: (u64, u64),
    /// When the first of all of them was due.
    pub(crate) since: Instant,
}

/// A block that could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unwritten {
    /// Whose it was.
    pub log: LogId,
    /// The room that is recorded.
    pub room: RoomId,
    /// Records in it.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records missing in front of it, of which it told, and their bytes.
    pub missing: (u64, u64),
    /// When the first of all of them was due.
    pub since: Instant,
}

impl LoggedBlock {
    /// What to tell `Shard::unwritten` when it could not be written.
    pub fn unwritten(&self) -> Unwritten {
        let Self { log, room, records, missing, since, .. } = *self;

        Unwritten { log, room, records, bytes: self.block.len() as u64, missing, since }
    }
}

/// Memory for blocks, and what is to be written.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    spare: Vec<Box<[u8]>>,
    /// In order; drained by the driver.
    pub(crate) full: Vec<Logged>,
}

impl Desk {
    /// Takes memory that is lent, or given back: `medialog::BLOCK_MAX` bytes.
    pub(crate) fn lend(&mut self, memory: Box<[u8]>) {
        self.spare.push(memory);
        // All that is lent may be full at once.
        let capacity = self.spare.capacity() + OPENED_MAX;
        self.full.reserve(capacity.saturating_sub(self.full.len()));
    }

    /// Memory for a block, if there is some.
    pub(crate) fn take(&mut self) -> Option<Box<[u8]>> {
        self.spare.pop()
    }
}
