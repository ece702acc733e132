//! What one subscriber received during the measured time.

use super::stamp::Stamp;
use hdrhistogram::Histogram;
use std::ops::Range;

/// Latencies beyond this count as this, in microseconds.
const LATENCY_MAX_US: u64 = 10_000_000;

/// Counts packets by the stamps in them.
#[derive(Clone)]
pub(super) struct Tally {
    /// Different packets.
    pub(super) received: u64,
    /// Packets that came again.
    pub(super) duplicates: u64,
    /// From the stamp to here, in microseconds.
    pub(super) latency: Histogram<u64>,
    /// Per publisher: one bit a packet.
    seen: Vec<Vec<u64>>,
}

impl Tally {
    /// A tally for packets of `publishers`.
    pub(super) fn new(publishers: usize) -> Self {
        let latency = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3)
            .expect("bounds and digits are what the histogram takes");

        Self { received: 0, duplicates: 0, latency, seen: vec![Vec::new(); publishers] }
    }

    /// Counts a packet that was sent within `window` (nanoseconds) and arrived at `now`.
    pub(super) fn count(&mut self, stamp: Stamp, window: &Range<u64>, now: u64) {
        let Some(seen) = self.seen.get_mut(stamp.publisher as usize) else { return };
        if !window.contains(&stamp.sent) {
            return;
        }
        let (word, bit) = ((stamp.number / 64) as usize, 1 << (stamp.number % 64));
        if word >= seen.len() {
            seen.resize(word + 1, 0);
        }
        if seen[word] & bit != 0 {
            self.duplicates += 1;
            return;
        }

        seen[word] |= bit;
        self.received += 1;
        self.latency.saturating_record(now.saturating_sub(stamp.sent) / 1_000);
    }

    /// Adds another subscriber's figures; whose packets they were is no longer told apart.
    pub(super) fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.duplicates += other.duplicates;
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(publisher: u32, number: u64, sent: u64) -> Stamp {
        Stamp { publisher, number, sent }
    }

    #[test]
    fn packets_count_once_and_only_within_the_window() {
        let mut tally = Tally::new(2);
        let window = 1_000..2_000_000;
        tally.count(stamp(0, 7, 999), &window, 5_000);
        tally.count(stamp(0, 8, 1_000), &window, 501_000);
        tally.count(stamp(1, 8, 1_000), &window, 501_000);
        tally.count(stamp(1, 8, 1_000), &window, 601_000);
        tally.count(stamp(1, 9, 2_000_000), &window, 2_100_000);
        tally.count(stamp(2, 1, 1_500), &window, 2_000);

        assert_eq!((tally.received, tally.duplicates), (2, 1));
        assert_eq!(tally.latency.value_at_quantile(0.5), 500);
    }

    #[test]
    fn tallies_add_up() {
        let mut sum = Tally::new(1);
        let mut other = Tally::new(1);
        other.count(stamp(0, 0, 0), &(0..1), 9_000);
        sum.add(&other);
        sum.add(&other);

        assert_eq!((sum.received, sum.latency.len()), (2, 2));
    }
}
