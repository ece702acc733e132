//! When a layer's publisher is asked for a keyframe: requests of many subscribers become one.

use std::time::{Duration, Instant};

/// Least time between two requests.
const INTERVAL: Duration = Duration::from_millis(500);
/// Greatest time between two requests while none is answered.
const INTERVAL_MAX: Duration = Duration::from_secs(4);
/// Requests sent for a wish of a layer that never showed a keyframe: it may be encrypted.
const BLIND_TRIES_MAX: u32 = 2;
/// Requests sent for a wish otherwise.
const TRIES_MAX: u32 = 10;

/// The keyframe requests of one layer.
#[derive(Default)]
pub(super) struct Keyframes {
    wanted: bool,
    seen: bool,
    tries: u32,
    asked_at: Option<Instant>,
}

impl Keyframes {
    /// Wants a keyframe from now on; true when the publisher is to be asked at once.
    pub(super) fn want(&mut self, now: Instant) -> bool {
        if !self.wanted {
            self.wanted = true;
            self.tries = 0;
        }

        self.ask(now)
    }

    /// Somebody still waits; true when the publisher is to be asked again.
    pub(super) fn keep(&mut self, now: Instant) -> bool {
        let late = |at: Instant| now.saturating_duration_since(at) >= INTERVAL_MAX;
        let gave_up = !self.wanted && self.tries > 0;
        if gave_up && !self.asked_at.is_none_or(late) {
            return false;
        }

        self.want(now)
    }

    /// Whether the publisher is to be asked (again).
    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let tries_max = if self.seen { TRIES_MAX } else { BLIND_TRIES_MAX };
        let interval = INTERVAL * (1 << self.tries.saturating_sub(2).min(3));
        let early = |at: Instant| now.saturating_duration_since(at) < interval.min(INTERVAL_MAX);
        if !self.wanted || self.asked_at.is_some_and(early) {
            return false;
        }
        self.tries += 1;
        self.wanted = self.tries < tries_max;
        self.asked_at = Some(now);

        true
    }

    /// A keyframe came.
    pub(super) fn arrived(&mut self) {
        self.seen = true;
        self.wanted = false;
        self.tries = 0;
    }

    /// Nobody wants one any more.
    pub(super) fn forget(&mut self) {
        self.wanted = false;
    }

    /// Whether a keyframe was ever recognised on this layer.
    pub(super) fn seen(&self) -> bool {
        self.seen
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
mod tests {
    use super::*;

    #[test]
    fn wishes_within_half_a_second_make_one_request() {
        let start = Instant::now();
        let mut keyframes = Keyframes::default();

        assert!(keyframes.want(start));
        assert!(!keyframes.want(start + Duration::from_millis(100)));
        assert!(!keyframes.ask(start + Duration::from_millis(499)));
        assert!(keyframes.ask(start + Duration::from_millis(500)));
        keyframes.arrived();
        assert!(!keyframes.ask(start + Duration::from_secs(9)));
    }

    #[test]
    fn a_layer_that_never_answers_is_not_asked_for_ever() {
        let start = Instant::now();
        let mut keyframes = Keyframes::default();
        keyframes.want(start);

        let asked = (1..600).filter(|s| keyframes.ask(start + Duration::from_secs(*s))).count();
        assert_eq!(asked, 1);
    }
}
