//! Deadlines by key: work in proportion to what is due, and no allocation once warm.

use crate::hash::Map;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hash;
use std::time::Instant;

/// When a key is due, and where its live entry stands in the heap.
#[derive(Clone, Copy)]
struct Wake {
    due: Instant,
    /// The earliest heap entry of this key; never later than `due`. Other entries are stale.
    queued: Instant,
}

/// One deadline per key. Postponing is free: the entry moves when its old time comes.
pub(crate) struct Timers<K> {
    wakes: Map<K, Wake>,
    heap: BinaryHeap<Reverse<(Instant, K)>>,
}

impl<K: Copy + Ord + Hash> Timers<K> {
    /// No deadlines; `seed` keys the hash.
    pub(crate) fn new(seed: u64) -> Self {
        Self { wakes: crate::hash::map(seed), heap: BinaryHeap::new() }
    }

    /// Sets the deadline of a key, or takes it away.
    pub(crate) fn set(&mut self, key: K, due: Option<Instant>) {
        let Some(due) = due else {
            self.wakes.remove(&key);
            return;
        };
        match self.wakes.get_mut(&key) {
            Some(wake) if wake.queued <= due => wake.due = due,
            _ => {
                self.wakes.insert(key, Wake { due, queued: due });
                self.heap.push(Reverse((due, key)));
                self.sweep();
            }
        }
    }

    /// Takes out one key that is due.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<K> {
        while let Some(&Reverse((at, key))) = self.heap.peek() {
            if at > now {
                return None;
            }
            self.heap.pop();
            let Some(wake) = self.wakes.get_mut(&key).filter(|wake| wake.queued == at) else {
                continue;
            };
            if wake.due <= now {
                self.wakes.remove(&key);
                return Some(key);
            }
            wake.queued = wake.due;
            self.heap.push(Reverse((wake.due, key)));
        }

        None
    }

    /// No later than the next deadline; perhaps earlier, when one was postponed.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Bounds the heap by the number of keys.
    fn sweep(&mut self) {
        if self.heap.len() > 64 + 4 * self.wakes.len() {
            self.heap.clear();
            for (&key, wake) in &mut self.wakes {
                wake.queued = wake.due;
                self.heap.push(Reverse((wake.due, key)));
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use super::Timers;
    use std::time::{Duration, Instant};

    #[test]
    fn a_postponed_deadline_fires_at_its_new_time_only() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::new(1);
        timers.set(7_u64, Some(at(1)));
        timers.set(7, Some(at(3)));

        assert_eq!(timers.pop(at(2)), None);
        assert_eq!(timers.pop(at(3)), Some(7));
        assert_eq!(timers.pop(at(9)), None);
    }

    #[test]
    fn an_advanced_deadline_fires_once_at_its_new_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::new(1);
        timers.set(7_u64, Some(at(3)));
        timers.set(7, Some(at(1)));

        assert_eq!(timers.pop(at(1)), Some(7));
        assert_eq!(timers.pop(at(9)), None);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_key_taken_away_and_set_again_fires_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::new(1);
        timers.set(7_u64, Some(at(1)));
        timers.set(7, None);
        timers.set(7, Some(at(1)));

        assert_eq!(timers.pop(at(1)), Some(7));
        assert_eq!(timers.pop(at(1)), None);
    }

    #[test]
    fn stale_entries_are_bounded() {
        let start = Instant::now();
        let mut timers = Timers::new(1);
        for step in (0..10_000_u64).rev() {
            timers.set(7_u64, Some(start + Duration::from_millis(step)));
        }

        assert!(timers.heap.len() <= 70);
    }
}
