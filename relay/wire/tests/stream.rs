//! Messages in streams: TURN's and ICE's framing, cut anywhere.

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use relay_wire::stream::{Frame, Framing, ice_prefix};
use relay_wire::stun::{Class, Malformed, Method, Writer};
use relay_wire::{ChannelHeader, ice};

/// Bytes of the longest message taken in these tests.
const MAX: usize = 1500;

fn binding(username: &str) -> Vec<u8> {
    let mut buffer = vec![0; MAX];
    let len = Writer::begin(&mut buffer, Class::Request, Method::BINDING, &[9; 12])
        .username(username)
        .finish()
        .expect("room for it");
    buffer.truncate(len);

    buffer
}

fn channel_data(data: &[u8]) -> Vec<u8> {
    let header = ChannelHeader { number: 0x4001, len: data.len() as u16 };

    [&header.write()[..], data].concat()
}

/// A message of ICE behind its length.
fn framed(message: &[u8]) -> Vec<u8> {
    [&ice_prefix(message).expect("a short message")[..], message].concat()
}

#[test]
fn the_cookies_place_tells_the_framing() {
    let message = binding("a:b");

    assert_eq!(Framing::detect(&message), Ok(Some(Framing::Turn)));
    assert_eq!(Framing::detect(&framed(&message)), Ok(Some(Framing::Ice)));
    for len in 0..8 {
        assert_eq!(Framing::detect(&message[..len]), Ok(None), "{len} bytes of TURN");
    }
    for len in 0..10 {
        assert_eq!(Framing::detect(&framed(&message)[..len]), Ok(None), "{len} bytes of ICE");
    }
}

#[test]
fn other_protocols_are_refused_by_their_first_bytes() {
    let others: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SSH-2.0-OpenSSH_9.2",
        b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50",
        b"\x40\x01\x00\x04\x21\x12\xa4\x42",
        b"\x00\x01\x00\x00\x00\x00\x00\x00",
        &[0; 10],
    ];
    for bytes in others {
        assert_eq!(Framing::detect(bytes), Err(Malformed), "{bytes:?}");
    }
}

#[test]
fn channel_data_ends_before_its_padding() {
    let bytes = [&channel_data(b"hello")[..], b"\0\0\0", &binding("a:b")].concat();
    let first = Framing::Turn.next(&bytes, MAX).unwrap().unwrap();
    let second = Framing::Turn.next(&bytes[first.consumed..], MAX).unwrap().unwrap();

    assert_eq!(first, Frame { message: 0..9, consumed: 12 });
    assert_eq!(second.consumed, binding("a:b").len());
    assert_eq!(Framing::Turn.next(&bytes[..11], MAX), Ok(None), "its padding is on the way");
}

#[test]
fn what_is_neither_stun_nor_channel_data_ends_a_stream_of_turn() {
    let not_four = b"\x00\x01\x00\x02\x21\x12\xa4\x42";
    for bytes in [&b"\x04"[..], b"\x16\x03", b"\x80\x60", b"\x00\x01\x00\x00\x21\x13", not_four] {
        assert_eq!(Framing::Turn.next(bytes, MAX), Err(Malformed), "{bytes:?}");
    }
}

#[test]
fn a_message_longer_than_allowed_is_refused_by_its_length() {
    assert_eq!(Framing::Ice.next(b"\x05\xdd", MAX), Err(Malformed));
    assert_eq!(Framing::Ice.next(b"\x05\xdc", MAX), Ok(None));
    assert_eq!(Framing::Turn.next(b"\x40\x00\x05\xd9", MAX), Err(Malformed));
    assert_eq!(Framing::Turn.next(b"\x40\x00\x05\xd8", MAX), Ok(None));
    assert_eq!(Framing::Turn.next(b"\x00\x01\x05\xcc", MAX), Err(Malformed));
    assert_eq!(Framing::Turn.next(b"\x00\x01\x05\xc8", MAX), Ok(None));
    assert_eq!(ice_prefix(&vec![0; 65_536]), None);
}

#[test]
fn an_empty_message_of_ice_is_a_frame() {
    let frame = Framing::Ice.next(b"\0\0\x01", MAX);

    assert_eq!(frame, Ok(Some(Frame { message: 2..2, consumed: 2 })));
}

#[test]
fn a_check_names_the_shard_it_is_for() {
    let ufrag = ice::ufrag(77, [1, 2, 3, 4, 5, 6, 7, 8]);

    assert_eq!(ice::home(&binding(&format!("{ufrag}:them"))), Some(77));
    assert_eq!(ice::home(&binding("someoneelse:them")), None);
    assert_eq!(ice::home(&binding(&ufrag)), None);
    assert_eq!(ice::home(b"\x16\xfe\xfd"), None);
}

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in(
        messages in vec((any::<bool>(), vec(any::<u8>(), 0..40)), 1..8), cut in 0..400_usize,
    ) {
        let mut turn = Vec::new();
        let mut ice = Vec::new();
        let mut expected = Vec::new();
        for (is_stun, data) in &messages {
            let message = match is_stun {
                true => binding(&"x".repeat(data.len())),
                false => channel_data(data),
            };
            turn.extend_from_slice(&message);
            turn.resize(turn.len().next_multiple_of(4), 0);
            ice.extend_from_slice(&framed(&message));
            expected.push(message);
        }
        for (framing, stream) in [(Framing::Turn, &turn), (Framing::Ice, &ice)] {
            let mut seen = Vec::new();
            let mut start = 0;
            // A first read that ends anywhere, then all the rest.
            for end in [cut.min(stream.len()), stream.len()] {
                while let Some(frame) = framing.next(&stream[start..end], MAX).unwrap() {
                    seen.push(stream[start..end][frame.message].to_vec());
                    start += frame.consumed;
                }
            }
            prop_assert_eq!(&seen, &expected);
            prop_assert_eq!(start, stream.len());
        }
    }

    #[test]
    fn more_bytes_never_change_the_verdict(bytes in vec(0..0x50_u8, 0..12), cut in 0..12_usize) {
        let early = Framing::detect(&bytes[..cut.min(bytes.len())]);
        let late = Framing::detect(&bytes);

        prop_assert!(early == late || early == Ok(None));
    }
}
