//! How much a publisher without transport-wide feedback may send, by its losses: told in REMB.

/// Bounds of the estimate in bits a second.
const MIN_BPS: u64 = 200_000;
const MAX_BPS: u64 = 8_000_000;
const START_BPS: u64 = 2_000_000;

/// An estimate, once a second.
pub(super) struct Estimate {
    bitrate_bps: u64,
}

impl Default for Estimate {
    fn default() -> Self {
        Self { bitrate_bps: START_BPS }
    }
}

impl Estimate {
    /// Takes a second's packets: more than a tenth lost is too much, under 2 % leaves room.
    pub(super) fn update(&mut self, expected: u64, lost: u64) -> u64 {
        let percent = (lost * 100).checked_div(expected).unwrap_or(0);
        if percent > 10 {
            self.bitrate_bps -= self.bitrate_bps * percent.min(100) / 200;
        } else if percent < 2 && expected > 0 {
            self.bitrate_bps += self.bitrate_bps / 12;
        }
        self.bitrate_bps = self.bitrate_bps.clamp(MIN_BPS, MAX_BPS);

        self.bitrate_bps
    }
}
