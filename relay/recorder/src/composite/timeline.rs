//! Events in the order of their time.

use super::Event;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events may come this much later than others that are due after them: packets are waited for, and
/// clocks of tracks are corrected by what their reports tell.
const HORIZON_US: u64 = 3_000_000;
/// What waits for its turn.
const EVENTS_MAX: usize = 50_000;
const BYTES_MAX: usize = 64 << 20;
/// Longer recordings end here; what claims to be later is not believed.
const DURATION_MAX_US: u64 = 24 * 3600 * 1_000_000;

/// Sorts events that are nearly in order.
#[derive(Default)]
pub(super) struct Timeline {
    waiting: BinaryHeap<Reverse<Waiting>>,
    bytes: usize,
    newest_us: u64,
    taken: u64,
    /// Events that claimed to be due after the longest recording.
    pub(super) left_out: u64,
}

struct Waiting {
    due: (u64, u64),
    event: Event,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.due == other.due
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.due.cmp(&other.due)
    }
}

impl Timeline {
    /// Takes an event and when it is due.
    pub(super) fn push(&mut self, time_us: u64, event: Event) {
        if time_us > DURATION_MAX_US {
            self.left_out += 1;
            return;
        }
        self.bytes += event.bytes();
        self.newest_us = self.newest_us.max(time_us);
        self.taken += 1;
        self.waiting.push(Reverse(Waiting { due: (time_us, self.taken), event }));
    }

    /// The next event and when it is due, once none is expected to come before it.
    pub(super) fn next(&mut self) -> Option<(u64, Event)> {
        let Reverse(first) = self.waiting.peek()?;
        let due = self.newest_us.saturating_sub(first.due.0) > HORIZON_US
            || self.waiting.len() >= EVENTS_MAX
            || self.bytes >= BYTES_MAX;

        if due { self.finish() } else { None }
    }

    /// The next event when no more will come.
    pub(super) fn finish(&mut self) -> Option<(u64, Event)> {
        let Reverse(Waiting { due, event }) = self.waiting.pop()?;
        self.bytes -= event.bytes();

        Some((due.0, event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_wire::control::TrackId;

    fn event(track: u64) -> Event {
        Event::Unpublish { track: TrackId(track) }
    }

    #[test]
    fn events_come_in_order_and_those_of_one_moment_as_they_were() {
        let times = [5, 3, 3, 9, 2_000_000, 1_000_000, 9_000_000, 8_000_000, u64::MAX];
        let (mut timeline, mut sorted) = (Timeline::default(), Vec::new());
        let number = |(_, event)| match event {
            Event::Unpublish { track } => track.0,
            _ => panic!("another event"),
        };
        for (at, time_us) in times.into_iter().enumerate() {
            timeline.push(time_us, event(at as u64));
            sorted.extend(std::iter::from_fn(|| timeline.next()).map(number));
        }
        assert_eq!(sorted, [1, 2, 0, 3, 5, 4], "what is long over");
        sorted.extend(std::iter::from_fn(|| timeline.finish()).map(number));
        assert_eq!(sorted, [1, 2, 0, 3, 5, 4, 7, 6]);
        assert_eq!(timeline.left_out, 1);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut timeline = Timeline::default();
        for at in 0..2 * EVENTS_MAX as u64 {
            timeline.push(7, event(at));
            while timeline.next().is_some() {}
        }
        assert!(timeline.waiting.len() < EVENTS_MAX);
    }
}
