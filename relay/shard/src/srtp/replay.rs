//! Packet indices of one SSRC: roll-over guess and replay window (RFC 3711, sections 3.3.1, 3.3.2).

/// Words of the window's bitmap.
const WORDS: u64 = 16;
/// How many indices the window spans, the newest included.
pub(super) const WINDOW: u64 = WORDS * 64;

/// Which indices of one SSRC were seen, as plain data: the newest one and the window behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    /// One past the newest index; 0 before the first.
    next: u64,
    /// Bit `index % WINDOW`: seen. Bits outside of the window are stale.
    seen: [u64; WORDS as usize],
}

impl Window {
    /// A window in which everything before this index was seen.
    pub(super) fn behind(next: u64) -> Self {
        Self { next, seen: [u64::MAX; WORDS as usize] }
    }

    /// One past the newest index.
    pub(super) fn end(&self) -> u64 {
        self.next
    }

    /// The 48-bit index that a sequence number most likely stands for: roll-over counter and
    /// sequence number (RFC 3711, appendix A).
    pub(super) fn guess(&self, sequence: u16) -> u64 {
        let Some(newest) = self.next.checked_sub(1) else {
            return sequence.into();
        };
        let (round, last) = (newest >> 16, newest as u16);
        let round = if last < 0x8000 && sequence.saturating_sub(last) > 0x8000 {
            // Before the first roll-over there is no round to go back to: it is a leap ahead.
            round.saturating_sub(1)
        } else if last.saturating_sub(0x8000) > sequence {
            round + 1
        } else {
            round
        };

        round << 16 | u64::from(sequence)
    }

    /// Whether this index was not seen, and is not too old to tell.
    pub(super) fn is_fresh(&self, index: u64) -> bool {
        if index >= self.next {
            return true;
        }
        let (word, bit) = place(index);

        self.next - index <= WINDOW && self.seen[word] & bit == 0
    }

    /// Marks an index as seen.
    pub(super) fn mark(&mut self, index: u64) {
        if index >= self.next {
            self.forget_before(index);
            self.next = index + 1;
        }
        let (word, bit) = place(index);
        self.seen[word] |= bit;
    }

    /// Clears the bits between the newest index and this newer one.
    fn forget_before(&mut self, index: u64) {
        if index - self.next >= WINDOW {
            self.seen = [0; WORDS as usize];
            return;
        }
        for skipped in self.next..=index {
            let (word, bit) = place(skipped);
            self.seen[word] &= !bit;
        }
    }
}

fn place(index: u64) -> (usize, u64) {
    ((index / 64 % WORDS) as usize, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window_at(index: u64) -> Window {
        let mut window = Window::default();
        window.mark(index);
        window
    }

    #[test]
    fn guess_follows_the_sequence_number_over_the_wrap_and_back() {
        let window = window_at(0x1_fffe);

        assert_eq!(window.guess(0xffff), 0x1_ffff);
        assert_eq!(window.guess(0x0003), 0x2_0003);
        assert_eq!(window.guess(0xff00), 0x1_ff00);
    }

    #[test]
    fn guess_never_goes_below_the_first_round() {
        assert_eq!(Window::default().guess(0xffff), 0xffff);
        assert_eq!(window_at(3).guess(0xfffe), 0xfffe);
    }

    #[test]
    fn index_is_fresh_once_within_the_window() {
        let mut window = window_at(5_000);
        window.mark(5_900);

        assert!(!window.is_fresh(5_000));
        assert!(!window.is_fresh(5_900));
        assert!(window.is_fresh(5_001));
        assert!(window.is_fresh(5_901));
        assert!(!window.is_fresh(5_900 - WINDOW));
        assert!(window.is_fresh(5_901 - WINDOW));
    }

    #[test]
    fn window_agrees_with_a_plain_set() {
        let mut window = Window::default();
        let mut seen = std::collections::BTreeSet::new();
        let mut newest = 0;
        let mut random = 1_u64;
        for _ in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let index = (newest + (random >> 33) % 300).saturating_sub((random >> 50) % 1_200);
            let fresh = !seen.contains(&index) && index + WINDOW > newest;
            assert_eq!(window.is_fresh(index), fresh || seen.is_empty(), "index {index}");
            if fresh {
                window.mark(index);
                seen.insert(index);
                newest = newest.max(index);
            }
        }
    }
}
