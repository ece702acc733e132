//! A TURN client on a UDP socket, or on a connection of TCP or TLS.

use super::world::{PATIENCE, streams};
use md5::{Digest, Md5};
use relay_wire::ChannelHeader;
use relay_wire::stun::{Class, Family, Icmp, IntegrityKey, Message, Method, TransactionId, Writer};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) const USER: &str = "ann";
pub(crate) const PASSWORD: &str = "secret";

/// No two requests have the same identifier: a client may get the port of one that is gone, and
/// must not be taken for it.
static TRANSACTIONS: AtomicU64 = AtomicU64::new(0);

/// What a client gets of its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Data(SocketAddr, Vec<u8>),
    Channel(u16, Vec<u8>),
    Icmp(SocketAddr, Icmp),
}

/// What carries a client's messages.
enum Carrier {
    Udp(Arc<UdpSocket>, SocketAddr),
    Stream(Mutex<streams::Client>),
}

impl Carrier {
    fn send(&self, message: &[u8]) {
        match self {
            Self::Udp(socket, server) => drop(socket.send_to(message, server).unwrap()),
            Self::Stream(client) => {
                let padding = message.len().next_multiple_of(4) - message.len();
                client.lock().unwrap().write(&[message, &[0; 3][..padding]].concat());
            }
        }
    }

    fn receive(&self) -> Vec<u8> {
        match self {
            Self::Udp(socket, _) => {
                let mut buffer = vec![0; 2_048];
                let len = socket.recv(&mut buffer).unwrap();
                buffer.truncate(len);
                buffer
            }
            Self::Stream(client) => client.lock().unwrap().read(),
        }
    }

    fn local(&self) -> SocketAddr {
        match self {
            Self::Udp(socket, _) => socket.local_addr().unwrap(),
            Self::Stream(client) => client.lock().unwrap().local(),
        }
    }
}

/// A client with its credentials; it asks and waits.
pub(crate) struct Client {
    carrier: Carrier,
    server: SocketAddr,
    user: String,
    realm: String,
    nonce: Vec<u8>,
    pub(crate) relayed: SocketAddr,
}

impl Client {
    pub(crate) fn new(server: SocketAddr) -> Self {
        Self::named(server, USER)
    }

    pub(crate) fn named(server: SocketAddr, user: &str) -> Self {
        let socket = UdpSocket::bind((server.ip(), 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();

        Self::over(Carrier::Udp(Arc::new(socket), server), server, user)
    }

    /// A client on this one's socket, at another address of the server.
    pub(crate) fn beside(&self, server: SocketAddr) -> Self {
        match &self.carrier {
            Carrier::Udp(socket, _) => {
                Self::over(Carrier::Udp(socket.clone(), server), server, &self.user)
            }
            Carrier::Stream(_) => panic!("a connection has one client"),
        }
    }

    /// A client on a connection.
    pub(crate) fn connected(client: streams::Client) -> Self {
        let server = client.socket().peer_addr().unwrap();

        Self::over(Carrier::Stream(Mutex::new(client)), server, USER)
    }

    fn over(carrier: Carrier, server: SocketAddr, user: &str) -> Self {
        Self {
            carrier,
            server,
            user: user.to_owned(),
            realm: String::new(),
            nonce: Vec::new(),
            relayed: server,
        }
    }

    /// The socket of a client on UDP.
    pub(crate) fn socket(&self) -> &UdpSocket {
        match &self.carrier {
            Carrier::Udp(socket, _) => socket,
            Carrier::Stream(_) => panic!("a client on a connection has no datagrams"),
        }
    }

    /// Reads to the end of the connection.
    pub(crate) fn await_end(&self) {
        match &self.carrier {
            Carrier::Udp(..) => panic!("datagrams have no end"),
            Carrier::Stream(client) => client.lock().unwrap().drain(),
        }
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.carrier.local()
    }

    pub(crate) fn allocate(&mut self) -> SocketAddr {
        self.try_allocate().unwrap();

        self.relayed
    }

    /// Allocates, or returns the error's code.
    pub(crate) fn try_allocate(&mut self) -> Result<(), u16> {
        let family = Family::of(&self.server);
        let answer = self.ask(Method::ALLOCATE, |writer| {
            writer.requested_transport(17).requested_address_family(family);
        })?;
        let message = Message::parse(&answer).unwrap();
        assert_eq!(message.xor_mapped_address(), Some(self.local()));
        self.relayed = message.xor_relayed_addresses().next().unwrap().unwrap();

        Ok(())
    }

    /// Allocates an even port, and then the next one for a client on another socket.
    pub(crate) fn allocate_pair(&mut self) -> Self {
        let answer = self.ask(Method::ALLOCATE, |writer| {
            writer.requested_transport(17).even_port(true);
        });
        let answer = answer.unwrap();
        let message = Message::parse(&answer).unwrap();
        self.relayed = message.xor_relayed_addresses().next().unwrap().unwrap();
        let token = message.reservation_token().unwrap().unwrap();
        let mut other = Self::named(self.server, &self.user);
        let answer = other.ask(Method::ALLOCATE, |writer| {
            writer.requested_transport(17).reservation_token(&token);
        });
        let answer = answer.unwrap();
        let message = Message::parse(&answer).unwrap();
        other.relayed = message.xor_relayed_addresses().next().unwrap().unwrap();
        assert_eq!(other.relayed.port(), self.relayed.port() + 1);

        other
    }

    pub(crate) fn permit(&mut self, peer: SocketAddr) -> Result<(), u16> {
        self.ask(Method::CREATE_PERMISSION, |writer| {
            writer.xor_peer_address(peer);
        })
        .map(drop)
    }

    pub(crate) fn bind(&mut self, number: u16, peer: SocketAddr) -> Result<(), u16> {
        self.ask(Method::CHANNEL_BIND, |writer| {
            writer.channel_number(number).xor_peer_address(peer);
        })
        .map(drop)
    }

    pub(crate) fn refresh(&mut self, seconds: u32) -> Result<(), u16> {
        self.ask(Method::REFRESH, |writer| {
            writer.lifetime(seconds);
        })
        .map(drop)
    }

    pub(crate) fn send(&mut self, peer: SocketAddr, data: &[u8]) {
        let indication = self.write(Class::Indication, Method::SEND, |writer| {
            writer.xor_peer_address(peer).data(data);
        });
        self.carrier.send(&indication);
    }

    pub(crate) fn channel(number: u16, data: &[u8]) -> Vec<u8> {
        let header = ChannelHeader { number, len: data.len() as u16 };

        [&header.write(), data].concat()
    }

    pub(crate) fn send_channel(&self, number: u16, data: &[u8]) {
        self.carrier.send(&Self::channel(number, data));
    }

    /// The next that comes of a peer.
    pub(crate) fn get(&self) -> Got {
        let bytes = self.read();
        if let Some(header) = ChannelHeader::parse(&bytes) {
            let data = &bytes[ChannelHeader::LEN..][..header.len.into()];
            return Got::Channel(header.number, data.to_vec());
        }
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
        let peer = message.xor_peer_address().unwrap().unwrap();

        match message.icmp().unwrap() {
            Some(icmp) => Got::Icmp(peer, icmp),
            None => Got::Data(peer, message.data().unwrap().to_vec()),
        }
    }

    /// Asks with credentials, after a challenge if that is still to come.
    pub(crate) fn ask(
        &mut self,
        method: Method,
        add: impl Fn(&mut Writer<'_>),
    ) -> Result<Vec<u8>, u16> {
        if self.nonce.is_empty() {
            let bare = self.write(Class::Request, method, &add);
            let challenge = self.exchange(&bare);
            let challenge = Message::parse(&challenge).unwrap();
            assert_eq!(challenge.error_code().unwrap().code, 401);
            self.realm = challenge.realm().unwrap().to_owned();
            self.nonce = challenge.nonce().unwrap().to_vec();
        }
        let text = format!("{}:{}:{PASSWORD}", self.user, self.realm);
        let key = IntegrityKey::new(&Md5::digest(text));
        let (user, realm, nonce) = (self.user.clone(), self.realm.clone(), self.nonce.clone());
        let request = self.write(Class::Request, method, |writer| {
            add(writer);
            writer.username(&user).realm(&realm).nonce(&nonce).integrity(&key);
        });
        let answer = self.exchange(&request);
        let message = Message::parse(&answer).unwrap();
        match message.error_code() {
            Some(error) => Err(error.code),
            None => {
                assert!(message.class() == Class::Success && message.verify_integrity(&key));
                Ok(answer)
            }
        }
    }

    fn exchange(&self, request: &[u8]) -> Vec<u8> {
        self.carrier.send(request);
        let id = *Message::parse(request).unwrap().transaction_id();
        loop {
            let bytes = self.read();
            let message = Message::parse(&bytes);
            if message.is_some_and(|m| *m.transaction_id() == id) {
                return bytes;
            }
        }
    }

    fn read(&self) -> Vec<u8> {
        self.carrier.receive()
    }

    fn write(
        &mut self,
        class: Class,
        method: Method,
        add: impl FnOnce(&mut Writer<'_>),
    ) -> Vec<u8> {
        let mut id: TransactionId = [0; 12];
        id[..8].copy_from_slice(&TRANSACTIONS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let mut buffer = vec![0; 2_048];
        let mut writer = Writer::begin(&mut buffer, class, method, &id);
        add(&mut writer);
        let len = writer.finish().unwrap();
        buffer.truncate(len);

        buffer
    }
}
