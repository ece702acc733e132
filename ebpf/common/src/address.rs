//! Addresses in maps: 16 bytes, IPv4 as IPv4-mapped IPv6 (RFC 4291, section 2.5.5.2).

use crate::bytes::part;
use core::net::{IpAddr, Ipv6Addr};

/// An address of either family, in network order.
pub type Ip = [u8; 16];

/// An address as it stands in maps.
pub fn mapped(ip: IpAddr) -> Ip {
    match ip {
        IpAddr::V4(ip) => ipv4_mapped(ip.octets()),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// An address out of a map.
pub fn from_mapped(ip: &Ip) -> IpAddr {
    Ipv6Addr::from(*ip).to_canonical()
}

/// Whether this is an IPv4 address.
pub fn is_ipv4(ip: &Ip) -> bool {
    from_mapped(ip).is_ipv4()
}

/// An address as it stands in maps, from the four bytes of an IPv4 header.
#[inline(always)]
pub fn ipv4_mapped(ip: [u8; 4]) -> Ip {
    (0xffff_u128 << 32 | u128::from(u32::from_be_bytes(ip))).to_be_bytes()
}

/// The four bytes that stand in an IPv4 header.
#[inline(always)]
pub fn ipv4_bytes(ip: &Ip) -> [u8; 4] {
    part(ip, 12)
}
