//! LiveKit's access tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Clock skew between the signer and us that is forgiven, seconds.
pub const LEEWAY_SECONDS: u64 = 60;
/// Bytes of a token that are looked at.
pub const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// What a token says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Claims {
    /// API key that signed it.
    #[serde(deserialize_with = "null_is_default")]
    pub iss: String,
    /// Identity of the participant.
    #[serde(deserialize_with = "null_is_default")]
    pub sub: String,
    /// Not valid before, Unix seconds.
    pub nbf: Option<u64>,
    /// Not valid from, Unix seconds.
    pub exp: Option<u64>,
    /// Display name.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Metadata of the participant.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    /// Attributes of the participant.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Kind of participant: `standard`, `agent`, `ingress`, `egress`, `sip`.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Hash of a webhook's body, standard base64.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// What the bearer may do in rooms.
    #[serde(deserialize_with = "null_is_default")]
    pub video: Grants,
    /// What becomes of the room, if joining creates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_config: Option<RoomConfig>,
}

/// Terms of a room that joining creates; what is 0 or empty is as the server has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RoomConfig {
    /// How long it is kept while nobody has come yet, seconds.
    #[serde(deserialize_with = "null_is_default", alias = "empty_timeout")]
    pub empty_timeout: u32,
    /// How long it is kept after everybody has left, seconds.
    #[serde(deserialize_with = "null_is_default", alias = "departure_timeout")]
    pub departure_timeout: u32,
    /// Participants at once.
    #[serde(deserialize_with = "null_is_default", alias = "max_participants")]
    pub max_participants: u32,
    /// Metadata of the room.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub metadata: String,
}

/// What the bearer of a token may do; an absent three-state grant has its own meaning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Grants {
    /// Join `room`.
    #[serde(deserialize_with = "null_is_default")]
    pub room_join: bool,
    /// The room.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub room: String,
    /// Create and delete rooms.
    #[serde(deserialize_with = "null_is_default")]
    pub room_create: bool,
    /// List rooms.
    #[serde(deserialize_with = "null_is_default")]
    pub room_list: bool,
    /// Administer `room`.
    #[serde(deserialize_with = "null_is_default")]
    pub room_admin: bool,
    /// Record rooms.
    #[serde(deserialize_with = "null_is_default")]
    pub room_record: bool,
    /// Publish tracks; absent means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish: Option<bool>,
    /// Receive tracks; absent means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe: Option<bool>,
    /// Send data messages; absent means as `can_publish`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_data: Option<bool>,
    /// Sources that may be published, LiveKit's names in lower case; empty means all.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub can_publish_sources: Vec<String>,
    /// Change own metadata, name and attributes; absent means no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_update_own_metadata: Option<bool>,
    /// Nobody sees the participant.
    #[serde(deserialize_with = "null_is_default")]
    pub hidden: bool,
    /// The participant records.
    #[serde(deserialize_with = "null_is_default")]
    pub recorder: bool,
    /// The participant is an agent.
    #[serde(deserialize_with = "null_is_default")]
    pub agent: bool,
    /// Room that the participant may be moved to.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub destination_room: String,
}

impl Grants {
    /// May publish tracks.
    pub fn may_publish(&self) -> bool {
        self.can_publish.unwrap_or(true)
    }

    /// May receive tracks.
    pub fn may_subscribe(&self) -> bool {
        self.can_subscribe.unwrap_or(true)
    }

    /// May send data messages.
    pub fn may_publish_data(&self) -> bool {
        self.can_publish_data.unwrap_or_else(|| self.may_publish())
    }

    /// May change its own metadata, name and attributes.
    pub fn may_update_own_metadata(&self) -> bool {
        self.can_update_own_metadata.unwrap_or(false)
    }
}

/// What is wrong with a token; never contains the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is none.
    #[error("no token: send it as `Authorization: Bearer` or `access_token`")]
    Missing,
    /// It is not a JSON Web Token.
    #[error("the token is malformed")]
    Malformed,
    /// It is signed otherwise than by HS256, or not at all.
    #[error("the token's algorithm is not HS256")]
    Algorithm,
    /// Its `iss` names no API key of ours.
    #[error("the token's API key (iss) is not known here")]
    UnknownKey,
    /// It was signed with another secret, or changed.
    #[error("the token's signature is wrong: was it signed with this server's API secret?")]
    Signature,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet: check the clocks")]
    NotYetValid,
}

#[derive(Serialize, Deserialize)]
struct Header<'a> {
    alg: &'a str,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    typ: Option<&'a str>,
}

/// Verifies a token at `unix_seconds`; `secret_of` finds the secret of an API key.
pub fn verify<S: AsRef<[u8]>>(
    token: &str,
    secret_of: impl FnOnce(&str) -> Option<S>,
    unix_seconds: u64,
) -> Result<Claims, TokenError> {
    if token.is_empty() {
        return Err(TokenError::Missing);
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(TokenError::Malformed);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let header = decode(header)?;
    let header: Header<'_> = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
    if header.alg != "HS256" {
        return Err(TokenError::Algorithm);
    }
    let claims: Claims =
        serde_json::from_slice(&decode(payload)?).map_err(|_| TokenError::Malformed)?;
    let signature = decode(signature)?;

    let secret = secret_of(&claims.iss).ok_or(TokenError::UnknownKey)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref());
    hmac::verify(&key, signed.as_bytes(), &signature).map_err(|_| TokenError::Signature)?;

    // A token without an end would be good for ever: it counts as expired.
    if claims.exp.unwrap_or(0).saturating_add(LEEWAY_SECONDS) <= unix_seconds {
        return Err(TokenError::Expired);
    }
    if claims.nbf.unwrap_or(0) > unix_seconds.saturating_add(LEEWAY_SECONDS) {
        return Err(TokenError::NotYetValid);
    }
    Ok(claims)
}

/// Signs `claims` as API key `key`, valid from now for `lifetime_seconds`.
pub fn mint(
    claims: &Claims,
    key: &str,
    secret: &[u8],
    unix_seconds: u64,
    lifetime_seconds: u64,
) -> String {
    let claims = Claims {
        iss: key.into(),
        nbf: Some(unix_seconds),
        exp: Some(unix_seconds.saturating_add(lifetime_seconds)),
        ..claims.clone()
    };
    let header = serde_json::to_vec(&Header { alg: "HS256", typ: Some("JWT") });
    let payload = serde_json::to_vec(&claims);
    // Strings, numbers and maps with string keys always have a JSON form.
    let mut token = encode(&header.expect("a JWT header is JSON"));
    token.push('.');
    token.push_str(&encode(&payload.expect("claims are JSON")));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), token.as_bytes());
    token.push('.');
    token.push_str(&encode(signature.as_ref()));
    token
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| TokenError::Malformed)
}

/// Other languages' signers write `null` for what is empty.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
