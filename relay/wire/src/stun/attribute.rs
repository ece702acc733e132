//! Attribute types, and the addresses in attributes (RFC 8489, section 14 and 18.3).

use super::{MAGIC_COOKIE, TransactionId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// RFC 8489, section 14.1.
pub const MAPPED_ADDRESS: u16 = 0x0001;
/// RFC 5780, section 7.2.
pub const CHANGE_REQUEST: u16 = 0x0003;
/// RFC 8489, section 14.3.
pub const USERNAME: u16 = 0x0006;
/// RFC 8489, section 14.5.
pub const MESSAGE_INTEGRITY: u16 = 0x0008;
/// RFC 8489, section 14.8.
pub const ERROR_CODE: u16 = 0x0009;
/// RFC 8489, section 14.13.
pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
/// RFC 8656, section 18.1.
pub const CHANNEL_NUMBER: u16 = 0x000c;
/// RFC 8656, section 18.2.
pub const LIFETIME: u16 = 0x000d;
/// RFC 8656, section 18.3.
pub const XOR_PEER_ADDRESS: u16 = 0x0012;
/// RFC 8656, section 18.4.
pub const DATA: u16 = 0x0013;
/// RFC 8489, section 14.9.
pub const REALM: u16 = 0x0014;
/// RFC 8489, section 14.10.
pub const NONCE: u16 = 0x0015;
/// RFC 8656, section 18.5.
pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
/// RFC 8656, section 18.6.
pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
/// RFC 8656, section 18.7.
pub const EVEN_PORT: u16 = 0x0018;
/// RFC 8656, section 18.8.
pub const REQUESTED_TRANSPORT: u16 = 0x0019;
/// RFC 8656, section 18.9.
pub const DONT_FRAGMENT: u16 = 0x001a;
/// RFC 8489, section 14.6.
pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
/// RFC 8489, section 14.12.
pub const PASSWORD_ALGORITHM: u16 = 0x001d;
/// RFC 8489, section 14.4.
pub const USERHASH: u16 = 0x001e;
/// RFC 8489, section 14.2.
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// RFC 8656, section 18.10.
pub const RESERVATION_TOKEN: u16 = 0x0022;
/// RFC 8445, section 16.1.
pub const PRIORITY: u16 = 0x0024;
/// RFC 8445, section 16.1.
pub const USE_CANDIDATE: u16 = 0x0025;
/// RFC 5780, section 7.6.
pub const PADDING: u16 = 0x0026;
/// RFC 5780, section 7.5.
pub const RESPONSE_PORT: u16 = 0x0027;
/// RFC 8656, section 18.11.
pub const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
/// The same before it had a number of its own: coturn's client (4.6) asks with this one.
pub const ADDITIONAL_ADDRESS_FAMILY_DRAFT: u16 = 0x8032;
/// RFC 8656, section 18.12.
pub const ADDRESS_ERROR_CODE: u16 = 0x8001;
/// RFC 8489, section 14.11.
pub const PASSWORD_ALGORITHMS: u16 = 0x8002;
/// RFC 8489, section 14.16.
pub const ALTERNATE_DOMAIN: u16 = 0x8003;
/// RFC 8656, section 18.13.
pub const ICMP: u16 = 0x8004;
/// RFC 8489, section 14.14.
pub const SOFTWARE: u16 = 0x8022;
/// RFC 8489, section 14.15.
pub const ALTERNATE_SERVER: u16 = 0x8023;
/// RFC 8489, section 14.7.
pub const FINGERPRINT: u16 = 0x8028;
/// RFC 8445, section 16.1.
pub const ICE_CONTROLLED: u16 = 0x8029;
/// RFC 8445, section 16.1.
pub const ICE_CONTROLLING: u16 = 0x802a;
/// RFC 5780, section 7.3.
pub const RESPONSE_ORIGIN: u16 = 0x802b;
/// RFC 5780, section 7.4.
pub const OTHER_ADDRESS: u16 = 0x802c;
/// RFC 8016, section 3.3.
pub const MOBILITY_TICKET: u16 = 0x8030;

/// Bytes of the longest address value: IPv6.
pub(super) const ADDRESS_MAX: usize = 20;

/// Whether a receiver that does not know the type must refuse the request (RFC 8489, section 14).
pub fn is_required(kind: u16) -> bool {
    kind < 0x8000
}

/// An attribute's value is not of its type's form: in a request, an error 400 (RFC 8489, section
/// 9.2.4; RFC 8656, section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads a value of exactly `N` bytes, if there is one.
pub(super) fn exactly<const N: usize>(value: Option<&[u8]>) -> Result<Option<&[u8; N]>, Malformed> {
    value.map(|value| value.try_into().map_err(|_| Malformed)).transpose()
}

/// Reads the value of MAPPED-ADDRESS and its like (RFC 8489, section 14.1).
pub fn address(value: &[u8]) -> Option<SocketAddr> {
    let [_, family, p0, p1, ip @ ..] = value else { return None };
    let port = u16::from_be_bytes([*p0, *p1]);
    let ip = match family {
        1 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(ip).ok()?)),
        2 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(ip).ok()?)),
        _ => return None,
    };

    Some(SocketAddr::new(ip, port))
}

/// Reads the value of XOR-MAPPED-ADDRESS and its like (RFC 8489, section 14.2).
pub fn xor_address(value: &[u8], id: &TransactionId) -> Option<SocketAddr> {
    address(value).map(|address| xor(address, id))
}

/// Writes the value of MAPPED-ADDRESS and its like; returns its length.
pub(super) fn write_address(address: SocketAddr, value: &mut [u8; ADDRESS_MAX]) -> usize {
    value[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => {
            value[1] = 1;
            value[4..8].copy_from_slice(&ip.octets());
            8
        }
        IpAddr::V6(ip) => {
            value[1] = 2;
            value[4..].copy_from_slice(&ip.octets());
            20
        }
    }
}

/// Masks an address with the cookie and the transaction id, or unmasks it.
pub(super) fn xor(address: SocketAddr, id: &TransactionId) -> SocketAddr {
    let port = address.port() ^ u16::from_be_bytes([MAGIC_COOKIE[0], MAGIC_COOKIE[1]]);
    let ip = match address.ip() {
        IpAddr::V4(ip) => (ip.to_bits() ^ u32::from_be_bytes(MAGIC_COOKIE)).to_be_bytes().into(),
        IpAddr::V6(ip) => {
            let mut octets = ip.octets();
            let mask = MAGIC_COOKIE.iter().chain(id);
            octets.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
            octets.into()
        }
    };

    SocketAddr::new(ip, port)
}
