//! The receiver's estimate of the bandwidth (draft-alvestrand-rmcat-remb-03, section 2.2).

use super::report::Ssrcs;
use crate::bytes::u24_at;

/// A receiver's estimate of the bandwidth for some streams together.
#[derive(Clone, Debug)]
pub struct Remb<'a> {
    /// Who estimates.
    pub sender: u32,
    /// Bits a second.
    pub bitrate_bps: u64,
    /// The streams.
    pub ssrcs: Ssrcs<'a>,
}

impl<'a> Remb<'a> {
    pub(super) fn parse(sender: u32, control: &'a [u8]) -> Option<Self> {
        let count = *control.strip_prefix(b"REMB")?.first()?;
        let exponent_mantissa = u24_at(control, 5)?;
        let mantissa = u64::from(exponent_mantissa & 0x3_ffff);
        let bitrate_bps = mantissa.saturating_mul(1 << (exponent_mantissa >> 18));
        let ssrcs = Ssrcs::parse(count.into(), control.get(8..)?)?;

        Some(Self { sender, bitrate_bps, ssrcs })
    }
}

/// The 6-bit exponent and the 18-bit mantissa of a bitrate, rounded down.
pub(super) fn exponent_mantissa(bitrate_bps: u64) -> [u8; 3] {
    let exponent = (64 - bitrate_bps.leading_zeros()).saturating_sub(18);
    let [_, a, b, c] = (exponent << 18 | (bitrate_bps >> exponent) as u32).to_be_bytes();

    [a, b, c]
}
