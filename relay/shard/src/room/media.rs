//! A received media packet, taken apart: what is rewritten for each subscriber, and the rest.

use super::layer::{Layer, Place};
use super::rewrite::Numbers;
use relay_wire::control::{Codec, Extensions};
use relay_wire::rtp::Header;
use relay_wire::{av1, h264, vp8, vp9};

/// VP8's descriptor: its bytes, and where its numbers stand in them.
#[derive(Clone, Copy)]
pub(super) struct Vp8 {
    bytes: [u8; vp8::DESCRIPTOR_MAX],
    len: u8,
    picture_at: Option<u8>,
    /// Whether the picture id has 15 bits.
    wide: bool,
    tl0_at: Option<u8>,
}

impl Vp8 {
    fn new(descriptor: &vp8::Descriptor, payload: &[u8]) -> Option<Self> {
        let mut bytes = [0; vp8::DESCRIPTOR_MAX];
        bytes.get_mut(..descriptor.len)?.copy_from_slice(payload.get(..descriptor.len)?);

        Some(Self {
            bytes,
            len: descriptor.len as u8,
            picture_at: descriptor.picture_id.map(|picture| picture.at as u8),
            wide: descriptor.picture_id.is_some_and(|picture| picture.wide),
            tl0_at: descriptor.tl0_pic_idx.map(|_| descriptor.tl0_pic_idx_at as u8),
        })
    }

    /// The descriptor with other numbers, as wide as the publisher's, and its length.
    pub(super) fn write(&self, numbers: &Numbers) -> ([u8; vp8::DESCRIPTOR_MAX], usize) {
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

/// A media packet without the payload bytes that are forwarded as they are.
#[derive(Clone, Copy)]
pub(super) struct Media {
    /// What is rewritten; the sequence number is the extended one in its layer.
    pub(super) numbers: Numbers,
    pub(super) marker: bool,
    pub(super) codec: Codec,
    /// What is written anew for each subscriber; it is not part of the payload.
    pub(super) vp8: Option<Vp8>,
    pub(super) copied: Copied,
}

/// Header extensions that are passed on as they came.
#[derive(Clone, Copy, Default)]
pub(super) struct Copied {
    pub(super) audio_level: Option<u8>,
    pub(super) video_orientation: Option<u8>,
    pub(super) playout_delay: Option<[u8; 3]>,
}

impl Copied {
    pub(super) fn read(packet: &[u8], header: &Header, ids: &Extensions) -> Self {
        let mut copied = Self::default();
        for (id, value) in header.extensions(packet) {
            if Some(id) == ids.audio_level {
                copied.audio_level = value.first().copied();
            } else if Some(id) == ids.video_orientation {
                copied.video_orientation = value.first().copied();
            } else if Some(id) == ids.playout_delay {
                copied.playout_delay = value.try_into().ok();
            }
        }

        copied
    }
}

/// The media clock of a codec in Hz.
pub(super) fn rate(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => 48_000,
        Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => 90_000,
    }
}

/// Takes VP8's descriptor off the front of a payload, and its numbers over; returns its length.
pub(super) fn take_vp8(
    media: &mut Media,
    payload: &[u8],
    place: &Place,
    layer: &mut Layer,
) -> Option<usize> {
    let descriptor = vp8::Descriptor::parse(payload)?;
    media.vp8 = Some(Vp8::new(&descriptor, payload)?);
    if let Some(picture) = descriptor.picture_id {
        media.numbers.picture = layer.extend_picture(picture.value, picture.wide, place.late);
    }
    media.numbers.tl0 = descriptor.tl0_pic_idx.unwrap_or(0);

    Some(descriptor.len)
}

/// Whether subscribers may start at this payload. Encrypted payloads may not show it.
pub(super) fn is_keyframe(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Opus => true,
        Codec::Vp8 => vp8::is_keyframe(payload),
        Codec::H264 => h264::is_keyframe(payload),
        Codec::Vp9 => vp9::is_keyframe(payload),
        Codec::Av1 => av1::is_keyframe(payload),
    }
}
