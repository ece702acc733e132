//! A received media packet, taken apart: what is rewritten for each subscriber, and the rest.

use super::layer::{Layer, Place};
use super::rewrite::Numbers;
use relay_wire::control::{Codec, Extensions};
use relay_wire::rtp::Header;
use relay_wire::{av1, h264, vp8, vp9};

/// Bytes of a payload descriptor that are rewritten.
pub(super) const FRONT_MAX: usize = vp8::DESCRIPTOR_MAX;
const _: () = assert!(vp9::FRONT_MAX <= FRONT_MAX);
/// Bytes of a dependency descriptor that is passed on.
pub(super) const DESCRIPTOR_MAX: usize = u8::MAX as usize;

/// The descriptor at the front of a payload.
pub(super) enum Front {
    Vp8(vp8::Descriptor),
    Vp9(vp9::Descriptor),
    /// The codec has none, or it is malformed.
    None,
}

impl Front {
    pub(super) fn read(codec: Codec, payload: &[u8]) -> Self {
        match codec {
            Codec::Vp8 => vp8::Descriptor::parse(payload).map_or(Self::None, Self::Vp8),
            Codec::Vp9 => vp9::Descriptor::parse(payload).map_or(Self::None, Self::Vp9),
            Codec::Opus | Codec::H264 | Codec::Av1 => Self::None,
        }
    }

    /// Whether subscribers may start at this payload. Encrypted payloads may not show it.
    pub(super) fn is_keyframe(&self, codec: Codec, payload: &[u8]) -> bool {
        match (self, codec) {
            (Self::Vp8(vp8), _) => vp8.is_keyframe(payload),
            (Self::Vp9(vp9), _) => vp9.is_keyframe(),
            (Self::None, Codec::Opus) => true,
            (Self::None, Codec::H264) => h264::is_keyframe(payload),
            (Self::None, Codec::Av1) => av1::is_keyframe(payload),
            (Self::None, Codec::Vp8 | Codec::Vp9) => false,
        }
    }
}

/// The rewritten part of a descriptor: its bytes, and where its numbers stand in them.
#[derive(Clone, Copy)]
pub(super) struct Rewritten {
    bytes: [u8; FRONT_MAX],
    len: u8,
    picture_at: Option<u8>,
    /// Whether the picture id has 15 bits.
    wide: bool,
    tl0_at: Option<u8>,
}

impl Rewritten {
    /// `picture`: where the picture id stands, and whether it has 15 bits.
    fn new(front: &[u8], picture: Option<(usize, bool)>, tl0_at: Option<usize>) -> Option<Self> {
        let mut bytes = [0; FRONT_MAX];
        bytes.get_mut(..front.len())?.copy_from_slice(front);

        Some(Self {
            bytes,
            len: front.len() as u8,
            picture_at: picture.map(|(at, _)| at as u8),
            wide: picture.is_some_and(|(_, wide)| wide),
            tl0_at: tl0_at.map(|at| at as u8),
        })
    }

    /// The bytes with other numbers, as wide as the publisher's, and their length.
    pub(super) fn write(&self, numbers: &Numbers) -> ([u8; FRONT_MAX], usize) {
        let mut bytes = self.bytes;
        let [high, low] = numbers.picture.to_be_bytes();
        if let Some(at) = self.picture_at.map(usize::from) {
            if self.wide {
                bytes[at..at + 2].copy_from_slice(&[high | 0x80, low]);
            } else {
                bytes[at] = low & 0x7f;
            }
        }
        if let Some(at) = self.tl0_at {
            bytes[usize::from(at)] = numbers.tl0;
        }

        (bytes, self.len.into())
    }
}

/// A media packet without the bytes that are forwarded as they are.
#[derive(Clone, Copy)]
pub(super) struct Media {
    /// What is rewritten; the sequence number is the extended one in its layer.
    pub(super) numbers: Numbers,
    pub(super) codec: Codec,
    /// Cells of its layer that it belongs to, one bit each.
    pub(super) wanted: u16,
    /// What is written anew for each subscriber; it is not part of the payload.
    pub(super) front: Option<Rewritten>,
    pub(super) copied: Copied,
}

impl Media {
    /// The same place in the stream without anything in it.
    pub(super) fn emptied(&self) -> Self {
        Self { front: None, copied: Copied::default(), ..*self }
    }
}

/// The bytes of a packet that are forwarded as they are.
#[derive(Clone, Copy, Default)]
pub(super) struct Body<'a> {
    /// The dependency descriptor, of codecs whose subscribers get it; empty if there is none.
    pub(super) descriptor: &'a [u8],
    pub(super) payload: &'a [u8],
}

/// Header extensions that are passed on as they came.
#[derive(Clone, Copy, Default)]
pub(super) struct Copied {
    pub(super) audio_level: Option<u8>,
    pub(super) video_orientation: Option<u8>,
    pub(super) playout_delay: Option<[u8; 3]>,
}

impl Copied {
    /// Returns the dependency descriptor, too.
    pub(super) fn read<'a>(
        packet: &'a [u8],
        header: &Header,
        ids: &Extensions,
    ) -> (Self, Option<&'a [u8]>) {
        let (mut copied, mut descriptor) = (Self::default(), None);
        for (id, value) in header.extensions(packet) {
            if Some(id) == ids.audio_level {
                copied.audio_level = value.first().copied();
            } else if Some(id) == ids.video_orientation {
                copied.video_orientation = value.first().copied();
            } else if Some(id) == ids.playout_delay {
                copied.playout_delay = value.try_into().ok();
            } else if Some(id) == ids.dependency_descriptor {
                descriptor = Some(value);
            }
        }

        (copied, descriptor)
    }
}

/// The media clock of a codec in Hz.
pub(super) fn rate(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => 48_000,
        Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => 90_000,
    }
}

/// Whether a codec's subscribers get the dependency descriptor: where picture ids are made
/// contiguous, or a stream has no layers but those of simulcast, it would say something else.
pub(super) fn passes_descriptor(codec: Codec) -> bool {
    match codec {
        Codec::Vp9 | Codec::Av1 => true,
        Codec::Opus | Codec::Vp8 | Codec::H264 => false,
    }
}

/// Takes the rewritten part of a descriptor off the front of a payload, and its numbers over;
/// returns its length.
pub(super) fn take_front(
    media: &mut Media,
    front: &Front,
    payload: &[u8],
    place: &Place,
    layer: &mut Layer,
) -> Option<usize> {
    let (len, picture, tl0) = match front {
        Front::Vp8(vp8) => {
            let picture = vp8.picture_id.map(|id| (id.value, id.wide, id.at));
            (vp8.len, picture, vp8.tl0_pic_idx.map(|tl0| (tl0, vp8.tl0_pic_idx_at)))
        }
        Front::Vp9(vp9) => {
            let picture = vp9.picture_id.map(|id| (id.value, id.wide, id.at));
            (vp9.front_len, picture, vp9.tl0_pic_idx.map(|tl0| (tl0, vp9.front_len - 1)))
        }
        Front::None => return None,
    };
    let at = picture.map(|(_, wide, at)| (at, wide));
    media.front = Some(Rewritten::new(payload.get(..len)?, at, tl0.map(|(_, at)| at))?);
    if let Some((value, wide, _)) = picture {
        media.numbers.picture = layer.extend_picture(value, wide, place.late);
    }
    media.numbers.tl0 = tl0.map_or(0, |(tl0, _)| tl0);

    Some(len)
}
