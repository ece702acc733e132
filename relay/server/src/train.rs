//! A received buffer: one datagram, or several of one sender that the kernel glued (UDP_GRO).

use crate::ancillary::pieces;
use relay_shard::Path;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;

/// Bytes of the largest socket address that is received: `sockaddr_in6`.
pub(crate) const NAME_BYTES: usize = 28;

/// Bytes of ancillary data: one header and the segment size, aligned.
pub(crate) const CONTROL_BYTES: usize = 24;

/// Payload bytes that a receive buffer holds: the longest train.
pub(crate) const TRAIN_BYTES: usize = 65_536;

/// What is left of a received buffer.
#[derive(Clone, Debug)]
pub(crate) struct Train {
    /// Whose datagrams they are.
    pub(crate) path: Path,
    rest: Range<usize>,
    step: usize,
    /// One datagram without payload is still to come.
    empty: bool,
}

impl Train {
    /// Datagrams that stand at `payload` of a buffer, `segment` bytes each, the last perhaps
    /// shorter; without a segment size there is one.
    pub(crate) fn new(path: Path, payload: Range<usize>, segment: Option<usize>) -> Self {
        let step = segment.filter(|&size| size > 0).unwrap_or(payload.len());
        Self { path, empty: payload.is_empty(), rest: payload, step }
    }
}

impl Iterator for Train {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        if self.rest.is_empty() {
            return std::mem::take(&mut self.empty).then(|| self.rest.clone());
        }
        let datagram = self.rest.start..self.rest.end.min(self.rest.start + self.step);
        self.rest.start = datagram.end;

        Some(datagram)
    }
}

/// Reads a socket address as the kernel writes it.
pub(crate) fn address(name: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = name.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => {
            let ip = Ipv4Addr::from(*rest.first_chunk::<4>()?);
            Some(SocketAddr::V4(SocketAddrV4::new(ip, port)))
        }
        libc::AF_INET6 => {
            // The flow label is left out: it is no part of a path.
            let (_flow, rest) = rest.split_first_chunk::<4>()?;
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            let scope = u32::from_ne_bytes(*rest.first_chunk::<4>()?);
            Some(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(*ip), port, 0, scope)))
        }
        _ => None,
    }
}

/// Finds the segment size of a glued train in ancillary data (`UDP_GRO`).
pub(crate) fn segment_size(control: &[u8]) -> Option<usize> {
    let mut pieces = pieces(control);
    let size = pieces.find(|p| p.level == libc::SOL_UDP && p.kind == libc::UDP_GRO)?;

    usize::try_from(i32::from_ne_bytes(*size.data.first_chunk::<4>()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path() -> Path {
        let any = SocketAddr::from(([127, 0, 0, 1], 9));
        Path::udp(any, any)
    }

    fn gro(size: i32) -> Vec<u8> {
        let mut control = 20usize.to_ne_bytes().to_vec();
        control.extend(libc::SOL_UDP.to_ne_bytes());
        control.extend(libc::UDP_GRO.to_ne_bytes());
        control.extend(size.to_ne_bytes());
        control.extend([0; 4]);
        control
    }

    #[test]
    fn segment_size_is_found_behind_other_ancillary_data() {
        let mut control = 18usize.to_ne_bytes().to_vec();
        control.extend(0i32.to_ne_bytes());
        control.extend(8i32.to_ne_bytes());
        control.extend([0; 8]);
        control.extend(gro(1200));

        assert_eq!(segment_size(&control), Some(1200));
        assert_eq!(segment_size(&[]), None);
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        let mut name = (libc::AF_INET as u16).to_ne_bytes().to_vec();
        name.extend([0x0d, 0x96, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(address(&name), Some("192.0.2.1:3478".parse().unwrap()));

        let mut name = (libc::AF_INET6 as u16).to_ne_bytes().to_vec();
        name.extend([0x0d, 0x96, 1, 2, 3, 4]);
        name.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        name.extend(0u32.to_ne_bytes());
        assert_eq!(address(&name), Some("[2001:db8::1]:3478".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn pieces_of_a_train_cover_it_in_order(
            start in 0usize..100,
            len in 1usize..65_536,
            segment in proptest::option::of(0usize..2_000),
        ) {
            let pieces: Vec<_> = Train::new(path(), start..start + len, segment).collect();
            prop_assert_eq!(pieces.first().map(|p| p.start), Some(start));
            prop_assert_eq!(pieces.last().map(|p| p.end), Some(start + len));
            prop_assert!(pieces.windows(2).all(|w| w[0].end == w[1].start));
            if let Some(segment) = segment.filter(|&s| s > 0) {
                let (last, full) = pieces.split_last().unwrap();
                prop_assert!(full.iter().all(|p| p.len() == segment) && last.len() <= segment);
            }
        }

        #[test]
        fn garbage_from_the_kernel_never_panics(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            let _ = address(&bytes);
            let _ = segment_size(&bytes);
        }
    }
}
