//! Sizes of pictures, out of the parameters that streams carry.

use relay_wire::Bits;

/// Profiles whose parameter sets tell the format of chroma (ITU-T H.264, section 7.3.2.1.1).
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// Pictures of a cycle of `pic_order_cnt_type` 1.
const CYCLE_MAX: u32 = 255;

/// Width and height of a sequence parameter set (ITU-T H.264, section 7.3.2.1), its header byte
/// included.
pub(crate) fn size(unit: &[u8]) -> Option<(u16, u16)> {
    let unit = unescaped(unit.get(1..)?);
    let mut bits = Bits::new(&unit);
    let profile = bits.take(8)?;
    bits.skip(16)?;
    bits.golomb()?;
    let mut chroma = 1;
    let mut separate = false;
    if HIGH_PROFILES.contains(&profile) {
        chroma = bits.golomb()?;
        separate = chroma == 3 && bits.flag()?;
        bits.golomb()?;
        bits.golomb()?;
        bits.skip(1)?;
        if bits.flag()? {
            skip_scaling_lists(&mut bits, if chroma == 3 { 12 } else { 8 })?;
        }
    }
    skip_order_and_references(&mut bits)?;
    let width = bits.golomb()?.checked_add(1)?.checked_mul(16)?;
    let units = bits.golomb()?.checked_add(1)?;
    let frames_only = bits.take(1)?;
    let height = units.checked_mul(16 * (2 - frames_only))?;
    if frames_only == 0 {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    let mut crop = [0; 4];
    if bits.flag()? {
        for edge in &mut crop {
            *edge = bits.golomb()?;
        }
    }
    let sampled = !separate && chroma != 0;
    let unit_width = if sampled && chroma < 3 { 2 } else { 1 };
    let unit_height = (2 - frames_only) * if sampled && chroma == 1 { 2 } else { 1 };
    let [left, right, top, bottom] = crop;
    let across = left.checked_add(right)?.checked_mul(unit_width)?;
    let down = top.checked_add(bottom)?.checked_mul(unit_height)?;

    visible(width.checked_sub(across)?, height.checked_sub(down)?)
}

fn skip_order_and_references(bits: &mut Bits<'_>) -> Option<()> {
    bits.golomb()?;
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.skip(1)?;
            bits.signed_golomb()?;
            bits.signed_golomb()?;
            let cycle = bits.golomb()?;
            if cycle > CYCLE_MAX {
                return None;
            }
            for _ in 0..cycle {
                bits.signed_golomb()?;
            }
        }
        _ => {}
    }
    bits.golomb()?;

    bits.skip(1)
}

/// Scaling lists, of which only the length matters (ITU-T H.264, section 7.3.2.1.1.1).
fn skip_scaling_lists(bits: &mut Bits<'_>, lists: usize) -> Option<()> {
    for list in 0..lists {
        if !bits.flag()? {
            continue;
        }
        let (mut last, mut next) = (8_i32, 8_i32);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                next = last.wrapping_add(bits.signed_golomb()?).rem_euclid(256);
            }
            last = if next == 0 { last } else { next };
        }
    }

    Some(())
}

/// A unit without the bytes that keep start codes out of it (ITU-T H.264, section 7.4.1).
fn unescaped(unit: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(unit.len());
    let mut zeros = 0;
    for byte in unit {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        bytes.push(*byte);
    }

    bytes
}

/// Width and height of an AV1 sequence header (AV1 Bitstream Specification, section 5.5.1), which
/// tells them as what they are at most.
pub(crate) fn av1_size(body: &[u8]) -> Option<(u16, u16)> {
    av1(body).map(|(size, _)| size)
}

/// The level of its first operating point (`seq_level_idx`).
pub(crate) fn av1_level(body: &[u8]) -> Option<u8> {
    av1(body).map(|(_, level)| level)
}

fn av1(body: &[u8]) -> Option<((u16, u16), u8)> {
    let mut bits = Bits::new(body);
    bits.skip(4)?;
    let reduced = bits.flag()?;
    let level = if reduced { bits.take(5)? } else { av1_points(&mut bits)? };
    let width_bits = bits.take(4)? as usize + 1;
    let height_bits = bits.take(4)? as usize + 1;
    let (width, height) = (bits.take(width_bits)? + 1, bits.take(height_bits)? + 1);

    Some((visible(width, height)?, level as u8))
}

/// Passes the operating points; returns the first one's level.
fn av1_points(bits: &mut Bits<'_>) -> Option<u32> {
    // Timing, which real-time senders leave out, would have to be read to get behind it.
    if bits.flag()? {
        return None;
    }
    let delays = bits.flag()?;
    let points = bits.take(5)? + 1;
    let mut first = None;
    for _ in 0..points {
        bits.skip(12)?;
        let level = bits.take(5)?;
        first = first.or(Some(level));
        if level > 7 {
            bits.skip(1)?;
        }
        if delays && bits.flag()? {
            bits.skip(4)?;
        }
    }

    first
}

fn visible(width: u32, height: u32) -> Option<(u16, u16)> {
    let size = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);

    (size.0 > 0 && size.1 > 0).then_some(size)
}
