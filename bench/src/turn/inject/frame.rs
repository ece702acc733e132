//! A UDP datagram in an Ethernet frame, from the clients' card to the server's.

use crate::network::MACS;
use anyhow::{Result, bail};
use std::net::{IpAddr, SocketAddr};

const UDP: u8 = 17;
const UDP_HEADER: usize = 8;
const HOPS: u8 = 64;

/// The whole frame, checksums and all (RFC 791, RFC 8200, RFC 768).
pub(super) fn of(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Result<Vec<u8>> {
    let udp = datagram(from, to, data);
    let [ours, theirs] = MACS;
    let (ethertype, ip) = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let len = (20 + udp.len() as u16).to_be_bytes();
            // No options, "don't fragment".
            let start = [0x45, 0, len[0], len[1], 0, 0, 0x40, 0, HOPS, UDP, 0, 0];
            let mut header = [&start[..], &from.octets(), &to.octets()].concat();
            let checksum = checksum(&header).to_be_bytes();
            header[10..12].copy_from_slice(&checksum);
            ([0x08, 0x00], header)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let len = (udp.len() as u16).to_be_bytes();
            let start = [0x60, 0, 0, 0, len[0], len[1], UDP, HOPS];
            ([0x86, 0xdd], [&start[..], &from.octets(), &to.octets()].concat())
        }
        _ => bail!("{from} and {to} are of two families"),
    };

    Ok([&theirs[..], &ours, &ethertype, &ip, &udp].concat())
}

fn datagram(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Vec<u8> {
    let len = (UDP_HEADER + data.len()) as u16;
    let words = [from.port(), to.port(), len, 0].map(u16::to_be_bytes);
    let mut udp = [words.as_flattened(), data].concat();
    let pseudo = [&octets(from.ip())[..], &octets(to.ip()), &[0, UDP], &len.to_be_bytes()].concat();
    let checksum = match checksum(&[pseudo, udp.clone()].concat()) {
        // 0 would say that there is none.
        0 => 0xffff,
        other => other,
    };
    udp[6..8].copy_from_slice(&checksum.to_be_bytes());

    udp
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The Internet's checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }

    !sum as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_of_a_known_header_is_as_known() {
        let header = [
            0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0, 0, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0,
            0xc7,
        ];
        assert_eq!(checksum(&header), 0xb861);
    }

    #[test]
    fn checksums_are_right_when_they_are_summed_with_all_else() {
        for (from, to, ip_len) in [
            ("198.18.128.1:40000", "198.18.0.1:3478", 20),
            ("[2001:2::2]:40000", "[2001:2::1]:3478", 40),
        ] {
            let frame = of(from.parse().unwrap(), to.parse().unwrap(), b"odd").unwrap();
            let (ip, udp) = frame[14..].split_at(ip_len);
            assert_eq!(frame.len(), 14 + ip_len + 8 + 3);
            let addresses = if ip_len == 20 { &ip[12..] } else { &ip[8..] };
            let pseudo = [addresses, &[0, UDP, 0, 11], udp].concat();
            assert_eq!(checksum(&pseudo), 0, "{from}");
            assert!(ip_len == 40 || checksum(ip) == 0);
        }
        let two = of("198.18.0.1:1".parse().unwrap(), "[2001:2::1]:1".parse().unwrap(), b"");
        assert!(two.is_err());
    }
}
