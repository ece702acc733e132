//! A bandwidth limit that CPUs share without a lock.

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// Bits that may always burst: one datagram of 1,500 bytes.
const BURST_MIN: u64 = 1_500 * 8;

/// A token bucket that holds the bits of one second, as a virtual schedule: all that is noted is
/// until when the bits that were let through would have taken at the rate. In the machine's own
/// order, since CPUs compare and exchange it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Meter {
    /// Nanoseconds of `CLOCK_MONOTONIC`; 0: a full bucket.
    pub busy_until: u64,
    /// Bits a second; 0: no limit.
    pub rate_bps: u64,
}

impl Meter {
    /// What `busy_until` is after a datagram of so many bytes; `None` if that is over the limit,
    /// which must not be 0.
    #[inline(always)]
    pub fn after(busy_until: u64, rate_bps: u64, now: u64, bytes: u32) -> Option<u64> {
        let burst = if rate_bps < BURST_MIN { duration(BURST_MIN, rate_bps) } else { SECOND };
        let after = busy_until.max(now) + duration(u64::from(bytes) * 8, rate_bps);

        (after <= now + burst).then_some(after)
    }
}

/// How long bits take, rounded up, so that the rate is never exceeded.
#[inline(always)]
fn duration(bits: u64, rate_bps: u64) -> u64 {
    bits * SECOND / rate_bps + 1
}
