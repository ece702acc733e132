//! H.264's access units (RFC 6184, section 5; ITU-T H.264, sections 7.3 and 7.4).

use super::Picture;
use crate::parameters;

const SLICE: u8 = 1;
const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// Types of single units.
const SINGLE_MAX: u8 = 23;
/// What stands in front of each unit (annex B).
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The access unit in these payloads, with start codes.
pub(super) fn picture<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Option<Picture> {
    let mut data = Vec::new();
    let mut fragments = false;
    for payload in payloads {
        let (first, rest) = payload.split_first()?;
        match first & 0x1f {
            STAP_A if !fragments => take_aggregate(rest, &mut data)?,
            FU_A => fragments = take_fragment(*first, rest, fragments, &mut data)?,
            1..=SINGLE_MAX if !fragments => put(payload, &mut data),
            _ => return None,
        }
    }
    if fragments || data.is_empty() {
        return None;
    }
    // A picture's first slice starts at macroblock 0, whose code is a single 1. Without it the
    // picture has lost its head: what looks like a keyframe's start is in its middle.
    let slice = units(&data).find(|unit| matches!(unit[0] & 0x1f, SLICE | IDR));
    if slice.is_some_and(|slice| slice.get(1).is_none_or(|byte| byte & 0x80 == 0)) {
        return None;
    }
    let keyframe = units(&data).any(|unit| unit[0] & 0x1f == IDR);
    let sps = units(&data).find(|unit| unit[0] & 0x1f == SPS);
    let size = sps.and_then(parameters::size);

    Some(Picture { keyframe, size, data })
}

fn put(unit: &[u8], data: &mut Vec<u8>) {
    data.extend_from_slice(&START_CODE);
    data.extend_from_slice(unit);
}

fn take_aggregate(mut units: &[u8], data: &mut Vec<u8>) -> Option<()> {
    while !units.is_empty() {
        let (len, rest) = units.split_first_chunk()?;
        let (unit, rest) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
        unit.first()?;
        put(unit, data);
        units = rest;
    }

    Some(())
}

/// Takes a fragment; returns whether more of its unit must come.
fn take_fragment(indicator: u8, rest: &[u8], inside: bool, data: &mut Vec<u8>) -> Option<bool> {
    let (header, fragment) = rest.split_first()?;
    let (start, end) = (header & 0x80 != 0, header & 0x40 != 0);
    if start == inside {
        return None;
    }
    if start {
        put(&[indicator & 0xe0 | header & 0x1f], data);
    }
    data.extend_from_slice(fragment);

    Some(!end)
}

/// The units between start codes, none of them empty.
pub(crate) fn units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = data;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let end = rest.windows(4).position(|bytes| bytes == START_CODE);
            let (unit, behind) = rest.split_at(end.unwrap_or(rest.len()));
            rest = behind.get(START_CODE.len()..).unwrap_or_default();
            if !unit.is_empty() {
                return Some(unit);
            }
        }
    })
}
