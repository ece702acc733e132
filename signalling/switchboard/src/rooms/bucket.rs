//! A token bucket: so many messages at once, so many a second.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate_a_second: u32,
    burst: u32,
    /// When the bucket is full again.
    full_at: Instant,
}

impl Bucket {
    pub(crate) fn new(now: Instant, rate_a_second: u32, burst: u32) -> Self {
        Self { rate_a_second: rate_a_second.max(1), burst: burst.max(1), full_at: now }
    }

    /// Takes one message; false when the bucket is empty.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let each = Duration::from_secs(1) / self.rate_a_second;
        let full_at = self.full_at.max(now) + each;
        if full_at.duration_since(now) > each * self.burst {
            return false;
        }
        self.full_at = full_at;
        true
    }
}
