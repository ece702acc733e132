//! The attributes of credentials (RFC 8489, section 9).

use super::attribute::{self, Malformed, exactly};
use super::{Message, Writer};
use crate::bytes::u16_at;
use aws_lc_rs::digest;

/// Bytes of USERHASH: a SHA-256 digest.
pub const USERHASH_LEN: usize = 32;

/// An algorithm that makes keys of passwords, and its parameters (RFC 8489, section 18.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordAlgorithm<'a> {
    /// Its registered number.
    pub number: u16,
    /// Empty for those that are registered so far.
    pub parameters: &'a [u8],
}

impl PasswordAlgorithm<'static> {
    /// MD5 of `username:realm:password` (RFC 8489, section 18.5.1.1).
    pub const MD5: Self = Self { number: 1, parameters: &[] };
    /// SHA-256 of `username:realm:password` (RFC 8489, section 18.5.1.2).
    pub const SHA256: Self = Self { number: 2, parameters: &[] };
}

/// USERHASH of a user: SHA-256 of `username:realm` (RFC 8489, section 14.4).
pub fn userhash(username: &str, realm: &str) -> [u8; USERHASH_LEN] {
    let mut context = digest::Context::new(&digest::SHA256);
    [username, ":", realm].iter().for_each(|part| context.update(part.as_bytes()));
    let mut hash = [0; USERHASH_LEN];
    hash.copy_from_slice(context.finish().as_ref());

    hash
}

impl<'a> Message<'a> {
    /// USERNAME, if it is text.
    pub fn username(&self) -> Option<&'a str> {
        self.text(attribute::USERNAME)
    }

    /// USERHASH: 32 bytes.
    pub fn userhash(&self) -> Result<Option<&'a [u8; USERHASH_LEN]>, Malformed> {
        exactly(self.attribute(attribute::USERHASH))
    }

    /// REALM, if it is text.
    pub fn realm(&self) -> Option<&'a str> {
        self.text(attribute::REALM)
    }

    /// NONCE, whatever bytes it has.
    pub fn nonce(&self) -> Option<&'a [u8]> {
        self.attribute(attribute::NONCE)
    }

    /// PASSWORD-ALGORITHM: the one that the client chose.
    pub fn password_algorithm(&self) -> Result<Option<PasswordAlgorithm<'a>>, Malformed> {
        let Some(value) = self.attribute(attribute::PASSWORD_ALGORITHM) else { return Ok(None) };
        let mut list = PasswordAlgorithms(value);
        let first = list.next().ok_or(Malformed)??;

        if list.0.is_empty() { Ok(Some(first)) } else { Err(Malformed) }
    }

    /// PASSWORD-ALGORITHMS: those that the server offered; a client returns them as they came.
    pub fn password_algorithms(&self) -> Option<PasswordAlgorithms<'a>> {
        self.attribute(attribute::PASSWORD_ALGORITHMS).map(PasswordAlgorithms)
    }
}

impl Writer<'_> {
    /// Appends USERNAME.
    pub fn username(&mut self, username: &str) -> &mut Self {
        self.attribute(attribute::USERNAME, username.as_bytes())
    }

    /// Appends USERHASH.
    pub fn userhash(&mut self, hash: &[u8; USERHASH_LEN]) -> &mut Self {
        self.attribute(attribute::USERHASH, hash)
    }

    /// Appends REALM.
    pub fn realm(&mut self, realm: &str) -> &mut Self {
        self.attribute(attribute::REALM, realm.as_bytes())
    }

    /// Appends NONCE.
    pub fn nonce(&mut self, nonce: &[u8]) -> &mut Self {
        self.attribute(attribute::NONCE, nonce)
    }

    /// Appends PASSWORD-ALGORITHM.
    pub fn password_algorithm(&mut self, algorithm: PasswordAlgorithm<'_>) -> &mut Self {
        self.algorithms(attribute::PASSWORD_ALGORITHM, &[algorithm])
    }

    /// Appends PASSWORD-ALGORITHMS, best first: at most eight, of parameters of 64 bytes together.
    pub fn password_algorithms(&mut self, algorithms: &[PasswordAlgorithm<'_>]) -> &mut Self {
        self.algorithms(attribute::PASSWORD_ALGORITHMS, algorithms)
    }

    fn algorithms(&mut self, kind: u16, algorithms: &[PasswordAlgorithm<'_>]) -> &mut Self {
        let mut value = [0; 8 * 4 + 64];
        let mut len = 0;
        for PasswordAlgorithm { number, parameters } in algorithms {
            let end = len + 4 + parameters.len();
            let Some(room) = value.get_mut(len..end) else { return self.spoil() };
            room[..2].copy_from_slice(&number.to_be_bytes());
            room[2..4].copy_from_slice(&(parameters.len() as u16).to_be_bytes());
            room[4..].copy_from_slice(parameters);
            len = end.next_multiple_of(4);
        }

        self.attribute(kind, &value[..len])
    }
}

/// Algorithms in order of preference, each padded to four bytes (RFC 8489, section 14.11); it ends
/// with the first that is malformed.
#[derive(Clone, Debug)]
pub struct PasswordAlgorithms<'a>(&'a [u8]);

impl<'a> Iterator for PasswordAlgorithms<'a> {
    type Item = Result<PasswordAlgorithm<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = std::mem::take(&mut self.0);
        if bytes.is_empty() {
            return None;
        }
        let (Some(number), Some(len)) = (u16_at(bytes, 0), u16_at(bytes, 2)) else {
            return Some(Err(Malformed));
        };
        let end = 4 + usize::from(len);
        let Some(parameters) = bytes.get(4..end) else { return Some(Err(Malformed)) };
        // The last one's padding is the attribute's own, where a sender left it out.
        self.0 = bytes.get(end.next_multiple_of(4)..).unwrap_or_default();

        Some(Ok(PasswordAlgorithm { number, parameters }))
    }
}
