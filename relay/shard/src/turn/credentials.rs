//! Who may use TURN: long-term users, and REST credentials that an application mints.

use super::TurnConfig;
use super::nonce::Features;
use super::principal::{Algorithm, LongTermKey, Principal};
use super::secret;
use crate::hash::{self, Map};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;
use relay_wire::stun::{USERHASH_LEN, userhash};
use std::hash::BuildHasher;

/// Bytes of the longest user name (RFC 8489, section 14.3: fewer than 509).
pub(super) const USERNAME_MAX: usize = 508;

/// Whom a request claims to come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Claim<'a> {
    /// USERNAME.
    Name(&'a str),
    /// USERHASH.
    Hash(&'a [u8; USERHASH_LEN]),
}

/// The users and secrets of the settings.
pub(crate) struct Credentials {
    realm: Box<str>,
    users: Map<Box<str>, User>,
    names: Map<[u8; USERHASH_LEN], Box<str>>,
    secrets: Box<[hmac::Key]>,
    /// Keys of nobody: unknown users cost the same time as known ones.
    decoy: User,
    quota: SeedableRandomState,
}

/// A long-term user's keys.
struct User {
    md5: LongTermKey,
    sha256: LongTermKey,
}

impl Credentials {
    /// The credentials of these settings.
    pub(crate) fn new(config: &TurnConfig) -> Self {
        let seed = u64::from_le_bytes(half(&secret::derive(&config.key, "users")));
        let mut users = hash::map(seed);
        let mut names = hash::map(seed);
        for (name, password) in &config.users {
            users.insert(name.as_str().into(), User::new(name, &config.realm, password.as_bytes()));
            names.insert(userhash(name, &config.realm), name.as_str().into());
        }
        let secrets = config
            .secrets
            .iter()
            .map(|secret| hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes()));

        Self {
            realm: config.realm.as_str().into(),
            users,
            names,
            secrets: secrets.collect(),
            decoy: User::new("", &config.realm, &secret::derive(&config.key, "decoy")),
            quota: SeedableRandomState::with_seed(seed, SharedSeed::global_fixed()),
        }
    }

    /// The realm.
    pub(super) fn realm(&self) -> &str {
        &self.realm
    }

    /// The security features that every client can use: only long-term users have hashed names,
    /// and a client that reads of hashed names sends no other.
    pub(super) fn features(&self) -> Features {
        let anonymity = !self.users.is_empty() && self.secrets.is_empty();

        Features { password_algorithms: true, anonymity }
    }

    /// The user that a request claims to come from, if the key that `accepts` is that user's.
    pub(super) fn find(
        &self,
        claim: Claim<'_>,
        algorithm: Algorithm,
        unix_seconds: u64,
        accepts: impl Fn(&LongTermKey) -> bool,
    ) -> Option<Principal> {
        let name = match claim {
            Claim::Name(name) => Some(name),
            Claim::Hash(hash) => self.names.get(hash).map(|name| &**name),
        };
        let user = name.and_then(|name| Some((name, self.users.get(name)?)));
        if let Some((name, user)) = user {
            let key = user.key(algorithm);
            return accepts(key).then(|| self.principal(name, name, key.clone()));
        }
        if let Some((name, quota_user)) = name.and_then(|name| rest_user(name, unix_seconds))
            && !self.secrets.is_empty()
        {
            let mut keys = self.secrets.iter().map(|secret| self.rest_key(secret, name, algorithm));
            return keys.find(accepts).map(|key| self.principal(name, quota_user, key));
        }
        accepts(self.decoy.key(algorithm));

        None
    }

    /// A user whose key an earlier process kept.
    pub(super) fn revive(&self, name: &str, key: &[u8]) -> Option<Principal> {
        let of_rest = || rest_user(name, 0).map_or(name, |(_, user)| user);
        let quota_user = if self.users.contains_key(name) { name } else { of_rest() };
        if name.len() > USERNAME_MAX {
            return None;
        }

        Principal::revive(name, self.quota.hash_one(quota_user), key)
    }

    /// Whether a request claims to come from the user of this name.
    pub(super) fn is(&self, claim: Claim<'_>, name: &str) -> bool {
        match claim {
            Claim::Name(claimed) => claimed == name,
            Claim::Hash(hash) => *hash == userhash(name, &self.realm),
        }
    }

    fn rest_key(&self, secret: &hmac::Key, name: &str, algorithm: Algorithm) -> LongTermKey {
        let digest = hmac::sign(secret, name.as_bytes());
        let mut password = [0; 28];
        // 20 bytes are 28 characters.
        let len = STANDARD.encode_slice(digest.as_ref(), &mut password).unwrap_or(0);

        LongTermKey::new(algorithm, name, &self.realm, &password[..len])
    }

    fn principal(&self, name: &str, quota_user: &str, key: LongTermKey) -> Principal {
        Principal::new(name, self.quota.hash_one(quota_user), key)
    }
}

impl User {
    fn new(name: &str, realm: &str, password: &[u8]) -> Self {
        Self {
            md5: LongTermKey::new(Algorithm::Md5, name, realm, password),
            sha256: LongTermKey::new(Algorithm::Sha256, name, realm, password),
        }
    }

    fn key(&self, algorithm: Algorithm) -> &LongTermKey {
        match algorithm {
            Algorithm::Md5 => &self.md5,
            Algorithm::Sha256 => &self.sha256,
        }
    }
}

/// The name of REST credentials that have not expired, and the user whom quotas count: the part
/// behind `expiry:`, or the whole name where there is none.
fn rest_user(name: &str, unix_seconds: u64) -> Option<(&str, &str)> {
    let (expiry, user) = name.split_once(':').unwrap_or((name, name));
    let is_number = !expiry.is_empty() && expiry.bytes().all(|byte| byte.is_ascii_digit());
    let expires: u64 = if is_number { expiry.parse().ok()? } else { return None };

    (unix_seconds < expires).then_some((name, user))
}

fn half(key: &[u8; 32]) -> [u8; 8] {
    let mut half = [0; 8];
    half.copy_from_slice(&key[..8]);

    half
}
