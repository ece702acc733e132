//! MESSAGE-INTEGRITY and FINGERPRINT (RFC 8489, sections 14.5 and 14.7).

use super::HEADER_LEN;
use ring::hmac;
use std::hint::black_box;

/// Bytes of a MESSAGE-INTEGRITY value: HMAC-SHA1.
pub(super) const INTEGRITY_LEN: usize = 20;

/// RFC 8489, section 14.7: sets FINGERPRINT apart from other uses of CRC-32.
const FINGERPRINT_MASK: u32 = 0x5354_554e;

/// The key of MESSAGE-INTEGRITY, prepared once for many messages.
#[derive(Clone, Debug)]
pub struct IntegrityKey(hmac::Key);

impl IntegrityKey {
    /// Prepares a password of short-term credentials, as ICE has them (RFC 8489, section 9.1.1).
    pub fn short_term(password: &str) -> Self {
        Self::new(password.as_bytes())
    }

    /// Prepares key bytes: of long-term credentials, the MD5 digest (RFC 8489, section 9.2.2).
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key))
    }

    /// The HMAC of `before`, which begins with the header, as if MESSAGE-INTEGRITY came next and
    /// last.
    pub(super) fn sign(&self, before: &[u8]) -> [u8; INTEGRITY_LEN] {
        let mut context = hmac::Context::with_key(&self.0);
        update(before, INTEGRITY_LEN, |bytes| context.update(bytes));
        let mut tag = [0; INTEGRITY_LEN];
        tag.copy_from_slice(&context.sign().as_ref()[..INTEGRITY_LEN]);

        tag
    }

    /// Compares with a received value in constant time.
    pub(super) fn verify(&self, before: &[u8], value: &[u8]) -> bool {
        let tag = self.sign(before);
        let difference = tag.iter().zip(value).fold(0, |sum, (ours, theirs)| sum | ours ^ theirs);

        value.len() == INTEGRITY_LEN && black_box(difference) == 0
    }
}

/// The FINGERPRINT of `before`, which begins with the header, as if it came next and last.
pub(super) fn fingerprint(before: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    update(before, 4, |bytes| hasher.update(bytes));

    hasher.finalize() ^ FINGERPRINT_MASK
}

/// Feeds a message up to an attribute, with the length it had if that attribute were its last.
fn update(before: &[u8], value_len: usize, mut feed: impl FnMut(&[u8])) {
    let Some((header, attributes)) = before.split_at_checked(HEADER_LEN) else { return };
    let len = (attributes.len() + 4 + value_len) as u16;
    feed(&header[..2]);
    feed(&len.to_be_bytes());
    feed(&header[4..]);
    feed(attributes);
}
