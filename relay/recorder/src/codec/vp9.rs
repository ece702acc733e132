//! Sizes that a VP9 frame would make a decoder take (VP9 Bitstream Specification, section 6.2 and
//! annex B).

use super::{CodecError, bounded};
use crate::frames::vp9;
use relay_wire::Bits;
use relay_wire::control::Codec;

const MALFORMED: CodecError = CodecError::Malformed(Codec::Vp9);
const SYNC_CODE: u32 = 0x49_83_42;

/// Refuses frames, or superframes with one, that are too large, or not of profile 0.
pub(super) fn check(data: &[u8]) -> Result<(), CodecError> {
    let Some(sizes) = index(data) else { return check_frame(data) };
    let mut rest = data;
    for size in sizes {
        let (frame, behind) = rest.split_at_checked(size).ok_or(MALFORMED)?;
        check_frame(frame)?;
        rest = behind;
    }

    Ok(())
}

/// The sizes of a superframe's frames; `None`: it is one frame.
fn index(data: &[u8]) -> Option<Vec<usize>> {
    let marker = *data.last()?;
    let (count, width) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
    let start = data.len().checked_sub(2 + count * width)?;
    if marker >> 5 != 0b110 || data[start] != marker {
        return None;
    }
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |all, byte| all << 8 | *byte as usize);

    Some(data[start + 1..data.len() - 1].chunks(width).map(number).collect())
}

fn check_frame(frame: &[u8]) -> Result<(), CodecError> {
    // A decoder passes over an empty one.
    if frame.is_empty() {
        return Ok(());
    }
    match size(frame).ok_or(MALFORMED)? {
        Some((width, height)) => bounded(width, height),
        None => Ok(()),
    }
}

/// The size that an uncompressed header tells; `Some(None)` when it is an earlier frame's.
fn size(frame: &[u8]) -> Option<Option<(u32, u32)>> {
    let mut bits = Bits::new(frame);
    let profile_0 = bits.take(2)? == 2 && bits.take(2)? == 0;
    if !profile_0 {
        return None;
    }
    if bits.flag()? {
        return Some(None);
    }
    let (inter, shown, resilient) = (bits.flag()?, bits.flag()?, bits.flag()?);
    if !inter {
        let (width, height) = vp9::size(frame)?;
        return Some(Some((width.into(), height.into())));
    }
    let intra_only = !shown && bits.flag()?;
    bits.skip(if resilient { 0 } else { 2 })?;
    if intra_only {
        let sync = bits.take(24)? == SYNC_CODE;
        bits.skip(8)?;
        return sync.then_some(Some(explicit(&mut bits)?));
    }
    // Which frames are replaced, and three references of four bits; then whose size it has.
    bits.skip(8 + 3 * 4)?;
    for _ in 0..3 {
        if bits.flag()? {
            return Some(None);
        }
    }

    Some(Some(explicit(&mut bits)?))
}

fn explicit(bits: &mut Bits<'_>) -> Option<(u32, u32)> {
    Some((bits.take(16)? + 1, bits.take(16)? + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header of these numbers, each of this many bits.
    fn header(fields: &[(u32, usize)]) -> Vec<u8> {
        let bits = fields
            .iter()
            .flat_map(|(value, width)| (0..*width).rev().map(move |bit| (value >> bit & 1) as u8));
        let bits: Vec<u8> = bits.collect();

        bits.chunks(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit)).collect()
    }

    /// An inter frame that brings its own size.
    fn inter(width: u32, height: u32) -> Vec<u8> {
        header(
            &[(2, 2), (0, 2), (0, 1), (1, 1), (1, 1), (1, 1), (0, 8), (0, 12), (0, 3)]
                .into_iter()
                .chain([(width - 1, 16), (height - 1, 16), (0, 8)])
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn an_inter_frame_may_not_grow_beyond_what_is_decoded() {
        assert_eq!(check(&inter(1280, 720)), Ok(()));
        let size = CodecError::Size { width: 16_384, height: 16_384 };
        assert_eq!(check(&inter(16_384, 16_384)), Err(size));
    }

    #[test]
    fn frames_within_a_superframe_are_checked() {
        let (small, large) = (inter(64, 64), inter(16_384, 64));
        let marker = 0b110 << 5 | 1;
        let mut data = [small.clone(), large.clone()].concat();
        data.extend([marker, small.len() as u8, large.len() as u8, marker]);

        assert_eq!(check(&data), Err(CodecError::Size { width: 16_384, height: 64 }));
    }
}
