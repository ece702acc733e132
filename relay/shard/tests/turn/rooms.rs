//! A participant whose only way is a relayed address of ours: media inside the process.

use super::client::{Client, channel_data};
use super::world::{SERVER, World, address, behind_nat};
use relay_shard::{DropReason, Event as ShardEvent};
use relay_wire::ChannelHeader;
use relay_wire::control::{
    Answer, Command, DataRole, Event, Fingerprint, Hash, Message as Told, Opened, ParticipantId,
    ParticipantSpec, Remote, Request, RoomId, TransportId,
};
use relay_wire::stun::{Class, IntegrityKey, Message, Method, Writer};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, IceCreds, Input, Output, Rtc, RtcConfig};

const CHANNEL: u16 = 0x4001;

fn command(world: &mut World, shard: usize, command: Command) -> Answer {
    let request = Request { id: 1, room: RoomId(1), command };
    world.shards[shard].command(world.now, request, &mut world.outs[shard]);
    world.drain();
    let answers = world
        .events
        .extract_if(.., |(_, event)| matches!(event, ShardEvent::Control(Told::Answer { .. })));
    match answers.last() {
        Some((_, ShardEvent::Control(Told::Answer { answer, .. }))) => answer,
        other => panic!("an answer, not {other:?}"),
    }
}

/// Opens a transport in a room on a shard.
fn open(world: &mut World, shard: usize) -> Opened {
    let participant = ParticipantId(1);
    let spec = ParticipantSpec {
        participant,
        identity: "ann".into(),
        stamp: Vec::new(),
        can_publish_data: true,
        can_subscribe: true,
    };
    command(world, shard, Command::Participant(spec));
    let (transport, data) = (TransportId(1), DataRole::Accept);
    match command(world, shard, Command::Open { participant, transport, data }) {
        Answer::Opened(opened) => opened,
        other => panic!("{other:?}"),
    }
}

fn check(opened: &Opened) -> Vec<u8> {
    super::client::write(Class::Request, Method::BINDING, b"transaction!", |writer| {
        writer.username(&format!("{}:remote", opened.ufrag)).priority(1);
        writer.ice_controlling(1).use_candidate();
        writer.integrity(&IntegrityKey::short_term(&opened.pwd)).fingerprint();
    })
}

/// A world with a room on one shard, and a client with a channel to the media address on the first.
fn relayed_participant(
    mut world: World,
    room: usize,
    media: SocketAddr,
) -> (World, Client, Opened) {
    let opened = open(&mut world, room);
    let mut client = Client::new(1);
    world.allocate(&mut client);
    assert_eq!(world.bind(&mut client, CHANNEL, media).code(), 0);

    (world, client, opened)
}

fn checks_are_answered(world: World, room: usize, media: SocketAddr) {
    let (mut world, client, opened) = relayed_participant(world, room, media);
    world.client_sends(&client, &channel_data(CHANNEL, &check(&opened)));

    let got = world.client_got(&client);
    let answer = Message::parse(&got[0][ChannelHeader::LEN..]).unwrap();
    assert_eq!(answer.class(), Class::Success);
    assert_eq!(answer.xor_mapped_address(), Some(client.relayed));
    assert!(answer.verify_integrity(&IntegrityKey::short_term(&opened.pwd)));
    world.client_sends(&client, &channel_data(CHANNEL, &[0x80; 40]));
    assert_eq!(world.outs[room].drops.get(DropReason::NotConnected), 1, "the path is validated");
    assert!(world.sent.is_empty(), "nothing leaves the process");
}

#[test]
fn checks_from_a_relayed_address_are_answered() {
    checks_are_answered(World::new(), 0, address(SERVER));
    checks_are_answered(World::with(2, |_| {}), 1, address(SERVER));
}

#[test]
fn behind_nat_media_is_reached_by_either_address() {
    for media in [SERVER, super::world::PUBLIC] {
        checks_are_answered(World::with(1, behind_nat), 0, address(media));
        checks_are_answered(World::with(2, behind_nat), 1, address(media));
    }
}

#[test]
fn nothing_else_is_answered_inside() {
    let (mut world, mut client, opened) = relayed_participant(World::new(), 0, address(SERVER));
    let mut forged = opened.clone();
    forged.pwd = "another-password-of-ours".replace('-', "+");
    let mut unknown = opened;
    unknown.ufrag = "00unknown0".to_owned();
    let binding = super::client::write(Class::Request, Method::BINDING, &[1; 12], |_| {});
    let allocate = client.request(Method::ALLOCATE, |writer: &mut Writer<'_>| {
        writer.requested_transport(17);
    });
    for datagram in [check(&forged), check(&unknown), binding, allocate] {
        world.client_sends(&client, &channel_data(CHANNEL, &datagram));
    }
    for datagram in [&[0x80; 40][..], &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        world.client_sends(&client, &channel_data(CHANNEL, datagram));
    }
    world.client_sends(&client, &channel_data(CHANNEL, &channel_data(0x4001, b"nested")));

    assert!(world.sent.is_empty());
    assert_eq!(world.drops(DropReason::StunUnauthentic), 1);
    assert_eq!(world.drops(DropReason::UnknownUfrag), 1);
    assert_eq!(world.drops(DropReason::StunUnexpected), 3);
    assert_eq!(world.drops(DropReason::UnknownPath), 2);
}

/// A browser's stand-in behind a channel.
struct Browser {
    rtc: Rtc,
    timeout: Instant,
    connected: bool,
    media: SocketAddr,
}

impl Browser {
    fn new(now: Instant, relayed: SocketAddr, media: SocketAddr, opened: &Opened) -> Self {
        let mut rtc = RtcConfig::new().build(now);
        rtc.add_local_candidate(Candidate::host(relayed, "udp").unwrap());
        rtc.add_remote_candidate(Candidate::host(media, "udp").unwrap());
        let mut api = rtc.direct_api();
        api.set_ice_controlling(true);
        let (ufrag, pass) = (opened.ufrag.clone(), opened.pwd.clone());
        api.set_remote_ice_credentials(IceCreds { ufrag, pass });
        api.set_remote_fingerprint(str0m::crypto::Fingerprint {
            hash_func: "sha-256".into(),
            bytes: opened.fingerprint.digest.clone(),
        });
        api.start_dtls(true).unwrap();
        api.start_sctp(true);

        Self { rtc, timeout: now, connected: false, media }
    }

    fn remote(&mut self) -> Remote {
        let api = self.rtc.direct_api();
        let credentials = api.local_ice_credentials();
        let digest = api.local_dtls_fingerprint().bytes.clone();

        Remote {
            ufrag: credentials.ufrag,
            pwd: credentials.pass,
            fingerprint: Fingerprint { hash: Hash::Sha256, digest },
        }
    }

    fn poll(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.timeout = at;
                    return datagrams;
                }
                Output::Transmit(transmit) => datagrams.push(transmit.contents.to_vec()),
                Output::Event(event) => {
                    self.connected |= matches!(event, str0m::Event::Connected);
                }
            }
        }
    }

    fn receive(&mut self, now: Instant, relayed: SocketAddr, datagram: &[u8]) {
        let receive = Receive::new(Protocol::Udp, self.media, relayed, datagram).unwrap();
        self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
    }
}

fn a_browser_connects(world: World, room: usize) {
    let media = address(SERVER);
    let (mut world, client, opened) = relayed_participant(world, room, media);
    let mut browser = Browser::new(world.now, client.relayed, media, &opened);
    let remote = browser.remote();
    command(&mut world, room, Command::Admit { transport: TransportId(1), remote });
    let end = world.now + Duration::from_secs(5);
    while world.now < end {
        for datagram in browser.poll() {
            world.client_sends(&client, &channel_data(CHANNEL, &datagram));
        }
        for got in world.client_got(&client) {
            browser.receive(world.now, client.relayed, &got[ChannelHeader::LEN..]);
        }
        world.sleep_for(Duration::from_millis(5));
        if browser.timeout <= world.now {
            browser.rtc.handle_input(Input::Timeout(world.now)).unwrap();
        }
    }

    assert!(browser.connected);
    let told = |event: &ShardEvent| {
        matches!(event, ShardEvent::Control(Told::Event(Event::Connected(TransportId(1)))))
    };
    assert!(world.events.iter().any(|(_, event)| told(event)));
    assert!(world.sent.is_empty(), "nothing leaves the process");
}

#[test]
fn a_browser_connects_by_way_of_the_same_shard() {
    a_browser_connects(World::new(), 0);
}

#[test]
fn a_browser_connects_by_way_of_another_shard() {
    a_browser_connects(World::with(2, |_| {}), 1);
}
