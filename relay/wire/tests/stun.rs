//! STUN against the vectors of RFC 5769, and the rules of RFC 8489 about what to refuse.

use relay_wire::stun::{Class, IntegrityKey, Message, Method, Writer, attribute};

/// RFC 5769, sections 2.1 to 2.3.
const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

/// RFC 5769, section 2.1.
const REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\
    \xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
    \x80\x22\x00\x10STUN test client\
    \x00\x24\x00\x04\x6e\x00\x01\xff\
    \x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
    \x00\x06\x00\x09evtj:h6vY\x20\x20\x20\
    \x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\
    \x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\
    \x80\x28\x00\x04\xe5\x7a\x3b\xcf";

/// RFC 5769, section 2.2.
const RESPONSE_V4: &[u8] = b"\x01\x01\x00\x3c\x21\x12\xa4\x42\
    \xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
    \x80\x22\x00\x0btest vector\x20\
    \x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43\
    \x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\
    \x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7\
    \x80\x28\x00\x04\xc0\x7d\x4c\x96";

/// RFC 5769, section 2.3.
const RESPONSE_V6: &[u8] = b"\x01\x01\x00\x48\x21\x12\xa4\x42\
    \xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
    \x80\x22\x00\x0btest vector\x20\
    \x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\
    \xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9\
    \x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\
    \x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3\xed\x41\
    \x80\x28\x00\x04\xc8\xfb\x0b\x4c";

/// RFC 5769, section 2.4: long-term credentials, no FINGERPRINT.
const LONG_TERM: &[u8] = b"\x00\x01\x00\x60\x21\x12\xa4\x42\
    \x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e\
    \x00\x06\x00\x12\xe3\x83\x9e\xe3\x83\x88\xe3\x83\
    \xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9\x00\x00\
    \x00\x15\x00\x1cf//499k954d6OL34oL9FSTvy64sA\
    \x00\x14\x00\x0bexample.org\x00\
    \x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\
    \x02\xb8\xe0\x71\x2e\x85\xc9\xa2\x8c\xa8\x96\x66";

/// MD5 of the vector's user name, realm and password, "TheMatrIX" (RFC 8489, section 9.2.2).
const LONG_TERM_KEY: &[u8] = b"\xe8\xca\x7a\xd5\x9d\x5e\xb0\x51\x8e\x31\x29\x11\xd2\xda\xb2\xa9";

fn parse(bytes: &[u8]) -> Message<'_> {
    Message::parse(bytes).expect("a message")
}

/// Writes a message of attributes given as type and value.
fn message(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut buffer = vec![0; 1500];
    let mut writer = Writer::begin(&mut buffer, Class::Request, Method::BINDING, &[1; 12]);
    for (kind, value) in attributes {
        writer.attribute(*kind, value);
    }
    let len = writer.finish().expect("room for it");
    buffer.truncate(len);

    buffer
}

#[test]
fn the_sample_request_is_read_and_verified() {
    let message = parse(REQUEST);

    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    assert_eq!(message.software(), Some("STUN test client"));
    assert_eq!(message.username(), Some("evtj:h6vY"));
    assert_eq!(message.priority(), Some(0x6e00_01ff));
    assert_eq!(message.ice_controlled(), Some(0x932f_f9b1_5126_3b36));
    assert_eq!(message.ice_controlling(), None);
    assert!(!message.use_candidate());
    assert!(message.verify_integrity(&IntegrityKey::short_term(PASSWORD)));
    assert!(!message.verify_integrity(&IntegrityKey::short_term("another password of 22")));
    assert!(message.verify_fingerprint());
}

#[test]
fn the_sample_responses_are_read_and_verified() {
    let addresses = ["192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"];
    for (bytes, address) in [RESPONSE_V4, RESPONSE_V6].into_iter().zip(addresses) {
        let message = parse(bytes);

        assert_eq!(message.class(), Class::Success);
        assert_eq!(message.xor_mapped_address(), Some(address.parse().unwrap()));
        assert!(message.verify_integrity(&IntegrityKey::short_term(PASSWORD)));
        assert!(message.verify_fingerprint());
    }
}

#[test]
fn the_sample_request_with_long_term_credentials_is_verified() {
    let message = parse(LONG_TERM);

    assert_eq!(message.username(), Some("マトリックス"));
    assert_eq!(message.realm(), Some("example.org"));
    assert_eq!(message.nonce(), Some(&b"f//499k954d6OL34oL9FSTvy64sA"[..]));
    assert!(message.verify_integrity(&IntegrityKey::new(LONG_TERM_KEY)));
    assert!(!message.verify_fingerprint());
    assert!(
        message.unknown_required(&[attribute::USERNAME]).eq([attribute::NONCE, attribute::REALM])
    );
}

#[test]
fn a_written_check_is_read_back() {
    let key = IntegrityKey::short_term(PASSWORD);
    let mut buffer = [0; 200];
    let len = Writer::begin(&mut buffer, Class::Request, Method::BINDING, &[9; 12])
        .username("a:b")
        .priority(7)
        .ice_controlling(8)
        .use_candidate()
        .integrity(&key)
        .fingerprint()
        .finish()
        .unwrap();
    let message = parse(&buffer[..len]);

    assert_eq!(message.transaction_id(), &[9; 12]);
    assert_eq!(message.username(), Some("a:b"));
    assert_eq!(message.priority(), Some(7));
    assert_eq!(message.ice_controlling(), Some(8));
    assert!(message.use_candidate());
    assert!(message.verify_integrity(&key) && message.verify_fingerprint());
    assert_eq!(message.attributes().count(), 4);
}

#[test]
fn an_error_names_its_code_and_the_unknown_attributes() {
    let mut buffer = [0; 200];
    let len = Writer::begin(&mut buffer, Class::Error, Method::BINDING, &[9; 12])
        .error_code(420, "Unknown Attribute")
        .unknown_attributes([0x0031, 0x0032].into_iter())
        .finish()
        .unwrap();
    let message = parse(&buffer[..len]);

    let error = message.error_code().unwrap();
    assert_eq!((error.code, error.reason), (420, "Unknown Attribute"));
    assert!(message.unknown_attributes().unwrap().eq([0x0031, 0x0032]));
}

#[test]
fn attributes_behind_the_integrity_do_not_exist() {
    let key = IntegrityKey::short_term(PASSWORD);
    let mut buffer = [0; 200];
    let len = Writer::begin(&mut buffer, Class::Request, Method::BINDING, &[9; 12])
        .username("a:b")
        .integrity(&key)
        .use_candidate()
        .fingerprint()
        .finish()
        .unwrap();
    let message = parse(&buffer[..len]);

    assert!(!message.use_candidate());
    assert!(message.verify_integrity(&key) && message.verify_fingerprint());
}

#[test]
fn a_message_out_of_shape_is_refused() {
    let whole = message(&[(attribute::USERNAME, b"a:b")]);
    assert!(Message::parse(&whole).is_some());
    for len in 0..whole.len() {
        assert!(Message::parse(&whole[..len]).is_none(), "cut to {len} bytes");
    }
    let longer = [&whole[..], b"more"].concat();
    assert!(Message::parse(&longer).is_none());
    for (at, byte) in [(0, 0x40), (0, 0x20), (4, 0x22), (3, 0x07), (23, 0xff)] {
        let mut broken = whole.clone();
        broken[at] = byte;
        assert!(Message::parse(&broken).is_none(), "byte {at} is {byte:#x}");
    }
}

#[test]
fn a_fingerprint_that_is_not_last_is_refused() {
    let bytes = message(&[(attribute::FINGERPRINT, &[0; 4]), (attribute::USERNAME, b"a:b")]);

    assert!(Message::parse(&bytes).is_none());
}

#[test]
fn a_message_of_too_many_attributes_is_refused() {
    let most = vec![(0x8fff, &b""[..]); relay_wire::stun::ATTRIBUTES_MAX];
    assert!(Message::parse(&message(&most)).is_some());

    let too_many = [&most[..], &[(0x8fff, &b""[..])]].concat();
    assert!(Message::parse(&message(&too_many)).is_none());
}

#[test]
fn a_message_that_does_not_fit_is_not_written() {
    for len in 0..48 {
        let mut buffer = vec![0; len];
        let mut writer = Writer::begin(&mut buffer, Class::Request, Method::BINDING, &[9; 12]);
        let written = writer.username("a:b").ice_controlled(1).fingerprint().finish();

        assert_eq!(written, None, "into {len} bytes");
    }
}

#[test]
fn a_message_longer_than_its_length_can_tell_is_not_written() {
    let mut buffer = vec![0; 100_000];
    let mut writer = Writer::begin(&mut buffer, Class::Request, Method::BINDING, &[9; 12]);
    let half = [0; 40_000];

    assert!(writer.attribute(0x8fff, &half).finish().is_some());
    assert_eq!(writer.attribute(0x8fff, &half).finish(), None);
}
