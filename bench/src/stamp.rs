//! The mark in each payload: which flow, which packet, when; and a checksum over all of it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of the shortest payload: a stamp and a checksum.
pub(crate) const PAYLOAD_MIN: usize = LEN + CHECKSUM_LEN;
const LEN: usize = 24;
const CHECKSUM_LEN: usize = 4;
const MAGIC: [u8; 4] = *b"mrt1";

/// Nanoseconds since 1970: the clock of the kernel's receive times.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos() as u64
}

/// A packet's identity and birth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Index of the flow.
    pub(crate) flow: u32,
    /// Counts this flow's packets from 0.
    pub(crate) number: u64,
    /// When it was sent, in nanoseconds since 1970.
    pub(crate) sent: u64,
}

impl Stamp {
    /// Appends a payload of `size` bytes, at least `PAYLOAD_MIN`.
    pub(crate) fn append(self, size: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.flow.to_be_bytes());
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.sent.to_be_bytes());
        out.resize(start + size - CHECKSUM_LEN, 0x5a);
        let checksum = crc32fast::hash(&out[start..]);
        out.extend_from_slice(&checksum.to_be_bytes());
    }

    /// Whether a payload begins as all with a stamp do.
    pub(crate) fn begins(payload: &[u8]) -> bool {
        payload.starts_with(&MAGIC)
    }

    /// Reads a payload of `size` bytes; `None` if a single bit of it is not as it was sent.
    pub(crate) fn read(payload: &[u8], size: usize) -> Option<Self> {
        let (content, checksum) = payload.split_last_chunk()?;
        let whole = payload.len() == size
            && Self::begins(content)
            && crc32fast::hash(content) == u32::from_be_bytes(*checksum);
        let stamp: &[u8; LEN] = content.first_chunk().filter(|_| whole)?;
        let (flow, rest) = stamp[4..].split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;

        Some(Self {
            flow: u32::from_be_bytes(*flow),
            number: u64::from_be_bytes(*number),
            sent: u64::from_be_bytes(*rest.first_chunk()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_or_missing_byte_is_noticed() {
        let stamp = Stamp { flow: 3, number: 1 << 40, sent: now() };
        for size in [PAYLOAD_MIN, 172, 1_200] {
            let mut payload = vec![7; 4];
            stamp.append(size, &mut payload);
            let payload = &mut payload[4..];

            assert_eq!(payload.len(), size);
            assert_eq!(Stamp::read(payload, size), Some(stamp));
            assert_eq!(Stamp::read(payload, size + 1), None);
            assert_eq!(Stamp::read(&payload[..size - 1], size), None);
            for bit in 0..size * 8 {
                payload[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Stamp::read(payload, size), None, "bit {bit} of {size} bytes");
                payload[bit / 8] ^= 1 << (bit % 8);
            }
        }
        assert_eq!(Stamp::read(&[], 0), None);
    }
}
