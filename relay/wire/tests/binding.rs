//! The STUN server: plain answers, behaviour discovery, refusals, and how large they may be.

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use relay_wire::stun::binding::{ANSWER_MAX, Answer, Endpoint, Responder};
use relay_wire::stun::{ChangeRequest, Class, Message, Method, Writer, attribute};
use std::net::SocketAddr;

const CLIENT: &str = "198.51.100.9:4000";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn endpoints(locals: &[&str]) -> Vec<Endpoint> {
    let locals = locals.iter().map(|local| address(local));

    locals.map(|local| Endpoint { local, public: local }).collect()
}

/// A server with two addresses and two ports of each family.
fn discovering() -> Responder {
    Responder::new(&endpoints(&[
        "192.0.2.1:3478",
        "192.0.2.1:3479",
        "192.0.2.2:3478",
        "192.0.2.2:3479",
        "[2001:db8::1]:3478",
        "[2001:db8::1]:3479",
        "[2001:db8::2]:3478",
        "[2001:db8::2]:3479",
    ]))
}

fn request(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buffer = vec![0; 2000];
    let mut writer = Writer::begin(&mut buffer, Class::Request, Method::BINDING, &[7; 12]);
    write(&mut writer);
    let len = writer.finish().expect("room for it");
    buffer.truncate(len);

    buffer
}

fn ask(server: &Responder, bytes: &[u8], local: &str, remote: &str) -> (Answer, Vec<u8>) {
    let mut buffer = vec![0xaa; ANSWER_MAX + bytes.len()];
    let message = Message::parse(bytes).expect("a message");
    let answer = server
        .datagram(&message, (address(local), address(remote)), &mut buffer)
        .expect("an answer");
    buffer.truncate(answer.len);

    (answer, buffer)
}

#[test]
fn a_bare_request_gets_its_address_and_nothing_more() {
    let server = Responder::new(&endpoints(&["192.0.2.1:3478"]));
    let (answer, bytes) = ask(&server, &request(|_| {}), "192.0.2.1:3478", CLIENT);
    let message = Message::parse(&bytes).unwrap();

    assert_eq!((answer.from, answer.to), (address("192.0.2.1:3478"), address(CLIENT)));
    assert_eq!(bytes.len(), 32);
    assert_eq!(message.class(), Class::Success);
    assert_eq!(message.transaction_id(), &[7; 12]);
    assert_eq!(message.xor_mapped_address(), Some(address(CLIENT)));
    assert!(!message.has_fingerprint());
}

#[test]
fn a_request_with_a_fingerprint_is_answered_with_one() {
    let bytes = request(|writer| {
        writer.username("somebody").fingerprint();
    });
    for server in [Responder::default(), discovering()] {
        let (_, answer) = ask(&server, &bytes, "192.0.2.1:3478", CLIENT);
        assert!(Message::parse(&answer).unwrap().verify_fingerprint());
    }
}

#[test]
fn a_bare_request_tells_of_the_other_address_where_there_is_one() {
    let (answer, bytes) = ask(&discovering(), &request(|_| {}), "192.0.2.1:3479", CLIENT);
    let message = Message::parse(&bytes).unwrap();

    assert_eq!(answer.from, address("192.0.2.1:3479"));
    assert_eq!(message.xor_mapped_address(), Some(address(CLIENT)));
    assert_eq!(message.mapped_address(), Some(address(CLIENT)));
    assert_eq!(message.response_origin(), Some(address("192.0.2.1:3479")));
    assert_eq!(message.other_address(), Some(address("192.0.2.2:3478")));
    assert_eq!(28 + bytes.len(), 2 * (28 + 20), "twice the request on the wire");
}

#[test]
fn a_bare_request_over_ipv6_has_room_for_the_most_needed_only() {
    let remote = "[2001:db8:9::1]:4000";
    let (_, bytes) = ask(&discovering(), &request(|_| {}), "[2001:db8::1]:3478", remote);
    let message = Message::parse(&bytes).unwrap();

    assert_eq!(message.xor_mapped_address(), Some(address(remote)));
    assert_eq!(message.other_address(), Some(address("[2001:db8::2]:3479")));
    assert_eq!((message.response_origin(), message.mapped_address()), (None, None));
}

#[test]
fn a_client_may_ask_for_an_answer_from_any_corner() {
    let corners = [
        (false, false, "192.0.2.2:3478"),
        (false, true, "192.0.2.2:3479"),
        (true, false, "192.0.2.1:3478"),
        (true, true, "192.0.2.1:3479"),
    ];
    for (ip, port, from) in corners {
        let bytes = request(|writer| {
            writer.change_request(ChangeRequest { ip, port });
        });
        let (answer, bytes) = ask(&discovering(), &bytes, "192.0.2.2:3478", CLIENT);
        let message = Message::parse(&bytes).unwrap();

        assert_eq!((answer.from, answer.to), (address(from), address(CLIENT)));
        assert_eq!(message.response_origin(), Some(address(from)));
        assert_eq!(message.other_address(), Some(address("192.0.2.1:3479")));
    }
}

#[test]
fn a_client_may_ask_for_an_answer_to_another_port() {
    let bytes = request(|writer| {
        writer.response_port(4001);
    });
    let (answer, bytes) = ask(&discovering(), &bytes, "192.0.2.1:3478", CLIENT);

    assert_eq!(answer.to, address("198.51.100.9:4001"));
    assert_eq!(Message::parse(&bytes).unwrap().xor_mapped_address(), Some(address(CLIENT)));
}

#[test]
fn padding_comes_back_in_its_length() {
    let bytes = request(|writer| {
        writer.attribute(attribute::PADDING, &[0; 1500]);
    });
    let (_, answer) = ask(&discovering(), &bytes, "192.0.2.1:3478", CLIENT);

    assert_eq!(Message::parse(&answer).unwrap().padding(), Some(&[0; 1500][..]));
}

#[test]
fn addresses_behind_nat_are_told_as_others_reach_them() {
    let ports = [("10.0.0.1", "192.0.2.1"), ("10.0.0.2", "192.0.2.2")]
        .into_iter()
        .flat_map(|(local, public)| [3478, 3479].map(|port| (local, public, port)));
    let endpoints: Vec<Endpoint> = ports
        .map(|(local, public, port)| Endpoint {
            local: address(&format!("{local}:{port}")),
            public: address(&format!("{public}:{port}")),
        })
        .collect();
    let bytes = request(|writer| {
        writer.change_request(ChangeRequest { ip: true, port: true });
    });
    let (answer, bytes) = ask(&Responder::new(&endpoints), &bytes, "10.0.0.1:3478", CLIENT);
    let message = Message::parse(&bytes).unwrap();

    assert_eq!(answer.from, address("10.0.0.2:3479"));
    assert_eq!(message.response_origin(), Some(address("192.0.2.2:3479")));
    assert_eq!(message.other_address(), Some(address("192.0.2.2:3479")));
}

#[test]
fn without_a_rectangle_of_addresses_there_is_no_discovery() {
    let sets: [&[&str]; 4] = [
        &["192.0.2.1:3478", "192.0.2.2:3478"],
        &["192.0.2.1:3478", "192.0.2.2:3479"],
        &["192.0.2.1:3478", "192.0.2.1:3479", "192.0.2.2:3479"],
        &["192.0.2.1:3478", "[2001:db8::1]:3479", "192.0.2.1:3479", "[2001:db8::1]:3478"],
    ];
    let bytes = request(|writer| {
        writer.change_request(ChangeRequest { ip: true, port: true });
    });
    for set in sets {
        let server = Responder::new(&endpoints(set));
        let (_, answer) = ask(&server, &bytes, "192.0.2.1:3478", CLIENT);
        let message = Message::parse(&answer).unwrap();

        assert_eq!(message.error_code().unwrap().code, 420);
        assert!(message.unknown_attributes().unwrap().eq([attribute::CHANGE_REQUEST]));
    }
}

#[test]
fn unknown_attributes_are_listed() {
    let bytes = request(|writer| {
        writer.username("u").attribute(0x7ffe, b"").attribute(0x8ffe, b"").priority(1);
    });
    for server in [Responder::default(), discovering()] {
        let (_, answer) = ask(&server, &bytes, "192.0.2.1:3478", CLIENT);
        let message = Message::parse(&answer).unwrap();

        assert_eq!(message.error_code().unwrap().code, 420);
        assert!(message.unknown_attributes().unwrap().eq([0x7ffe, attribute::PRIORITY]));
    }
}

#[test]
fn what_is_malformed_or_excludes_itself_is_a_bad_request() {
    let requests = [
        request(|writer| {
            writer.attribute(attribute::CHANGE_REQUEST, b"\0");
        }),
        request(|writer| {
            writer.attribute(attribute::RESPONSE_PORT, b"");
        }),
        request(|writer| {
            writer.response_port(0);
        }),
        request(|writer| {
            writer.response_port(4001).attribute(attribute::PADDING, &[0; 64]);
        }),
    ];
    for bytes in requests {
        let (answer, bytes) = ask(&discovering(), &bytes, "192.0.2.1:3478", CLIENT);

        assert_eq!(answer.to, address(CLIENT));
        assert_eq!(Message::parse(&bytes).unwrap().error_code().unwrap().code, 400);
    }
}

#[test]
fn what_is_no_binding_request_gets_no_answer() {
    let mut buffer = [0; 500];
    let others = [
        (Class::Indication, Method::BINDING),
        (Class::Success, Method::BINDING),
        (Class::Error, Method::BINDING),
        (Class::Request, Method::ALLOCATE),
    ];
    for (class, method) in others {
        let mut bytes = [0; 20];
        Writer::begin(&mut bytes, class, method, &[7; 12]).finish().unwrap();
        let message = Message::parse(&bytes).unwrap();
        let path = (address("192.0.2.1:3478"), address(CLIENT));

        assert_eq!(discovering().datagram(&message, path, &mut buffer), None);
        assert_eq!(discovering().stream(&message, address(CLIENT), &mut buffer), None);
    }
}

#[test]
fn a_connection_gets_plain_answers_only() {
    let mut buffer = [0; 500];
    let bare = request(|_| {});
    let bare = Message::parse(&bare).unwrap();
    let len = discovering().stream(&bare, address(CLIENT), &mut buffer).unwrap();
    assert_eq!(len, 32);

    let asking = request(|writer| {
        writer.change_request(ChangeRequest::default());
    });
    let asking = Message::parse(&asking).unwrap();
    let len = discovering().stream(&asking, address(CLIENT), &mut buffer).unwrap();
    assert_eq!(Message::parse(&buffer[..len]).unwrap().error_code().unwrap().code, 420);
}

/// Attributes that a hostile request might have.
fn attributes() -> impl Strategy<Value = (u16, usize)> {
    let kinds = prop_oneof![
        Just(attribute::CHANGE_REQUEST),
        Just(attribute::RESPONSE_PORT),
        Just(attribute::PADDING),
        Just(attribute::USERNAME),
        any::<u16>(),
    ];

    (kinds, 0..40_usize)
}

proptest! {
    #[test]
    fn no_request_is_answered_by_more_than_twice_its_datagram(
        attributes in proptest::collection::vec(attributes(), 0..30),
        fingerprint: bool,
        v6: bool,
    ) {
        let bytes = request(|writer| {
            for (kind, len) in &attributes {
                writer.attribute(*kind, &[1; 40][..*len]);
            }
            if fingerprint {
                writer.fingerprint();
            }
        });
        let (local, remote, headers) = if v6 {
            ("[2001:db8::1]:3478", "[2001:db8:9::1]:4000", 48)
        } else {
            ("192.0.2.1:3478", CLIENT, 28)
        };
        // Random types may be those of integrity, with a length that makes it no message.
        if Message::parse(&bytes).is_some() {
            let (answer, bytes_back) = ask(&discovering(), &bytes, local, remote);
            prop_assert!(headers + answer.len <= 2 * (headers + bytes.len()));
            let back = Message::parse(&bytes_back).expect("a message");
            prop_assert!(matches!(back.class(), Class::Success | Class::Error));
            prop_assert_eq!(back.transaction_id(), &[7; 12]);
        }
    }
}
