//! Report blocks, source descriptions and lists of sources (RFC 3550, section 6).

use crate::bytes::{u24_at, u32_at};

/// What a receiver tells of one stream (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// Packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost in all, 24 bits; negative with duplicates.
    pub lost: i32,
    /// Highest sequence number received, its cycles in the upper 16 bits.
    pub highest: u32,
    /// Variation of the arrival time, in the media's clock.
    pub jitter: u32,
    /// Middle 32 bits of the last sender report's NTP timestamp; 0 before the first.
    pub last_sr: u32,
    /// Time since that report, in 1/65536 seconds.
    pub delay: u32,
}

impl ReportBlock {
    /// Bytes on the wire.
    pub const LEN: usize = 24;

    /// Reads the block at the front of `bytes`.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let lost = u24_at(bytes, 5)?;

        Some(Self {
            ssrc: u32_at(bytes, 0)?,
            fraction_lost: *bytes.get(4)?,
            lost: ((lost << 8) as i32) >> 8,
            highest: u32_at(bytes, 8)?,
            jitter: u32_at(bytes, 12)?,
            last_sr: u32_at(bytes, 16)?,
            delay: u32_at(bytes, 20)?,
        })
    }

    /// The block's bytes; `lost` is clamped to 24 bits.
    pub fn write(&self) -> [u8; Self::LEN] {
        let [_, l0, l1, l2] = self.lost.clamp(-0x80_0000, 0x7f_ffff).to_be_bytes();
        let loss = u32::from_be_bytes([self.fraction_lost, l0, l1, l2]);
        let words = [self.ssrc, loss, self.highest, self.jitter, self.last_sr, self.delay];
        let mut bytes = [0; Self::LEN];
        for (room, word) in bytes.chunks_exact_mut(4).zip(words) {
            room.copy_from_slice(&word.to_be_bytes());
        }

        bytes
    }
}

/// Report blocks in order.
#[derive(Clone, Debug)]
pub struct ReportBlocks<'a>(&'a [u8]);

impl<'a> ReportBlocks<'a> {
    /// Takes `count` blocks; what follows them is profile-specific, and ignored.
    pub(super) fn parse(count: u8, bytes: &'a [u8]) -> Option<Self> {
        bytes.get(..ReportBlock::LEN * usize::from(count)).map(Self)
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let block = ReportBlock::parse(self.0)?;
        self.0 = &self.0[ReportBlock::LEN..];

        Some(block)
    }
}

/// SSRCs in order.
#[derive(Clone, Debug)]
pub struct Ssrcs<'a>(&'a [u8]);

impl<'a> Ssrcs<'a> {
    /// Takes `count` SSRCs off the front.
    pub(super) fn parse(count: usize, bytes: &'a [u8]) -> Option<Self> {
        bytes.get(..4 * count).map(Self)
    }
}

impl Iterator for Ssrcs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let ssrc = u32_at(self.0, 0)?;
        self.0 = &self.0[4..];

        Some(ssrc)
    }
}

/// One thing told of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesItem<'a> {
    /// The source.
    pub ssrc: u32,
    /// What is told: 1 is CNAME (RFC 3550, section 12.2).
    pub kind: u8,
    /// The value, UTF-8 by the book.
    pub value: &'a [u8],
}

impl<'a> SdesItem<'a> {
    /// The value, if this is a CNAME in UTF-8.
    pub fn cname(&self) -> Option<&'a str> {
        if self.kind == super::SDES_CNAME { str::from_utf8(self.value).ok() } else { None }
    }
}

/// The items of all chunks of an SDES packet, in order.
#[derive(Clone, Debug)]
pub struct SdesItems<'a> {
    bytes: &'a [u8],
    at: usize,
    chunks: u8,
    ssrc: Option<u32>,
}

impl<'a> SdesItems<'a> {
    /// Checks that `chunks` chunks stand in `bytes`.
    pub(super) fn parse(chunks: u8, bytes: &'a [u8]) -> Option<Self> {
        let items = Self { bytes, at: 0, chunks, ssrc: None };
        let mut walk = items.clone();
        while walk.next().is_some() {}

        (walk.chunks == 0 && walk.ssrc.is_none()).then_some(items)
    }
}

impl<'a> Iterator for SdesItems<'a> {
    type Item = SdesItem<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(ssrc) = self.ssrc else {
                let chunks = self.chunks.checked_sub(1)?;
                self.ssrc = Some(u32_at(self.bytes, self.at)?);
                self.chunks = chunks;
                self.at += 4;
                continue;
            };
            let kind = *self.bytes.get(self.at)?;
            // A null ends the chunk, more nulls pad it to 32 bits (RFC 3550, section 6.5).
            if kind == 0 {
                self.at = (self.at + 1).next_multiple_of(4);
                self.ssrc = None;
                continue;
            }
            let start = self.at + 2;
            let len = usize::from(*self.bytes.get(self.at + 1)?);
            let value = self.bytes.get(start..start + len)?;
            self.at = start + len;

            return Some(SdesItem { ssrc, kind, value });
        }
    }
}
