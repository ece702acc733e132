//! A TURN client: it remembers its credentials, and writes and reads messages.

use super::world::{SERVER, address};
use relay_shard::Path;
use relay_wire::ChannelHeader;
use relay_wire::stun::{Class, IntegrityKey, Message, Method, TransactionId, Writer};
use std::net::SocketAddr;

/// A client with its path and credentials.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) path: Path,
    /// The shard whose socket its packets come to.
    pub(crate) shard: usize,
    /// The shard that must answer, if that matters.
    pub(crate) answered_by: Option<usize>,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) realm: String,
    pub(crate) nonce: Vec<u8>,
    pub(crate) relayed: SocketAddr,
    pub(crate) transaction: TransactionId,
}

impl Client {
    pub(crate) fn new(number: u8) -> Self {
        let remote = SocketAddr::new([198, 51, 100, number].into(), 5_000);

        Self::at(Path::udp(address(SERVER), remote))
    }

    pub(crate) fn tcp(number: u8) -> Self {
        let remote = SocketAddr::new([198, 51, 100, number].into(), 5_000);

        Self::at(Path::tcp(address(SERVER), remote))
    }

    pub(crate) fn at(path: Path) -> Self {
        Self {
            path,
            shard: 0,
            answered_by: None,
            user: "ann".to_owned(),
            password: "secret".to_owned(),
            realm: String::new(),
            nonce: Vec::new(),
            relayed: address("0.0.0.0:0"),
            transaction: [0; 12],
        }
    }

    pub(crate) fn on_shard(mut self, shard: usize) -> Self {
        self.shard = shard;
        self
    }

    pub(crate) fn named(mut self, user: &str, password: &str) -> Self {
        (self.user, self.password) = (user.to_owned(), password.to_owned());
        self
    }

    /// A request without credentials.
    pub(crate) fn bare(&mut self, method: Method, add: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
        self.next_transaction();

        write(Class::Request, method, &self.transaction, |writer| add(writer))
    }

    /// A request with credentials.
    pub(crate) fn request(&mut self, method: Method, add: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
        self.next_transaction();
        let key = self.key();

        write(Class::Request, method, &self.transaction, |writer| {
            add(writer);
            writer.username(&self.user).realm(&self.realm).nonce(&self.nonce).integrity(&key);
        })
    }

    /// A Send indication.
    pub(crate) fn send(&mut self, peer: SocketAddr, data: &[u8]) -> Vec<u8> {
        self.indication(|writer| {
            writer.xor_peer_address(peer).data(data);
        })
    }

    pub(crate) fn indication(&mut self, add: impl Fn(&mut Writer<'_>)) -> Vec<u8> {
        self.next_transaction();

        write(Class::Indication, Method::SEND, &self.transaction, add)
    }

    /// Takes realm and nonce from a challenge.
    pub(crate) fn learn(&mut self, challenge: &Reply) {
        let message = challenge.message();
        self.realm = message.realm().expect("a realm").to_owned();
        self.nonce = message.nonce().expect("a nonce").to_vec();
    }

    pub(crate) fn key(&self) -> IntegrityKey {
        let text = format!("{}:{}:{}", self.user, self.realm, self.password);

        IntegrityKey::new(&md5(text.as_bytes()))
    }

    fn next_transaction(&mut self) {
        let [.., last, _, _] = &mut self.transaction;
        *last = last.wrapping_add(1);
        let [.., low] = self.path.remote.port().to_be_bytes();
        self.transaction[0] = low;
        if let std::net::IpAddr::V4(ip) = self.path.remote.ip() {
            self.transaction[1] = ip.octets()[3];
        }
    }
}

/// The password that a secret makes of a REST user name.
pub(crate) fn rest_password(secret: &str, name: &str) -> String {
    use base64::Engine;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
    let tag = ring::hmac::sign(&key, name.as_bytes());

    base64::engine::general_purpose::STANDARD.encode(tag)
}

fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest;

    md5::Md5::digest(bytes).into()
}

pub(crate) fn write(
    class: Class,
    method: Method,
    transaction: &TransactionId,
    add: impl Fn(&mut Writer<'_>),
) -> Vec<u8> {
    let mut buffer = vec![0; 70_000];
    let mut writer = Writer::begin(&mut buffer, class, method, transaction);
    add(&mut writer);
    let len = writer.finish().unwrap();
    buffer.truncate(len);

    buffer
}

/// ChannelData, without padding.
pub(crate) fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let header = ChannelHeader { number, len: data.len() as u16 }.write();

    [&header, data].concat()
}

/// A Data indication's peer and data.
pub(crate) fn data_of(bytes: &[u8]) -> (SocketAddr, Vec<u8>) {
    let message = Message::parse(bytes).expect("a message");
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));

    (message.xor_peer_address().unwrap().unwrap(), message.data().expect("data").to_vec())
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    key: Option<IntegrityKey>,
}

impl Reply {
    /// Checks that it answers the client's last request.
    pub(crate) fn new(bytes: Vec<u8>, client: &Client) -> Self {
        let reply = Self { bytes, key: (!client.nonce.is_empty()).then(|| client.key()) };
        assert_eq!(*reply.message().transaction_id(), client.transaction);

        reply
    }

    pub(crate) fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).expect("a message")
    }

    /// The error's code, 0 for success.
    pub(crate) fn code(&self) -> u16 {
        let message = self.message();
        match message.class() {
            Class::Success => 0,
            _ => message.error_code().expect("a code").code,
        }
    }

    pub(crate) fn is_signed(&self) -> bool {
        self.key.as_ref().is_some_and(|key| self.message().verify_integrity(key))
    }

    pub(crate) fn lifetime(&self) -> u32 {
        self.message().lifetime().unwrap().expect("a lifetime")
    }

    pub(crate) fn relayed(&self) -> Vec<SocketAddr> {
        self.message().xor_relayed_addresses().map(|address| address.unwrap()).collect()
    }

    pub(crate) fn token(&self) -> [u8; 8] {
        self.message().reservation_token().unwrap().expect("a token")
    }

    pub(crate) fn ticket(&self) -> Vec<u8> {
        self.message().mobility_ticket().expect("a ticket").to_vec()
    }
}
