//! A received media packet, taken apart: what is rewritten for each subscriber, and the rest.

use super::layer::{Layer, Place};
use super::rewrite::Numbers;
use relay_wire::control::{Codec, Extensions};
use relay_wire::rtp::Header;
use relay_wire::{h264, vp8};

/// VP8's descriptor: its bytes, and where its numbers stand in them.
#[derive(Clone, Copy)]
pub(super) struct Vp8 {
    descriptor: vp8::Descriptor,
    bytes: [u8; vp8::DESCRIPTOR_MAX],
    /// Picture id, extended to 15 bits.
    picture: u16,
}

impl Vp8 {
    /// Writes the descriptor with other numbers to the front of `prefix`; returns its length.
    pub(super) fn write(&self, prefix: &mut [u8], numbers: &Numbers) -> usize {
        let len = self.descriptor.len.min(prefix.len());
        prefix[..len].copy_from_slice(&self.bytes[..len]);
        self.descriptor.renumber(&mut prefix[..len], numbers.picture, numbers.tl0);

        len
    }
}

/// A media packet without the payload bytes that are forwarded as they are.
#[derive(Clone, Copy)]
pub(super) struct Media {
    /// Extended sequence number in its layer.
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
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

impl Media {
    /// The numbers that are rewritten.
    pub(super) fn numbers(&self) -> Numbers {
        let tl0 = self.vp8.and_then(|vp8| vp8.descriptor.tl0_pic_idx);

        Numbers {
            sequence: self.sequence,
            timestamp: self.timestamp,
            picture: self.vp8.map_or(0, |vp8| vp8.picture),
            tl0: tl0.unwrap_or(0),
        }
    }
}

/// The media clock of a codec in Hz.
pub(super) fn rate(codec: Codec) -> u32 {
    match codec {
        Codec::Opus => 48_000,
        Codec::Vp8 | Codec::H264 => 90_000,
    }
}

/// Takes VP8's descriptor off the front of a payload; returns it and its length.
pub(super) fn take_vp8(payload: &[u8], place: &Place, layer: &mut Layer) -> Option<(Vp8, usize)> {
    let descriptor = vp8::Descriptor::parse(payload)?;
    let mut bytes = [0; vp8::DESCRIPTOR_MAX];
    bytes.get_mut(..descriptor.len)?.copy_from_slice(payload.get(..descriptor.len)?);
    let picture = descriptor
        .picture_id
        .map_or(0, |picture| layer.extend_picture(picture.value, picture.wide, place.late));

    Some((Vp8 { descriptor, bytes, picture }, descriptor.len))
}

/// Whether subscribers may start at this payload. Encrypted payloads may not show it.
pub(super) fn is_keyframe(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Opus => true,
        Codec::Vp8 => vp8::is_keyframe(payload),
        Codec::H264 => h264::is_keyframe(payload),
    }
}
