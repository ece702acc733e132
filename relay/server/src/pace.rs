//! When to send what has gathered.

use std::time::{Duration, Instant};

/// How long a busy shard gathers before it sends. FACTS: half a millisecond of gathering makes
/// trains of packets, and a packet in a train costs a third of a single one.
const GATHER: Duration = Duration::from_micros(500);

/// Over this time a shard's load is measured.
const WINDOW: Duration = Duration::from_millis(100);

/// Packets in a window from which gathering pays: 4,000 a second, single sends of which cost about
/// 1 % of a core. Below that packets leave at once.
const BUSY_PACKETS: usize = 400;

/// Decides when a shard sends: at once when there is little to do, else by trains.
#[derive(Debug)]
pub(crate) struct Pace {
    window_end: Instant,
    packets: usize,
    busy: bool,
    first_unsent: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { window_end: now + WINDOW, packets: 0, busy: false, first_unsent: None }
    }

    /// Tells that packets wait to be sent.
    pub(crate) fn waiting(&mut self, now: Instant) {
        self.first_unsent.get_or_insert(now);
    }

    /// When to send what waits.
    pub(crate) fn due(&self) -> Option<Instant> {
        let gather = if self.busy { GATHER } else { Duration::ZERO };

        self.first_unsent.map(|first| first + gather)
    }

    /// Whether it is worth waiting for more.
    pub(crate) fn gathers(&self) -> bool {
        self.busy && self.first_unsent.is_some()
    }

    /// Tells that all packets that waited, `packets` of them, were sent.
    pub(crate) fn sent(&mut self, now: Instant, packets: usize) {
        self.first_unsent = None;
        if now >= self.window_end {
            let idle = now >= self.window_end + WINDOW;
            self.busy = !idle && self.packets >= BUSY_PACKETS;
            self.packets = 0;
            self.window_end = now + WINDOW;
        }
        self.packets += packets;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_sends_at_once_and_busy_gathers() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.waiting(start);
        assert_eq!(pace.due(), Some(start));

        let mut now = start;
        while now < start + 2 * WINDOW {
            pace.waiting(now);
            pace.sent(now, 10);
            now += Duration::from_millis(1);
        }
        pace.waiting(now);
        pace.waiting(now + GATHER / 2);
        assert_eq!(pace.due(), Some(now + GATHER));

        pace.sent(now + 3 * WINDOW, 1);
        pace.waiting(now + 4 * WINDOW);
        assert_eq!(pace.due(), Some(now + 4 * WINDOW));
    }
}
