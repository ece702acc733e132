//! VP9's pictures (RFC 9628, section 4; VP9 Bitstream Specification, section 6.2). The layers of a
//! picture make one superframe, of which decoders show the highest.

use super::Picture;
use relay_wire::Bits;
use relay_wire::vp9::Descriptor;

const SYNC_CODE: u32 = 0x49_83_42;
/// Colour space of RGB, which profile 0 does not have.
const SRGB: u32 = 7;
/// Frames in a superframe.
const FRAMES_MAX: usize = 8;

/// The superframe in these payloads.
pub(super) fn picture<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Option<Picture> {
    let mut data = Vec::new();
    let mut sizes: Vec<usize> = Vec::new();
    let mut keyframe = false;
    for (index, payload) in payloads.enumerate() {
        let descriptor = Descriptor::parse(payload)?;
        keyframe |= index == 0 && descriptor.is_keyframe();
        if descriptor.start || sizes.is_empty() {
            sizes.push(0);
        }
        let frame = payload.get(descriptor.len(payload)?..)?;
        *sizes.last_mut()? += frame.len();
        data.extend_from_slice(frame);
    }
    let size = if keyframe { Some(size(&data)?) } else { None };
    if sizes.len() > 1 {
        append_index(&mut data, &sizes)?;
    }

    Some(Picture { keyframe, size, data })
}

/// The index that makes frames one superframe (annex B).
fn append_index(data: &mut Vec<u8>, sizes: &[usize]) -> Option<()> {
    if sizes.len() > FRAMES_MAX {
        return None;
    }
    // Four bytes for each size.
    let marker = 0b110 << 5 | 3 << 3 | (sizes.len() - 1) as u8;
    data.push(marker);
    for size in sizes {
        data.extend_from_slice(&u32::try_from(*size).ok()?.to_le_bytes());
    }
    data.push(marker);

    Some(())
}

/// Width and height of a keyframe's uncompressed header.
pub(crate) fn size(data: &[u8]) -> Option<(u16, u16)> {
    let mut bits = Bits::new(data);
    let marker = bits.take(2)?;
    let profile = bits.take(1)? | bits.take(1)? << 1;
    if profile == 3 {
        bits.take(1)?;
    }
    let (shows_existing, inter) = (bits.take(1)?, bits.take(1)?);
    bits.take(2)?;
    let sync = bits.take(24)?;
    if profile >= 2 {
        bits.take(1)?;
    }
    let space = bits.take(3)?;
    bits.take(1)?;
    if profile & 1 == 1 {
        bits.take(3)?;
    }
    let (width, height) = (bits.take(16)? + 1, bits.take(16)? + 1);
    let valid =
        marker == 2 && sync == SYNC_CODE && space != SRGB && shows_existing == 0 && inter == 0;

    valid.then_some((u16::try_from(width).ok()?, u16::try_from(height).ok()?))
}
