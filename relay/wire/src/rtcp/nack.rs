//! Requests to send again: NACK (RFC 4585, section 6.2.1) and FIR (RFC 5104, section 4.3.1.1).

use crate::bytes::{u16_at, u32_at};

/// Sequence numbers that a NACK names, in order of its entries; each entry is one number and a mask
/// of the 16 after it.
#[derive(Clone, Debug)]
pub struct Nacks<'a> {
    entries: &'a [u8],
    base: u16,
    mask: u32,
}

impl<'a> Nacks<'a> {
    pub(super) fn parse(entries: &'a [u8]) -> Option<Self> {
        let whole = !entries.is_empty() && entries.len().is_multiple_of(4);

        whole.then_some(Self { entries, base: 0, mask: 0 })
    }
}

impl Iterator for Nacks<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.mask == 0 {
            self.base = u16_at(self.entries, 0)?;
            self.mask = u32::from(u16_at(self.entries, 2)?) << 1 | 1;
            self.entries = &self.entries[4..];
        }
        let offset = self.mask.trailing_zeros();
        self.mask &= self.mask - 1;

        Some(self.base.wrapping_add(offset as u16))
    }
}

/// Packs sequence numbers into entries: each number that the open entry cannot hold opens another.
#[derive(Clone, Debug)]
pub(super) struct Packed<I: Iterator<Item = u16>> {
    sequences: std::iter::Peekable<I>,
}

impl<I: Iterator<Item = u16>> Packed<I> {
    pub(super) fn new(sequences: I) -> Self {
        Self { sequences: sequences.peekable() }
    }
}

impl<I: Iterator<Item = u16>> Iterator for Packed<I> {
    type Item = [u8; 4];

    fn next(&mut self) -> Option<[u8; 4]> {
        let base = self.sequences.next()?;
        let mut mask = 0_u16;
        let fits = |sequence: &u16| sequence.wrapping_sub(base) <= 16;
        while let Some(sequence) = self.sequences.next_if(fits) {
            if let Some(bit) = sequence.wrapping_sub(base).checked_sub(1) {
                mask |= 1 << bit;
            }
        }
        let [b0, b1] = base.to_be_bytes();
        let [m0, m1] = mask.to_be_bytes();

        Some([b0, b1, m0, m1])
    }
}

/// One stream of which a FIR asks a keyframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirEntry {
    /// The stream.
    pub ssrc: u32,
    /// The command's number: the same again is a repetition.
    pub sequence: u8,
}

/// The streams that a FIR names.
#[derive(Clone, Debug)]
pub struct FirEntries<'a>(&'a [u8]);

impl<'a> FirEntries<'a> {
    pub(super) fn parse(entries: &'a [u8]) -> Option<Self> {
        let whole = !entries.is_empty() && entries.len().is_multiple_of(8);

        whole.then_some(Self(entries))
    }
}

impl Iterator for FirEntries<'_> {
    type Item = FirEntry;

    fn next(&mut self) -> Option<FirEntry> {
        let (entry, rest) = self.0.split_at_checked(8)?;
        self.0 = rest;

        Some(FirEntry { ssrc: u32_at(entry, 0)?, sequence: entry[4] })
    }
}
