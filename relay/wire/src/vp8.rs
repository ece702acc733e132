//! VP8's payload descriptor (RFC 7741, section 4.2): read, and renumbered in place.
//!
//! End-to-end encryption leaves the descriptor readable, and the keyframe's first bytes; nothing
//! here needs more.

/// Bytes of the longest descriptor.
pub const DESCRIPTOR_MAX: usize = 6;

/// A frame's number (RFC 7741, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    /// The number, 7 or 15 bits.
    pub value: u16,
    /// Whether it has 15 bits.
    pub wide: bool,
    /// Where it stands in the payload.
    pub at: usize,
}

/// The descriptor in front of each payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Whether no other frame refers to this one (N).
    pub non_reference: bool,
    /// Whether a partition starts with this payload (S).
    pub start: bool,
    /// The partition, 0..=7 (PID).
    pub partition: u8,
    /// The frame's number (I).
    pub picture_id: Option<PictureId>,
    /// The number of the frame of temporal layer 0 that this one builds on (L).
    pub tl0_pic_idx: Option<u8>,
    /// Where that stands in the payload.
    pub tl0_pic_idx_at: usize,
    /// Temporal layer, 0..=3 (T).
    pub temporal_id: Option<u8>,
    /// Whether the frame depends on layer 0 only (Y).
    pub layer_sync: bool,
    /// The keyframe's number, 5 bits (K).
    pub key_idx: Option<u8>,
    /// Bytes of the descriptor.
    pub len: usize,
}

impl Descriptor {
    /// Reads the descriptor at the front of a payload.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut descriptor = Self {
            non_reference: first & 0x20 != 0,
            start: first & 0x10 != 0,
            partition: first & 0x07,
            picture_id: None,
            tl0_pic_idx: None,
            tl0_pic_idx_at: 0,
            temporal_id: None,
            layer_sync: false,
            key_idx: None,
            len: 1,
        };
        if first & 0x80 != 0 {
            descriptor.extend(payload)?;
        }

        Some(descriptor)
    }

    /// Whether the payload with this descriptor is the first of a frame.
    pub fn is_frame_start(&self) -> bool {
        self.start && self.partition == 0
    }

    /// Whether a keyframe starts with the payload of this descriptor (RFC 7741, section 4.3: the
    /// inverse key frame flag).
    pub fn is_keyframe(&self, payload: &[u8]) -> bool {
        payload.get(self.len).is_some_and(|first| self.is_frame_start() && first & 1 == 0)
    }

    /// Writes other numbers in place, cut to the width that the payload has for them; what the
    /// descriptor lacks stays away.
    pub fn renumber(&self, payload: &mut [u8], picture_id: u16, tl0_pic_idx: u8) {
        if let Some(PictureId { wide, at, .. }) = self.picture_id {
            let [high, low] = (picture_id & 0x7fff | 0x8000).to_be_bytes();
            match payload.get_mut(at..) {
                Some([h, l, ..]) if wide => (*h, *l) = (high, low),
                Some([byte, ..]) if !wide => *byte = low & 0x7f,
                _ => {}
            }
        }
        if self.tl0_pic_idx.is_some()
            && let Some(byte) = payload.get_mut(self.tl0_pic_idx_at)
        {
            *byte = tl0_pic_idx;
        }
    }

    /// Reads the parts that the byte after the first one announces, in their order.
    fn extend(&mut self, payload: &[u8]) -> Option<()> {
        let present = *payload.get(1)?;
        let mut at = 2;
        if present & 0x80 != 0 {
            let high = *payload.get(at)?;
            let wide = high & 0x80 != 0;
            let value = if wide {
                u16::from_be_bytes([high & 0x7f, *payload.get(at + 1)?])
            } else {
                high.into()
            };
            self.picture_id = Some(PictureId { value, wide, at });
            at += 1 + usize::from(wide);
        }
        if present & 0x40 != 0 {
            self.tl0_pic_idx = Some(*payload.get(at)?);
            self.tl0_pic_idx_at = at;
            at += 1;
        }
        if present & 0x30 != 0 {
            let byte = *payload.get(at)?;
            self.temporal_id = (present & 0x20 != 0).then_some(byte >> 6);
            self.layer_sync = present & 0x20 != 0 && byte & 0x20 != 0;
            self.key_idx = (present & 0x10 != 0).then_some(byte & 0x1f);
            at += 1;
        }
        self.len = at;

        Some(())
    }
}

/// Whether a keyframe starts with this payload.
pub fn is_keyframe(payload: &[u8]) -> bool {
    Descriptor::parse(payload).is_some_and(|descriptor| descriptor.is_keyframe(payload))
}
