//! The header that a subscription puts in front of its packets: all of it that never changes is
//! made once.

use super::link::Outlet;
use super::media::{Copied, DESCRIPTOR_MAX};
use relay_wire::control::Extensions;
use relay_wire::rtp::Fixed;

/// Bytes of the longest mid.
pub(super) const MID_MAX: usize = 16;
/// Bytes of the longest header: elements in the two-byte form, rounded up.
pub(super) const HEADER_MAX: usize = TEMPLATE_MAX + COPIED_MAX + 6 + 2 + DESCRIPTOR_MAX + 3;
/// Bytes of the fixed part, both stamps and a mid.
const TEMPLATE_MAX: usize = ELEMENTS + 4 + 3 + 1 + MID_MAX;
/// Bytes of level, orientation and playout delay.
const COPIED_MAX: usize = 2 + 2 + 4;
/// Where extension elements start, if there are any (RFC 8285, section 4.2).
const ELEMENTS: usize = Fixed::LEN + 4;
/// Bytes of the longest value in the one-byte form.
const NARROW_MAX: usize = 16;
/// Where a dependency descriptor has its frame's number.
const FRAME_NUMBER: std::ops::Range<usize> = 1..3;

/// A header with gaps for what changes from packet to packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Template {
    bytes: [u8; TEMPLATE_MAX],
    len: usize,
    /// Where the values of `abs-send-time` and of the transport-wide number stand.
    time: Option<usize>,
    number: Option<usize>,
    ids: Extensions,
}

/// What a packet's extensions say.
pub(super) struct Values<'a> {
    /// An `abs-send-time`.
    pub(super) time: u32,
    pub(super) copied: &'a Copied,
    /// A dependency descriptor, or nothing.
    pub(super) descriptor: &'a [u8],
    /// The frame number in it.
    pub(super) frame: u16,
}

impl Template {
    /// `stamped`: the header tells its time and its transport-wide number, if these were
    /// negotiated. The mid has at most `MID_MAX` bytes, ids are 1..=14.
    pub(super) fn new(ids: &Extensions, mid: &str, stamped: bool) -> Self {
        let mut bytes = [0; TEMPLATE_MAX];
        bytes[0] = 0x90;
        bytes[Fixed::LEN..Fixed::LEN + 2].copy_from_slice(&[0xbe, 0xde]);
        let (mut time, mut number) = (None, None);
        let mut elements = Elements { bytes: &mut bytes, len: ELEMENTS };
        if stamped {
            time = ids.abs_send_time.map(|id| elements.narrow(id, &[0; 3]));
            number = ids.transport_cc.map(|id| elements.narrow(id, &[0; 2]));
        }
        if let Some(id) = ids.mid {
            elements.narrow(id, &mid.as_bytes()[..mid.len().min(MID_MAX)]);
        }

        Self { len: elements.len, bytes, time, number, ids: *ids }
    }

    /// Writes a packet's header; returns its length in bytes. The outlet's next number is used up
    /// if the header tells one.
    pub(super) fn write(
        &self,
        fixed: &Fixed,
        values: &Values<'_>,
        outlet: &mut Outlet,
        header: &mut [u8; HEADER_MAX],
    ) -> usize {
        header[..TEMPLATE_MAX].copy_from_slice(&self.bytes);
        header[1] = u8::from(fixed.marker) << 7 | fixed.payload_type & 0x7f;
        header[2..4].copy_from_slice(&fixed.sequence.to_be_bytes());
        header[4..8].copy_from_slice(&fixed.timestamp.to_be_bytes());
        header[8..12].copy_from_slice(&fixed.ssrc.to_be_bytes());
        if let Some(at) = self.time {
            header[at..at + 3].copy_from_slice(&values.time.to_be_bytes()[1..]);
        }
        if let Some(at) = self.number {
            header[at..at + 2].copy_from_slice(&outlet.sequence.to_be_bytes());
            outlet.sequence = outlet.sequence.wrapping_add(1);
        }
        let mut elements = Elements { bytes: header, len: self.len };
        let Copied { audio_level, video_orientation, playout_delay } = values.copied;
        if let (Some(id), Some(level)) = (self.ids.audio_level, audio_level) {
            elements.narrow(id, &[*level]);
        }
        if let (Some(id), Some(turn)) = (self.ids.video_orientation, video_orientation) {
            elements.narrow(id, &[*turn]);
        }
        if let (Some(id), Some(delay)) = (self.ids.playout_delay, playout_delay) {
            elements.narrow(id, delay);
        }
        if let (Some(id), true) = (self.ids.dependency_descriptor, values.descriptor.len() > 2) {
            elements.descriptor(id, values.descriptor, values.frame);
        }

        elements.finish()
    }
}

/// Extension elements behind a header's fixed part.
struct Elements<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl Elements<'_> {
    /// Appends an element in the one-byte form; returns where its value stands.
    #[inline]
    fn narrow(&mut self, id: u8, value: &[u8]) -> usize {
        self.append(&[id << 4 | (value.len() as u8).wrapping_sub(1) & 0x0f]);

        self.append(value)
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) -> usize {
        let at = self.len;
        self.len += bytes.len();
        self.bytes[at..self.len].copy_from_slice(bytes);

        at
    }

    /// Appends a dependency descriptor with another frame number, as the last element.
    fn descriptor(&mut self, id: u8, value: &[u8], frame: u16) {
        let value = &value[..value.len().min(DESCRIPTOR_MAX)];
        let at = if value.len() <= NARROW_MAX {
            self.narrow(id, value)
        } else {
            self.widen();
            self.append(&[id, value.len() as u8]);
            self.append(value)
        };
        self.bytes[at..][FRAME_NUMBER].copy_from_slice(&frame.to_be_bytes());
    }

    /// Turns the elements into the two-byte form (RFC 8285, section 4.3).
    fn widen(&mut self) {
        let mut narrow = [0; TEMPLATE_MAX + COPIED_MAX];
        let end = self.len;
        narrow[..end].copy_from_slice(&self.bytes[..end]);
        self.bytes[Fixed::LEN..Fixed::LEN + 2].copy_from_slice(&[0x10, 0x00]);
        self.len = ELEMENTS;
        let mut at = ELEMENTS;
        while at < end {
            let (id, len) = (narrow[at] >> 4, (narrow[at] & 0x0f) + 1);
            let next = at + 1 + usize::from(len);
            self.append(&[id, len]);
            self.append(&narrow[at + 1..next]);
            at = next;
        }
    }

    /// Pads with zeros, and tells the extensions' length in words.
    fn finish(mut self) -> usize {
        if self.len == ELEMENTS {
            self.bytes[0] = 0x80;
            return Fixed::LEN;
        }
        let words = (self.len - ELEMENTS).div_ceil(4);
        self.append(&[0; 3][..ELEMENTS + 4 * words - self.len]);
        self.bytes[Fixed::LEN + 2..ELEMENTS].copy_from_slice(&(words as u16).to_be_bytes());

        ELEMENTS + 4 * words
    }
}
