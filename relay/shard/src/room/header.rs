//! The header that a subscription puts in front of its packets: all of it that never changes is
//! made once.

use super::link::Outlet;
use super::media::Copied;
use relay_wire::control::Extensions;
use relay_wire::rtp::Fixed;

/// Bytes of the longest header: fixed part, both stamps, mid, level, orientation, playout delay,
/// rounded up.
pub(super) const HEADER_MAX: usize = 64;
/// Bytes of the longest mid.
pub(super) const MID_MAX: usize = 16;
/// Where extension elements start, if there are any (RFC 8285, section 4.2).
const ELEMENTS: usize = Fixed::LEN + 4;

/// A header with gaps for what changes from packet to packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Template {
    bytes: [u8; HEADER_MAX],
    len: usize,
    /// Where the values of `abs-send-time` and of the transport-wide number stand.
    time: Option<usize>,
    number: Option<usize>,
    ids: Extensions,
}

impl Template {
    /// `stamped`: the header tells its time and its transport-wide number, if these were
    /// negotiated. The mid has at most `MID_MAX` bytes, ids are 1..=14.
    pub(super) fn new(ids: &Extensions, mid: &str, stamped: bool) -> Self {
        let mut template =
            Self { bytes: [0; HEADER_MAX], len: ELEMENTS, time: None, number: None, ids: *ids };
        template.bytes[0] = 0x90;
        template.bytes[Fixed::LEN..Fixed::LEN + 2].copy_from_slice(&[0xbe, 0xde]);
        if stamped {
            template.time = ids.abs_send_time.map(|id| template.element(id, &[0; 3]));
            template.number = ids.transport_cc.map(|id| template.element(id, &[0; 2]));
        }
        if let Some(id) = ids.mid {
            let mid = &mid.as_bytes()[..mid.len().min(MID_MAX)];
            template.element(id, mid);
        }

        template
    }

    /// A packet's header and its length in bytes. `time` is an `abs-send-time`; the outlet's next
    /// number is used up if the header tells one.
    pub(super) fn write(
        &self,
        fixed: &Fixed,
        time: u32,
        outlet: &mut Outlet,
        copied: &Copied,
    ) -> ([u8; HEADER_MAX], usize) {
        let mut header = *self;
        header.bytes[1] = u8::from(fixed.marker) << 7 | fixed.payload_type & 0x7f;
        header.bytes[2..4].copy_from_slice(&fixed.sequence.to_be_bytes());
        header.bytes[4..8].copy_from_slice(&fixed.timestamp.to_be_bytes());
        header.bytes[8..12].copy_from_slice(&fixed.ssrc.to_be_bytes());
        if let Some(at) = self.time {
            header.bytes[at..at + 3].copy_from_slice(&time.to_be_bytes()[1..]);
        }
        if let Some(at) = self.number {
            header.bytes[at..at + 2].copy_from_slice(&outlet.sequence.to_be_bytes());
            outlet.sequence = outlet.sequence.wrapping_add(1);
        }
        if let (Some(id), Some(level)) = (self.ids.audio_level, copied.audio_level) {
            header.element(id, &[level]);
        }
        if let (Some(id), Some(turn)) = (self.ids.video_orientation, copied.video_orientation) {
            header.element(id, &[turn]);
        }
        if let (Some(id), Some(delay)) = (self.ids.playout_delay, copied.playout_delay) {
            header.element(id, &delay);
        }
        let len = header.finish();

        (header.bytes, len)
    }

    /// Appends an extension element; returns where its value stands.
    #[inline]
    fn element(&mut self, id: u8, value: &[u8]) -> usize {
        let at = self.len + 1;
        self.bytes[self.len] = id << 4 | (value.len() as u8).wrapping_sub(1) & 0x0f;
        self.bytes[at..at + value.len()].copy_from_slice(value);
        self.len = at + value.len();

        at
    }

    /// Pads with the zeros that stand there, and tells the extensions' length in words.
    fn finish(&mut self) -> usize {
        if self.len == ELEMENTS {
            self.bytes[0] = 0x80;
            return Fixed::LEN;
        }
        let words = (self.len - ELEMENTS).div_ceil(4);
        self.bytes[Fixed::LEN + 3] = words as u8;

        ELEMENTS + 4 * words
    }
}
