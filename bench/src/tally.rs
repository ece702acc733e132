//! What was sent and what of it came, packet by packet.

use crate::stamp::Stamp;
use hdrhistogram::Histogram;
use std::ops::Range;

/// Latencies beyond this count as this, in nanoseconds.
const LATENCY_MAX_NS: u64 = 10_000_000_000;

/// Counts packets by the stamps in them.
pub(crate) struct Tally {
    /// Times of sending that count, in nanoseconds since 1970.
    window: Range<u64>,
    /// Packets that were sent in the window.
    pub(crate) sent: u64,
    /// Different ones of them that came, whole and where they should.
    pub(crate) received: u64,
    /// Packets that came again.
    pub(crate) duplicates: u64,
    /// Packets that came behind a later one of their flow.
    pub(crate) reordered: u64,
    /// Packets that came changed, or to the wrong receiver.
    pub(crate) corrupted: u64,
    /// From the stamp to the kernel's receive time, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
    flows: Vec<Seen>,
}

/// A flow's packets that came: one bit each.
#[derive(Clone, Default)]
struct Seen {
    bits: Vec<u64>,
    first: u64,
    highest: Option<u64>,
}

impl Tally {
    /// A tally for packets of `flows` flows that are sent from `start` on, until `close`.
    pub(crate) fn new(flows: usize, start: u64) -> Self {
        let latency = Histogram::new_with_bounds(1, LATENCY_MAX_NS, 3)
            .expect("bounds and digits are what the histogram takes");

        Self {
            window: start..u64::MAX,
            sent: 0,
            received: 0,
            duplicates: 0,
            reordered: 0,
            corrupted: 0,
            latency,
            flows: vec![Seen::default(); flows],
        }
    }

    /// Packets sent from `end` on do not count.
    pub(crate) fn close(&mut self, end: u64) {
        self.window.end = end;
    }

    /// Counts packets of more flows; the number of the first.
    pub(crate) fn add_flows(&mut self, count: usize) -> usize {
        let first = self.flows.len();
        self.flows.resize(first + count, Seen::default());

        first
    }

    /// Adds what another has counted; whose packets they were is no longer told apart.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.duplicates += other.duplicates;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
    }

    /// Packets that did not come at all.
    pub(crate) fn lost(&self) -> u64 {
        self.sent.saturating_sub(self.received + self.corrupted)
    }

    /// The share of the sent packets that did not come whole.
    pub(crate) fn loss(&self) -> f64 {
        self.sent.saturating_sub(self.received) as f64 / self.sent.max(1) as f64
    }

    /// Counts a packet that arrived at `now`.
    pub(crate) fn count(&mut self, stamp: Stamp, now: u64) {
        let Some(seen) = self.flows.get_mut(stamp.flow as usize) else {
            self.corrupted += 1;
            return;
        };
        if !self.window.contains(&stamp.sent) {
            return;
        }
        if seen.highest.is_none() {
            // Numbers go on from one window to the next.
            seen.first = stamp.number.saturating_sub(Seen::MARGIN);
        }
        let Some(index) = stamp.number.checked_sub(seen.first) else { return };
        if !seen.insert(index) {
            self.duplicates += 1;
            return;
        }

        self.reordered += u64::from(seen.highest.is_some_and(|highest| stamp.number < highest));
        seen.highest = seen.highest.max(Some(stamp.number));
        self.received += 1;
        self.latency.saturating_record(now.saturating_sub(stamp.sent));
    }
}

impl Seen {
    /// The first packet that comes may be as many behind the first that was sent.
    const MARGIN: u64 = 65_536;
    /// Words with room for as many behind the first as well: no run of a room fills them soon.
    const WORDS_MIN: usize = (2 * Self::MARGIN / 64) as usize;

    /// Notes a packet; false if it was there.
    fn insert(&mut self, index: u64) -> bool {
        let (word, bit) = ((index / 64) as usize, 1 << (index % 64));
        if word >= self.bits.len() {
            self.bits.resize((word + 1).next_power_of_two().max(Self::WORDS_MIN), 0);
        }
        let new = self.bits[word] & bit == 0;
        self.bits[word] |= bit;

        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(flow: u32, number: u64, sent: u64) -> Stamp {
        Stamp { flow, number, sent }
    }

    #[test]
    fn packets_count_once_and_only_within_the_window() {
        let mut tally = Tally::new(2, 1_000);
        tally.close(2_000);
        tally.count(stamp(0, 7, 999), 5_000);
        tally.count(stamp(0, 8, 1_000), 501_000);
        tally.count(stamp(1, 8, 1_000), 501_000);
        tally.count(stamp(1, 8, 1_000), 601_000);
        tally.count(stamp(1, 9, 2_000), 2_100_000);
        tally.sent = 4;

        assert_eq!((tally.received, tally.duplicates, tally.corrupted), (2, 1, 0));
        assert_eq!((tally.lost(), tally.loss()), (2, 0.5));
        assert_eq!(tally.latency.value_at_quantile(0.5) / 1_000, 500);
    }

    #[test]
    fn tallies_add_up_and_take_more_flows() {
        let (mut sum, mut other) = (Tally::new(0, 0), Tally::new(1, 0));
        assert_eq!((other.add_flows(2), other.add_flows(1)), (1, 3));
        other.count(stamp(3, 0, 0), 9_000);
        other.count(stamp(4, 0, 0), 9_000);
        sum.merge(&other);
        sum.merge(&other);

        assert_eq!((sum.received, sum.corrupted, sum.latency.len()), (2, 2, 2));
    }

    #[test]
    fn late_packets_are_told_from_repeated_and_foreign_ones() {
        let mut tally = Tally::new(1, 0);
        let numbers = [1_000_000, 1_000_002, 1_000_001, 999_999, 1_000_002, 1_000_003];
        numbers.iter().for_each(|&number| tally.count(stamp(0, number, 1), 2));
        tally.count(stamp(1, 0, 1), 2);

        assert_eq!((tally.received, tally.reordered), (5, 2));
        assert_eq!((tally.duplicates, tally.corrupted), (1, 1));
    }
}
