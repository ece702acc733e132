//! When packets of a layer were due: one layer's times follow those of another as the publisher
//! took the pictures, whatever the network did to the packet with which the change begins.

use std::time::{Duration, Instant};

/// More is not a delay: the publisher's clock took a step.
const LATE_MAX: Duration = Duration::from_secs(2);
/// Part of its lateness by which each packet moves the timetable: the way may have become longer.
const FOLLOW: u32 = 128;

/// Expected arrivals of one layer, by the earliest ones.
#[derive(Default)]
pub(super) struct Timetable {
    /// When a packet of this RTP time was due.
    anchor: Option<(Instant, u32)>,
}

impl Timetable {
    /// When a packet of this RTP time was due, at `now` the latest. `rate` is the media clock in
    /// Hz. `in_order`: it is neither a repair nor late for another reason.
    pub(super) fn due(
        &mut self,
        now: Instant,
        timestamp: u32,
        rate: u32,
        in_order: bool,
    ) -> Instant {
        let due = self.anchor.and_then(|anchor| expected(anchor, timestamp, rate));
        let late = due.and_then(|due| now.checked_duration_since(due));
        let (Some(due), Some(late)) = (due, late.filter(|late| *late <= LATE_MAX)) else {
            if in_order {
                self.anchor = Some((now, timestamp));
            }
            return now;
        };
        if in_order {
            self.anchor = Some((due + late / FOLLOW, timestamp));
        }

        due
    }

    /// What comes next has a clock of its own.
    pub(super) fn forget(&mut self) {
        self.anchor = None;
    }
}

fn expected((at, first): (Instant, u32), timestamp: u32, rate: u32) -> Option<Instant> {
    let ticks = i64::from(timestamp.wrapping_sub(first) as i32);
    let time = Duration::from_nanos(ticks.unsigned_abs() * 1_000_000_000 / u64::from(rate));

    if ticks < 0 { at.checked_sub(time) } else { at.checked_add(time) }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
mod tests {
    use super::*;

    const RATE: u32 = 90_000;
    const FRAME: Duration = Duration::from_millis(20);

    #[test]
    fn what_comes_late_was_due_in_time() {
        let start = Instant::now();
        let mut table = Timetable::default();
        assert_eq!(table.due(start, u32::MAX - 899, RATE, true), start);

        let late = start + FRAME + Duration::from_millis(300);
        assert_eq!(table.due(late, 900, RATE, false), start + FRAME);
        assert_eq!(table.due(start + FRAME * 2, 2700, RATE, true), start + FRAME * 2);
    }

    #[test]
    fn a_longer_way_becomes_the_rule_and_a_shorter_one_is_it_at_once() {
        let (start, delay) = (Instant::now(), Duration::from_millis(100));
        let mut table = Timetable::default();
        table.due(start, 0, RATE, true);
        let mut due = start;
        for frame in 1..2000 {
            due = table.due(start + FRAME * frame + delay, frame * 1800, RATE, true);
        }
        assert!(start + FRAME * 1999 + delay - due < Duration::from_millis(1));

        let early = start + FRAME * 2000;
        assert_eq!(table.due(early, 2000 * 1800, RATE, true), early);
    }

    #[test]
    fn a_step_of_the_clock_begins_anew() {
        let start = Instant::now();
        let mut table = Timetable::default();
        table.due(start, 0, RATE, true);

        for (time, timestamp) in [(1, 1 << 30), (2, 7), (3, 1 << 31)] {
            let now = start + FRAME * time;
            assert_eq!(table.due(now, timestamp, RATE, true), now);
        }
    }
}
