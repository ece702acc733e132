//! Keys of one purpose each, made of the one that all shards share.

use ring::hmac;

/// Bytes of a key.
pub(super) const KEY_LEN: usize = 32;

/// The key of one purpose.
pub(super) fn derive(key: &[u8; KEY_LEN], purpose: &str) -> [u8; KEY_LEN] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), purpose.as_bytes());
    let mut derived = [0; KEY_LEN];
    derived.copy_from_slice(tag.as_ref());

    derived
}
