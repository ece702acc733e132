//! The Internet's checksum (RFC 1071), and what a change of headers does to it (RFC 1624).

use crate::bytes::part;

/// The sum of `N` bytes, an even number of them, as 16-bit words.
#[inline(always)]
pub fn sum<const N: usize>(bytes: &[u8; N]) -> u32 {
    const { assert!(N.is_multiple_of(2)) };
    let mut sum = 0;
    let mut at = 0;
    while at < N {
        sum += u32::from(u16::from_be_bytes(part(bytes, at)));
        at += 2;
    }

    sum
}

/// What has to be added where words that add up to `old` are replaced by words of `new`.
#[inline(always)]
pub fn change(old: u32, new: u32) -> u32 {
    u32::from(!fold(old)) + u32::from(fold(new))
}

/// A UDP checksum after a change: never 0, which would say that there is none (RFC 768).
#[inline(always)]
pub fn updated(checksum: u16, change: u32) -> u16 {
    let updated = !fold(u32::from(!checksum) + change);

    if updated == 0 { 0xffff } else { updated }
}

/// An IPv4 header's checksum; over a whole valid header, the checksum included, it is 0.
#[inline(always)]
pub fn header(header: &[u8; 20]) -> u16 {
    of(sum(header))
}

/// The checksum of words that add up to this.
#[inline(always)]
pub(crate) fn of(sum: u32) -> u16 {
    !fold(sum)
}

#[inline(always)]
fn fold(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);

    ((once & 0xffff) + (once >> 16)) as u16
}
