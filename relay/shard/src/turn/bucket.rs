//! How many bits a second an allocation may relay.

use std::time::Instant;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// The highest rate that is told from no limit, in bits a second: levels are bits times
/// nanoseconds, and a second's worth of them fits 64 bits.
const RATE_MAX_BPS: u64 = u64::MAX / SECOND / 2;

/// What a bucket holds at least, in bits: a slow allocation may still send a datagram of 1,500
/// bytes.
const BURST_MIN: u64 = 1_500 * 8;

/// A token bucket that holds the bits of one second. Rates are exact: nothing is rounded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// Bits times nanoseconds.
    level: u64,
    filled: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(now: Instant, rate_bps: u64) -> Self {
        Self { level: capacity(rate_bps), filled: now }
    }

    /// Takes a datagram's bits out, unless there are too few.
    pub(crate) fn take(&mut self, now: Instant, rate_bps: u64, bytes: usize) -> bool {
        self.fill(now, rate_bps);
        let Some(level) = self.level.checked_sub(cost(bytes as u64)) else { return false };
        self.level = level;

        true
    }

    /// Takes out the bits of what was relayed already; nothing less than empty is owed.
    pub(crate) fn spend(&mut self, now: Instant, rate_bps: u64, bytes: u64) {
        self.fill(now, rate_bps);
        self.level = self.level.saturating_sub(cost(bytes));
    }

    fn fill(&mut self, now: Instant, rate_bps: u64) {
        let elapsed = now.saturating_duration_since(self.filled).as_nanos();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let gained = elapsed.saturating_mul(rate_bps.min(RATE_MAX_BPS));
        self.level = self.level.saturating_add(gained).min(capacity(rate_bps));
        self.filled = self.filled.max(now);
    }
}

/// What so many bytes take out.
fn cost(bytes: u64) -> u64 {
    bytes.saturating_mul(8 * SECOND)
}

fn capacity(rate_bps: u64) -> u64 {
    rate_bps.clamp(BURST_MIN, RATE_MAX_BPS) * SECOND
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn a_second_of_bits_may_burst_and_no_more() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, 80_000);
        let taken = (0..100).filter(|_| bucket.take(start, 80_000, 1_000)).count();

        assert_eq!(taken, 10);
        assert!(!bucket.take(start + Duration::from_millis(99), 80_000, 1_000));
        assert!(bucket.take(start + Duration::from_millis(100), 80_000, 1_000));
    }

    #[test]
    fn a_new_rate_is_the_rate_from_then_on() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, 80_000_000);
        let later = start + Duration::from_secs(9);
        let taken = (0..100).filter(|_| bucket.take(later, 80_000, 1_000)).count();

        assert_eq!(taken, 10);
    }

    #[test]
    fn the_smallest_rate_lets_a_datagram_through_sometimes() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, 1);

        assert!(bucket.take(start, 1, 1_500));
        assert!(!bucket.take(start + Duration::from_secs(11_999), 1, 1_500));
        assert!(bucket.take(start + Duration::from_secs(12_000), 1, 1_500));
    }

    #[test]
    fn what_was_spent_elsewhere_is_missing_here() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, 80_000);
        bucket.spend(start, 80_000, 9_000);
        assert!(bucket.take(start, 80_000, 1_000));
        assert!(!bucket.take(start, 80_000, 1));
        bucket.spend(start, 80_000, u64::MAX);

        assert!(!bucket.take(start + Duration::from_millis(99), 80_000, 1_000));
        assert!(bucket.take(start + Duration::from_millis(100), 80_000, 1_000));
    }

    #[test]
    fn rates_beyond_counting_do_not_overflow() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, u64::MAX);
        let later = start + Duration::from_secs(1 << 40);

        assert!(bucket.take(later, u64::MAX, 65_535));
        assert!(bucket.take(start, u64::MAX, 65_535), "time that goes back takes nothing away");
    }

    proptest! {
        #[test]
        fn over_any_history_the_rate_is_kept_to_the_bit(
            rate in 12_000u64..10_000_000_000,
            steps in prop::collection::vec((0u64..50_000_000, 0usize..65_536), 1..200),
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(start, rate);
            let (mut now, mut bits) = (start, 0u128);
            for (nanos, bytes) in steps {
                now += Duration::from_nanos(nanos);
                if bucket.take(now, rate, bytes) {
                    bits += bytes as u128 * 8;
                }
            }
            let allowed = u128::from(rate) * (1_000_000_000 + (now - start).as_nanos());

            prop_assert!(bits * 1_000_000_000 <= allowed);
        }
    }
}
