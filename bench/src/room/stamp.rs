//! The mark at the end of each payload: who sent it, which one it is, and when.

use std::time::Instant;

/// Bytes of a stamp.
pub(super) const LEN: usize = 24;
const MAGIC: [u8; 4] = *b"mrb1";

/// Nanoseconds since the run began, common to all clients of this process.
#[derive(Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    /// A clock that begins now.
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    /// The time now, in nanoseconds.
    pub(super) fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A packet's identity and birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Index of the publisher.
    pub(super) publisher: u32,
    /// Counts this publisher's packets from 0.
    pub(super) number: u64,
    /// When it was sent, in nanoseconds of the run's clock.
    pub(super) sent: u64,
}

impl Stamp {
    /// Writes the stamp over the last bytes of a payload; a shorter one is left alone.
    pub(super) fn write(self, payload: &mut [u8]) {
        let Some(bytes) = payload.last_chunk_mut::<LEN>() else { return };
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..8].copy_from_slice(&self.publisher.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_be_bytes());
        bytes[16..].copy_from_slice(&self.sent.to_be_bytes());
    }

    /// Reads the stamp at the end of a payload.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let rest = payload.last_chunk::<LEN>()?.strip_prefix(&MAGIC)?;
        let (publisher, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (sent, _) = rest.split_first_chunk()?;

        Some(Self {
            publisher: u32::from_be_bytes(*publisher),
            number: u64::from_be_bytes(*number),
            sent: u64::from_be_bytes(*sent),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamp_is_read_back_from_the_end_of_a_payload() {
        let stamp = Stamp { publisher: 3, number: 1 << 40, sent: 123_456_789 };
        let mut payload = vec![9; 100];

        stamp.write(&mut payload);

        assert_eq!(Stamp::parse(&payload), Some(stamp));
        assert_eq!(payload[..76], [9; 76]);
        assert_eq!(Stamp::parse(&payload[..99]), None);
        assert_eq!(Stamp::parse(&[]), None);
    }
}
