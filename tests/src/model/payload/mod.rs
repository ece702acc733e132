//! Frames cut into payloads, and payloads read again, by each codec's payload format. Written here
//! and not shared with the relay: what reads its packets should not repeat its mistakes.

mod vp9;

use relay_wire::control::Codec;

/// Bytes of a frame in one packet.
const CHUNK: usize = 1100;
/// H.264's NAL units: slice of a keyframe, other slice, STAP-A, FU-A (RFC 6184, section 5.2), with
/// reference bits.
const IDR: u8 = 0x65;
const SLICE: u8 = 0x61;
const STAP_A: u8 = 0x78;
const FU_A: u8 = 0x7c;
/// A STAP-A of sequence and picture parameters; no byte of them is looked at.
const PARAMETERS: [u8; 13] = [STAP_A, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 4, 0x68, 0xce, 0x3c, 0x80];

/// What a descriptor says of a frame (VP8: RFC 7741, section 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    /// The picture's number, 15 bits.
    pub(super) picture: u16,
    /// Index of temporal base-layer pictures.
    pub(super) tl0: u8,
    pub(super) temporal: u8,
    /// 0 without spatial layers.
    pub(super) spatial: u8,
    /// Its temporal layer may be turned to here.
    pub(super) sync: bool,
}

/// A payload taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Whether a frame starts here, where the format says so.
    pub(super) start: Option<bool>,
    /// Whether it ends here, where only the format says so: elsewhere the marker does.
    pub(super) end: Option<bool>,
    pub(super) numbers: Option<Numbers>,
    /// The frame's bytes.
    pub(super) bytes: Vec<u8>,
}

/// Cuts a frame into payloads.
pub(super) fn split(codec: Codec, numbers: Numbers, keyframe: bool, frame: &[u8]) -> Vec<Vec<u8>> {
    match codec {
        Codec::Opus => vec![frame.to_vec()],
        Codec::Vp8 => split_vp8(numbers, frame),
        Codec::H264 => split_h264(keyframe, frame),
        Codec::Vp9 => vp9::split(numbers, keyframe, frame),
        Codec::Av1 => unreachable!("no source is encoded in AV1"),
    }
}

/// Reads a payload; `None` when it is not of this format.
pub(super) fn read(codec: Codec, payload: &[u8]) -> Option<Piece> {
    match codec {
        Codec::Opus => Some(Piece {
            start: Some(true),
            end: Some(true),
            numbers: None,
            bytes: payload.to_vec(),
        }),
        Codec::Vp8 => read_vp8(payload),
        Codec::H264 => read_h264(payload),
        Codec::Vp9 => vp9::read(payload),
        Codec::Av1 => None,
    }
}

fn split_vp8(numbers: Numbers, frame: &[u8]) -> Vec<Vec<u8>> {
    let Numbers { picture, tl0, temporal, sync, .. } = numbers;
    let [high, low] = (picture | 0x8000).to_be_bytes();
    let temporal = temporal << 6 | u8::from(sync) << 5;
    let chunks = frame.chunks(CHUNK).enumerate();

    chunks
        .map(|(index, chunk)| {
            let first = if index == 0 { 0x90 } else { 0x80 };
            let mut payload = vec![first, 0xe0, high, low, tl0, temporal];
            payload.extend(chunk);
            payload
        })
        .collect()
}

fn read_vp8(payload: &[u8]) -> Option<Piece> {
    let [first, 0xe0, high, low, tl0, temporal, bytes @ ..] = payload else { return None };
    let numbers = Numbers {
        picture: u16::from_be_bytes([high & 0x7f, *low]),
        tl0: *tl0,
        temporal: temporal >> 6,
        spatial: 0,
        sync: temporal & 0x20 != 0,
    };
    let valid = matches!(first, 0x80 | 0x90) && high & 0x80 != 0 && !bytes.is_empty();

    valid.then(|| Piece {
        start: Some(*first == 0x90),
        end: None,
        numbers: Some(numbers),
        bytes: bytes.to_vec(),
    })
}

fn split_h264(keyframe: bool, frame: &[u8]) -> Vec<Vec<u8>> {
    let unit = if keyframe { IDR } else { SLICE };
    let mut payloads = Vec::new();
    if keyframe {
        payloads.push(PARAMETERS.to_vec());
    }
    if frame.len() <= CHUNK {
        payloads.push([&[unit], frame].concat());
        return payloads;
    }
    let last = frame.len().div_ceil(CHUNK) - 1;
    for (index, chunk) in frame.chunks(CHUNK).enumerate() {
        let edges = u8::from(index == 0) << 7 | u8::from(index == last) << 6;
        payloads.push([&[FU_A, edges | (unit & 0x1f)], chunk].concat());
    }

    payloads
}

fn read_h264(payload: &[u8]) -> Option<Piece> {
    let (start, bytes) = match payload {
        whole if whole == PARAMETERS => (Some(true), &[][..]),
        [FU_A, header, bytes @ ..] if header & 0x80 == 0 => (Some(false), bytes),
        [FU_A, _, bytes @ ..] | [IDR | SLICE, bytes @ ..] => (None, bytes),
        _ => return None,
    };

    Some(Piece { start, end: None, numbers: None, bytes: bytes.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_is_whole_again() {
        let numbers = Numbers { picture: 0x7ffe, tl0: 9, temporal: 2, spatial: 0, sync: true };
        for codec in [Codec::Opus, Codec::Vp8, Codec::H264, Codec::Vp9] {
            for (len, keyframe) in [(40, true), (CHUNK, false), (CHUNK * 3 + 1, true)] {
                let frame = vec![0x5a; len];
                let payloads = split(codec, numbers, keyframe, &frame);
                let pieces: Vec<_> = payloads.iter().map(|p| read(codec, p).unwrap()).collect();

                assert_ne!(pieces[0].start, Some(false), "{codec:?}");
                let whole: Vec<u8> = pieces.iter().flat_map(|p| p.bytes.clone()).collect();
                assert_eq!(whole, frame, "{codec:?}");
                let told = matches!(codec, Codec::Vp8 | Codec::Vp9).then_some(numbers);
                assert!(pieces.iter().all(|p| p.numbers == told), "{codec:?}");
            }
        }
    }
}
