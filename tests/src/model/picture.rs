//! One encoded frame that says what it is: whose, of which layer, and what it builds on.

use std::time::Duration;

/// Frames that one frame builds on, at most.
const REFERENCES_MAX: usize = 3;
/// Bytes in front of the filling: tag, layer, spatial, temporal, references, publisher, number,
/// time, references.
const HEAD: usize = 5 + 4 + 4 + 8 + 4 * REFERENCES_MAX;
/// Bytes of the checksum at the end.
const CHECKSUM: usize = 4;
/// The shortest picture.
pub(super) const BYTES_MIN: usize = HEAD + CHECKSUM;

/// What a frame is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// Who made it: the same number for all layers of one source.
    pub(super) publisher: u32,
    /// Which encoding of simulcast, low to high.
    pub(super) stream: u8,
    /// Spatial layer within the encoding.
    pub(super) spatial: u8,
    /// Temporal layer within the encoding.
    pub(super) temporal: u8,
    /// Counts the frames of the encoding.
    pub(super) number: u32,
    /// Numbers of the frames without which it cannot be decoded; a keyframe has none.
    pub(super) references: Vec<u32>,
    /// When it was taken, since the world began.
    pub(super) captured: Duration,
}

impl Picture {
    /// The frame's bytes, `len` of them or as many as it takes.
    pub(super) fn write(&self, len: usize) -> Vec<u8> {
        assert!(self.references.len() <= REFERENCES_MAX, "{self:?}");
        let mut bytes = Vec::with_capacity(len.max(BYTES_MIN));
        // VP8's frame tag: bit 0 is 0 in a keyframe (RFC 6386, section 9.1).
        let tag = 0x10 | u8::from(!self.references.is_empty());
        let count = self.references.len() as u8;
        bytes.extend([tag, self.stream, self.spatial, self.temporal, count]);
        bytes.extend(self.publisher.to_be_bytes());
        bytes.extend(self.number.to_be_bytes());
        bytes.extend((self.captured.as_micros() as u64).to_be_bytes());
        for reference in 0..REFERENCES_MAX {
            let number = self.references.get(reference).copied().unwrap_or(0);
            bytes.extend(number.to_be_bytes());
        }
        let filling = len.saturating_sub(BYTES_MIN);
        bytes.extend((0..filling).map(|at| (at as u32).wrapping_mul(self.number | 1) as u8));
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());

        bytes
    }

    /// Reads a frame; `None` when a byte of it is not as it was written.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
        let [_, stream, spatial, temporal, count, rest @ ..] = content else { return None };
        let word = |at: usize| Some(u32::from_be_bytes(*rest.get(at..)?.first_chunk()?));
        let captured = u64::from_be_bytes(*rest.get(8..)?.first_chunk()?);
        let references = (0..usize::from(*count).min(REFERENCES_MAX)).map(|at| word(16 + 4 * at));
        let picture = Self {
            publisher: word(0)?,
            stream: *stream,
            spatial: *spatial,
            temporal: *temporal,
            number: word(4)?,
            references: references.collect::<Option<_>>()?,
            captured: Duration::from_micros(captured),
        };

        (crc32fast::hash(content) == u32::from_be_bytes(*checksum)).then_some(picture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_read_as_it_was_written_and_no_other_bytes_are() {
        let picture = Picture {
            publisher: 7,
            stream: 2,
            spatial: 1,
            temporal: 2,
            number: 9,
            references: vec![8, 5],
            captured: Duration::from_millis(123),
        };
        for len in [0, BYTES_MIN, 500] {
            let mut bytes = picture.write(len);
            assert_eq!(Picture::read(&bytes), Some(picture.clone()));
            assert_eq!(Picture::read(&bytes[..bytes.len() - 1]), None);
            bytes[BYTES_MIN / 2] ^= 1;
            assert_eq!(Picture::read(&bytes), None);
        }
    }
}
