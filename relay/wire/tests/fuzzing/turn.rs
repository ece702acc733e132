//! STUN, TURN and the streams that carry them.

use relay_wire::stream::Framing;
use relay_wire::stun::binding::{ANSWER_MAX, Endpoint, Responder};
use relay_wire::stun::{Class, Family, Icmp, IntegrityKey, IntegrityKeySha256, Message, Writer};
use relay_wire::{ChannelHeader, Kind, ice};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes of the longest message that a stream may have here.
const MESSAGE_MAX: usize = 4096;

/// STUN, and what else is read of a datagram from anywhere: its kind, ChannelData, user names.
pub(crate) fn stun(bytes: &[u8]) {
    let kind = Kind::of(bytes);
    if let Some(header) = ChannelHeader::parse(bytes) {
        assert_eq!(kind, Kind::Channel);
        assert_eq!(header.write(), bytes[..ChannelHeader::LEN]);
    }
    let home = ice::home(bytes);
    assert!(home.is_none_or(|shard| shard < ice::SHARDS_MAX));
    let Some(message) = Message::parse(bytes) else { return assert_eq!(home, None) };
    assert_eq!(kind, Kind::Stun);
    assert_eq!(message.bytes(), bytes);

    credentials(&message);
    answers(&message);
    values(&message);
    copied(&message);
    served(&message);
}

/// Names, keys and what proves them.
fn credentials(message: &Message<'_>) {
    if let Some((local, remote)) = message.username().and_then(ice::split_username) {
        assert!(ice::shard_of(local).is_none_or(|shard| shard < ice::SHARDS_MAX));
        ice::is_ufrag(remote);
    }
    let sha1 = message.verify_integrity(&IntegrityKey::short_term("VOkJxbRl1RmTxUk/WvJxBt"));
    let sha256 = message.verify_integrity_sha256(&IntegrityKeySha256::new(b"key"));
    assert!(!sha1 || message.has_integrity());
    assert!(!sha256 || message.has_integrity_sha256());
    assert!(!message.verify_fingerprint() || message.has_fingerprint());
    assert!(message.realm().is_none_or(|realm| realm.len() <= message.bytes().len()));
    assert!(message.nonce().is_none_or(|nonce| nonce.len() <= message.bytes().len()));
    let _ = (message.userhash(), message.password_algorithm(), message.software());
    let list = message.password_algorithms().into_iter().flatten();
    assert!(list.count() <= message.bytes().len() / 4);
}

/// What a server says.
fn answers(message: &Message<'_>) {
    if let Some(error) = message.error_code() {
        assert!((300..700).contains(&error.code));
    }
    if let Some((_, error)) = message.address_error_code() {
        assert!((300..700).contains(&error.code));
    }
    let _ = (message.mapped_address(), message.alternate_server(), message.alternate_domain());
    let _ = (message.response_origin(), message.other_address());
    message.unknown_attributes().into_iter().flatten().for_each(drop);
    message.unknown_required(&[]).for_each(drop);
}

/// Values that are read are those that are written.
fn values(message: &Message<'_>) {
    let mut buffer = vec![0; 400];
    let id = message.transaction_id();
    let mut writer = Writer::begin(&mut buffer, message.class(), message.method(), id);
    let channel = message.channel_number().ok().flatten();
    let lifetime = message.lifetime().ok().flatten();
    let peer = message.xor_peer_address().ok().flatten();
    let transport = message.requested_transport().ok().flatten();
    let family = message.requested_address_family().ok().flatten();
    let additional = message.additional_address_family().ok().flatten();
    let even_port = message.even_port().ok().flatten();
    let token = message.reservation_token().ok().flatten();
    let icmp = message.icmp().ok().flatten();
    let change = message.change_request().ok().flatten();
    let port = message.response_port().ok().flatten();
    let priority = message.priority();
    channel.map(|value| writer.channel_number(value).lifetime(0).finish());
    peer.map(|value| writer.xor_peer_address(value).finish());
    transport.map(|value| writer.requested_transport(value).finish());
    family.map(|value: Family| writer.requested_address_family(value).finish());
    additional.map(|value| writer.additional_address_family(value).finish());
    even_port.map(|value| writer.even_port(value).finish());
    token.map(|value| writer.reservation_token(&value).finish());
    icmp.map(|value: Icmp| writer.icmp(value).finish());
    change.map(|value| writer.change_request(value).finish());
    port.map(|value| writer.response_port(value).finish());
    priority.map(|value| writer.priority(value).finish());
    let len = writer.finish().expect("room for one of each");
    let again = Message::parse(&buffer[..len]).expect("what we write, we read");
    assert_eq!(again.channel_number(), Ok(channel));
    assert_eq!(again.lifetime(), Ok(channel.map(|_| 0)));
    assert_eq!(again.xor_peer_address(), Ok(peer));
    assert_eq!(again.requested_transport(), Ok(transport));
    assert_eq!(again.requested_address_family(), Ok(family));
    assert_eq!(again.additional_address_family(), Ok(additional));
    assert_eq!(again.even_port(), Ok(even_port));
    assert_eq!(again.reservation_token(), Ok(token));
    assert_eq!(again.icmp(), Ok(icmp));
    assert_eq!(again.change_request(), Ok(change));
    assert_eq!(again.response_port(), Ok(port));
    assert_eq!(again.priority(), priority);
    let _ = (lifetime, message.ice_controlled(), message.ice_controlling());
    let _ = (message.use_candidate(), message.dont_fragment(), message.mobility_ticket());
}

/// A message of the same attributes reads the same.
fn copied(message: &Message<'_>) {
    let mut copy = vec![0; message.bytes().len()];
    let id = message.transaction_id();
    let mut writer = Writer::begin(&mut copy, message.class(), message.method(), id);
    for (kind, value) in message.attributes() {
        writer.attribute(kind, value);
    }
    let len = writer.finish().expect("attributes of a message fit into its length");
    let again = Message::parse(&copy[..len]).expect("what we write, we read");
    assert!(again.attributes().eq(message.attributes()));
    assert!(again.xor_peer_addresses().eq(message.xor_peer_addresses()));
    assert!(again.xor_relayed_addresses().eq(message.xor_relayed_addresses()));
    assert_eq!(again.xor_mapped_address(), message.xor_mapped_address());
    assert_eq!((again.data(), again.padding()), (message.data(), message.padding()));
}

/// A STUN server answers with at most twice what it got, to requests only.
fn served(message: &Message<'_>) {
    let [v4, v6] = [2, 3].map(|last| {
        [Ipv4Addr::new(192, 0, 2, last).into(), Ipv6Addr::from_bits(last.into()).into()]
    });
    let mut endpoints = Vec::new();
    for ip in v4.into_iter().chain(v6) {
        for port in [3478, 3479] {
            let local = SocketAddr::new(ip, port);
            endpoints.push(Endpoint { local, public: local });
        }
    }
    let server = Responder::new(&endpoints);
    let mut buffer = vec![0; ANSWER_MAX + message.bytes().len()];
    for Endpoint { local, .. } in endpoints {
        let remote = SocketAddr::new(local.ip(), 9);
        let answer = server.datagram(message, (local, remote), &mut buffer);
        let headers = if local.is_ipv4() { 28 } else { 48 };
        let Some(answer) = answer else { continue };
        assert_eq!(message.class(), Class::Request);
        assert!(headers + answer.len <= 2 * (headers + message.bytes().len()));
        assert_eq!(answer.to.ip(), remote.ip());
        Message::parse(&buffer[..answer.len]).expect("what we write, we read");
        server.stream(message, remote, &mut buffer).expect("an answer on a connection too");
    }
}

/// A stream in both framings: the first byte says in which pieces the others arrive.
pub(crate) fn stream(bytes: &[u8]) {
    let Some((piece, stream)) = bytes.split_first() else { return };
    let piece = usize::from(*piece).max(1);
    let mut told = Ok(None);
    for end in (0..stream.len()).step_by(piece).chain([stream.len()]) {
        let now = Framing::detect(&stream[..end]);
        assert!(told == Ok(None) || told == now, "a verdict stands");
        told = now;
    }
    for framing in [Framing::Turn, Framing::Ice] {
        assert_eq!(taken_apart(framing, stream, piece), taken_apart(framing, stream, usize::MAX));
    }
}

/// Messages in order, and whether the stream can go on after them.
fn taken_apart(framing: Framing, stream: &[u8], piece: usize) -> (Vec<&[u8]>, bool) {
    let mut messages = Vec::new();
    let (mut start, mut end) = (0, 0_usize);
    loop {
        end = end.saturating_add(piece).min(stream.len());
        loop {
            let rest = &stream[start..end];
            let frame = match framing.next(rest, MESSAGE_MAX) {
                Err(_) => return (messages, false),
                Ok(None) => break,
                Ok(Some(frame)) => frame,
            };
            assert!(frame.message.len() <= MESSAGE_MAX && frame.message.end <= frame.consumed);
            assert!(frame.consumed > 0 && frame.consumed - frame.message.len() < 4);
            messages.push(&rest[frame.message]);
            start += frame.consumed;
        }
        if end == stream.len() {
            return (messages, true);
        }
    }
}
