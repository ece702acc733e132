//! TURN credentials by the REST scheme (draft-uberti-behave-turn-rest-00, section 2.2).

use super::IceServer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use relay_wire::control::TurnService;
use ring::{digest, hmac};
use std::fmt::Write as _;
use std::time::Duration;

/// Characters of a user part that is an identity as it is.
const USER_CHARACTERS_MAX: usize = 64;
/// Bytes of the hash that stands for any other identity.
const HASH_BYTES: usize = 16;

/// The relay's TURN service with credentials for one participant; `None` without TURN.
pub(crate) fn ice_server(
    turn: &TurnService,
    unix_seconds: u64,
    lifetime: Duration,
    identity: &str,
) -> Option<IceServer> {
    if turn.urls.is_empty() {
        return None;
    }
    let expiry = unix_seconds.saturating_add(lifetime.as_secs());
    let username = format!("{expiry}:{}", user(identity));
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, turn.secret.as_bytes());
    let credential = STANDARD.encode(hmac::sign(&key, username.as_bytes()));

    Some(IceServer { urls: turn.urls.clone(), username, credential })
}

/// The user part: an identity that is short and plain, else a hash of it, so that no identity can
/// add a field to the user name or make it too long. No plain identity begins as a hash does.
fn user(identity: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._@+".contains(&byte);
    if (1..=USER_CHARACTERS_MAX).contains(&identity.len()) && identity.bytes().all(is_plain) {
        return identity.to_owned();
    }
    let hash = digest::digest(&digest::SHA256, identity.as_bytes());
    let mut user = String::from("#");
    for byte in &hash.as_ref()[..HASH_BYTES] {
        // Writing to a `String` cannot fail.
        let _ = write!(user, "{byte:02x}");
    }
    user
}
