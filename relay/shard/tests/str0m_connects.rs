//! An independent WebRTC stack connects to the shard: ICE, DTLS, SRTP, data channels.
#![allow(clippy::unwrap_used)]

mod world;

use relay_shard::DropReason;
use relay_shard::DtlsVersions;
use relay_wire::control::{
    Answer, Channel, Choice, CloseReason, Codec, CodecSpec, Command, DataRole, Event, Extensions,
    Kind, ParticipantId, SsrcSpec, SubscriptionId, SubscriptionSpec, TrackId, TrackSpec,
    TransportId,
};
use std::time::Duration;
use str0m::RtcConfig;
use str0m::config::DtlsVersion;
use str0m::media::MediaKind;
use str0m::rtp::RtpWrite;
use world::World;
use world::client::Client;

fn connects(ours: DtlsVersions, theirs: DtlsVersion) {
    let mut world = World::with(|config| config.dtls = ours);
    let mut client = Client::new(world.now, 5001, theirs);
    world.invite(1, DataRole::Accept, &mut client);

    world.talk(&mut [&mut client], Duration::from_secs(5));

    assert!(client.is_connected());
    assert!(world.was_told(&Event::Connected(TransportId(1))));
    assert_eq!(world.counters().connects, 1);
    // str0m loses its first ClientHello to its own ICE and repeats it after a second.
    assert!(world.counters().connect_ms < 2_000, "{}", world.counters().connect_ms);
}

#[test]
fn a_dtls_1_2_client_connects() {
    connects(DtlsVersions::Auto, DtlsVersion::Dtls12);
}

#[test]
fn a_dtls_1_3_client_connects() {
    connects(DtlsVersions::Auto, DtlsVersion::Dtls13);
}

#[test]
fn a_client_of_both_versions_connects() {
    connects(DtlsVersions::Auto, DtlsVersion::Auto);
}

#[test]
fn a_client_of_both_versions_connects_to_a_relay_of_1_2() {
    connects(DtlsVersions::Only12, DtlsVersion::Auto);
}

#[test]
fn the_relay_opens_its_channels_on_a_subscriber() {
    let mut world = World::new();
    let mut client = Client::new(world.now, 5001, DtlsVersion::Auto);
    world.invite(1, DataRole::Open, &mut client);

    world.talk(&mut [&mut client], Duration::from_secs(5));

    assert!(client.channel("_reliable").is_some());
    assert!(client.channel("_lossy").is_some());
}

#[test]
fn a_client_with_another_certificate_is_refused() {
    let mut world = World::new();
    let mut client = Client::new(world.now, 5001, DtlsVersion::Auto);
    let opened = world.open(1, DataRole::Accept);
    let mut remote = client.remote();
    remote.fingerprint.digest[0] ^= 1;
    let transport = TransportId(1);
    world.command(Command::Admit { transport, remote });
    client.start(&opened);

    world.talk(&mut [&mut client], Duration::from_secs(5));

    assert!(world.was_told(&Event::Closed(transport, CloseReason::Dtls)));
    assert!(!world.was_told(&Event::Connected(transport)));
    assert_eq!(world.counters().transports, 0);
}

/// LiveKit's `DataPacket { user: UserPacket { payload } }`.
fn user_packet(payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    let mut packet = vec![0x12, len + 2, 0x12, len];
    packet.extend_from_slice(payload);

    packet
}

/// A publisher (transport 1) and a subscriber (transport 2) who are connected.
fn pair(config: impl Fn() -> RtcConfig) -> (World, Client, Client) {
    let mut world = World::new();
    let mut publisher = Client::with(world.now, 5001, config());
    let mut subscriber = Client::with(world.now, 5002, config());
    publisher.open_channels();
    world.invite(1, DataRole::Accept, &mut publisher);
    world.invite(2, DataRole::Open, &mut subscriber);
    world.talk(&mut [&mut publisher, &mut subscriber], Duration::from_secs(3));

    (world, publisher, subscriber)
}

#[test]
fn messages_of_a_publisher_reach_a_subscriber_on_both_channels() {
    let (mut world, mut publisher, mut subscriber) = pair(RtcConfig::new);
    let (first, second) = (user_packet(b"for sure"), user_packet(b"perhaps"));
    publisher.send("_reliable", &first);
    publisher.send("_lossy", &second);

    world.talk(&mut [&mut publisher, &mut subscriber], Duration::from_secs(2));

    let got = |label: &str, message: &[u8]| {
        let mut all = subscriber.messages.iter();
        all.any(|(channel, bytes)| channel == label && bytes.starts_with(message))
    };
    assert!(got("_reliable", &first));
    assert!(got("_lossy", &second));
    assert_eq!(world.drops(DropReason::DataRefused), 0);
}

#[test]
fn messages_of_64_kilobytes_pass_whole() {
    let (mut world, mut publisher, mut subscriber) = pair(RtcConfig::new);
    // Field 2 (user) with one field 2 (payload) of 60,000 bytes inside.
    let mut message = vec![0x12, 0xe4, 0xd4, 0x03, 0x12, 0xe0, 0xd4, 0x03];
    message.extend((0..60_000_u32).map(|byte| byte as u8));
    publisher.send("_reliable", &message);

    world.talk(&mut [&mut publisher, &mut subscriber], Duration::from_secs(5));

    let (label, got) = subscriber.messages.first().expect("a message");
    assert_eq!(label, "_reliable");
    assert!(got.starts_with(&message));
}

fn server_sends(world: &mut World, channel: Channel, count: usize) {
    for _ in 0..count {
        let to = vec![ParticipantId(2)];
        let send = Command::SendData { channel, to, payload: vec![7; 50_000] };
        assert_eq!(world.command(send), Answer::Done);
    }
}

#[test]
fn a_receiver_that_does_not_acknowledge_loses_lossy_messages_only() {
    let (mut world, _, _) = pair(RtcConfig::new);
    server_sends(&mut world, Channel::Lossy, 30);

    assert_eq!(world.drops(DropReason::DataOverflow), 30 - (1 << 20) / 50_000);
    assert_eq!(world.counters().transports, 2);
}

#[test]
fn a_receiver_that_does_not_acknowledge_reliable_messages_is_disconnected() {
    let (mut world, _, _) = pair(RtcConfig::new);
    server_sends(&mut world, Channel::Reliable, 30);

    assert!(world.was_told(&Event::Closed(TransportId(2), CloseReason::DataOverflow)));
    assert_eq!(world.counters().transports, 1);
}

#[test]
fn a_receiver_that_acknowledges_gets_every_message_in_order() {
    let (mut world, mut publisher, mut subscriber) = pair(RtcConfig::new);
    for _ in 0..4 {
        server_sends(&mut world, Channel::Reliable, 15);
        world.talk(&mut [&mut publisher, &mut subscriber], Duration::from_secs(2));
    }

    assert_eq!(subscriber.messages.len(), 60);
    assert_eq!(world.all_drops(), 0);
}

#[test]
fn reliable_messages_wait_for_the_channel_to_open() {
    let mut world = World::new();
    let mut client = Client::new(world.now, 5001, DtlsVersion::Auto);
    world.invite(1, DataRole::Open, &mut client);
    let to = vec![ParticipantId(1)];
    for number in 0..3 {
        let (to, channel) = (to.clone(), Channel::Reliable);
        let send = Command::SendData { channel, to, payload: vec![number; 40_000] };
        assert_eq!(world.command(send), Answer::Done);
    }
    let (channel, payload) = (Channel::Lossy, vec![9]);
    world.command(Command::SendData { channel, to, payload });
    world.talk(&mut [&mut client], Duration::from_secs(5));

    let numbers: Vec<u8> = client.messages.iter().map(|(_, message)| message[0]).collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert_eq!(world.drops(DropReason::DataRefused), 1);
}

#[test]
fn data_to_one_receiver_does_not_fill_a_turn() {
    let (mut world, _, _) = pair(RtcConfig::new);
    world.sent.clear();
    server_sends(&mut world, Channel::Reliable, 20);
    world.shard.advance(world.now, &mut world.out);
    world.drain();

    let bytes: usize = world.sent.iter().map(|(_, datagram)| datagram.len()).sum();
    assert!(bytes <= 80_000, "{bytes}");
}

fn opus() -> Vec<CodecSpec> {
    vec![CodecSpec { codec: Codec::Opus, payload_type: 111, rtx: None }]
}

fn publish(world: &mut World, ssrc: u32) {
    let track = TrackSpec {
        track: TrackId(1),
        participant: ParticipantId(1),
        transport: TransportId(1),
        kind: Kind::Audio,
        mid: "0".into(),
        codecs: opus(),
        ssrcs: vec![SsrcSpec { ssrc, rtx: None }],
        rids: Vec::new(),
        extensions: Extensions::default(),
        muted: false,
    };
    assert_eq!(world.command(Command::Publish(track)), Answer::Done);
}

fn subscribe(world: &mut World, ssrc: u32) {
    let subscription = SubscriptionSpec {
        subscription: SubscriptionId(1),
        track: TrackId(1),
        participant: ParticipantId(2),
        transport: TransportId(2),
        mid: "0".into(),
        ssrc,
        rtx_ssrc: None,
        codecs: opus(),
        extensions: Extensions::default(),
        choice: Choice::High,
        fps_max: None,
    };
    assert_eq!(world.command(Command::Subscribe(subscription)), Answer::Done);
}

#[test]
fn media_of_a_publisher_reaches_a_subscriber() {
    let (mut world, mut publisher, mut subscriber) =
        pair(|| RtcConfig::new().set_rtp_mode(true).clear_extension_map());
    publish(&mut world, 1111);
    subscribe(&mut world, 2222);
    let mid = "0".into();
    publisher.rtc.direct_api().declare_media(mid, MediaKind::Audio);
    publisher.rtc.direct_api().declare_stream_tx(1111.into(), None, mid, None);
    subscriber.rtc.direct_api().declare_media(mid, MediaKind::Audio);
    subscriber.rtc.direct_api().expect_stream_rx(2222.into(), None, mid, None);

    for count in 0..50_u64 {
        let (time, now, payload) = (count as u32 * 960, world.now, [count as u8; 40]);
        let write = RtpWrite::new(111.into(), (1000 + count).into(), time, now, payload);
        publisher.rtc.direct_api().stream_tx(&1111.into()).unwrap().write_rtp(write);
        world.talk(&mut [&mut publisher, &mut subscriber], Duration::from_millis(20));
    }

    let packets: Vec<_> = subscriber
        .events
        .iter()
        .filter_map(|event| match event {
            str0m::Event::RtpPacket(packet) => Some(packet),
            _ => None,
        })
        .collect();
    assert_eq!(packets.len(), 50);
    assert!(packets.iter().enumerate().all(|(at, packet)| packet.payload[..] == [at as u8; 40]));
    assert!(packets.iter().all(|packet| *packet.header.ssrc == 2222));
    assert_eq!((world.counters().rtp_in, world.counters().rtp_out), (50, 50));
    assert_eq!(world.all_drops(), 0);
}

#[test]
fn a_client_that_says_good_bye_is_gone_at_once() {
    let (mut world, mut publisher, mut subscriber) = pair(RtcConfig::new);
    publisher.rtc.close().unwrap();

    world.talk(&mut [&mut publisher, &mut subscriber], Duration::from_millis(100));

    let closed = Event::Closed(TransportId(1), CloseReason::PeerClosed);
    assert!(world.was_told(&closed), "{:?}", world.events);
    assert_eq!(world.counters().transports, 1);
}

#[test]
fn a_client_that_falls_silent_is_gone_after_the_consent_timeout() {
    let (mut world, publisher, mut subscriber) = pair(RtcConfig::new);
    drop(publisher);

    world.talk(&mut [&mut subscriber], Duration::from_secs(11));
    assert_eq!(world.counters().transports, 2);
    world.talk(&mut [&mut subscriber], Duration::from_secs(10));

    assert!(world.was_told(&Event::Closed(TransportId(1), CloseReason::ConsentLost)));
    assert_eq!(world.counters().transports, 1);
}

#[test]
fn a_transport_that_is_closed_says_good_bye() {
    let (mut world, mut publisher, mut subscriber) = pair(RtcConfig::new);
    assert_eq!(world.command(Command::Close(TransportId(2))), Answer::Done);

    world.talk(&mut [&mut publisher, &mut subscriber], Duration::from_secs(1));

    assert!(!subscriber.rtc.is_alive() || subscriber.error.is_some() || subscriber.is_closed());
    assert_eq!(world.counters().transports, 1);
}

#[test]
fn a_handshake_that_ends_before_the_client_is_admitted_waits_for_it() {
    let mut world = World::new();
    let mut client = Client::new(world.now, 5001, DtlsVersion::Auto);
    let opened = world.open(1, DataRole::Open);
    client.start(&opened);
    let transport = TransportId(1);

    world.talk(&mut [&mut client], Duration::from_secs(3));
    assert!(!world.was_told(&Event::Connected(transport)));
    let remote = client.remote();
    assert_eq!(world.command(Command::Admit { transport, remote }), Answer::Done);
    assert!(world.was_told(&Event::Connected(transport)));
    world.talk(&mut [&mut client], Duration::from_secs(3));

    assert!(client.channel("_reliable").is_some());
}
