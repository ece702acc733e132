//! A client's half of TURN (RFC 8656): requests, what the server answered, and framing of data.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use relay_wire::ChannelHeader;
use relay_wire::stun::{Class, Family, IntegrityKey, Message, Method, Writer};
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// REQUESTED-TRANSPORT's number of UDP.
const UDP: u8 = 17;
/// Bytes of the longest request.
const REQUEST_MAX: usize = 2_048;
/// Seconds that a REST credential is valid: longer than any run.
const REST_LIFETIME_S: u64 = 24 * 3_600;

/// Who a client is.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    /// USERNAME.
    pub(super) user: String,
    /// The password, in clear.
    pub(super) password: String,
}

impl Credentials {
    /// By the REST scheme: a name that expires, and a password that the secret makes of it.
    pub(super) fn of_secret(secret: &str, user: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let user = format!("{}:{user}", now + REST_LIFETIME_S);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        let password = STANDARD.encode(hmac::sign(&key, user.as_bytes()));

        Self { user, password }
    }
}

/// What a request is about, beyond who asks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Request {
    /// A relayed UDP address of a family.
    Allocate(Family),
    /// The allocation ends.
    Release,
    /// The peer's address may send.
    Permit(SocketAddr),
    /// The peer may send, on this channel.
    Bind(u16, SocketAddr),
}

impl Request {
    fn method(self) -> Method {
        match self {
            Self::Allocate(_) => Method::ALLOCATE,
            Self::Release => Method::REFRESH,
            Self::Permit(_) => Method::CREATE_PERMISSION,
            Self::Bind(..) => Method::CHANNEL_BIND,
        }
    }

    /// What it is called in messages to people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Allocate(_) => "Allocate",
            Self::Release => "Refresh",
            Self::Permit(_) => "CreatePermission",
            Self::Bind(..) => "ChannelBind",
        }
    }

    fn write(self, writer: &mut Writer<'_>) {
        match self {
            Self::Allocate(Family::V4) => writer.requested_transport(UDP),
            Self::Allocate(family) => {
                writer.requested_transport(UDP).requested_address_family(family)
            }
            Self::Release => writer.lifetime(0),
            Self::Permit(peer) => writer.xor_peer_address(peer),
            Self::Bind(number, peer) => writer.channel_number(number).xor_peer_address(peer),
        };
    }
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Done; an Allocate has its relayed address.
    Done(Option<SocketAddr>),
    /// Refused, with a code and a reason.
    Refused(u16, String),
}

/// A client's credentials as a server wants them in each request.
#[derive(Clone)]
pub(super) struct Session {
    credentials: Option<Credentials>,
    challenge: Option<Challenge>,
    requests: u64,
    seed: u32,
}

#[derive(Clone)]
struct Challenge {
    realm: String,
    nonce: Vec<u8>,
    key: IntegrityKey,
}

impl Session {
    /// A client before its first request.
    pub(super) fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, challenge: None, requests: 0, seed: rand::random() }
    }

    /// Whether requests carry credentials by now.
    pub(super) fn is_challenged(&self) -> bool {
        self.challenge.is_some()
    }

    /// Writes a new request, with credentials once the server has asked for them.
    pub(super) fn request(&mut self, request: Request) -> Vec<u8> {
        self.requests += 1;
        let mut id = [0; 12];
        id[..4].copy_from_slice(&self.seed.to_be_bytes());
        id[4..].copy_from_slice(&self.requests.to_be_bytes());
        let mut bytes = vec![0; REQUEST_MAX];
        let mut writer = Writer::begin(&mut bytes, Class::Request, request.method(), &id);
        request.write(&mut writer);
        if let Some((credentials, challenge)) =
            self.credentials.as_ref().zip(self.challenge.as_ref())
        {
            writer.username(&credentials.user);
            writer.realm(&challenge.realm).nonce(&challenge.nonce);
            writer.integrity(&challenge.key);
        }
        let len = writer.finish().expect("a request is shorter than its buffer");
        bytes.truncate(len);

        bytes
    }

    /// Reads the answer to a request; `None` if it is none. A challenge in it is kept.
    pub(super) fn answer(&mut self, request: &[u8], bytes: &[u8]) -> Option<Answer> {
        let message = Message::parse(bytes)?;
        if request.get(8..20) != Some(message.transaction_id().as_slice()) {
            return None;
        }
        match message.class() {
            Class::Success => {
                let relayed = message.xor_relayed_addresses().next().and_then(Result::ok);
                Some(Answer::Done(relayed))
            }
            Class::Error => {
                let (code, reason) =
                    message.error_code().map_or((0, ""), |error| (error.code, error.reason));
                self.keep_challenge(&message);
                Some(Answer::Refused(code, reason.to_owned()))
            }
            Class::Request | Class::Indication => None,
        }
    }

    fn keep_challenge(&mut self, message: &Message<'_>) {
        let (Some(credentials), Some(realm), Some(nonce)) =
            (&self.credentials, message.realm(), message.nonce())
        else {
            return;
        };
        let mut digest = Md5::new();
        for part in [&credentials.user, ":", realm, ":"] {
            digest.update(part);
        }
        digest.update(&credentials.password);
        let key = IntegrityKey::new(&digest.finalize());
        self.challenge = Some(Challenge { realm: realm.to_owned(), nonce: nonce.to_vec(), key });
    }
}

/// How a client wraps application data (RFC 8656, sections 11 and 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Framing {
    /// ChannelData on a bound channel.
    Channel,
    /// Send and Data indications.
    Indication,
}

impl Framing {
    /// What stands in front of `size` bytes for a peer; behind it data is padded to 4 bytes where
    /// `padded`.
    pub(super) fn header(self, channel: u16, peer: SocketAddr, size: usize) -> Vec<u8> {
        match self {
            Self::Channel => ChannelHeader { number: channel, len: size as u16 }.write().to_vec(),
            Self::Indication => {
                let mut bytes = vec![0; size + 128];
                let mut writer =
                    Writer::begin(&mut bytes, Class::Indication, Method::SEND, &[7; 12]);
                writer.xor_peer_address(peer);
                writer.data(&vec![0; size]);
                let len = writer.finish().expect("an indication is shorter than its buffer");
                bytes.truncate(len - size.next_multiple_of(4));
                bytes
            }
        }
    }

    /// Whether data ends at a multiple of 4 bytes: always in a STUN message, on streams in
    /// ChannelData (RFC 8656, section 12.5).
    pub(super) fn is_padded(self, stream: bool) -> bool {
        stream || self == Self::Indication
    }
}

/// The application data in what a client received, framed either way.
pub(super) fn data(bytes: &[u8]) -> Option<&[u8]> {
    if let Some(header) = ChannelHeader::parse(bytes) {
        return bytes.get(ChannelHeader::LEN..ChannelHeader::LEN + usize::from(header.len));
    }
    let message = Message::parse(bytes)?;
    let is_data = message.class() == Class::Indication && message.method() == Method::DATA;

    message.data().filter(|_| is_data)
}

/// An Allocate without credentials, and a Binding: what anybody may send. Bytes are as few as the
/// kind needs, for an honest look at how much longer the answers are.
pub(super) fn probe(kind: Probe, id: u64) -> Vec<u8> {
    let mut transaction = [0; 12];
    transaction[4..].copy_from_slice(&id.to_be_bytes());
    let mut bytes = vec![0; 64];
    let method = if kind == Probe::Binding { Method::BINDING } else { Method::ALLOCATE };
    let mut writer = Writer::begin(&mut bytes, Class::Request, method, &transaction);
    if kind == Probe::Allocate {
        Request::Allocate(Family::V4).write(&mut writer);
    }
    let len = writer.finish().expect("a probe is shorter than its buffer");
    bytes.truncate(len);

    bytes
}

/// What strangers send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// A Binding request: 20 bytes.
    Binding,
    /// An Allocate request with nothing in it: 20 bytes.
    Bare,
    /// An Allocate request with REQUESTED-TRANSPORT: 28 bytes.
    Allocate,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_answers_a_challenge_with_the_digest_of_name_realm_and_password() {
        let credentials = Credentials { user: "bob".to_owned(), password: "pw".to_owned() };
        let mut session = Session::new(Some(credentials));
        let request = session.request(Request::Allocate(Family::V4));
        let id = request[8..20].try_into().unwrap();
        let mut bytes = [0; 200];
        let mut writer = Writer::begin(&mut bytes, Class::Error, Method::ALLOCATE, &id);
        writer.error_code(401, "Unauthorized").realm("r").nonce(b"n1");
        let len = writer.finish().unwrap();

        let answer = session.answer(&request, &bytes[..len]);
        let again = session.request(Request::Allocate(Family::V4));

        assert_eq!(answer, Some(Answer::Refused(401, "Unauthorized".to_owned())));
        let message = Message::parse(&again).unwrap();
        let key = IntegrityKey::new(&Md5::digest(b"bob:r:pw"));
        assert!(message.verify_integrity(&key));
        assert_eq!(message.nonce(), Some(&b"n1"[..]));
        assert_eq!(session.answer(&again, &bytes[..len]), None);
    }

    #[test]
    fn data_is_read_from_both_framings() {
        let peer = "192.0.2.7:9".parse().unwrap();
        let mut channel = Framing::Channel.header(0x4001, peer, 3);
        channel.extend_from_slice(b"abc\0");
        assert_eq!(data(&channel), Some(&b"abc"[..]));

        let mut sent = Framing::Indication.header(0x4001, peer, 3);
        sent.extend_from_slice(b"abc\0");
        assert!(Message::parse(&sent).is_some());
        assert_eq!(data(&sent), None, "a Send is not a Data indication");
        let mut bytes = [0; 100];
        let mut writer = Writer::begin(&mut bytes, Class::Indication, Method::DATA, &[1; 12]);
        let len = writer.data(b"abc").finish().unwrap();
        assert_eq!(data(&bytes[..len]), Some(&b"abc"[..]));
    }
}
