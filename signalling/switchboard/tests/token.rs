//! Tokens: what is accepted, and what is said of the rest.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use signalling_switchboard::token::{Claims, Grants, RoomConfig, TokenError, mint, verify};

const KEY: &str = "devkey";
const SECRET: &[u8] = b"secret-for-development-only-0123456789";
const NOW: u64 = 1_800_000_000;

fn claims() -> Claims {
    let video = Grants { room_join: true, room: "demo".into(), ..Grants::default() };
    Claims { sub: "alice".into(), name: "Alice".into(), video, ..Claims::default() }
}

fn secret_of(key: &str) -> Option<&'static [u8]> {
    (key == KEY).then_some(SECRET)
}

fn signed(header: &str, payload: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET);
    let signature = ring::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn minted_token_is_accepted_with_all_it_says() {
    let token = mint(&claims(), KEY, SECRET, NOW, 600);

    let read = verify(&token, secret_of, NOW).unwrap();

    assert_eq!((read.sub.as_str(), read.name.as_str()), ("alice", "Alice"));
    assert_eq!(read.video, claims().video);
    assert_eq!((read.nbf, read.exp), (Some(NOW), Some(NOW + 600)));
}

#[test]
fn absent_grants_have_their_own_meanings() {
    let absent = Grants::default();
    assert!(absent.may_publish() && absent.may_subscribe() && absent.may_publish_data());
    assert!(!absent.may_update_own_metadata());

    let listener = Grants { can_publish: Some(false), ..Grants::default() };
    assert!(!listener.may_publish_data(), "data follows publishing when nothing is said");
}

#[test]
fn token_of_a_go_sdk_with_nulls_and_unknown_fields_is_read() {
    let payload = r#"{"iss":"devkey","sub":"b","exp":1800000100,"video":{"roomJoin":true,
        "room":"demo","canPublish":false,"canPublishSources":null,"future":1},"metadata":null,
        "attributes":{"a":"b"},"kind":"agent","x":[]}"#;

    let read = verify(&signed(r#"{"alg":"HS256"}"#, payload), secret_of, NOW).unwrap();

    assert!(!read.video.may_publish());
    assert_eq!(read.room_config, None);
    assert_eq!(read.kind, "agent");
    assert_eq!(read.attributes["a"], "b");
}

#[test]
fn each_fault_has_its_own_error() {
    let good = mint(&claims(), KEY, SECRET, NOW, 600);
    let check = |token: &str, now| verify(token, secret_of, now).map(|_| ());
    let foreign = mint(&claims(), "other", SECRET, NOW, 600);
    let forged = mint(&claims(), KEY, b"another secret", NOW, 600);
    let payload = r#"{"iss":"devkey","sub":"a","exp":1900000000}"#;
    let unsigned = signed(r#"{"alg":"none"}"#, payload);
    let endless = signed(r#"{"alg":"HS256"}"#, r#"{"iss":"devkey","sub":"a"}"#);

    assert_eq!(check("", NOW), Err(TokenError::Missing));
    assert_eq!(check("abc", NOW), Err(TokenError::Malformed));
    assert_eq!(check("a.b.c", NOW), Err(TokenError::Malformed));
    assert_eq!(check(&unsigned, NOW), Err(TokenError::Algorithm));
    assert_eq!(check(&foreign, NOW), Err(TokenError::UnknownKey));
    assert_eq!(check(&forged, NOW), Err(TokenError::Signature));
    assert_eq!(check(&endless, NOW), Err(TokenError::Expired));
    assert_eq!(check(&good, NOW + 659), Ok(()), "a minute of skew is forgiven");
    assert_eq!(check(&good, NOW + 660), Err(TokenError::Expired));
    assert_eq!(check(&good, NOW - 60), Ok(()));
    assert_eq!(check(&good, NOW - 61), Err(TokenError::NotYetValid));
}

#[test]
fn no_error_repeats_the_token() {
    let forged = mint(&claims(), KEY, b"another secret", NOW, 600);
    let error = verify(&forged, secret_of, NOW).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&forged[..20]));
}

proptest! {
    #[test]
    fn arbitrary_text_is_never_a_token(text in "\\PC{0,200}") {
        prop_assert!(verify(&text, secret_of, NOW).is_err());
    }

    #[test]
    fn a_changed_character_is_noticed(at in 0usize..200, with in "[A-Za-z0-9_-]") {
        let token = mint(&claims(), KEY, SECRET, NOW, 600);
        let at = at % token.len();
        let mut changed = token.clone();
        changed.replace_range(at..=at, &with);
        // The last character's low bits carry nothing.
        prop_assume!(changed != token && at + 1 < token.len());
        prop_assert!(verify(&changed, secret_of, NOW).is_err());
    }
}

#[test]
fn terms_of_a_room_are_read_in_both_spellings_and_survive_a_minting() {
    let read = |config: &str| {
        let payload =
            format!(r#"{{"iss":"devkey","sub":"b","exp":1800000100,"roomConfig":{config}}}"#);
        verify(&signed(r#"{"alg":"HS256"}"#, &payload), secret_of, NOW)
    };
    let camel = r#"{"name":"x","emptyTimeout":1,"departureTimeout":2,"maxParticipants":3,
        "metadata":"m","egress":{"room":{}},"agents":[]}"#;
    let snake = r#"{"empty_timeout":1,"departure_timeout":2,"max_participants":3,"metadata":"m"}"#;
    let expected = RoomConfig {
        empty_timeout: 1,
        departure_timeout: 2,
        max_participants: 3,
        metadata: "m".into(),
    };
    for config in [camel, snake] {
        assert_eq!(read(config).unwrap().room_config, Some(expected.clone()));
    }
    assert_eq!(read("null").unwrap().room_config, None);
    assert_eq!(read(r#"{"metadata":null}"#).unwrap().room_config, Some(RoomConfig::default()));
    assert_eq!(read(r#"{"maxParticipants":-1}"#), Err(TokenError::Malformed));
    let minted = mint(&read(camel).unwrap(), KEY, SECRET, NOW, 600);
    assert_eq!(verify(&minted, secret_of, NOW).unwrap().room_config, Some(expected));
}
