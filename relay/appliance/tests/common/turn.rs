//! A TURN client of a few lines, written from RFC 8656 alone: what it understands, coturn's do.

use md5::{Digest, Md5};
use ring::hmac;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING: u16 = 0x0001;
const ALLOCATE: u16 = 0x0003;
const REFRESH: u16 = 0x0004;
const USERNAME: u16 = 0x0006;
const INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const RELAYED: u16 = 0x0016;
const TRANSPORT: u16 = 0x0019;
const CHANNEL_BIND: u16 = 0x0009;
const CHANNEL_NUMBER: u16 = 0x000c;
const LIFETIME: u16 = 0x000d;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLING: u16 = 0x802a;
/// RFC 8489, section 14.7.
const FINGERPRINT_MASK: u32 = 0x5354_554e;
const UDP: [u8; 4] = [17, 0, 0, 0];

/// How often a request is sent, each time the socket's time after the last.
const TRIES: u32 = 3;

/// An allocation, and whose it is.
pub(crate) struct Allocated {
    socket: UdpSocket,
    /// Where peers would reach it.
    pub(crate) relayed: SocketAddr,
    user: String,
    password: String,
    realm: Vec<u8>,
    nonce: Vec<u8>,
}

/// Allocates over UDP, as one does: a challenge first. An error is the server's code.
pub(crate) fn allocate(server: u16, user: &str, password: &str) -> Result<Allocated, u16> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", server)).unwrap();

    allocate_on(socket, user, password)
}

/// The same on a socket that is connected to the server.
pub(crate) fn allocate_on(socket: UdpSocket, user: &str, password: &str) -> Result<Allocated, u16> {
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let relayed = SocketAddr::from(([0, 0, 0, 0], 0));
    let (user, password) = (user.to_owned(), password.to_owned());
    let mut allocated =
        Allocated { socket, relayed, user, password, realm: Vec::new(), nonce: Vec::new() };
    let challenge = allocated.exchange(&message(ALLOCATE, &[(TRANSPORT, &UDP)]));
    match code(&challenge) {
        Some(401) => {}
        Some(other) => return Err(other),
        None => panic!("an allocation without credentials"),
    }
    allocated.realm = value(&challenge, REALM).unwrap().to_vec();
    allocated.nonce = value(&challenge, NONCE).unwrap().to_vec();
    let answer = allocated.authenticated(ALLOCATE, &[(TRANSPORT, &UDP)]);
    if let Some(code) = code(&answer) {
        return Err(code);
    }
    let address = value(&answer, RELAYED).unwrap();
    let port = u16::from_be_bytes([address[2] ^ COOKIE[0], address[3] ^ COOKIE[1]]);
    let ip: [u8; 4] = std::array::from_fn(|index| address[4 + index] ^ COOKIE[index]);
    allocated.relayed = SocketAddr::from((ip, port));

    Ok(allocated)
}

impl Allocated {
    /// Refreshes it; an error is the server's code.
    pub(crate) fn refresh(&self) -> Result<(), u16> {
        code(&self.authenticated(REFRESH, &[])).map_or(Ok(()), Err)
    }

    /// Binds a channel to a peer of IPv4, or refreshes it; an error is the server's code.
    pub(crate) fn bind(&self, number: u16, peer: SocketAddrV4) -> Result<(), u16> {
        let number = [&number.to_be_bytes()[..], &[0, 0]].concat();
        let mut address = vec![0, 1];
        address.extend(xor(&peer.port().to_be_bytes()));
        address.extend(xor(&peer.ip().octets()));
        let attributes = [(CHANNEL_NUMBER, &number[..]), (XOR_PEER_ADDRESS, &address)];

        code(&self.authenticated(CHANNEL_BIND, &attributes)).map_or(Ok(()), Err)
    }

    /// Ends it; an error is the server's code.
    pub(crate) fn end(&self) -> Result<(), u16> {
        code(&self.authenticated(REFRESH, &[(LIFETIME, &[0; 4])])).map_or(Ok(()), Err)
    }

    /// Sends ChannelData.
    pub(crate) fn send(&self, number: u16, data: &[u8]) {
        let len = (data.len() as u16).to_be_bytes();
        self.socket.send(&[&number.to_be_bytes()[..], &len, data].concat()).unwrap();
    }

    /// What comes next within the socket's time, as it comes.
    pub(crate) fn receive(&self) -> Option<Vec<u8>> {
        let mut bytes = [0; 2_048];
        let len = self.socket.recv(&mut bytes).ok()?;
        Some(bytes[..len].to_vec())
    }

    fn authenticated(&self, method: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let user = self.user.as_bytes();
        let own = [(USERNAME, user), (REALM, &self.realm[..]), (NONCE, &self.nonce[..])];
        let request = message(method, &[attributes, &own].concat());
        let key = [user, &self.realm, self.password.as_bytes()].join(&b':');

        self.exchange(&signed(request, &Md5::digest(key)))
    }

    fn exchange(&self, request: &[u8]) -> Vec<u8> {
        for _ in 0..TRIES {
            self.socket.send(request).unwrap();
            let answer = std::iter::from_fn(|| self.receive()).find(|bytes| bytes[0] < 0x40);
            if let Some(answer) = answer {
                return answer;
            }
        }
        panic!("the server answers");
    }
}

/// An ICE check that nominates (RFC 8445, section 7.2.2), of somebody called `them`.
pub(crate) fn ice_check(ufrag: &str, pwd: &str) -> Vec<u8> {
    let username = format!("{ufrag}:them");
    let attributes = [
        (USERNAME, username.as_bytes()),
        (PRIORITY, &[0, 0, 0, 1]),
        (ICE_CONTROLLING, &[0, 0, 0, 0, 0, 0, 0, 1]),
        (USE_CANDIDATE, &[]),
    ];

    let mut check = signed(message(BINDING, &attributes), pwd.as_bytes());
    tell_length(&mut check, 8);
    let fingerprint = crc32fast::hash(&check) ^ FINGERPRINT_MASK;
    push(&mut check, FINGERPRINT, &fingerprint.to_be_bytes());

    check
}

/// A request with MESSAGE-INTEGRITY (RFC 8489, section 14.5).
fn signed(mut request: Vec<u8>, key: &[u8]) -> Vec<u8> {
    tell_length(&mut request, 24);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let tag = hmac::sign(&key, &request);
    push(&mut request, INTEGRITY, tag.as_ref());

    request
}

/// Ports and IPv4 addresses under the cookie.
fn xor(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    bytes.iter().zip(COOKIE).map(|(byte, mask)| byte ^ mask)
}

fn message(method: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = [&method.to_be_bytes()[..], &[0, 0], &COOKIE, b"transaction."].concat();
    for (kind, value) in attributes {
        push(&mut bytes, *kind, value);
    }
    tell_length(&mut bytes, 0);
    bytes
}

/// Writes the length that a message has with so many bytes more.
fn tell_length(message: &mut [u8], more: usize) {
    let len = (message.len() - 20 + more) as u16;
    message[2..4].copy_from_slice(&len.to_be_bytes());
}

fn push(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    bytes.extend(kind.to_be_bytes());
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn value(message: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = &message[20..];
    while let [k0, k1, l0, l1, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        if u16::from_be_bytes([*k0, *k1]) == wanted {
            return Some(&tail[..len]);
        }
        rest = &tail[len.next_multiple_of(4)..];
    }
    None
}

fn code(message: &[u8]) -> Option<u16> {
    let value = value(message, ERROR_CODE)?;
    Some(u16::from(value[2]) * 100 + u16::from(value[3]))
}
