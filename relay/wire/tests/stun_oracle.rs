//! STUN as `stun-types` and `turn-types` write and read it: byte for byte as we do.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use relay_wire::stun::{
    Class, Family, IntegrityKey, IntegrityKeySha256, Message, Method, PasswordAlgorithm, Writer,
};
use std::net::{IpAddr, SocketAddr};
use stun_types::AddressFamily;
use stun_types::attribute as stun;
use stun_types::message::{
    self as theirs, IntegrityAlgorithm, MessageClass, MessageIntegrityCredentials, MessageType,
    MessageWriteVec, ShortTermCredentials, TransactionId,
};
use stun_types::prelude::{Attribute, AttributeStaticType, MessageWrite, MessageWriteExt};
use turn_types::attribute as turn;

const PASSWORD: &str = "a password";

/// One attribute; ICMP is left out, whose type and code `turn-types` writes in eight bits each.
#[derive(Clone, Debug)]
enum Field {
    Username(String),
    Userhash([u8; 32]),
    Realm(String),
    Nonce(String),
    PasswordAlgorithms(bool),
    PasswordAlgorithm(bool),
    Software(String),
    AlternateServer(SocketAddr),
    AlternateDomain(String),
    ErrorCode(u16, String),
    UnknownAttributes(Vec<u16>),
    XorMapped(SocketAddr),
    XorPeer(SocketAddr),
    XorRelayed(SocketAddr),
    Channel(u16),
    Lifetime(u32),
    Data(Vec<u8>),
    RequestedFamily(bool),
    AdditionalFamily,
    AddressError(bool, u16, String),
    EvenPort(bool),
    RequestedTransport(u8),
    DontFragment,
    ReservationToken(u64),
}

/// What a message ends with.
#[derive(Clone, Copy, Debug)]
struct Ending {
    sha1: bool,
    sha256: bool,
    fingerprint: bool,
}

fn addresses() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

fn fields() -> impl Strategy<Value = Field> {
    let text = || "[a-zA-Z0-9.]{1,40}";
    let codes = || 300..700_u16;
    prop_oneof![
        text().prop_map(Field::Username),
        any::<[u8; 32]>().prop_map(Field::Userhash),
        text().prop_map(Field::Realm),
        text().prop_map(Field::Nonce),
        any::<bool>().prop_map(Field::PasswordAlgorithms),
        any::<bool>().prop_map(Field::PasswordAlgorithm),
        text().prop_map(Field::Software),
        addresses().prop_map(Field::AlternateServer),
        text().prop_map(Field::AlternateDomain),
        (codes(), text()).prop_map(|(code, reason)| Field::ErrorCode(code, reason)),
        vec(any::<u16>(), 1..9).prop_map(Field::UnknownAttributes),
        addresses().prop_map(Field::XorMapped),
        addresses().prop_map(Field::XorPeer),
        addresses().prop_map(Field::XorRelayed),
        any::<u16>().prop_map(Field::Channel),
        any::<u32>().prop_map(Field::Lifetime),
        vec(any::<u8>(), 0..50).prop_map(Field::Data),
        any::<bool>().prop_map(Field::RequestedFamily),
        Just(Field::AdditionalFamily),
        (any::<bool>(), codes(), text())
            .prop_map(|(v6, code, why)| { Field::AddressError(v6, code, why) }),
        any::<bool>().prop_map(Field::EvenPort),
        any::<u8>().prop_map(Field::RequestedTransport),
        Just(Field::DontFragment),
        any::<u64>().prop_map(Field::ReservationToken),
    ]
}

fn endings() -> impl Strategy<Value = Ending> {
    any::<[bool; 3]>().prop_map(|[sha1, sha256, fingerprint]| Ending { sha1, sha256, fingerprint })
}

fn ours(id: u128, fields: &[Field], ending: Ending) -> Vec<u8> {
    let mut buffer = vec![0; 8000];
    let id = id.to_be_bytes()[4..].try_into().expect("twelve bytes");
    let mut writer = Writer::begin(&mut buffer, Class::Success, Method::ALLOCATE, &id);
    for field in fields {
        write(&mut writer, field);
    }
    if ending.sha1 {
        writer.integrity(&IntegrityKey::short_term(PASSWORD));
    }
    if ending.sha256 {
        writer.integrity_sha256(&IntegrityKeySha256::short_term(PASSWORD));
    }
    if ending.fingerprint {
        writer.fingerprint();
    }
    let len = writer.finish().expect("room for it");
    buffer.truncate(len);

    buffer
}

fn write(writer: &mut Writer<'_>, field: &Field) {
    let family = |v6: bool| if v6 { Family::V6 } else { Family::V4 };
    let algorithm = |sha256: bool| match sha256 {
        true => PasswordAlgorithm::SHA256,
        false => PasswordAlgorithm::MD5,
    };
    match field {
        Field::Username(name) => writer.username(name),
        Field::Userhash(hash) => writer.userhash(hash),
        Field::Realm(realm) => writer.realm(realm),
        Field::Nonce(nonce) => writer.nonce(nonce.as_bytes()),
        Field::PasswordAlgorithms(first) => {
            writer.password_algorithms(&[algorithm(*first), algorithm(!first)])
        }
        Field::PasswordAlgorithm(sha256) => writer.password_algorithm(algorithm(*sha256)),
        Field::Software(name) => writer.software(name),
        Field::AlternateServer(address) => writer.alternate_server(*address),
        Field::AlternateDomain(domain) => writer.alternate_domain(domain),
        Field::ErrorCode(code, reason) => writer.error_code(*code, reason),
        Field::UnknownAttributes(kinds) => writer.unknown_attributes(kinds.iter().copied()),
        Field::XorMapped(address) => writer.xor_mapped_address(*address),
        Field::XorPeer(address) => writer.xor_peer_address(*address),
        Field::XorRelayed(address) => writer.xor_relayed_address(*address),
        Field::Channel(number) => writer.channel_number(*number),
        Field::Lifetime(seconds) => writer.lifetime(*seconds),
        Field::Data(data) => writer.data(data),
        Field::RequestedFamily(v6) => writer.requested_address_family(family(*v6)),
        Field::AdditionalFamily => writer.additional_address_family(Family::V6),
        Field::AddressError(v6, code, why) => writer.address_error_code(family(*v6), *code, why),
        Field::EvenPort(reserve) => writer.even_port(*reserve),
        Field::RequestedTransport(protocol) => writer.requested_transport(*protocol),
        Field::DontFragment => writer.dont_fragment(),
        Field::ReservationToken(token) => writer.reservation_token(&token.to_be_bytes()),
    };
}

fn theirs(id: TransactionId, fields: &[Field], ending: Ending) -> Vec<u8> {
    let method = theirs::Method::new(Method::ALLOCATE.0);
    let kind = MessageType::from_class_method(MessageClass::Success, method);
    let mut message = theirs::Message::builder(kind, id, MessageWriteVec::new());
    let key = MessageIntegrityCredentials::from(ShortTermCredentials::new(PASSWORD.to_owned()));
    for field in fields {
        add(&mut message, id, field);
    }
    if ending.sha1 {
        message
            .add_message_integrity(&key, IntegrityAlgorithm::Sha1)
            .expect("what we write, they write");
    }
    if ending.sha256 {
        message
            .add_message_integrity(&key, IntegrityAlgorithm::Sha256)
            .expect("what we write, they write");
    }
    if ending.fingerprint {
        message.add_fingerprint().expect("what we write, they write");
    }

    message.finish()
}

fn add(to: &mut MessageWriteVec, id: TransactionId, field: &Field) {
    let family = |v6: bool| if v6 { AddressFamily::IPV6 } else { AddressFamily::IPV4 };
    let algorithm = |sha256: bool| match sha256 {
        true => stun::PasswordAlgorithmValue::SHA256,
        false => stun::PasswordAlgorithmValue::MD5,
    };
    let error =
        |code, reason: &str| stun::ErrorCode::new(code, reason).expect("what we write, they write");
    match field {
        Field::Username(name) => {
            to.add_attribute(&stun::Username::new(name).expect("what we write, they write"))
        }
        Field::Userhash(hash) => to.add_attribute(&stun::Userhash::new(*hash)),
        Field::Realm(realm) => {
            to.add_attribute(&stun::Realm::new(realm).expect("what we write, they write"))
        }
        Field::Nonce(nonce) => {
            to.add_attribute(&stun::Nonce::new(nonce).expect("what we write, they write"))
        }
        Field::PasswordAlgorithms(first) => {
            let list = [algorithm(*first), algorithm(!first)];
            to.add_attribute(&stun::PasswordAlgorithms::new(&list))
        }
        Field::PasswordAlgorithm(sha256) => {
            to.add_attribute(&stun::PasswordAlgorithm::new(algorithm(*sha256)))
        }
        Field::Software(name) => {
            to.add_attribute(&stun::Software::new(name).expect("what we write, they write"))
        }
        Field::AlternateServer(address) => to.add_attribute(&stun::AlternateServer::new(*address)),
        Field::AlternateDomain(domain) => to.add_attribute(&stun::AlternateDomain::new(domain)),
        Field::ErrorCode(code, reason) => to.add_attribute(&error(*code, reason)),
        Field::UnknownAttributes(kinds) => {
            let kinds: Vec<_> = kinds.iter().map(|kind| stun::AttributeType::new(*kind)).collect();
            to.add_attribute(&stun::UnknownAttributes::new(&kinds))
        }
        Field::XorMapped(address) => to.add_attribute(&stun::XorMappedAddress::new(*address, id)),
        Field::XorPeer(address) => to.add_attribute(&turn::XorPeerAddress::new(*address, id)),
        Field::XorRelayed(address) => to.add_attribute(&turn::XorRelayedAddress::new(*address, id)),
        Field::Channel(number) => to.add_attribute(&turn::ChannelNumber::new(*number)),
        Field::Lifetime(seconds) => to.add_attribute(&turn::Lifetime::new(*seconds)),
        Field::Data(data) => to.add_attribute(&turn::Data::new(data)),
        Field::RequestedFamily(v6) => {
            to.add_attribute(&turn::RequestedAddressFamily::new(family(*v6)))
        }
        Field::AdditionalFamily => {
            to.add_attribute(&turn::AdditionalAddressFamily::new(family(true)))
        }
        Field::AddressError(v6, code, why) => {
            to.add_attribute(&turn::AddressErrorCode::new(family(*v6), error(*code, why)))
        }
        Field::EvenPort(reserve) => to.add_attribute(&turn::EvenPort::new(*reserve)),
        Field::RequestedTransport(protocol) => {
            to.add_attribute(&turn::RequestedTransport::new(*protocol))
        }
        Field::DontFragment => to.add_attribute(&turn::DontFragment::new()),
        Field::ReservationToken(token) => to.add_attribute(&turn::ReservationToken::new(*token)),
    }
    .expect("what we write, they write");
}

/// One of each kind at most: they do not write two of a kind.
fn distinct(mut fields: Vec<Field>) -> Vec<Field> {
    let mut seen = Vec::new();
    fields.retain(|field| {
        let kind = std::mem::discriminant(field);
        let new = !seen.contains(&kind);
        seen.push(kind);
        new
    });

    fields
}

const ENDINGS: [stun::AttributeType; 3] =
    [stun::MessageIntegrity::TYPE, stun::MessageIntegritySha256::TYPE, stun::Fingerprint::TYPE];

proptest! {
    #[test]
    fn both_write_the_same_bytes(
        id: u128, fields in vec(fields(), 0..12), ending in endings(),
    ) {
        let fields = distinct(fields);
        let id = id >> 32;

        prop_assert_eq!(ours(id, &fields, ending), theirs(id.into(), &fields, ending));
    }

    #[test]
    fn both_read_the_same_out_of_bytes_with_one_changed(
        id: u128,
        fields in vec(fields(), 0..8),
        ending in endings(),
        at: proptest::sample::Index,
        value: u8,
    ) {
        let mut bytes = theirs(id.into(), &distinct(fields), ending);
        let at = at.index(bytes.len());
        bytes[at] = value;
        let Some(message) = Message::parse(&bytes) else { return Ok(()) };
        // They mostly refuse a message with a wrong FINGERPRINT, we leave that to our caller.
        if message.has_fingerprint() && !message.verify_fingerprint() {
            return Ok(());
        }
        let other = theirs::Message::from_bytes(&bytes).expect("what we read, they read");

        let id = u128::from(other.transaction_id()).to_be_bytes();
        prop_assert_eq!(&message.transaction_id()[..], &id[4..]);
        prop_assert_eq!(message.method().0, other.method().value());
        let attributes = message.attributes().map(|(kind, value)| (kind, value.to_vec()));
        let others = other
            .iter_attributes()
            .filter(|(_, raw)| !ENDINGS.contains(&raw.get_type()))
            .map(|(_, raw)| (raw.get_type().value(), raw.value.to_vec()));
        prop_assert_eq!(attributes.collect::<Vec<_>>(), others.collect::<Vec<_>>());

        let key = MessageIntegrityCredentials::from(ShortTermCredentials::new(PASSWORD.to_owned()));
        let valid = match (message.has_integrity(), message.has_integrity_sha256()) {
            (false, false) => false,
            (_, true) => message.verify_integrity_sha256(&IntegrityKeySha256::short_term(PASSWORD)),
            (true, false) => message.verify_integrity(&IntegrityKey::short_term(PASSWORD)),
        };
        prop_assert_eq!(valid, other.validate_integrity(&key).is_ok());
    }
}
