//! A packet's header, read once.

use super::extension::{Extensions, Form};
use crate::bytes::{u16_at, u32_at};
use std::ops::Range;

/// The fields that every RTP packet has (RFC 3550, section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fixed {
    /// Marker: the last packet of a video frame, the first of a talk spurt.
    pub marker: bool,
    /// Payload type, 0..=127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Media time, in the codec's clock.
    pub timestamp: u32,
    /// The stream's source.
    pub ssrc: u32,
}

impl Fixed {
    /// Bytes on the wire, without CSRCs and extensions.
    pub const LEN: usize = 12;
}

/// A header's fields and where its parts stand in the packet; it does not borrow the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Marker: the last packet of a video frame, the first of a talk spurt.
    pub marker: bool,
    /// Payload type, 0..=127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Media time, in the codec's clock.
    pub timestamp: u32,
    /// The stream's source.
    pub ssrc: u32,
    /// Number of contributing sources, 0..=15.
    pub csrc_count: u8,
    /// Whether the last byte of the payload counts padding; in SRTP it is encrypted, so that
    /// `payload` is right only for a plain packet.
    pub padded: bool,
    /// Bytes of the header, with CSRCs and extensions.
    pub len: usize,
    form: Form,
    extensions_at: usize,
}

impl Header {
    /// Reads the header of an RTP or SRTP packet; `None` if it is not one, or is cut short.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let [first, second, ..] = *packet else { return None };
        let csrc_count = first & 0x0f;
        let csrcs_end = Fixed::LEN + 4 * usize::from(csrc_count);
        let (form, extensions_at, len) = if first & 0x10 != 0 {
            let words = usize::from(u16_at(packet, csrcs_end + 2)?);
            (Form::of(u16_at(packet, csrcs_end)?), csrcs_end + 4, csrcs_end + 4 + 4 * words)
        } else {
            (Form::None, csrcs_end, csrcs_end)
        };
        let header = Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16_at(packet, 2)?,
            timestamp: u32_at(packet, 4)?,
            ssrc: u32_at(packet, 8)?,
            csrc_count,
            padded: first & 0x20 != 0,
            len,
            form,
            extensions_at,
        };

        (first >> 6 == 2 && len <= packet.len()).then_some(header)
    }

    /// The fields that every RTP packet has, for an egress header.
    pub fn fixed(&self) -> Fixed {
        let Self { marker, payload_type, sequence, timestamp, ssrc, .. } = *self;

        Fixed { marker, payload_type, sequence, timestamp, ssrc }
    }

    /// The payload of a plain packet, without padding; empty in a packet of padding only, which
    /// senders probe the bandwidth with. `None` if the padding does not fit.
    pub fn payload(&self, packet: &[u8]) -> Option<Range<usize>> {
        let body = packet.get(self.len..)?;
        let padding = match body.last() {
            Some(count) if self.padded => usize::from(*count),
            None if self.padded => return None,
            _ => 0,
        };
        let valid = padding <= body.len() && (padding > 0 || !self.padded);

        valid.then(|| self.len..packet.len() - padding)
    }

    /// Contributing sources, in order.
    pub fn csrcs<'a>(&self, packet: &'a [u8]) -> impl Iterator<Item = u32> + use<'a> {
        let count = usize::from(self.csrc_count);

        (0..count).map_while(move |index| u32_at(packet, Fixed::LEN + 4 * index))
    }

    /// Where the extensions' elements stand in the packet; empty without extensions.
    pub fn extensions_range(&self) -> Range<usize> {
        self.extensions_at..self.len
    }

    /// Extensions in order: id and value.
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> Extensions<'a> {
        let bytes = packet.get(..self.len).unwrap_or_default();

        Extensions::new(self.form, bytes, self.extensions_at)
    }

    /// The value of an extension.
    pub fn extension<'a>(&self, packet: &'a [u8], id: u8) -> Option<&'a [u8]> {
        self.extensions(packet).find(|(found, _)| *found == id).map(|(_, value)| value)
    }

    /// Where the value of an extension stands in the packet, to change it in place.
    pub fn extension_range(&self, packet: &[u8], id: u8) -> Option<Range<usize>> {
        let mut extensions = self.extensions(packet);
        let (_, value) = extensions.find(|(found, _)| *found == id)?;

        Some(extensions.at() - value.len()..extensions.at())
    }
}
