//! Whose allocation it is: what is kept of credentials once they were checked.

use md5::{Digest, Md5};
use relay_wire::stun::{IntegrityKey, IntegrityKeySha256, Message, Writer};
use ring::digest;
use std::fmt;

/// How a long-term key is made of a password (RFC 8489, section 18.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// MD5, all that RFC 5389 knew.
    Md5,
    /// SHA-256.
    Sha256,
}

/// The digest of `username:realm:password` (RFC 8489, section 9.2.2).
#[derive(Clone)]
pub(super) struct LongTermKey {
    algorithm: Algorithm,
    bytes: [u8; 32],
}

/// How an answer ends: as its request did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seal {
    sha256: bool,
    fingerprint: bool,
}

impl Seal {
    /// Integrity of the request's kind, and FINGERPRINT if it has that.
    pub(crate) fn of(request: &Message<'_>) -> Self {
        Self { sha256: request.has_integrity_sha256(), fingerprint: request.verify_fingerprint() }
    }
}

/// The user of an allocation: signs answers, and knows later requests without the password.
pub(crate) struct Principal {
    name: Box<str>,
    user: u64,
    key: LongTermKey,
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is nobody's business.
        f.debug_struct("Principal").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Principal {
    /// A user by name, the hash of the one whom quotas count, and the key that was right.
    pub(super) fn new(name: &str, user: u64, key: LongTermKey) -> Self {
        Self { name: name.into(), user, key }
    }

    /// The whole user name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whom quotas count, hashed alike on every shard.
    pub(crate) fn user(&self) -> u64 {
        self.user
    }

    /// A user whose key was kept: 32 bytes of SHA-256, or 16 of MD5.
    pub(super) fn revive(name: &str, user: u64, key: &[u8]) -> Option<Self> {
        let algorithm = match key.len() {
            16 => Algorithm::Md5,
            32 => Algorithm::Sha256,
            _ => return None,
        };
        let mut bytes = [0; 32];
        bytes[..key.len()].copy_from_slice(key);

        Some(Self::new(name, user, LongTermKey { algorithm, bytes }))
    }

    /// The key as `revive` takes it.
    pub(super) fn key(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// The algorithm that made the kept key.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.key.algorithm
    }

    /// Whether a request is signed with the kept key.
    pub(super) fn signed(&self, request: &Message<'_>) -> bool {
        self.key.signed(request)
    }

    /// Ends an answer (RFC 8489, sections 9.2.4 and 7.1).
    pub(crate) fn sign(&self, answer: &mut Writer<'_>, seal: Seal) {
        if seal.sha256 {
            answer.integrity_sha256(&IntegrityKeySha256::new(self.key.as_bytes()));
        } else {
            answer.integrity(&IntegrityKey::new(self.key.as_bytes()));
        }
        if seal.fingerprint {
            answer.fingerprint();
        }
    }
}

impl LongTermKey {
    /// The key of a user in a realm.
    pub(super) fn new(algorithm: Algorithm, name: &str, realm: &str, password: &[u8]) -> Self {
        let parts = [name.as_bytes(), b":", realm.as_bytes(), b":", password];
        let mut bytes = [0; 32];
        match algorithm {
            Algorithm::Md5 => {
                let mut md5 = Md5::new();
                parts.iter().for_each(|part| md5.update(part));
                bytes[..16].copy_from_slice(&md5.finalize());
            }
            Algorithm::Sha256 => {
                let mut sha256 = digest::Context::new(&digest::SHA256);
                parts.iter().for_each(|part| sha256.update(part));
                bytes.copy_from_slice(sha256.finish().as_ref());
            }
        }

        Self { algorithm, bytes }
    }

    /// Whether a request is signed with this key: by SHA-256 where it has both kinds of integrity
    /// (RFC 8489, section 9.2.4).
    pub(super) fn signed(&self, request: &Message<'_>) -> bool {
        if request.has_integrity_sha256() {
            return request.verify_integrity_sha256(&IntegrityKeySha256::new(self.as_bytes()));
        }

        request.verify_integrity(&IntegrityKey::new(self.as_bytes()))
    }

    fn as_bytes(&self) -> &[u8] {
        match self.algorithm {
            Algorithm::Md5 => &self.bytes[..16],
            Algorithm::Sha256 => &self.bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_that_of_the_rfcs_example() {
        // RFC 5389, section 15.4.
        let expected = 0x8493_fbc5_3ba5_82fb_4c04_4c45_6bdc_40eb_u128;
        let key = LongTermKey::new(Algorithm::Md5, "user", "realm", b"pass");

        assert_eq!(key.as_bytes(), expected.to_be_bytes());
    }

    #[test]
    fn what_is_kept_is_small_and_shows_no_key() {
        let key = LongTermKey::new(Algorithm::Sha256, "user", "realm", b"pass");
        let principal = Principal::new("user", 1, key);

        assert!(size_of_val(&principal) <= 64);
        assert_eq!(format!("{principal:?}"), r#"Principal { name: "user", .. }"#);
    }
}
