//! Between a shard and the thread that writes: full blocks one way, their memory the other.

use crossbeam_queue::ArrayQueue;
use relay_shard::{Logged, Outbox, Shard, Unwritten};
use relay_wire::medialog::BLOCK_MAX;
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::Thread;

/// Blocks that a shard has at most: 128 MiB.
const BLOCKS_MAX: usize = 1024;
/// Blocks that a shard has at least while it records: two seconds of 30 Mbit/s.
const BLOCKS_MIN: usize = 64;
/// Blocks for each recorded room where that is more.
const BLOCKS_EACH: usize = 8;
/// Entries that may wait for the thread: all blocks, and beginnings and ends of logs.
const WAITING_MAX: usize = 2 * BLOCKS_MAX;

/// Memory that comes back.
pub(super) struct Returned {
    pub(super) memory: Box<[u8]>,
    /// Its block could not be written.
    pub(super) unwritten: Option<Unwritten>,
}

/// The queues of one shard.
pub(super) struct Lane {
    full: ArrayQueue<Logged>,
    back: ArrayQueue<Returned>,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self { full: ArrayQueue::new(WAITING_MAX), back: ArrayQueue::new(WAITING_MAX) }
    }

    /// What is to be written next.
    pub(super) fn take(&self) -> Option<Logged> {
        self.full.pop()
    }

    /// Gives memory back.
    pub(super) fn give_back(&self, returned: Returned) {
        // As many places as there can be blocks and ends of logs: what does not fit is freed.
        let _ = self.back.push(returned);
    }
}

/// The lanes of all shards, and the thread at their ends.
pub(crate) struct Lanes {
    pub(super) lanes: Vec<Arc<Lane>>,
    pub(super) thread: Thread,
}

/// A shard's end of its lane.
pub(crate) struct Recorder {
    lanes: Arc<Lanes>,
    shard: usize,
    lent: usize,
    recordings: usize,
    /// What found no place in the queue.
    waiting: VecDeque<Logged>,
}

impl Recorder {
    pub(crate) fn new(lanes: Arc<Lanes>, shard: u16) -> Self {
        Self { lanes, shard: shard.into(), lent: 0, recordings: 0, waiting: VecDeque::new() }
    }

    /// Lends memory for one recording more; false when the disk is so far behind that no
    /// recording may begin.
    pub(crate) fn prepare(&mut self, out: &mut Outbox) -> bool {
        if !self.waiting.is_empty() {
            return false;
        }
        let wanted = ((self.recordings + 1) * BLOCKS_EACH).clamp(BLOCKS_MIN, BLOCKS_MAX);
        while self.lent < wanted {
            out.lend_block(vec![0; BLOCK_MAX].into_boxed_slice());
            self.lent += 1;
        }

        true
    }

    /// Takes memory back, and passes on what the shard logged.
    pub(crate) fn exchange(&mut self, shard: &mut Shard, out: &mut Outbox) {
        let lane = &self.lanes.lanes[self.shard];
        while let Some(Returned { memory, unwritten }) = lane.back.pop() {
            // The last block of a log is in memory of the log's own.
            if memory.len() == BLOCK_MAX {
                out.lend_block(memory);
            }
            if let Some(unwritten) = unwritten {
                shard.unwritten(&unwritten);
            }
        }
        if !out.has_logged() && self.waiting.is_empty() {
            return;
        }
        for logged in out.logged() {
            match &logged {
                Logged::Opened { .. } => self.recordings += 1,
                Logged::Closed(_) => self.recordings -= 1,
                Logged::Block(_) => {}
            }
            self.waiting.push_back(logged);
        }
        while let Some(logged) = self.waiting.pop_front() {
            if let Err(full) = lane.full.push(logged) {
                self.waiting.push_front(full);
                break;
            }
        }
        self.lanes.thread.unpark();
    }
}
