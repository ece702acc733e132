//! Attribute types, and the addresses in attributes (RFC 8489, section 14 and 18.3).

use super::{MAGIC_COOKIE, TransactionId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// RFC 8489, section 14.1.
pub const MAPPED_ADDRESS: u16 = 0x0001;
/// RFC 8489, section 14.3.
pub const USERNAME: u16 = 0x0006;
/// RFC 8489, section 14.5.
pub const MESSAGE_INTEGRITY: u16 = 0x0008;
/// RFC 8489, section 14.8.
pub const ERROR_CODE: u16 = 0x0009;
/// RFC 8489, section 14.13.
pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
/// RFC 8489, section 14.6.
pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
/// RFC 8489, section 14.2.
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// RFC 8445, section 16.1.
pub const PRIORITY: u16 = 0x0024;
/// RFC 8445, section 16.1.
pub const USE_CANDIDATE: u16 = 0x0025;
/// RFC 8489, section 14.14.
pub const SOFTWARE: u16 = 0x8022;
/// RFC 8489, section 14.7.
pub const FINGERPRINT: u16 = 0x8028;
/// RFC 8445, section 16.1.
pub const ICE_CONTROLLED: u16 = 0x8029;
/// RFC 8445, section 16.1.
pub const ICE_CONTROLLING: u16 = 0x802a;

/// Bytes of the longest address value: IPv6.
pub(super) const ADDRESS_MAX: usize = 20;

/// Whether a receiver that does not know the type must refuse the request (RFC 8489, section 14).
pub fn is_required(kind: u16) -> bool {
    kind < 0x8000
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
