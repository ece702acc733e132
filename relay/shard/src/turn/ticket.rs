//! What lets a client find what is its own, on whichever shard that stands: mobility tickets
//! (RFC 8016, section 3) and reservation tokens (RFC 8656, section 18.10).

use super::secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::Rng;
use rand::rngs::StdRng;
use ring::hmac;
use std::hint::black_box;

/// Bytes of what a ticket says, and of the tag that proves it.
const HALF_LEN: usize = 12;

/// Characters of a ticket, both halves in base64: coturn's client takes text, and no more of it.
pub(crate) const TICKET_LEN: usize = 2 * HALF_LEN * 4 / 3;

/// Bytes of a reservation token.
pub(crate) const TOKEN_LEN: usize = 8;

/// Whose ticket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// The shard that has the allocation.
    pub(crate) shard: u16,
    /// The allocation's number there.
    pub(crate) allocation: u64,
    /// Which of the allocation's tickets it is; older ones are void.
    pub(crate) generation: u64,
}

/// Seals tickets and makes tokens; equal keys open each other's.
///
/// A ticket is a tag over what it says, and that under a mask made of the tag (the construction of
/// RFC 5297, with HMAC-SHA256 in both places): short, and without a nonce that might repeat.
pub(crate) struct Tickets {
    tag: hmac::Key,
    veil: hmac::Key,
    mask: hmac::Key,
}

impl Tickets {
    /// Tickets under the key that all shards share.
    pub(crate) fn new(key: &[u8; secret::KEY_LEN]) -> Self {
        let key = |purpose| hmac::Key::new(hmac::HMAC_SHA256, &secret::derive(key, purpose));

        Self { tag: key("ticket tag"), veil: key("ticket veil"), mask: key("reservation") }
    }

    /// Seals a ticket: nobody can read or make one. Of the allocation's number 48 bits count, of
    /// the generation 32.
    pub(crate) fn seal(&self, ticket: Ticket) -> [u8; TICKET_LEN] {
        let mut plain = [0; HALF_LEN];
        plain[..2].copy_from_slice(&ticket.shard.to_be_bytes());
        plain[2..8].copy_from_slice(&ticket.allocation.to_be_bytes()[2..]);
        plain[8..].copy_from_slice(&ticket.generation.to_be_bytes()[4..]);
        let tag = half(&self.tag, &plain);
        let mut sealed = [0; 2 * HALF_LEN];
        sealed[..HALF_LEN].copy_from_slice(&tag);
        sealed[HALF_LEN..].copy_from_slice(&veil(plain, half(&self.veil, &tag)));
        let mut text = [0; TICKET_LEN];
        let written = STANDARD.encode_slice(sealed, &mut text);
        assert_eq!(written.ok(), Some(TICKET_LEN), "base64 makes four characters of three bytes");

        text
    }

    /// Opens a ticket; `None` if it is not of our making.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Ticket> {
        let mut bytes = [0; 2 * HALF_LEN];
        let len = STANDARD.decode_slice(sealed, &mut bytes).ok()?;
        let sealed: &[u8; 2 * HALF_LEN] = bytes[..len].try_into().ok()?;
        let (tag, hidden) = (sealed.first_chunk::<HALF_LEN>()?, sealed.last_chunk::<HALF_LEN>()?);
        let plain = veil(*hidden, half(&self.veil, tag));
        let difference = veil(half(&self.tag, &plain), *tag);
        if black_box(difference.iter().fold(0, |sum, byte| sum | byte)) != 0 {
            return None;
        }
        let number = |range: std::ops::Range<usize>| {
            plain[range].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
        };

        Some(Ticket {
            shard: number(0..2) as u16,
            allocation: number(2..8),
            generation: number(8..12),
        })
    }

    /// A fresh reservation token of a shard: its number under a mask, and 48 random bits.
    pub(crate) fn token(&self, shard: u16, random: &mut StdRng) -> [u8; TOKEN_LEN] {
        let random: [u8; 6] = random.random();
        let mut token = [0; TOKEN_LEN];
        token[2..].copy_from_slice(&random);
        let masked = shard ^ self.mask(&token);
        token[..2].copy_from_slice(&masked.to_be_bytes());

        token
    }

    /// The shard that a token names: it knows whether it gave it out. A number that is none of a
    /// shard's is a token of somebody else's making.
    pub(crate) fn token_shard(&self, token: &[u8; TOKEN_LEN]) -> u16 {
        u16::from_be_bytes([token[0], token[1]]) ^ self.mask(token)
    }

    /// What hides the shard's number, of the token's random bytes.
    fn mask(&self, token: &[u8; TOKEN_LEN]) -> u16 {
        let tag = hmac::sign(&self.mask, &token[2..]);

        tag.as_ref().first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes))
    }
}

/// The first half of an HMAC-SHA256.
fn half(key: &hmac::Key, bytes: &[u8]) -> [u8; HALF_LEN] {
    let tag = hmac::sign(key, bytes);
    let mut half = [0; HALF_LEN];
    half.copy_from_slice(&tag.as_ref()[..HALF_LEN]);

    half
}

fn veil(bytes: [u8; HALF_LEN], mask: [u8; HALF_LEN]) -> [u8; HALF_LEN] {
    std::array::from_fn(|at| bytes[at] ^ mask[at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;

    const TICKET: Ticket = Ticket { shard: 3, allocation: 1 << 40, generation: 7 };

    #[test]
    fn a_ticket_opens_on_every_shard_and_nowhere_else() {
        let sealed = Tickets::new(&[1; 32]).seal(TICKET);

        assert_eq!(Tickets::new(&[1; 32]).open(&sealed), Some(TICKET));
        assert_eq!(Tickets::new(&[2; 32]).open(&sealed), None);
    }

    #[test]
    fn a_ticket_tells_nothing_of_what_is_in_it() {
        let tickets = Tickets::new(&[1; 32]);
        let next = Ticket { generation: TICKET.generation + 1, ..TICKET };
        let (one, two) = (tickets.seal(TICKET), tickets.seal(next));

        assert_ne!(one[..TICKET_LEN / 2], two[..TICKET_LEN / 2]);
        assert_ne!(one[TICKET_LEN / 2..], two[TICKET_LEN / 2..]);
    }

    #[test]
    fn a_token_names_its_shard() {
        let mut random = StdRng::seed_from_u64(1);
        let token = Tickets::new(&[1; 32]).token(5, &mut random);

        assert_eq!(Tickets::new(&[1; 32]).token_shard(&token), 5);
        assert_ne!(token, Tickets::new(&[1; 32]).token(5, &mut random));
    }

    #[test]
    fn guessed_tokens_name_no_shard() {
        let tickets = Tickets::new(&[1; 32]);
        let hits = (0..10_000u64).filter(|guess| {
            let token = guess.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            tickets.token_shard(&token) < 16
        });

        assert!(hits.count() < 20);
    }

    proptest! {
        #[test]
        fn a_changed_ticket_does_not_open(at in 0..TICKET_LEN, change in 1u8..) {
            let tickets = Tickets::new(&[1; 32]);
            let mut sealed = tickets.seal(TICKET);
            sealed[at] ^= change;

            prop_assert_eq!(tickets.open(&sealed), None);
        }

        #[test]
        fn no_bytes_crash(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(Tickets::new(&[1; 32]).open(&bytes), None);
        }
    }
}
