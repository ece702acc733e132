//! Numbers of any width in bits, the highest bit first.

/// Reads a slice bit by bit; nothing is read over its end.
#[derive(Clone, Copy, Debug)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    /// A reader at the front of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits read so far.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Passes over `count` bits.
    pub fn skip(&mut self, count: usize) -> Option<()> {
        let at = self.at.checked_add(count)?;
        if at > 8 * self.bytes.len() {
            return None;
        }
        self.at = at;

        Some(())
    }

    /// The next `count` bits, at most 32.
    pub fn take(&mut self, count: usize) -> Option<u32> {
        let (first, shift) = (self.at / 8, self.at % 8);
        self.skip(count)?;
        let window = (first..first + 5)
            .fold(0, |all: u64, at| all << 8 | u64::from(*self.bytes.get(at).unwrap_or(&0)));
        let mask = (1 << count) - 1;

        Some((window >> (40 - shift - count) & mask) as u32)
    }

    /// The next bit.
    pub fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }

    /// The next number below `bound`, which is at least 1 (the specification's `ns(n)`).
    pub fn below(&mut self, bound: u32) -> Option<u32> {
        let width = bound.ilog2() as usize + 1;
        let short = (1 << width) - bound;
        let value = self.take(width - 1)?;
        if value < short {
            return Some(value);
        }

        Some((value << 1) - short + self.take(1)?)
    }

    /// The next unsigned Exp-Golomb code (ITU-T H.264, section 9.1).
    pub fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }

        Some((1_u32 << zeros) - 1 + self.take(zeros)?)
    }

    /// The next signed one.
    pub fn signed_golomb(&mut self) -> Option<i32> {
        let code = i64::from(self.golomb()?);
        let magnitude = (code + 1) / 2;

        i32::try_from(if code % 2 == 1 { magnitude } else { -magnitude }).ok()
    }
}
