//! One stream as a client receives it: what its reports say, and when it wants a keyframe.

use crate::rtc::rtcp::{self, Reception};
use std::time::{Duration, Instant};

/// Time between requests for keyframes.
const REQUEST: Duration = Duration::from_secs(1);

/// A stream that comes in.
pub(super) struct Incoming {
    /// Whose packets they are.
    pub(super) ssrc: u32,
    first: u32,
    highest: u32,
    received: u32,
    /// What was expected and received when the last report was made.
    reported: (u32, u32),
    /// The middle bits of the sender's last report, and when it came.
    report: Option<(u32, Instant)>,
    wants_keyframe: bool,
    requested: Option<Instant>,
}

impl Incoming {
    /// A stream with its first packet.
    pub(super) fn new(ssrc: u32, sequence: u16) -> Self {
        // Numbers in front of the first one may come late: not below 0.
        let first = u32::from(sequence) + (1 << 16);

        Self {
            ssrc,
            first,
            highest: first - 1,
            received: 0,
            reported: (0, 0),
            report: None,
            wants_keyframe: true,
            requested: None,
        }
    }

    /// Counts a packet; one with a gap before it leaves pictures that cannot be decoded.
    pub(super) fn count(&mut self, sequence: u16, keyframe: bool) {
        let ahead = sequence.wrapping_sub(self.highest as u16) as i16;
        self.received = self.received.wrapping_add(1);
        self.wants_keyframe |= ahead > 1;
        if ahead > 0 {
            self.highest = self.highest.wrapping_add(ahead as u32);
        }
        if keyframe {
            self.wants_keyframe = false;
        }
    }

    /// Keeps a sender's report.
    pub(super) fn keep_report(&mut self, middle: u32, now: Instant) {
        self.report = Some((middle, now));
    }

    /// Whether to ask for a keyframe now.
    pub(super) fn asks_for_keyframe(&mut self, now: Instant) -> bool {
        let recently = self.requested.is_some_and(|at| now.saturating_duration_since(at) < REQUEST);
        let asks = self.wants_keyframe && !recently;
        if asks {
            self.requested = Some(now);
        }

        asks
    }

    /// What to report (RFC 3550, appendix A.3).
    pub(super) fn reception(&mut self, now: Instant) -> Reception {
        let expected = self.highest.wrapping_sub(self.first).wrapping_add(1);
        let since =
            (expected.wrapping_sub(self.reported.0), self.received.wrapping_sub(self.reported.1));
        self.reported = (expected, self.received);
        let lost = since.0.saturating_sub(since.1);
        let (last_report, delay) = self.report.map_or((0, 0), |(middle, at)| {
            (middle, rtcp::delay(now.saturating_duration_since(at)))
        });

        Reception {
            ssrc: self.ssrc,
            fraction: (u64::from(lost) * 256 / u64::from(since.0.max(1))).min(255) as u8,
            lost: expected.saturating_sub(self.received),
            highest: self.highest,
            last_report,
            delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_reported_and_want_a_keyframe() {
        let now = Instant::now();
        let mut stream = Incoming::new(7, 65_534);
        stream.count(65_534, true);
        assert!(!stream.asks_for_keyframe(now));
        for sequence in [65_535, 0, 4] {
            stream.count(sequence, false);
        }

        assert!(stream.asks_for_keyframe(now) && !stream.asks_for_keyframe(now));
        assert!(stream.asks_for_keyframe(now + REQUEST));
        let reception = stream.reception(now);
        assert_eq!((reception.lost, reception.fraction), (3, (3 * 256 / 7) as u8));
        assert_eq!(reception.highest, (2 << 16) + 4);
        stream.count(5, false);
        assert_eq!(stream.reception(now).fraction, 0);
    }

    #[test]
    fn late_packets_fill_their_gaps() {
        let mut stream = Incoming::new(7, 10);
        for sequence in [10, 13, 11, 12] {
            stream.count(sequence, false);
        }

        assert_eq!(stream.reception(Instant::now()).lost, 0);
    }
}
