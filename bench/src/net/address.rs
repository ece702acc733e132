//! Socket addresses: as the kernel writes them, and addresses of our own on loopback.

use anyhow::{Context, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Bytes of the largest socket address that is received: `sockaddr_in6`.
pub(crate) const NAME_BYTES: usize = 28;

/// Reads a `sockaddr_in` or `sockaddr_in6`.
pub(crate) fn read_address(name: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = name.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let ip = match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => IpAddr::V4(Ipv4Addr::from(*rest.first_chunk::<4>()?)),
        libc::AF_INET6 => IpAddr::V6(Ipv6Addr::from(*rest.get(4..)?.first_chunk::<16>()?)),
        _ => return None,
    };

    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// The address that this machine uses towards a server.
pub(crate) fn towards(server: SocketAddr) -> Result<IpAddr> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    // Connecting a UDP socket sends nothing.
    socket.connect(server).with_context(|| format!("there is no way to {server}"))?;

    Ok(socket.local_addr()?.ip())
}

/// An address on loopback that nobody else uses: its ports are all free.
pub(crate) fn own() -> IpAddr {
    let [second, third] = rand::random::<[u8; 2]>();

    Ipv4Addr::new(127, second | 0x40, third, 1).into()
}

/// The `index`-th source address for a server: on IPv4 loopback another /24 each time, which keeps
/// clients' ports apart from the server's, and spreads them as clients are spread. So it is between
/// namespaces (`network`), where such addresses are ours too.
pub(crate) fn source(own: IpAddr, index: usize) -> IpAddr {
    match own {
        IpAddr::V4(ip) if ip.is_loopback() => {
            let (second, third) = (1 + index / 256 % 250, index % 256);
            IpAddr::V4(Ipv4Addr::new(127, second as u8, third as u8, 9))
        }
        // 198.18.128.0/17.
        IpAddr::V4(ip) if ip.octets()[..2] == [198, 18] => {
            let (third, fourth) = (128 + index / 250 % 128, 1 + index % 250);
            IpAddr::V4(Ipv4Addr::new(198, 18, third as u8, fourth as u8))
        }
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        for text in ["192.0.2.7:3478", "[2001:db8::7]:3478"] {
            let address: SocketAddr = text.parse().unwrap();
            let name = socket2::SockAddr::from(address);
            // SAFETY: the storage is at least as long as the longest name, and initialized.
            let bytes = unsafe { std::slice::from_raw_parts(name.as_ptr().cast(), NAME_BYTES) };

            assert_eq!(read_address(bytes), Some(address));
        }
        assert_eq!(read_address(&[0; NAME_BYTES]), None);
        assert_eq!(read_address(&[2, 0]), None);
    }

    #[test]
    fn loopback_sources_are_spread_and_others_stay() {
        let loopback = source(IpAddr::V4(Ipv4Addr::LOCALHOST), 300);
        assert_eq!(loopback, IpAddr::V4(Ipv4Addr::new(127, 2, 44, 9)));
        let other: IpAddr = "192.0.2.7".parse().unwrap();
        assert_eq!(source(other, 300), other);
    }
}
