//! AV1's temporal units, as files hold them: without delimiters (AOMedia's "RTP Payload Format For
//! AV1", section 4; AV1 Bitstream Specification, section 5).

use super::Picture;
use crate::parameters;

/// Bits of the aggregation header.
const CONTINUES: u8 = 0x80;
const CONTINUED: u8 = 0x40;
const NEW_SEQUENCE: u8 = 0x08;
/// Bits of an OBU's header.
const HAS_EXTENSION: u8 = 0x04;
const HAS_SIZE: u8 = 0x02;

const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;

/// The temporal unit in these payloads: OBUs with their sizes.
pub(super) fn picture<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Option<Picture> {
    let mut obus: Vec<Vec<u8>> = Vec::new();
    let mut open = false;
    let mut keyframe = false;
    for (index, payload) in payloads.enumerate() {
        let (header, mut rest) = payload.split_first()?;
        keyframe |= index == 0 && header & NEW_SEQUENCE != 0;
        if (header & CONTINUES != 0) != open {
            return None;
        }
        let count = header >> 4 & 3;
        let mut number = 0;
        while !rest.is_empty() {
            number += 1;
            let element = match number == count {
                true => std::mem::take(&mut rest),
                false => take_element(&mut rest)?,
            };
            match obus.last_mut() {
                Some(last) if open => last.extend_from_slice(element),
                _ => obus.push(element.to_vec()),
            }
            open = false;
        }
        open = header & CONTINUED != 0;
    }
    if open {
        return None;
    }
    let mut size = None;
    let mut data = Vec::new();
    for obu in &obus {
        let (kind, body) = take_apart(obu)?;
        if kind == SEQUENCE_HEADER {
            size = size.or(parameters::av1_size(body));
        }
        if kind != TEMPORAL_DELIMITER {
            put(obu, body, &mut data);
        }
    }

    Some(Picture { keyframe: keyframe && size.is_some(), size, data })
}

/// The sequence header of a temporal unit as `picture` makes it: the whole OBU, and its body.
pub(crate) fn sequence_header(mut unit: &[u8]) -> Option<(&[u8], &[u8])> {
    while !unit.is_empty() {
        let (header, _) = unit.split_first()?;
        let at = if header & HAS_EXTENSION != 0 { 2 } else { 1 };
        let mut rest = unit.get(at..)?;
        let body = take_element(&mut rest)?;
        let (obu, behind) = unit.split_at(unit.len() - rest.len());
        if header >> 3 & 0xf == SEQUENCE_HEADER {
            return Some((obu, body));
        }
        unit = behind;
    }

    None
}

/// An OBU element with its length in front.
fn take_element<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_leb128(rest)?;
    let (element, behind) = rest.split_at_checked(len)?;
    *rest = behind;

    Some(element)
}

fn take_leb128(rest: &mut &[u8]) -> Option<usize> {
    let mut value = 0;
    for shift in 0..8 {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= usize::from(byte & 0x7f) << (7 * shift);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }

    None
}

/// An OBU's type and what stands behind its header and size.
fn take_apart(obu: &[u8]) -> Option<(u8, &[u8])> {
    let (header, mut rest) = obu.split_first()?;
    if header & HAS_EXTENSION != 0 {
        rest = rest.get(1..)?;
    }
    if header & HAS_SIZE != 0 {
        rest = take_element(&mut rest)?;
    }

    Some((header >> 3 & 0xf, rest))
}

/// Appends an OBU with its size.
fn put(obu: &[u8], body: &[u8], data: &mut Vec<u8>) {
    let [header, rest @ ..] = obu else { return };
    data.push(header | HAS_SIZE);
    if header & HAS_EXTENSION != 0 {
        data.extend(rest.first());
    }
    let mut len = body.len();
    loop {
        let more = if len > 0x7f { 0x80 } else { 0 };
        data.push((len & 0x7f) as u8 | more);
        len >>= 7;
        if len == 0 {
            break;
        }
    }
    data.extend_from_slice(body);
}
