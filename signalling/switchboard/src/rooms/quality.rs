//! Connection quality as people see it, from what the relay measures.

use super::desk::Side;
use livekit_protocol as proto;
use livekit_protocol::ConnectionQuality;
use relay_wire::control::Quality;
use std::time::{Duration, Instant};

/// How long a measurement counts; the relay measures every 3 s while something flows.
const FRESH: Duration = Duration::from_secs(10);
/// Points of 100 that each percent of lost packets costs.
const LOSS_WEIGHT: f32 = 10.0;
/// Above this many points a connection is excellent, above the other one it is good.
const EXCELLENT: f32 = 80.0;
const GOOD: f32 = 40.0;

/// What was last measured of a participant's two transports.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measured {
    up: Option<(Instant, Quality)>,
    down: Option<(Instant, Quality)>,
}

impl Measured {
    pub(super) fn take(&mut self, now: Instant, side: Side, quality: Quality) {
        match side {
            Side::Publisher => self.up = Some((now, quality)),
            Side::Subscriber => self.down = Some((now, quality)),
        }
    }

    /// The worse of both; nothing is wrong with what carries nothing at the moment. `None` when
    /// nothing was ever measured.
    pub(super) fn worst(&self, now: Instant) -> Option<Quality> {
        let fresh = |(at, quality): (Instant, Quality)| {
            let old = now.saturating_duration_since(at) > FRESH;
            if old { Quality::default() } else { quality }
        };
        let (up, down) = (self.up.map(fresh), self.down.map(fresh));
        if up.is_none() && down.is_none() {
            return None;
        }
        let (up, down) = (up.unwrap_or_default(), down.unwrap_or_default());

        Some(Quality { loss: up.loss.max(down.loss), rtt_ms: up.rtt_ms.max(down.rtt_ms) })
    }
}

/// What clients are told of a participant. Never `Lost`: JS would reconnect.
pub(super) fn told(participant_sid: &str, quality: Quality) -> proto::ConnectionQualityInfo {
    let points = points(quality);
    let grade = match points {
        points if points > EXCELLENT => ConnectionQuality::Excellent,
        points if points > GOOD => ConnectionQuality::Good,
        _ => ConnectionQuality::Poor,
    };
    proto::ConnectionQualityInfo {
        participant_sid: participant_sid.into(),
        quality: grade as i32,
        score: mean_opinion(points),
    }
}

/// Points of 100, as LiveKit counts them: the E-model (ITU-T G.107), much simplified. A delay
/// matters little until people notice it.
fn points(quality: Quality) -> f32 {
    let delay_ms = quality.rtt_ms as f32 / 2.0;
    let delay = if delay_ms > 160.0 { (delay_ms - 120.0) / 10.0 } else { delay_ms / 40.0 };

    (100.0 - delay - LOSS_WEIGHT * 100.0 * quality.loss).clamp(0.0, 100.0)
}

/// The mean opinion score, 1.0..=4.5, of a number of points (ITU-T G.107, annex B).
fn mean_opinion(points: f32) -> f32 {
    1.0 + 0.035 * points + 7e-6 * points * (points - 60.0) * (100.0 - points)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grade(loss: f32, rtt_ms: u32) -> ConnectionQuality {
        told("PA_x", Quality { loss, rtt_ms }).quality()
    }

    #[test]
    fn grades_are_livekits() {
        use ConnectionQuality::{Excellent, Good, Poor};
        for (loss, rtt_ms, expected) in [
            (0.0, 0, Excellent),
            (0.0, 500, Excellent),
            (0.015, 100, Excellent),
            (0.025, 20, Good),
            (0.0, 700, Good),
            (0.055, 20, Good),
            (0.065, 20, Poor),
            (0.0, 1_500, Poor),
            (0.03, 1_000, Poor),
            (1.0, u32::MAX, Poor),
        ] {
            assert_eq!(grade(loss, rtt_ms), expected, "{loss} lost, {rtt_ms} ms");
        }
    }

    #[test]
    fn scores_are_mean_opinions() {
        let score = |loss| told("PA_x", Quality { loss, rtt_ms: 0 }).score;
        assert!((score(0.0) - 4.5).abs() < 1e-5 && (score(1.0) - 1.0).abs() < 1e-5);
        assert!((0..100).all(|n| score(n as f32 / 100.0) >= score((n + 1) as f32 / 100.0) - 1e-5));
    }
}
