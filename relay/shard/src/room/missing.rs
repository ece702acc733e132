//! Packets that a layer's publisher lost on the way to us: asked again a bounded number of times.

use std::time::{Duration, Instant};

/// Losses that are remembered at once; more means that a keyframe is cheaper.
const MISSING_MAX: usize = 256;
/// Reordering is not loss: the first request waits this long.
const REORDER: Duration = Duration::from_millis(5);
/// How often a packet is asked for at most.
const TRIES_MAX: u8 = 8;
/// Bounds of the time between two requests for a packet.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_millis(500);

#[derive(Clone, Copy)]
struct Gap {
    sequence: u64,
    asked: u8,
    asked_at: Instant,
    due: Instant,
}

/// The missing packets of one layer, oldest first.
pub(super) struct Missing {
    gaps: Vec<Gap>,
}

impl Missing {
    pub(super) fn new() -> Self {
        Self { gaps: Vec::new() }
    }

    /// Notes `count` packets in front of `next` as missing; false when there are too many.
    pub(super) fn note(&mut self, now: Instant, next: u64, count: u64) -> bool {
        if self.gaps.len() as u64 + count > MISSING_MAX as u64 {
            self.gaps.clear();
            return false;
        }
        if count > 0 {
            // Once: most layers, of sound above all, never get here.
            self.gaps.reserve_exact(MISSING_MAX - self.gaps.len());
        }
        let due = now + REORDER;
        let gap = |sequence| Gap { sequence, asked: 0, asked_at: now, due };
        self.gaps.extend((next - count..next).map(gap));

        true
    }

    /// A late packet arrived; the time since it was asked for, if that was exactly once.
    pub(super) fn arrived(&mut self, now: Instant, sequence: u64) -> Option<Duration> {
        let index = self.gaps.binary_search_by_key(&sequence, |gap| gap.sequence).ok()?;
        let gap = self.gaps.remove(index);

        (gap.asked == 1).then(|| now.saturating_duration_since(gap.asked_at))
    }

    /// Nothing is missing any more.
    pub(super) fn clear(&mut self) {
        self.gaps.clear();
    }

    /// When the next request is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.gaps.iter().map(|gap| gap.due).min()
    }

    /// Passes each number that is due to `ask`, at most `max`, and gives up on what was asked
    /// for too often.
    pub(super) fn ask(
        &mut self,
        now: Instant,
        round_trip: Duration,
        max: usize,
        mut ask: impl FnMut(u16),
    ) {
        let retry = round_trip.mul_f32(1.25).clamp(RETRY_MIN, RETRY_MAX);
        self.gaps.retain(|gap| gap.asked < TRIES_MAX || gap.due > now);
        for gap in self.gaps.iter_mut().filter(|gap| gap.due <= now).take(max) {
            gap.asked += 1;
            gap.asked_at = now;
            gap.due = now + retry * u32::from(gap.asked.min(3));
            ask(gap.sequence as u16);
        }
    }
}
