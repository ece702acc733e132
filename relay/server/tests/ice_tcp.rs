//! An independent WebRTC stack in a room, over TCP alone (RFC 6544, passive).
#![allow(missing_docs, clippy::unwrap_used)]

mod world;

use relay_wire::control::{
    Answer, Command, DataRole, Fingerprint, Hash, Opened, ParticipantId, Remote, TransportId,
};
use std::time::Instant;
use str0m::channel::{ChannelConfig, ChannelId};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::{Candidate, Event, IceCreds, Input, Output, Rtc, RtcConfig};
use world::streams::Client as Stream;
use world::{BACKENDS, PATIENCE, World};

const ROOM: u64 = 1;

/// A str0m instance behind one connection.
struct Client {
    rtc: Rtc,
    stream: Stream,
    timeout: Instant,
    channels: Vec<(ChannelId, String)>,
    messages: Vec<Vec<u8>>,
}

impl Client {
    /// Participant `number` of the room, on a connection of his own.
    fn join(world: &World, number: u64, data: DataRole) -> Self {
        let now = Instant::now();
        let mut rtc = RtcConfig::new().build(now);
        let remote = remote(&mut rtc);
        let (participant, transport) = (ParticipantId(number), TransportId(number));
        assert_eq!(world.ask(1, ROOM, world::participant(number)), Answer::Done);
        let Answer::Opened(opened) =
            world.ask(2, ROOM, Command::Open { participant, transport, data })
        else {
            panic!("the transport was not opened");
        };
        assert_eq!(world.ask(3, ROOM, Command::Admit { transport, remote }), Answer::Done);
        if data == DataRole::Accept {
            let label = "_reliable".into();
            rtc.direct_api().create_data_channel(ChannelConfig { label, ..Default::default() });
        }
        let stream = Stream::ice(opened.candidates_tcp[0]);
        start(&mut rtc, &stream, &opened);
        stream.socket().set_nonblocking(true).unwrap();

        Self { rtc, stream, timeout: now, channels: Vec::new(), messages: Vec::new() }
    }

    /// Sends and receives what there is.
    fn turn(&mut self) {
        let now = Instant::now();
        if self.timeout <= now {
            self.rtc.handle_input(Input::Timeout(now)).unwrap();
        }
        self.poll();
        while let Some(message) = self.stream.poll() {
            let (from, to) = (self.stream.socket().peer_addr().unwrap(), self.stream.local());
            let receive = Receive::new(Protocol::Tcp, from, to, &message).unwrap();
            self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
            self.poll();
        }
    }

    fn poll(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.timeout = at;
                    return;
                }
                Output::Transmit(transmit) => self.stream.send(&transmit.contents),
                Output::Event(Event::ChannelOpen(id, label)) => self.channels.push((id, label)),
                Output::Event(Event::ChannelData(data)) => self.messages.push(data.data.to_vec()),
                Output::Event(_) => {}
            }
        }
    }

    fn reliable(&self) -> Option<ChannelId> {
        self.channels.iter().find(|(_, label)| label == "_reliable").map(|(id, _)| *id)
    }
}

fn remote(rtc: &mut Rtc) -> Remote {
    let api = rtc.direct_api();
    let IceCreds { ufrag, pass: pwd } = api.local_ice_credentials();
    let digest = api.local_dtls_fingerprint().bytes.clone();

    Remote { ufrag, pwd, fingerprint: Fingerprint { hash: Hash::Sha256, digest } }
}

fn start(rtc: &mut Rtc, stream: &Stream, opened: &Opened) {
    let (ours, theirs) = (stream.local(), stream.socket().peer_addr().unwrap());
    let host = |address, kind| Candidate::builder().tcp().host(address).tcptype(kind).build();
    rtc.add_local_candidate(host(ours, TcpType::Active).unwrap());
    rtc.add_remote_candidate(host(theirs, TcpType::Passive).unwrap());
    let mut api = rtc.direct_api();
    api.set_ice_controlling(true);
    let (ufrag, pass) = (opened.ufrag.clone(), opened.pwd.clone());
    api.set_remote_ice_credentials(IceCreds { ufrag, pass });
    let (hash_func, bytes) = ("sha-256".into(), opened.fingerprint.digest.clone());
    api.set_remote_fingerprint(str0m::crypto::Fingerprint { hash_func, bytes });
    api.start_dtls(true).unwrap();
    api.start_sctp(true);
}

/// Lets both clients talk until something holds.
fn until(clients: &mut [Client; 2], what: &str, mut done: impl FnMut(&mut [Client; 2]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done(clients) {
        assert!(Instant::now() < deadline, "never {what}");
        clients.iter_mut().for_each(Client::turn);
        std::thread::yield_now();
    }
}

/// LiveKit's `DataPacket { user: UserPacket { payload } }` with a payload of 60,000 bytes.
fn long_packet() -> Vec<u8> {
    let mut message = vec![0x12, 0xe4, 0xd4, 0x03, 0x12, 0xe0, 0xd4, 0x03];
    message.extend((0..60_000_u32).map(|byte| byte as u8));

    message
}

#[test]
fn two_people_behind_udp_blocking_networks_exchange_data() {
    for io in BACKENDS {
        for shards in [1, 2] {
            let world = World::new(io, shards);
            let mut clients = [
                Client::join(&world, 1, DataRole::Accept),
                Client::join(&world, 2, DataRole::Open),
            ];
            until(&mut clients, "connected", |clients| {
                clients.iter().all(|client| client.reliable().is_some())
            });
            let message = long_packet();
            until(&mut clients, "sent", |[from, _]| {
                let id = from.reliable().unwrap();
                from.rtc.channel(id).unwrap().write(true, &message).unwrap()
            });
            until(&mut clients, "received", |[_, to]| {
                to.messages.iter().any(|got| got.starts_with(&message))
            });

            assert_eq!(world.metric("millrace_relay_datagrams_total", ""), 0, "{io:?}");
        }
    }
}
