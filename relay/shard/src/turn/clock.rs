//! The wall clock, between two times it was set.

use std::time::Instant;

/// Seconds since the Unix epoch, carried on by the driver's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    at: Instant,
    unix_seconds: u64,
}

impl Clock {
    /// A clock that showed `unix_seconds` at `at`.
    pub(crate) fn new(at: Instant, unix_seconds: u64) -> Self {
        Self { at, unix_seconds }
    }

    /// Seconds since the Unix epoch at `now`.
    pub(crate) fn unix_seconds(&self, now: Instant) -> u64 {
        self.unix_seconds + now.saturating_duration_since(self.at).as_secs()
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn it_goes_on_between_settings_and_never_back() {
        let start = Instant::now();
        let clock = Clock::new(start + Duration::from_secs(5), 1_700_000_000);

        assert_eq!(clock.unix_seconds(start + Duration::from_millis(7_999)), 1_700_000_002);
        assert_eq!(clock.unix_seconds(start), 1_700_000_000);
    }
}
