//! The time of day, which tests may have pass faster.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Gives milliseconds since the Unix epoch; where tokio's clock is paused, they pass as it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    real: Instant,
    virtually: tokio::time::Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { real: Instant::now(), virtually: tokio::time::Instant::now() }
    }

    pub(super) fn unix_ms(&self) -> u64 {
        let day = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = (day + self.virtually.elapsed()).saturating_sub(self.real.elapsed());

        now.as_millis() as u64
    }
}
