//! What the thread that writes counts.

/// Counters of all logs of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct WriterCounters {
    /// Logs that are open.
    pub(crate) open: u64,
    /// Bytes written.
    pub(crate) bytes: u64,
    /// Blocks written.
    pub(crate) writes: u64,
    /// Seconds that it took to write them, together.
    pub(crate) write_seconds: f64,
    /// Times that files were brought to the disk.
    pub(crate) syncs: u64,
    /// Seconds that it took.
    pub(crate) sync_seconds: f64,
    /// Blocks that the disk refused.
    pub(crate) refused: u64,
    /// Logs of which the end is not on the disk, or not known to be.
    pub(crate) failed: u64,
}

impl WriterCounters {
    /// Adds what was counted since.
    pub(crate) fn add(&mut self, more: &Self) {
        self.bytes += more.bytes;
        self.writes += more.writes;
        self.write_seconds += more.write_seconds;
        self.syncs += more.syncs;
        self.sync_seconds += more.sync_seconds;
        self.refused += more.refused;
        self.failed += more.failed;
    }
}
