//! Sequence numbers that wrap.

/// Whether `a` comes after `b`, by less than half the circle (RFC 1982).
pub fn newer(a: u16, b: u16) -> bool {
    a != b && a.wrapping_sub(b) < 0x8000
}

/// Unwraps 16-bit sequence numbers to 64 bits, relative to the highest one seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SequenceExtender {
    highest: Option<u64>,
}

impl SequenceExtender {
    /// Unwraps a number and remembers it if it is the highest.
    ///
    /// The first one becomes 65536 + `sequence`, so that numbers before it stay positive.
    pub fn extend(&mut self, sequence: u16) -> u64 {
        let extended = self.peek(sequence);
        self.highest = self.highest.max(Some(extended));

        extended
    }

    /// Unwraps a number and remembers nothing.
    pub fn peek(&self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else { return 0x1_0000 + u64::from(sequence) };
        let ahead = sequence.wrapping_sub(highest as u16) as i16;

        // `highest` is at least 65536, so this never goes below zero.
        highest.wrapping_add_signed(ahead.into())
    }

    /// The highest number seen.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}
