//! What is counted of calls.

use std::collections::BTreeMap;

/// Upper ends of the buckets of ringing time, milliseconds; what is longer is in the last one.
const RING_MS: [u64; 7] = [500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000];

/// Counters and gauges of an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallsCounters {
    /// Sessions now.
    pub sessions: u64,
    /// Sessions that went on after their connection was lost.
    pub resumes: u64,
    /// Calls now, by the way that media takes: `direct`, `server`, or empty.
    pub active: BTreeMap<&'static str, u64>,
    /// Calls that began.
    pub set_ups: u64,
    /// Calls that ended, by reason.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Decisions about wishes to call.
    pub decisions: BTreeMap<&'static str, u64>,
    /// Ways that were taken.
    pub routes: BTreeMap<&'static str, u64>,
    /// Errors told to clients, by code.
    pub errors: BTreeMap<String, u64>,
    /// Connections that were ended, by reason.
    pub byes: BTreeMap<String, u64>,
    /// Times from ringing to accepting.
    pub ring: Histogram,
}

/// How often times lay where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; RING_MS.len()],
    count: u64,
    sum_ms: u64,
}

impl Histogram {
    /// Counts one time.
    pub(super) fn observe(&mut self, ms: u64) {
        let fitting = self.counts.iter_mut().zip(RING_MS).filter(|(_, end)| ms <= *end);
        fitting.for_each(|(count, _)| *count += 1);
        self.count += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
    }

    /// Upper ends in seconds, with how many times were at most that long.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        RING_MS.iter().map(|ms| *ms as f64 / 1e3).zip(self.counts)
    }

    /// How many there were, and their sum in seconds.
    pub fn total(&self) -> (u64, f64) {
        (self.count, self.sum_ms as f64 / 1e3)
    }
}
