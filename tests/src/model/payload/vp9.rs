//! VP9's payload format (RFC 9628, section 4.2) with layers in one stream: three spatial, three
//! temporal ones, references told by a group of pictures.

use super::{CHUNK, Numbers, Piece};

/// Flags of the first byte.
const PICTURE_ID: u8 = 0x80;
const PREDICTED: u8 = 0x40;
const LAYERS: u8 = 0x20;
const BEGIN: u8 = 0x08;
const END: u8 = 0x04;
const STRUCTURE: u8 = 0x02;
const NOT_REFERENCED: u8 = 0x01;
/// Three layers of 320x180 to 1280x720; four pictures, of the temporal layers 0, 2, 1 and 2, of
/// which each builds on one, that many pictures ago.
const GROUP: [u8; 22] =
    [0x58, 1, 64, 0, 180, 2, 128, 1, 104, 5, 0, 2, 208, 4, 0x14, 4, 0x54, 1, 0x34, 2, 0x44, 1];

/// Cuts a frame of one spatial layer into payloads.
pub(super) fn split(numbers: Numbers, keyframe: bool, frame: &[u8]) -> Vec<Vec<u8>> {
    let Numbers { picture, tl0, temporal, spatial, sync } = numbers;
    let [high, low] = (picture | 0x8000).to_be_bytes();
    let layers =
        temporal << 5 | u8::from(sync) << 4 | spatial << 1 | u8::from(keyframe && spatial > 0);
    let mut common = PICTURE_ID | LAYERS;
    common |= if keyframe { 0 } else { PREDICTED | NOT_REFERENCED };
    let last = frame.len().div_ceil(CHUNK) - 1;
    let chunk = |(index, chunk): (usize, &[u8])| {
        let mut first = common;
        first |= if index == 0 { BEGIN } else { 0 };
        first |= if index == last { END } else { 0 };
        let structure = keyframe && spatial == 0 && index == 0;
        first |= if structure { STRUCTURE } else { 0 };
        let group: &[u8] = if structure { &GROUP } else { &[] };
        [&[first, high, low, layers, tl0], group, chunk].concat()
    };

    frame.chunks(CHUNK).enumerate().map(chunk).collect()
}

/// Reads a payload; `None` when it is not of this format.
pub(super) fn read(payload: &[u8]) -> Option<Piece> {
    let [first, high, low, layers, tl0, bytes @ ..] = payload else { return None };
    let described = first & (PICTURE_ID | LAYERS) == PICTURE_ID | LAYERS && high & 0x80 != 0;
    let bytes = match first & STRUCTURE {
        0 => bytes,
        _ => bytes.strip_prefix(&GROUP)?,
    };
    let numbers = Numbers {
        picture: u16::from_be_bytes([high & 0x7f, *low]),
        tl0: *tl0,
        temporal: layers >> 5,
        spatial: layers >> 1 & 7,
        sync: layers & 0x10 != 0,
    };
    let (start, end) = (Some(first & BEGIN != 0), Some(first & END != 0));

    (described && !bytes.is_empty()).then(|| Piece {
        start,
        end,
        numbers: Some(numbers),
        bytes: bytes.to_vec(),
    })
}
