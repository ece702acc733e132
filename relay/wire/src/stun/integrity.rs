//! MESSAGE-INTEGRITY in both forms, and FINGERPRINT (RFC 8489, sections 14.5 to 14.7).

use super::HEADER_LEN;
use aws_lc_rs::hmac;
use std::hint::black_box;

/// Bytes of a MESSAGE-INTEGRITY value: HMAC-SHA1.
pub(super) const INTEGRITY_LEN: usize = 20;

/// Bytes of a MESSAGE-INTEGRITY-SHA256 value that is not truncated.
pub(super) const INTEGRITY_SHA256_LEN: usize = 32;

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

    /// Prepares key bytes: of long-term credentials, the digest of name, realm and password
    /// (RFC 8489, section 9.2.2).
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key))
    }

    /// The HMAC of `before`, which begins with the header, as if MESSAGE-INTEGRITY came next and
    /// last.
    pub(super) fn sign(&self, before: &[u8]) -> [u8; INTEGRITY_LEN] {
        sign(&self.0, before, INTEGRITY_LEN)
    }

    /// Compares with a received value in constant time.
    pub(super) fn verify(&self, before: &[u8], value: &[u8]) -> bool {
        value.len() == INTEGRITY_LEN && equal(&self.sign(before), value)
    }
}

/// The key of MESSAGE-INTEGRITY-SHA256, prepared once for many messages.
#[derive(Clone, Debug)]
pub struct IntegrityKeySha256(hmac::Key);

impl IntegrityKeySha256 {
    /// Prepares a password of short-term credentials (RFC 8489, section 9.1.1).
    pub fn short_term(password: &str) -> Self {
        Self::new(password.as_bytes())
    }

    /// Prepares key bytes: of long-term credentials, the digest of name, realm and password
    /// (RFC 8489, section 9.2.2).
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The HMAC of `before`, which begins with the header, as if MESSAGE-INTEGRITY-SHA256 came next
    /// and last, and was not truncated.
    pub(super) fn sign(&self, before: &[u8]) -> [u8; INTEGRITY_SHA256_LEN] {
        sign(&self.0, before, INTEGRITY_SHA256_LEN)
    }

    /// Compares with a received value, which may be truncated, in constant time.
    pub(super) fn verify(&self, before: &[u8], value: &[u8]) -> bool {
        let tag: [u8; INTEGRITY_SHA256_LEN] = sign(&self.0, before, value.len());

        is_sha256_len(value.len()) && equal(&tag[..value.len()], value)
    }
}

/// Whether MESSAGE-INTEGRITY-SHA256 may have a value of this length (RFC 8489, section 14.6).
pub(super) fn is_sha256_len(len: usize) -> bool {
    (16..=INTEGRITY_SHA256_LEN).contains(&len) && len.is_multiple_of(4)
}

/// The FINGERPRINT of `before`, which begins with the header, as if it came next and last.
pub(super) fn fingerprint(before: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    update(before, 4, |bytes| hasher.update(bytes));

    hasher.finalize() ^ FINGERPRINT_MASK
}

fn sign<const N: usize>(key: &hmac::Key, before: &[u8], value_len: usize) -> [u8; N] {
    let mut context = hmac::Context::with_key(key);
    update(before, value_len, |bytes| context.update(bytes));
    let mut tag = [0; N];
    tag.copy_from_slice(&context.sign().as_ref()[..N]);

    tag
}

fn equal(ours: &[u8], theirs: &[u8]) -> bool {
    let difference = ours.iter().zip(theirs).fold(0, |sum, (ours, theirs)| sum | ours ^ theirs);

    black_box(difference) == 0
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
