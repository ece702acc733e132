//! How far ahead of what we have acknowledged a peer's data may be.
//!
//! The library bounds what waits behind a gap by its bytes, keeps two copies of each chunk and
//! sorts them with each arrival: a peer that sends single bytes could fill memory and time.

/// Chunks of data behind a gap. Browsers fill the receive window with a quarter of that.
const AHEAD_MAX: u32 = 2_048;

/// Bytes of SCTP's common header (RFC 9260, section 3.1).
const HEADER_LEN: usize = 12;

const DATA: u8 = 0;
const INIT: u8 = 1;
const SACK: u8 = 3;

/// The newest number of the peer's data before which nothing is missing.
#[derive(Default)]
pub(super) struct Window {
    acknowledged: Option<u32>,
}

impl Window {
    /// Whether a packet of the peer may go to the library.
    pub(super) fn admits(&mut self, packet: &[u8]) -> bool {
        for (kind, body) in chunks(packet) {
            match (kind, self.acknowledged) {
                (INIT, None) => {
                    // Data starts with the initial TSN (RFC 9260, section 3.3.2).
                    self.acknowledged = number_at(body, 12).map(|first| first.wrapping_sub(1));
                }
                (DATA, Some(acknowledged)) => {
                    let ahead = number_at(body, 0).unwrap_or(0).wrapping_sub(acknowledged);
                    if (AHEAD_MAX..1 << 31).contains(&ahead) {
                        return false;
                    }
                }
                _ => {}
            }
        }

        true
    }

    /// Takes note of a packet of ours.
    pub(super) fn sent(&mut self, packet: &[u8]) {
        for (_, body) in chunks(packet).filter(|(kind, _)| *kind == SACK) {
            self.acknowledged = number_at(body, 0).or(self.acknowledged);
        }
    }
}

/// Types and values of a packet's chunks (RFC 9260, section 3.2).
fn chunks(packet: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = packet.get(HEADER_LEN..).unwrap_or_default();
    std::iter::from_fn(move || {
        let [kind, _, l0, l1, ..] = *rest else { return None };
        let len = usize::from(u16::from_be_bytes([l0, l1]));
        let body = rest.get(4..len)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();

        Some((kind, body))
    })
}

fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|number| u32::from_be_bytes(*number))
}
