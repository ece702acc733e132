//! Access tokens in LiveKit's format, made with an API key's secret.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds that a token is valid: longer than any run.
const LIFETIME_S: u64 = 24 * 3600;

/// An API key and its secret.
#[derive(Clone, Debug)]
pub(crate) struct ApiKey {
    /// The key's name: the token's issuer.
    pub(crate) key: String,
    /// Signs tokens (HS256).
    pub(crate) secret: String,
}

impl ApiKey {
    /// A token with which `identity` may join `room`, publish and subscribe.
    pub(crate) fn token(&self, identity: &str, room: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let claims = json!({
            "iss": self.key,
            "sub": identity,
            "nbf": now,
            "exp": now + LIFETIME_S,
            "video": {
                "roomJoin": true,
                "room": room,
                "canPublish": true,
                "canSubscribe": true,
                "canPublishData": true,
            },
        });
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes());
        let signature = hmac::sign(&key, signed.as_bytes());

        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_signed_by_the_secret_and_names_identity_and_room() {
        let api_key = ApiKey { key: "k".to_owned(), secret: "s".to_owned() };

        let token = api_key.token("alice", "demo");

        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"s");
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(hmac::verify(&key, signed.as_bytes(), &signature).is_ok());
        let claims = URL_SAFE_NO_PAD.decode(signed.split_once('.').unwrap().1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!((&claims["sub"], &claims["video"]["room"]), (&json!("alice"), &json!("demo")));
    }
}
