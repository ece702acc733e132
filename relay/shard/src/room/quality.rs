//! How well a transport does: loss both ways and round trip over a few seconds.

use relay_wire::control::Quality;
use std::time::{Duration, Instant};

/// Time between two events of one transport.
const INTERVAL: Duration = Duration::from_secs(3);

/// Sums over one interval.
#[derive(Default)]
pub(super) struct Meter {
    start: Option<Instant>,
    expected: u64,
    lost: f32,
    round_trips: u32,
    round_trip: Duration,
}

impl Meter {
    /// Packets that should have come, and how many of them did not.
    pub(super) fn loss(&mut self, expected: u64, lost: f32) {
        self.expected += expected;
        self.lost += lost;
    }

    /// One measurement of the round trip.
    pub(super) fn round_trip(&mut self, round_trip: Duration) {
        self.round_trips += 1;
        self.round_trip += round_trip;
    }

    /// The quality of the interval that just ended, if one did and something was measured.
    pub(super) fn close(&mut self, now: Instant) -> Option<Quality> {
        let start = *self.start.get_or_insert(now);
        if now.saturating_duration_since(start) < INTERVAL {
            return None;
        }
        let measured = std::mem::replace(self, Self { start: Some(now), ..Self::default() });
        if measured.expected == 0 && measured.round_trips == 0 {
            return None;
        }
        let mean = measured.round_trip / measured.round_trips.max(1);

        Some(Quality {
            loss: (measured.lost / measured.expected.max(1) as f32).clamp(0.0, 1.0),
            rtt_ms: u32::try_from(mean.as_millis()).unwrap_or(u32::MAX),
        })
    }
}
