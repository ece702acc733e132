//! VP8's frames (RFC 7741, section 4; RFC 6386, section 9.1).

use super::Picture;
use relay_wire::vp8::Descriptor;

/// The start code of a keyframe.
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

/// The frame in these payloads.
pub(super) fn picture<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Option<Picture> {
    let mut data = Vec::new();
    for payload in payloads {
        let descriptor = Descriptor::parse(payload)?;
        data.extend_from_slice(payload.get(descriptor.len..)?);
    }
    // The inverse key frame flag of the frame's tag.
    let keyframe = data.first()? & 1 == 0;
    let size = if keyframe { Some(size(&data)?) } else { None };

    Some(Picture { keyframe, size, data })
}

/// Width and height, of 14 bits each; the two bits above are how to scale them.
pub(crate) fn size(data: &[u8]) -> Option<(u16, u16)> {
    let header = data.get(3..10)?;
    let number = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]) & 0x3fff;

    (header[..3] == START_CODE).then(|| (number(3), number(5)))
}
