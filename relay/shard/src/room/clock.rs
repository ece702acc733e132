//! Wall clocks made of the time that is given as an argument.

use relay_wire::rtcp::ntp;
use relay_wire::rtp::abs_send_time;
use std::time::{Duration, Instant};

/// Where our NTP time starts, 1 January 2024: only differences matter to receivers.
const BASE: Duration = ntp::UNIX_EPOCH.saturating_add(Duration::from_secs(1_704_067_200));

/// A wall clock that starts at a fixed date.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn new(start: Instant) -> Self {
        Self { start }
    }

    /// Time since the clock's start.
    pub(super) fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.start)
    }

    /// NTP time, 32.32 fixed point seconds.
    pub(super) fn ntp(&self, now: Instant) -> u64 {
        ntp::from_duration(BASE + self.elapsed(now))
    }

    /// The value of the `abs-send-time` extension.
    pub(super) fn abs_send_time(&self, now: Instant) -> u32 {
        abs_send_time(self.elapsed(now))
    }
}

/// Ticks of a clock of `rate` Hz in a difference of NTP times.
pub(super) fn ticks(ntp: i64, rate: u32) -> i64 {
    ((i128::from(ntp) * i128::from(rate)) >> 32) as i64
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_a_second() {
        let start = Instant::now();
        let clock = Clock::new(start);
        let later = clock.ntp(start + Duration::from_millis(1500));

        assert_eq!(later - clock.ntp(start), 3 << 31);
        assert_eq!(ticks((later - clock.ntp(start)) as i64, 90_000), 135_000);
    }
}
