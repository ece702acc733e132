//! The attributes of TURN and of behaviour discovery: on the wire, absent, malformed.

mod common;

use common::{parse, request};
use relay_wire::stun::{ChangeRequest, Class, Family, Icmp, Malformed, Method, Writer, attribute};
use std::net::SocketAddr;

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn methods_of_turn_have_their_numbers_on_the_wire() {
    let types = [
        (Class::Request, Method::ALLOCATE, 0x0003),
        (Class::Success, Method::REFRESH, 0x0104),
        (Class::Indication, Method::SEND, 0x0016),
        (Class::Indication, Method::DATA, 0x0017),
        (Class::Error, Method::CREATE_PERMISSION, 0x0118),
        (Class::Request, Method::CHANNEL_BIND, 0x0009),
    ];
    for (class, method, expected) in types {
        let mut buffer = [0; 20];
        Writer::begin(&mut buffer, class, method, &[0; 12]).finish().unwrap();

        assert_eq!(u16::from_be_bytes([buffer[0], buffer[1]]), expected);
        assert_eq!((parse(&buffer).class(), parse(&buffer).method()), (class, method));
    }
}

#[test]
fn an_allocate_request_is_read_back() {
    let bytes = request(|writer| {
        writer
            .requested_transport(17)
            .lifetime(600)
            .requested_address_family(Family::V6)
            .additional_address_family(Family::Other(3))
            .even_port(true)
            .dont_fragment()
            .reservation_token(b"12345678")
            .mobility_ticket(b"");
    });
    let message = parse(&bytes);

    assert_eq!(message.requested_transport(), Ok(Some(17)));
    assert_eq!(message.lifetime(), Ok(Some(600)));
    assert_eq!(message.requested_address_family(), Ok(Some(Family::V6)));
    assert_eq!(message.additional_address_family(), Ok(Some(Family::Other(3))));
    assert_eq!(message.even_port(), Ok(Some(true)));
    assert!(message.dont_fragment());
    assert_eq!(message.reservation_token(), Ok(Some(*b"12345678")));
    assert_eq!(message.mobility_ticket(), Some(&b""[..]));
}

#[test]
fn peers_and_data_are_read_back() {
    let peers = [address("192.0.2.7:9"), address("[2001:db8::7]:10")];
    let bytes = request(|writer| {
        writer.xor_peer_address(peers[0]).channel_number(0x4001).data(b"xyz");
        writer.xor_peer_address(peers[1]).attribute(attribute::XOR_PEER_ADDRESS, b"\0\x01ab");
        writer.xor_relayed_address(peers[1]).xor_relayed_address(peers[0]);
    });
    let message = parse(&bytes);

    assert!(message.xor_peer_addresses().eq([Ok(peers[0]), Ok(peers[1]), Err(Malformed)]));
    assert!(message.xor_relayed_addresses().eq([Ok(peers[1]), Ok(peers[0])]));
    assert_eq!(message.xor_peer_address(), Ok(Some(peers[0])));
    assert_eq!(message.channel_number(), Ok(Some(0x4001)));
    assert_eq!(message.data(), Some(&b"xyz"[..]));
}

#[test]
fn what_a_server_tells_is_read_back() {
    let icmp = Icmp { kind: 3, code: 4, data: 1400 };
    let server = address("192.0.2.1:3478");
    let bytes = request(|writer| {
        writer
            .address_error_code(Family::V6, 440, "Address Family not Supported")
            .icmp(icmp)
            .alternate_server(server)
            .alternate_domain("example.org")
            .software("millrace");
    });
    let message = parse(&bytes);

    let (family, error) = message.address_error_code().unwrap();
    assert_eq!((family, error.code), (Family::V6, 440));
    assert_eq!(error.reason, "Address Family not Supported");
    assert_eq!(message.icmp(), Ok(Some(icmp)));
    // RFC 8656, figure 11: seven bits of type, nine of code.
    assert_eq!(message.attribute(attribute::ICMP), Some(&b"\0\0\x06\x04\0\0\x05\x78"[..]));
    assert_eq!(message.alternate_server(), Some(server));
    assert_eq!(message.alternate_domain(), Some("example.org"));
    assert_eq!(message.software(), Some("millrace"));
}

#[test]
fn behaviour_discovery_is_read_back() {
    let change = ChangeRequest { ip: true, port: false };
    let (origin, other) = (address("192.0.2.1:3478"), address("[2001:db8::1]:3479"));
    let bytes = request(|writer| {
        writer.change_request(change).response_port(4000).attribute(attribute::PADDING, &[0; 8]);
        writer.response_origin(origin).other_address(other);
    });
    let message = parse(&bytes);

    assert_eq!(message.change_request(), Ok(Some(change)));
    assert_eq!(message.attribute(attribute::CHANGE_REQUEST), Some(&[0, 0, 0, 4][..]));
    assert_eq!(message.response_port(), Ok(Some(4000)));
    assert_eq!(message.padding(), Some(&[0; 8][..]));
    assert_eq!(message.response_origin(), Some(origin));
    assert_eq!(message.other_address(), Some(other));
}

#[test]
fn a_response_port_whose_padding_is_counted_is_read_too() {
    let bytes = request(|writer| {
        writer.attribute(attribute::RESPONSE_PORT, b"\xcc\x19\0\0");
    });

    assert_eq!(parse(&bytes).response_port(), Ok(Some(0xcc19)));
}

#[test]
fn absent_attributes_are_none() {
    let bytes = request(|_| {});
    let message = parse(&bytes);

    assert_eq!(message.channel_number(), Ok(None));
    assert_eq!(message.lifetime(), Ok(None));
    assert_eq!(message.requested_transport(), Ok(None));
    assert_eq!(message.requested_address_family(), Ok(None));
    assert_eq!(message.additional_address_family(), Ok(None));
    assert_eq!(message.even_port(), Ok(None));
    assert_eq!(message.reservation_token(), Ok(None));
    assert_eq!(message.icmp(), Ok(None));
    assert_eq!(message.xor_peer_address(), Ok(None));
    assert_eq!(message.change_request(), Ok(None));
    assert_eq!(message.response_port(), Ok(None));
    assert_eq!(message.mobility_ticket(), None);
    assert_eq!(message.data(), None);
    assert_eq!(message.padding(), None);
    assert!(!message.dont_fragment());
}

#[test]
fn values_of_another_length_are_malformed() {
    let kinds = [
        attribute::CHANNEL_NUMBER,
        attribute::LIFETIME,
        attribute::REQUESTED_TRANSPORT,
        attribute::REQUESTED_ADDRESS_FAMILY,
        attribute::ADDITIONAL_ADDRESS_FAMILY,
        attribute::EVEN_PORT,
        attribute::RESERVATION_TOKEN,
        attribute::ICMP,
        attribute::XOR_PEER_ADDRESS,
        attribute::CHANGE_REQUEST,
        attribute::RESPONSE_PORT,
    ];
    for value in [&[][..], &[1; 3], &[1; 5], &[1; 9]] {
        let bytes = request(|writer| {
            kinds.iter().for_each(|kind| {
                writer.attribute(*kind, value);
            });
        });
        let message = parse(&bytes);

        assert_eq!(message.channel_number(), Err(Malformed));
        assert_eq!(message.lifetime(), Err(Malformed));
        assert_eq!(message.requested_transport(), Err(Malformed));
        assert_eq!(message.requested_address_family(), Err(Malformed));
        assert_eq!(message.additional_address_family(), Err(Malformed));
        assert_eq!(message.even_port(), Err(Malformed));
        assert_eq!(message.reservation_token(), Err(Malformed));
        assert_eq!(message.icmp(), Err(Malformed));
        assert_eq!(message.xor_peer_address(), Err(Malformed));
        assert_eq!(message.change_request(), Err(Malformed));
        assert_eq!(message.response_port(), Err(Malformed));
    }
}

#[test]
fn values_that_cannot_be_spoil_the_message() {
    let spoilt = |write: fn(&mut Writer<'_>)| {
        let mut buffer = [0; 200];
        let mut writer = Writer::begin(&mut buffer, Class::Error, Method::ALLOCATE, &[9; 12]);
        write(&mut writer);
        writer.finish().is_none()
    };

    assert!(spoilt(|writer| {
        writer.icmp(Icmp { kind: 128, code: 0, data: 0 });
    }));
    assert!(spoilt(|writer| {
        writer.address_error_code(Family::V4, 299, "");
    }));
    assert!(spoilt(|writer| {
        writer.error_code(700, "");
    }));
}
