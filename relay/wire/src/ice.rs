//! ICE credentials: our own, which carry the shard's number, and the check of others' (RFC 8839).

use crate::stun::{Class, Message, Method};

/// Shards that a user name fragment can name.
pub const SHARDS_MAX: u16 = 1024;

/// Characters of our user name fragments: two for the shard, the rest random.
pub const UFRAG_LEN: usize = 10;

/// Characters of our passwords: 144 random bits (RFC 8445, section 5.3 asks for 128).
pub const PWD_LEN: usize = 24;

/// RFC 8839, section 5.4: `ice-char`.
const ICE_CHARS: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/";

/// Characters that stand for five bits of a shard's number: the first 32 of `ICE_CHARS`.
const DIGIT_BITS: u16 = 5;

/// Writes the user name fragment of a transport on `shard`: its number as two base-32 digits, then
/// the low six bits of each random byte as one ice-char.
///
/// # Panics
/// If `shard` is not below `SHARDS_MAX`.
pub fn ufrag(shard: u16, random: [u8; UFRAG_LEN - 2]) -> String {
    assert!(shard < SHARDS_MAX, "a user name fragment names shards below {SHARDS_MAX}");
    let digits = [shard >> DIGIT_BITS, shard & 31].map(|digit| char::from(ice_char(digit as u8)));

    digits.into_iter().chain(random.map(|byte| char::from(ice_char(byte)))).collect()
}

/// Writes a password: the low six bits of each random byte as one ice-char.
pub fn pwd(random: [u8; PWD_LEN]) -> String {
    random.iter().map(|byte| char::from(ice_char(*byte))).collect()
}

/// The shard that one of our user name fragments names; `None` if it is not of our making.
pub fn shard_of(ufrag: &str) -> Option<u16> {
    let [high, low, ..] = ufrag.as_bytes() else { return None };
    let ours = ufrag.len() == UFRAG_LEN && is_ufrag(ufrag);

    ours.then(|| Some(digit(*high)? << DIGIT_BITS | digit(*low)?)).flatten()
}

/// Whether this is a user name fragment: 4 to 256 ice-chars (RFC 8839, section 5.4).
pub fn is_ufrag(text: &str) -> bool {
    (4..=256).contains(&text.len()) && text.bytes().all(is_ice_char)
}

/// Whether this is a password: 22 to 256 ice-chars (RFC 8839, section 5.4).
pub fn is_pwd(text: &str) -> bool {
    (22..=256).contains(&text.len()) && text.bytes().all(is_ice_char)
}

/// Splits a check's USERNAME into the receiver's and the sender's fragment (RFC 8445, section
/// 7.2.2).
pub fn split_username(username: &str) -> Option<(&str, &str)> {
    username.split_once(':')
}

/// The shard that a check is for: the one that the user name fragment of a Binding request names.
pub fn home(datagram: &[u8]) -> Option<u16> {
    let message = Message::parse(datagram)?;
    if (message.class(), message.method()) != (Class::Request, Method::BINDING) {
        return None;
    }
    let (local, _) = split_username(message.username()?)?;

    shard_of(local)
}

fn ice_char(bits: u8) -> u8 {
    ICE_CHARS[usize::from(bits & 63)]
}

fn is_ice_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

fn digit(character: u8) -> Option<u16> {
    match character {
        b'0'..=b'9' => Some(u16::from(character - b'0')),
        b'a'..=b'v' => Some(u16::from(character - b'a') + 10),
        _ => None,
    }
}
