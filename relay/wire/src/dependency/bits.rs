//! Numbers of any width in bits, the highest bit first.

/// Reads a slice bit by bit; nothing is read over its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits read so far.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Passes over `count` bits.
    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        let at = self.at.checked_add(count)?;
        if at > 8 * self.bytes.len() {
            return None;
        }
        self.at = at;

        Some(())
    }

    /// The next `count` bits, at most 32.
    pub(super) fn take(&mut self, count: usize) -> Option<u32> {
        let (first, shift) = (self.at / 8, self.at % 8);
        self.skip(count)?;
        let window = (first..first + 5)
            .fold(0, |all: u64, at| all << 8 | u64::from(*self.bytes.get(at).unwrap_or(&0)));
        let mask = (1 << count) - 1;

        Some((window >> (40 - shift - count) & mask) as u32)
    }

    /// The next bit.
    pub(super) fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    /// The next number below `bound`, which is at least 1 (the specification's `ns(n)`).
    pub(super) fn below(&mut self, bound: u32) -> Option<u32> {
        let width = bound.ilog2() as usize + 1;
        let short = (1 << width) - bound;
        let value = self.take(width - 1)?;
        if value < short {
            return Some(value);
        }

        Some((value << 1) - short + self.take(1)?)
    }
}
