//! A header to send, written into the caller's buffer.

use super::{AudioLevel, Fixed};
use crate::bytes::Sink;

/// Bytes of the longest header that `Writer` makes: each of the 14 ids once, with 16 bytes.
pub const HEADER_MAX: usize = Fixed::LEN + 4 + 14 * 17 + 2;

/// Writes one RTP header with extensions of the one-byte form (RFC 8285, section 4.2).
#[derive(Debug)]
pub struct Writer<'a> {
    sink: Sink<'a>,
}

impl<'a> Writer<'a> {
    /// Starts a header at the front of `buffer`; no CSRCs, no padding.
    pub fn begin(buffer: &'a mut [u8], fixed: &Fixed) -> Self {
        let mut sink = Sink::new(buffer);
        sink.put(&[0x80, u8::from(fixed.marker) << 7 | fixed.payload_type & 0x7f]);
        sink.put(&fixed.sequence.to_be_bytes());
        sink.put(&fixed.timestamp.to_be_bytes());
        sink.put(&fixed.ssrc.to_be_bytes());

        Self { sink }
    }

    /// Says that the payload ends with padding that counts itself (RFC 3550, section 5.1).
    pub fn padded(&mut self) -> &mut Self {
        let first = self.sink.written().first().map_or(0, |first| first | 0x20);
        self.sink.patch(0, &[first]);

        self
    }

    /// Appends an extension; `id` is 1..=14, `value` 1 to 16 bytes.
    pub fn extension(&mut self, id: u8, value: &[u8]) -> &mut Self {
        if !(1..=14).contains(&id) || !(1..=16).contains(&value.len()) {
            self.sink.spoil();
            return self;
        }
        if self.sink.len() == Fixed::LEN {
            let first = self.sink.written()[0] | 0x10;
            self.sink.patch(0, &[first]);
            self.sink.put(&[0xbe, 0xde, 0, 0]);
        }
        self.sink.put(&[id << 4 | (value.len() - 1) as u8]);
        self.sink.put(value);

        self
    }

    /// Appends the m-line's id (RFC 8843, section 15), 1 to 16 bytes.
    pub fn mid(&mut self, id: u8, mid: &str) -> &mut Self {
        self.extension(id, mid.as_bytes())
    }

    /// Appends abs-send-time, as `super::abs_send_time` makes it.
    pub fn abs_send_time(&mut self, id: u8, time: u32) -> &mut Self {
        let [_, a, b, c] = time.to_be_bytes();

        self.extension(id, &[a, b, c])
    }

    /// Appends the transport-wide sequence number.
    pub fn transport_cc(&mut self, id: u8, sequence: u16) -> &mut Self {
        self.extension(id, &sequence.to_be_bytes())
    }

    /// Appends the audio level (RFC 6464).
    pub fn audio_level(&mut self, id: u8, level: AudioLevel) -> &mut Self {
        self.extension(id, &[level.write()])
    }

    /// Completes the header and returns its length in bytes; `None` if the buffer was too short or
    /// an extension not valid. Nothing may be appended after it.
    pub fn finish(&mut self) -> Option<usize> {
        self.sink.pad();
        let words = self.sink.len().saturating_sub(Fixed::LEN + 4) / 4;
        self.sink.patch(Fixed::LEN + 2, &(words as u16).to_be_bytes());

        self.sink.finish()
    }
}
