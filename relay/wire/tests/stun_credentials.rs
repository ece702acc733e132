//! STUN's long-term credentials: the vector of RFC 8489, and which attributes integrity covers.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
mod common;

use common::{parse, request};
use relay_wire::stun::{
    Class, IntegrityKey, IntegrityKeySha256, Malformed, Message, Method, PasswordAlgorithm, Writer,
    attribute, userhash,
};

/// RFC 8489, appendix B.1, as its erratum corrects length, PASSWORD-ALGORITHM and HMAC.
const REQUEST: &[u8] = b"\x00\x01\x00\x90\x21\x12\xa4\x42\
    \x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e\
    \x00\x1e\x00\x20\x4a\x3c\xf3\x8f\xef\x69\x92\xbd\xa9\x52\xc6\x78\x04\x17\xda\x0f\
    \x24\x81\x94\x15\x56\x9e\x60\xb2\x05\xc4\x6e\x41\x40\x7f\x17\x04\
    \x00\x15\x00\x29obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA\x00\x00\x00\
    \x00\x14\x00\x0bexample.org\x00\
    \x00\x1d\x00\x04\x00\x02\x00\x00\
    \x00\x1c\x00\x20\xb5\xc7\xbf\x00\x5b\x6c\x52\xa2\x1c\x51\xc5\xe8\x92\xf8\x19\x24\
    \x13\x62\x96\xcb\x92\x7c\x43\x14\x93\x09\x27\x8c\xc6\x51\x8e\x65";

/// SHA-256 of the vector's user name, realm and password, "TheMatrIX".
const KEY: &[u8] = b"\xdd\x29\x5a\x61\x3b\x90\x58\xc3\xc2\x3d\x6d\xc7\x16\x5b\xda\x07\
    \x23\x04\xd9\x89\xc9\xd0\xaf\x3a\x8c\x7e\x18\x4b\x4f\x9b\xb4\xa1";

/// The request, with its last attribute, MESSAGE-INTEGRITY-SHA256, cut to `len` bytes.
fn truncated(len: u8) -> Vec<u8> {
    let key = IntegrityKeySha256::new(b"key");
    let whole = request(|writer| {
        writer.username("u").attribute(attribute::MESSAGE_INTEGRITY_SHA256, &[0; 32][..len.into()]);
    });
    // A truncated HMAC is over the length of the truncated message: it is what an HMAC of a
    // message of that length begins with.
    let end = whole.len() - usize::from(len) - 4;
    let tag = {
        let mut text = whole[..end].to_vec();
        text[2..4].copy_from_slice(&((whole.len() - 20) as u16).to_be_bytes());
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"key");
        aws_lc_rs::hmac::sign(&key, &text)
    };
    let cut = [&whole[..end + 4], &tag.as_ref()[..len.into()]].concat();
    assert!(parse(&cut).verify_integrity_sha256(&key), "cut to {len}");

    cut
}

#[test]
fn the_sample_request_with_a_user_hash_is_read_and_verified() {
    let message = parse(REQUEST);

    assert_eq!(message.userhash(), Ok(Some(&userhash("マトリックス", "example.org"))));
    assert_eq!(message.nonce(), Some(&b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"[..]));
    assert_eq!(message.realm(), Some("example.org"));
    assert_eq!(message.password_algorithm(), Ok(Some(PasswordAlgorithm::SHA256)));
    assert!(message.has_integrity_sha256() && !message.has_integrity());
    assert!(message.verify_integrity_sha256(&IntegrityKeySha256::new(KEY)));
    assert!(!message.verify_integrity_sha256(&IntegrityKeySha256::new(b"another")));
    assert!(!message.verify_integrity(&IntegrityKey::new(KEY)));
}

#[test]
fn the_sample_request_with_a_user_hash_is_written_as_it_is() {
    let mut buffer = [0; 200];
    let id = REQUEST[8..20].try_into().unwrap();
    let len = Writer::begin(&mut buffer, Class::Request, Method::BINDING, id)
        .userhash(&userhash("マトリックス", "example.org"))
        .nonce(b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA")
        .realm("example.org")
        .password_algorithm(PasswordAlgorithm::SHA256)
        .integrity_sha256(&IntegrityKeySha256::new(KEY))
        .finish()
        .unwrap();

    assert_eq!(buffer[..len], *REQUEST);
}

#[test]
fn a_message_may_have_both_forms_of_integrity() {
    let (sha1, sha256) = (IntegrityKey::short_term("pw"), IntegrityKeySha256::short_term("pw"));
    let bytes = request(|writer| {
        writer.username("u").integrity(&sha1).integrity_sha256(&sha256).fingerprint();
    });
    let message = parse(&bytes);

    assert!(message.verify_integrity(&sha1));
    assert!(message.verify_integrity_sha256(&sha256));
    assert!(message.verify_fingerprint() && message.has_fingerprint());
    assert_eq!(message.attributes().count(), 1);
}

#[test]
fn what_follows_the_sha256_form_does_not_exist() {
    let (sha1, sha256) = (IntegrityKey::short_term("pw"), IntegrityKeySha256::short_term("pw"));
    let bytes = request(|writer| {
        writer.integrity_sha256(&sha256).username("u").integrity(&sha1).lifetime(1);
    });
    let message = parse(&bytes);

    assert!(message.verify_integrity_sha256(&sha256));
    assert!(!message.has_integrity() && !message.verify_integrity(&sha1));
    assert_eq!(message.attributes().count(), 0);
}

#[test]
fn between_the_two_forms_nothing_exists() {
    let (sha1, sha256) = (IntegrityKey::short_term("pw"), IntegrityKeySha256::short_term("pw"));
    let bytes = request(|writer| {
        writer.integrity(&sha1).lifetime(1).integrity_sha256(&sha256);
    });
    let message = parse(&bytes);

    assert!(message.verify_integrity(&sha1) && message.verify_integrity_sha256(&sha256));
    assert_eq!(message.lifetime(), Ok(None));
}

#[test]
fn the_sha256_form_may_be_truncated_but_not_below_16_bytes() {
    for len in [16, 20, 24, 28, 32] {
        let mut bytes = truncated(len);
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let key = IntegrityKeySha256::new(b"key");
        assert!(!parse(&bytes).verify_integrity_sha256(&key), "{len} bytes, one bit flipped");
    }
    for len in [0, 4, 12, 15, 17, 30, 31, 33, 36] {
        let bytes = request(|writer| {
            writer.attribute(attribute::MESSAGE_INTEGRITY_SHA256, &[0; 36][..len]);
        });
        assert!(Message::parse(&bytes).is_none(), "{len} bytes");
    }
}

#[test]
fn password_algorithms_are_read_in_order_with_their_parameters() {
    let odd = PasswordAlgorithm { number: 7, parameters: b"abc" };
    let list = [PasswordAlgorithm::SHA256, odd, PasswordAlgorithm::MD5];
    let bytes = request(|writer| {
        writer.password_algorithms(&list).password_algorithm(odd);
    });
    let message = parse(&bytes);

    assert!(message.password_algorithms().unwrap().eq(list.map(Ok)));
    assert_eq!(message.password_algorithm(), Ok(Some(odd)));
    let value = message.attribute(attribute::PASSWORD_ALGORITHMS).unwrap();
    assert_eq!(value, b"\x00\x02\x00\x00\x00\x07\x00\x03abc\x00\x00\x01\x00\x00");
}

#[test]
fn malformed_credentials_are_told_from_absent_ones() {
    for value in [&b""[..], b"\x00\x02", b"\x00\x02\x00\x01", b"\x00\x02\x00\x00\x00\x01\x00\x00"] {
        let bytes = request(|writer| {
            writer.attribute(attribute::PASSWORD_ALGORITHM, value);
        });
        assert_eq!(parse(&bytes).password_algorithm(), Err(Malformed), "{value:?}");
    }
    let bytes = request(|writer| {
        writer.attribute(attribute::USERHASH, &[0; 31]);
    });
    assert_eq!(parse(&bytes).userhash(), Err(Malformed));
    assert_eq!(parse(&bytes).password_algorithm(), Ok(None));
    assert!(parse(&bytes).password_algorithms().is_none());

    let bytes = request(|writer| {
        writer.attribute(attribute::PASSWORD_ALGORITHMS, b"\x00\x02\x00\x00\x00\x01\x00\x09");
    });
    let list = parse(&bytes).password_algorithms().unwrap();
    assert!(list.eq([Ok(PasswordAlgorithm::SHA256), Err(Malformed)]));
}

proptest! {
    #[test]
    fn a_message_with_both_forms_and_a_flipped_bit_is_refused_by_one_of_them(
        byte in 20..100_usize, bit in 0..8_u8,
    ) {
        let (sha1, sha256) = (IntegrityKey::new(b"a key"), IntegrityKeySha256::new(b"a key"));
        let mut bytes = request(|writer| {
            writer.username("someone").nonce(b"n").integrity(&sha1).integrity_sha256(&sha256);
        });
        prop_assert_eq!(bytes.len(), 100);
        bytes[byte] ^= 1 << bit;

        let both = Message::parse(&bytes).is_some_and(|message| {
            message.verify_integrity(&sha1) && message.verify_integrity_sha256(&sha256)
        });
        prop_assert!(!both);
    }

    #[test]
    fn any_key_bytes_verify_what_they_signed(key: Vec<u8>, other: Vec<u8>, name in any::<u64>()) {
        let (sha1, sha256) = (IntegrityKey::new(&key), IntegrityKeySha256::new(&key));
        let bytes = request(|writer| {
            writer.username(&name.to_string()).integrity(&sha1).integrity_sha256(&sha256);
        });
        let message = parse(&bytes);

        prop_assert!(message.verify_integrity(&sha1) && message.verify_integrity_sha256(&sha256));
        // HMAC pads a short key with zeros: keys that differ by these are one.
        let trim = |key: &[u8]| {
            let len = key.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            key[..len].to_vec()
        };
        if trim(&key) != trim(&other) {
            prop_assert!(!message.verify_integrity(&IntegrityKey::new(&other)));
            prop_assert!(!message.verify_integrity_sha256(&IntegrityKeySha256::new(&other)));
        }
    }
}
