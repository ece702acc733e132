//! Places of the arrays in the kernel. One that was given up rests until every program that may
//! have looked it up a moment ago is long done.

use std::time::{Duration, Instant};

/// How long a place rests: programs run for microseconds.
const REST: Duration = Duration::from_secs(1);

/// Which places are free.
pub(crate) struct Slots {
    /// Never used from here on.
    fresh: u32,
    len: u32,
    free: Vec<u32>,
    resting: std::collections::VecDeque<(Instant, u32)>,
}

impl Slots {
    /// So many places, all free but those that are `used`.
    pub(crate) fn new(len: u32, used: impl Fn(u32) -> bool, above: u32) -> Self {
        let free = (0..above.min(len)).filter(|slot| !used(*slot)).collect();

        Self { fresh: above.min(len), len, free, resting: std::collections::VecDeque::new() }
    }

    /// A free place.
    pub(crate) fn take(&mut self, now: Instant) -> Option<u32> {
        while let Some((_, slot)) = self.resting.pop_front_if(|(since, _)| now - *since >= REST) {
            self.free.push(slot);
        }
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let slot = self.fresh;
        (slot < self.len).then(|| {
            self.fresh += 1;
            slot
        })
    }

    /// Gives a place up.
    pub(crate) fn give(&mut self, now: Instant, slot: u32) {
        self.resting.push_back((now, slot));
    }

    /// Gives a place back that no program has seen.
    pub(crate) fn untake(&mut self, slot: u32) {
        self.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_rests_before_it_is_another_flows() {
        let start = Instant::now();
        let mut slots = Slots::new(2, |_| false, 0);
        let (first, second) = (slots.take(start), slots.take(start));
        slots.give(start, 0);

        assert_eq!((first, second), (Some(0), Some(1)));
        assert_eq!(slots.take(start + REST / 2), None);
        assert_eq!(slots.take(start + REST), Some(0));
    }

    #[test]
    fn places_that_are_used_already_are_not_given_out() {
        let start = Instant::now();
        let mut slots = Slots::new(4, |slot| slot == 1, 2);
        let taken: Vec<u32> = std::iter::from_fn(|| slots.take(start)).collect();

        assert_eq!(taken, [0, 2, 3]);
    }
}
