//! The other side of authentication, for tests: requests as clients write them.

use super::TurnConfig;
use super::authenticate::{ALGORITHMS, AuthError, Authenticator};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use relay_wire::stun::{
    Class, IntegrityKey, IntegrityKeySha256, Message, Method, PasswordAlgorithm, Writer, userhash,
};
use std::net::SocketAddr;

/// The time in tests, in seconds since the Unix epoch.
pub(super) const UNIX: u64 = 1_700_000_000;

pub(super) const ALLOCATE: Method = Method(3);

pub(super) fn source() -> SocketAddr {
    "192.0.2.1:5000".parse().unwrap()
}

/// Settings with a user, a second one, and two secrets.
pub(super) fn config() -> TurnConfig {
    TurnConfig {
        users: [("alice", "wonder"), ("bob", "builder")]
            .map(|(name, password)| (name.to_owned(), password.to_owned()))
            .into(),
        secrets: ["new secret", "old secret"].map(str::to_owned).into(),
        key: [7; 32],
        ..TurnConfig::default()
    }
}

/// The password of REST credentials.
pub(super) fn rest_password(secret: &str, name: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());

    STANDARD.encode(hmac::sign(&key, name.as_bytes()))
}

/// A request that a client signs; fields are changed to make it wrong.
#[derive(Clone)]
pub(super) struct Signed {
    pub(super) name: String,
    pub(super) hashed: bool,
    pub(super) password: String,
    pub(super) realm: String,
    pub(super) nonce: Vec<u8>,
    /// PASSWORD-ALGORITHM; `None` makes the key by MD5.
    pub(super) algorithm: Option<PasswordAlgorithm<'static>>,
    /// PASSWORD-ALGORITHMS.
    pub(super) list: Option<Vec<PasswordAlgorithm<'static>>>,
    /// MESSAGE-INTEGRITY-SHA256 instead of MESSAGE-INTEGRITY.
    pub(super) sha256: bool,
    pub(super) fingerprint: bool,
}

impl Signed {
    /// A request of RFC 5389.
    pub(super) fn old(name: &str, password: &str, nonce: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            hashed: false,
            password: password.to_owned(),
            realm: "millrace".to_owned(),
            nonce: nonce.to_owned(),
            algorithm: None,
            list: None,
            sha256: false,
            fingerprint: false,
        }
    }

    /// A request of RFC 8489.
    pub(super) fn new(name: &str, password: &str, nonce: &[u8]) -> Self {
        Self {
            algorithm: Some(PasswordAlgorithm::SHA256),
            list: Some(ALGORITHMS.into()),
            sha256: true,
            fingerprint: true,
            ..Self::old(name, password, nonce)
        }
    }

    /// Its bytes.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut buffer = [0; 1_500];
        let mut writer = Writer::begin(&mut buffer, Class::Request, ALLOCATE, &[9; 12]);
        writer.requested_transport(17);
        if self.hashed {
            writer.userhash(&userhash(&self.name, &self.realm));
        } else {
            writer.username(&self.name);
        }
        writer.realm(&self.realm).nonce(&self.nonce);
        if let Some(list) = &self.list {
            writer.password_algorithms(list);
        }
        if let Some(algorithm) = self.algorithm {
            writer.password_algorithm(algorithm);
        }
        if self.sha256 {
            writer.integrity_sha256(&IntegrityKeySha256::new(&self.key()));
        } else {
            writer.integrity(&IntegrityKey::new(&self.key()));
        }
        if self.fingerprint {
            writer.fingerprint();
        }
        let len = writer.finish().unwrap();

        buffer[..len].to_vec()
    }

    /// Its key (RFC 8489, section 9.2.2).
    pub(super) fn key(&self) -> Vec<u8> {
        let text = format!("{}:{}:{}", self.name, self.realm, self.password);
        match self.algorithm {
            Some(PasswordAlgorithm::SHA256) => {
                ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref().to_vec()
            }
            _ => Md5::digest(text).to_vec(),
        }
    }
}

/// A request without anything that goes with a signature, of at least 20 bytes.
pub(super) fn bare(len: usize, fingerprint: bool) -> Vec<u8> {
    let mut buffer = [0; 1_500];
    let mut writer = Writer::begin(&mut buffer, Class::Request, ALLOCATE, &[9; 12]);
    let padding = len.saturating_sub(if fingerprint { 28 } else { 20 });
    if padding >= 4 {
        writer.attribute(0x8022, &vec![b'x'; padding - 4]);
    }
    if fingerprint {
        writer.fingerprint();
    }
    let len = writer.finish().unwrap();

    buffer[..len].to_vec()
}

/// What an authenticator answers to an unauthenticated request.
pub(super) fn refusal(
    authenticator: &Authenticator,
    request: &[u8],
    error: &AuthError,
) -> Option<Vec<u8>> {
    let mut room = [0; 300];
    let request = Message::parse(request).unwrap();
    let len = authenticator.refuse(&request, error, source(), UNIX, &mut room)?;

    Some(room[..len].to_vec())
}

/// The nonce of the challenge to a request as long as one of RFC 8489 is.
pub(super) fn nonce(authenticator: &Authenticator) -> Vec<u8> {
    let challenge = refusal(authenticator, &bare(100, false), &AuthError::Unauthorized).unwrap();

    Message::parse(&challenge).unwrap().nonce().unwrap().to_vec()
}
