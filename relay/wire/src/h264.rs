//! H.264's payloads (RFC 6184, section 5.2): which of them start a keyframe.

const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Whether a keyframe starts with this payload: an IDR picture, or the parameters in front of it.
pub fn is_keyframe(payload: &[u8]) -> bool {
    match payload {
        [first, units @ ..] if unit_type(*first) == STAP_A => units_of(units).any(starts_keyframe),
        // The start bit of the fragmentation unit's header (RFC 6184, section 5.8).
        [first, header, ..] if unit_type(*first) == FU_A => {
            header & 0x80 != 0 && starts_keyframe(*header)
        }
        [first, ..] => starts_keyframe(*first),
        [] => false,
    }
}

/// The first bytes of the units in an aggregation packet (RFC 6184, section 5.7.1).
fn units_of(mut units: &[u8]) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let (len, rest) = units.split_first_chunk()?;
        let (unit, rest) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
        units = rest;

        unit.first().copied()
    })
}

fn starts_keyframe(first: u8) -> bool {
    matches!(unit_type(first), IDR | SPS)
}

fn unit_type(first: u8) -> u8 {
    first & 0x1f
}
