//! TURN's ChannelData.

use std::ops::RangeInclusive;

/// The four bytes in front of ChannelData (RFC 8656, section 12.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelHeader {
    /// The channel, one of `NUMBERS`.
    pub number: u16,
    /// Bytes of application data that follow.
    pub len: u16,
}

impl ChannelHeader {
    /// Bytes on the wire.
    pub const LEN: usize = 4;

    /// Channels that may be bound: those of RFC 5766, section 11, since its clients (coturn's for
    /// one) draw from all of them. RFC 8656, section 12, keeps those from 0x5000 on free, so that
    /// first bytes tell protocols apart; none of ours begins with 80 to 127.
    pub const NUMBERS: RangeInclusive<u16> = 0x4000..=0x7fff;

    /// Reads the header in front of its data; what stands behind the data is padding.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let [n0, n1, l0, l1, data @ ..] = bytes else { return None };
        let number = u16::from_be_bytes([*n0, *n1]);
        let len = u16::from_be_bytes([*l0, *l1]);
        let valid = Self::NUMBERS.contains(&number) && data.len() >= len.into();

        valid.then_some(Self { number, len })
    }

    /// The header as it goes in front of the data.
    pub fn write(&self) -> [u8; Self::LEN] {
        let [n0, n1] = self.number.to_be_bytes();
        let [l0, l1] = self.len.to_be_bytes();

        [n0, n1, l0, l1]
    }
}
