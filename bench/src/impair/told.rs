//! What a line did to the datagrams that came by.

use serde::Serialize;
use std::fmt;
use std::iter::Sum;
use std::ops::Add;

/// Counts by what datagrams carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Told {
    /// RTP and ChannelData.
    pub(crate) media: Counts,
    /// All else: STUN, DTLS, RTCP.
    pub(crate) other: Counts,
}

/// What became of datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Datagrams that came.
    pub(crate) packets: u64,
    /// Those that went on, copies included.
    pub(crate) sent: u64,
    /// Lost, by chance or in a burst.
    pub(crate) lost: u64,
    /// Lost because too many waited for the rate.
    pub(crate) overflowed: u64,
    /// Sent twice.
    pub(crate) duplicated: u64,
    /// Sent with one bit changed.
    pub(crate) flipped: u64,
    /// Sent, whole, behind one that had come later.
    pub(crate) reordered: u64,
}

impl Counts {
    fn plus(self, other: Self) -> Self {
        Self {
            packets: self.packets + other.packets,
            sent: self.sent + other.sent,
            lost: self.lost + other.lost,
            overflowed: self.overflowed + other.overflowed,
            duplicated: self.duplicated + other.duplicated,
            flipped: self.flipped + other.flipped,
            reordered: self.reordered + other.reordered,
        }
    }
}

impl Add for Told {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { media: self.media.plus(other.media), other: self.other.plus(other.other) }
    }
}

impl fmt::Display for Told {
    /// What was done to media, in words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { packets, lost, overflowed, duplicated, flipped, reordered, .. } = self.media;

        write!(
            f,
            "of {packets} packets of media, settling included, the impaired network lost {lost}, \
             and {overflowed} that did not fit its rate; it repeated {duplicated}, changed \
             {flipped} and reordered {reordered}"
        )
    }
}

impl Sum for Told {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}
