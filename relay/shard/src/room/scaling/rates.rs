//! How many frames a second each layer has.

use super::cell::{LAYERS, TOP};
use std::time::{Duration, Instant};

/// Frames are counted for so long.
const WINDOW: Duration = Duration::from_secs(1);
/// A count over a longer time has a pause in it.
const WINDOW_MAX: Duration = Duration::from_secs(2);

/// Frame rates by spatial layer, and by temporal layer alone, without those below.
#[derive(Default)]
pub(super) struct Rates {
    since: Option<Instant>,
    counts: [[u16; LAYERS]; LAYERS],
    rates: [[f32; LAYERS]; LAYERS],
}

impl Rates {
    /// Counts a frame.
    pub(super) fn count(&mut self, now: Instant, spatial: u8, temporal: u8) {
        let elapsed = now.saturating_duration_since(*self.since.get_or_insert(now));
        if elapsed >= WINDOW {
            self.close(elapsed);
            self.since = Some(now);
        }
        let count = &mut self.counts[usize::from(spatial & TOP)][usize::from(temporal & TOP)];
        *count = count.saturating_add(1);
    }

    /// The highest temporal layer of a spatial one with which no more frames than `limit` come in
    /// a second, as far as was measured; the lowest one comes in any case.
    pub(super) fn temporal(&self, spatial: u8, limit: Option<u16>) -> u8 {
        let Some(limit) = limit else { return TOP };
        // Frames do not come evenly.
        let limit = f32::from(limit) * 1.1 + 1.0;
        let rates = &self.rates[usize::from(spatial & TOP)];
        let mut all: f32 = rates.iter().sum();
        for temporal in (1..=TOP).rev() {
            if all <= limit {
                return temporal;
            }
            all -= rates[usize::from(temporal)];
        }

        0
    }

    fn close(&mut self, elapsed: Duration) {
        let counts = std::mem::take(&mut self.counts);
        if elapsed > WINDOW_MAX {
            return;
        }
        let pairs = self.rates.as_flattened_mut().iter_mut().zip(counts.as_flattened());
        for (rate, count) in pairs {
            let measured = f32::from(*count) / elapsed.as_secs_f32();
            *rate = if *rate == 0.0 { measured } else { (*rate + measured) / 2.0 };
        }
    }
}
