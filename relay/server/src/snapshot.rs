//! Copies of each shard's counters, a few times a second, for whoever asks.

use crate::io::IoCounters;
use crate::streams::StreamCounters;
use relay_shard::{Counters, DropReason, Drops};
use std::sync::{Mutex, PoisonError};

/// One shard's counters at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) counters: Counters,
    pub(crate) io: IoCounters,
    pub(crate) streams: StreamCounters,
    pub(crate) drops: Drops,
    pub(crate) handed_over: u64,
    pub(crate) taken_over: u64,
    /// Letters and datagrams of other shards aside, how often the media loop went round.
    pub(crate) turns: u64,
}

impl Snapshot {
    /// Drops of one reason, in the shard's logic and in its sockets.
    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.drops.get(reason) + self.io.drops.get(reason) + self.streams.drops.get(reason)
    }
}

/// All shards' latest snapshots.
#[derive(Debug)]
pub(crate) struct Snapshots(Vec<Mutex<Snapshot>>);

impl Snapshots {
    pub(crate) fn new(shards: usize) -> Self {
        Self((0..shards).map(|_| Mutex::default()).collect())
    }

    /// Publishes a shard's counters; when a reader holds the last ones just now, those stay.
    pub(crate) fn publish(&self, shard: u16, write: impl FnOnce(&mut Snapshot)) {
        if let Some(Ok(mut slot)) = self.0.get(usize::from(shard)).map(Mutex::try_lock) {
            write(&mut slot);
        }
    }

    /// The latest of each shard, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Snapshot> + '_ {
        self.0.iter().map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}
