//! A STUN server: answers to Binding requests of strangers (RFC 8489, section 6.3; RFC 5780).

use super::attribute;
use super::{ChangeRequest, Class, HEADER_LEN, Message, Method, Writer};
use std::net::SocketAddr;

/// Bytes of the longest answer, but for the PADDING that it returns.
pub const ANSWER_MAX: usize = 256;

/// Attributes that must be understood and are; this server asks nobody for credentials.
const KNOWN: [u16; 8] = [
    attribute::USERNAME,
    attribute::REALM,
    attribute::NONCE,
    attribute::PASSWORD_ALGORITHM,
    attribute::USERHASH,
    attribute::CHANGE_REQUEST,
    attribute::RESPONSE_PORT,
    attribute::PADDING,
];

/// Those of `KNOWN` that are understood by any server: the rest are behaviour discovery's.
const KNOWN_PLAIN: usize = 5;

/// An address that the server listens on, and the one by which clients reach it; they differ
/// behind NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Ours.
    pub local: SocketAddr,
    /// What clients use.
    pub public: SocketAddr,
}

/// An answer in the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The local address that it leaves from: another one than the request came to, if asked for.
    pub from: SocketAddr,
    /// Where it goes: another port than the request came from, if asked for.
    pub to: SocketAddr,
    /// Its bytes.
    pub len: usize,
}

/// Answers Binding requests; knows which of its addresses serve behaviour discovery.
///
/// A datagram with its IP and UDP headers is answered by at most twice its bytes: a bare request
/// from IPv4 (48 bytes) gets at most 96 back, from IPv6 (68) at most 136.
#[derive(Clone, Debug, Default)]
pub struct Responder {
    corners: Vec<Corner>,
}

/// One of four addresses: two IP addresses with the same two ports each (RFC 5780, section 4).
#[derive(Clone, Debug)]
struct Corner {
    here: Endpoint,
    other_port: Endpoint,
    other_ip: Endpoint,
    opposite: Endpoint,
}

impl Responder {
    /// A server on these addresses. Those of them that form a rectangle, two IP addresses of one
    /// family with two ports each, serve behaviour discovery too.
    pub fn new(endpoints: &[Endpoint]) -> Self {
        let corners = endpoints.iter().filter_map(|here| Corner::of(*here, endpoints)).collect();

        Self { corners }
    }

    /// Answers a datagram that came from `remote` to `local`. `None`: it is no Binding request, or
    /// the answer does not fit into `buffer`: `ANSWER_MAX` and the request's length are enough.
    pub fn datagram(
        &self,
        request: &Message<'_>,
        (local, remote): (SocketAddr, SocketAddr),
        buffer: &mut [u8],
    ) -> Option<Answer> {
        if !is_binding(request) {
            return None;
        }
        let corner = self.corners.iter().find(|corner| corner.here.local == local);
        let known = if corner.is_some() { &KNOWN[..] } else { &KNOWN[..KNOWN_PLAIN] };
        let back = |len| Answer { from: local, to: remote, len };
        if request.unknown_required(known).next().is_some() {
            return refuse_unknown(request, known, buffer).map(back);
        }
        let Some(corner) = corner else { return succeed(request, remote, buffer).map(back) };
        let Some(asked) = Asked::of(request) else {
            return refuse(request, buffer).map(back);
        };
        let from = corner.changed(asked.change);
        let to = SocketAddr::new(remote.ip(), asked.port.unwrap_or(remote.port()));
        let len = corner.discover(request, from.public, remote, buffer)?;

        Some(Answer { from: from.local, to, len })
    }

    /// Answers a message that came from `remote` on a connection; returns the answer's bytes. There
    /// is no behaviour discovery on connections. `None`: as for datagrams.
    pub fn stream(
        &self,
        request: &Message<'_>,
        remote: SocketAddr,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let known = &KNOWN[..KNOWN_PLAIN];
        if !is_binding(request) {
            return None;
        }
        if request.unknown_required(known).next().is_some() {
            return refuse_unknown(request, known, buffer);
        }

        succeed(request, remote, buffer)
    }
}

impl Corner {
    fn of(here: Endpoint, all: &[Endpoint]) -> Option<Self> {
        let find = |ip, port| {
            let local = SocketAddr::new(ip, port);
            all.iter().find(|endpoint| endpoint.local == local).copied()
        };
        let (ip, port) = (here.local.ip(), here.local.port());
        let mut candidates = all.iter().filter(|other| {
            let other = other.local;
            other.is_ipv4() == ip.is_ipv4() && other.ip() != ip && other.port() != port
        });

        candidates.find_map(|opposite| {
            let other_port = find(ip, opposite.local.port())?;
            let other_ip = find(opposite.local.ip(), port)?;
            Some(Self { here, other_port, other_ip, opposite: *opposite })
        })
    }

    /// The address that CHANGE-REQUEST asks for.
    fn changed(&self, change: ChangeRequest) -> &Endpoint {
        match (change.ip, change.port) {
            (false, false) => &self.here,
            (false, true) => &self.other_port,
            (true, false) => &self.other_ip,
            (true, true) => &self.opposite,
        }
    }

    /// Writes what fits into twice the request, the most needed first (RFC 5780, section 6.1).
    fn discover(
        &self,
        request: &Message<'_>,
        from: SocketAddr,
        remote: SocketAddr,
        buffer: &mut [u8],
    ) -> Option<usize> {
        let (headers, address_len) = if remote.is_ipv4() { (28, 12) } else { (48, 24) };
        let padding = request.padding();
        let fixed = HEADER_LEN
            + address_len
            + padding.map_or(0, |padding| 4 + padding.len().next_multiple_of(4))
            + if request.has_fingerprint() { 8 } else { 0 };
        let most = headers + 2 * request.bytes().len();
        let more = most.saturating_sub(fixed) / address_len;

        let mut writer = Writer::answer(buffer, Class::Success, request);
        writer.xor_mapped_address(remote);
        if more >= 1 {
            writer.other_address(self.opposite.public);
        }
        if more >= 2 {
            writer.response_origin(from);
        }
        if more >= 3 {
            writer.mapped_address(remote);
        }
        if let Some(padding) = padding {
            writer.attribute(attribute::PADDING, padding);
        }

        close(request, &mut writer)
    }
}

/// What a request wants of behaviour discovery.
struct Asked {
    change: ChangeRequest,
    port: Option<u16>,
}

impl Asked {
    /// `None` if its values are malformed, or exclude each other (RFC 5780, section 6.1).
    fn of(request: &Message<'_>) -> Option<Self> {
        let change = request.change_request().ok()?.unwrap_or_default();
        let port = request.response_port().ok()?;
        let sound = port != Some(0) && (port.is_none() || request.padding().is_none());

        sound.then_some(Self { change, port })
    }
}

fn is_binding(request: &Message<'_>) -> bool {
    (request.class(), request.method()) == (Class::Request, Method::BINDING)
}

fn succeed(request: &Message<'_>, remote: SocketAddr, buffer: &mut [u8]) -> Option<usize> {
    let mut writer = Writer::answer(buffer, Class::Success, request);
    writer.xor_mapped_address(remote);

    close(request, &mut writer)
}

fn refuse_unknown(request: &Message<'_>, known: &[u16], buffer: &mut [u8]) -> Option<usize> {
    let mut writer = Writer::answer(buffer, Class::Error, request);
    writer.error_code(420, "Unknown Attribute").unknown_attributes(request.unknown_required(known));

    close(request, &mut writer)
}

fn refuse(request: &Message<'_>, buffer: &mut [u8]) -> Option<usize> {
    let mut writer = Writer::answer(buffer, Class::Error, request);
    writer.error_code(400, "Bad Request");

    close(request, &mut writer)
}

/// Ends an answer as the request ended.
fn close(request: &Message<'_>, writer: &mut Writer<'_>) -> Option<usize> {
    if request.has_fingerprint() {
        writer.fingerprint();
    }

    writer.finish()
}
