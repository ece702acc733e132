//! A shard and `turn-server-proto`, another implementation of TURN, side by side in virtual time.

use super::client::Client;
use super::world::{SERVER, World, address};
use relay_shard::Path;
use relay_wire::ChannelHeader;
use relay_wire::stun::{Class, Family, Message, Method, Writer};
use std::net::SocketAddr;
use std::time::Duration;
use turn_server_proto::api::{Transmit, TurnServerApi, TurnServerPollRet};
use turn_server_proto::server::TurnServer;
use turn_types::stun::TransportType;
use turn_types::transmit::TransmitBuild;
use turn_types::{AddressFamily, Instant as TheirInstant};

/// A packet that left a server: from where, to where, what.
type Left = (SocketAddr, SocketAddr, Vec<u8>);

/// Writes a request's attributes.
pub(crate) type Add<'a> = &'a dyn Fn(&mut Writer<'_>);

/// A shard and the other server, and clients that talk to both from the same addresses.
pub(crate) struct Both {
    world: World,
    theirs: TurnServer,
    their_now: TheirInstant,
    /// What their driver gives for the sockets that they ask for: what ours had.
    sockets: Vec<SocketAddr>,
    pub(crate) clients: Vec<[Client; 2]>,
    /// Relayed addresses by client.
    relayed: Vec<Vec<SocketAddr>>,
}

impl Both {
    pub(crate) fn new() -> Self {
        let mut theirs = TurnServer::new(TransportType::Udp, address(SERVER), "theirs".to_owned());
        theirs.add_user("ann".to_owned(), "secret".to_owned());
        theirs.add_user("bob".to_owned(), "other".to_owned());
        let clients = [Client::new(1), Client::new(2).named("bob", "other"), Client::new(3)];
        let clients = clients.map(|client| [client.clone(), client]);
        let mut both = Self {
            world: World::new(),
            theirs,
            their_now: TheirInstant::ZERO,
            sockets: Vec::new(),
            relayed: vec![Vec::new(); clients.len()],
            clients: clients.into(),
        };
        for client in 0..both.clients.len() {
            let codes = both.send_bare(client, Method::ALLOCATE, &|writer| {
                writer.requested_transport(17);
            });
            assert_eq!(codes, [401, 401]);
        }

        both
    }

    /// One client with an allocation of both families.
    pub(crate) fn allocated() -> Self {
        let mut both = Self::new();
        let codes = both.ask(0, Method::ALLOCATE, &|writer| {
            writer.requested_transport(17).additional_address_family(Family::V6);
        });
        assert_eq!(codes, [0, 0]);

        both
    }

    /// Asks both with credentials, and again with a new nonce if that is what they want; returns
    /// the error codes, ours first, 0 for success.
    pub(crate) fn ask(&mut self, client: usize, method: Method, add: Add<'_>) -> [u16; 2] {
        let ours = self.ask_ours(client, method, add);
        let theirs = self.ask_theirs(client, method, add);
        let answers = [&ours, &theirs].map(|bytes| Message::parse(bytes).expect("a message"));
        let codes = answers.map(|answer| answer.error_code().map_or(0, |error| error.code));
        if codes == [0, 0] {
            let [ours, theirs] = answers;
            assert_eq!(ours.lifetime(), theirs.lifetime());
            assert_eq!(ours.xor_mapped_address(), theirs.xor_mapped_address());
            let [mut ours, mut theirs] = [ours, theirs].map(relayed);
            ours.sort_unstable();
            theirs.sort_unstable();
            assert_eq!(ours, theirs);
        }

        codes
    }

    fn ask_ours(&mut self, client: usize, method: Method, add: Add<'_>) -> Vec<u8> {
        for _ in 0..2 {
            let [ours, _] = &mut self.clients[client];
            let bytes = ours.request(method, add);
            let answer = self.ours_takes(client, &bytes).pop().expect("an answer").2;
            let message = Message::parse(&answer).expect("a message");
            if !learns(&mut self.clients[client][0], &message) {
                if method == Method::ALLOCATE && message.class() == Class::Success {
                    self.relayed[client] = relayed(message);
                }
                return answer;
            }
        }
        panic!("a new nonce is stale");
    }

    fn ask_theirs(&mut self, client: usize, method: Method, add: Add<'_>) -> Vec<u8> {
        self.sockets = self.relayed[client].clone();
        for _ in 0..2 {
            let [_, theirs] = &mut self.clients[client];
            let bytes = theirs.request(method, add);
            let answer = self.theirs_takes(client, &bytes).pop().expect("an answer").2;
            let message = Message::parse(&answer).expect("a message");
            if !learns(&mut self.clients[client][1], &message) {
                return answer;
            }
        }
        panic!("a new nonce is stale");
    }

    /// Asks both without credentials; they learn what the challenge says.
    pub(crate) fn send_bare(&mut self, client: usize, method: Method, add: Add<'_>) -> [u16; 2] {
        let [ours, theirs] = self.clients[client].clone().map(|mut of| of.bare(method, add));

        self.send_both(client, [&ours, &theirs], true)
    }

    pub(crate) fn send_both(&mut self, client: usize, bytes: [&[u8]; 2], learn: bool) -> [u16; 2] {
        let ours = self.ours_takes(client, bytes[0]).pop().expect("an answer").2;
        let theirs = self.theirs_takes(client, bytes[1]).pop().expect("an answer").2;
        let answers = [&ours, &theirs].map(|bytes| Message::parse(bytes).expect("a message"));
        for (client, answer) in self.clients[client].iter_mut().zip(&answers) {
            if learn {
                learns(client, answer);
            }
        }

        answers.map(|answer| answer.error_code().map_or(0, |error| error.code))
    }

    fn ours_takes(&mut self, client: usize, bytes: &[u8]) -> Vec<Left> {
        let path = self.clients[client][0].path;

        self.world_takes(path, bytes)
    }

    fn world_takes(&mut self, path: Path, bytes: &[u8]) -> Vec<Left> {
        self.world.sent.clear();
        self.world.receive(0, path, bytes);
        let sent = std::mem::take(&mut self.world.sent);

        sent.into_iter().map(|sent| (sent.path.local, sent.path.remote, sent.bytes)).collect()
    }

    fn theirs_takes(&mut self, client: usize, bytes: &[u8]) -> Vec<Left> {
        let path = self.clients[client][1].path;

        self.they_take(path.remote, path.local, bytes)
    }

    fn they_take(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Vec<Left> {
        let packet = Transmit::new(bytes, TransportType::Udp, from, to);
        let sent = self.theirs.recv(packet, self.their_now).map(TransmitBuild::build);
        let mut left: Vec<Left> =
            sent.into_iter().map(|packet| (packet.from, packet.to, packet.data)).collect();
        self.drive_theirs();
        while let Some(packet) = self.theirs.poll_transmit(self.their_now) {
            left.push((packet.from, packet.to, packet.data));
        }

        left
    }

    fn drive_theirs(&mut self) {
        loop {
            let (transport, listen_addr, client_addr, allocation_transport, family) =
                match self.theirs.poll(self.their_now) {
                    TurnServerPollRet::WaitUntil(_) => return,
                    TurnServerPollRet::AllocateSocket {
                        transport,
                        listen_addr,
                        client_addr,
                        allocation_transport,
                        family,
                    } => (transport, listen_addr, client_addr, allocation_transport, family),
                    _ => continue,
                };
            let v4 = family == AddressFamily::IPV4;
            let socket = self.sockets.iter().find(|socket| socket.is_ipv4() == v4).copied();
            // Where ours refused, theirs may go on.
            let other = address(if v4 { "192.0.2.1:65000" } else { "[2001:db8::1]:65000" });
            self.theirs.allocated_socket(
                transport,
                listen_addr,
                client_addr,
                allocation_transport,
                family,
                Ok(socket.unwrap_or(other)),
                self.their_now,
            );
        }
    }

    pub(crate) fn sleep(&mut self, duration: Duration) {
        self.world.sleep_for(duration);
        self.their_now += duration;
        self.drive_theirs();
    }

    /// A client's data comes out at the same peer, or nowhere.
    pub(crate) fn relay_up(&mut self, client: usize, bytes: &[u8]) {
        let (ours, theirs) = (self.ours_takes(client, bytes), self.theirs_takes(client, bytes));
        assert_eq!(ours, theirs);
    }

    /// A peer's data reaches the client in the same form, or not at all.
    pub(crate) fn relay_down(&mut self, client: usize, from: SocketAddr, data: &[u8]) {
        let mut relayed = self.relayed[client].iter();
        let relayed = relayed.find(|relayed| relayed.is_ipv4() == from.is_ipv4()).copied();
        let Some(relayed) = relayed else { return };
        let ours = self.world_takes(Path::peer(relayed, from), data);
        let theirs = self.they_take(from, relayed, data);
        let read = |left: Vec<Left>| left.into_iter().map(delivery).collect::<Vec<_>>();
        assert_eq!(read(ours), read(theirs));
    }
}

/// What a client got: where, in which channel or from which peer, and the data.
fn delivery((_, to, bytes): Left) -> (SocketAddr, Option<u16>, Option<SocketAddr>, Vec<u8>) {
    if let Some(header) = ChannelHeader::parse(&bytes) {
        let data = bytes[ChannelHeader::LEN..][..header.len.into()].to_vec();
        return (to, Some(header.number), None, data);
    }
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
    let peer = message.xor_peer_address().expect("a sound address");

    (to, None, peer, message.data().expect("data").to_vec())
}

fn relayed(message: Message<'_>) -> Vec<SocketAddr> {
    message.xor_relayed_addresses().map(|address| address.expect("a sound address")).collect()
}

/// Takes realm and nonce from a challenge, if it is one that calls for another attempt.
fn learns(client: &mut Client, answer: &Message<'_>) -> bool {
    let code = answer.error_code().map_or(0, |error| error.code);
    let (Some(realm), Some(nonce)) = (answer.realm(), answer.nonce()) else { return false };
    let first = code == 401 && client.nonce.is_empty();
    if code == 438 || first {
        client.realm = realm.to_owned();
        client.nonce = nonce.to_vec();
    }

    code == 438
}
