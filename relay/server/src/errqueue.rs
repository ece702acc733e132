//! ICMP errors that a socket's datagrams caused, from its error queue (ip(7), `IP_RECVERR`).

use crate::ancillary::pieces;
use crate::messages::empty_header;
use crate::train::{NAME_BYTES, address};
use relay_shard::{Path, Unreachable};
use std::net::SocketAddr;
use std::os::fd::RawFd;

/// Bytes of `sock_extended_err`, which stands in front of the offender's address.
const ERROR_BYTES: usize = size_of::<libc::sock_extended_err>();

/// Room for one error with its offender's address, in one piece of ancillary data.
const CONTROL_BYTES: usize = 128;

/// ICMP: destination unreachable, fragmentation needed (RFC 792); it tells the next hop's MTU.
const FRAGMENTATION_NEEDED: (u8, u8) = (3, 4);

/// ICMPv6: packet too big (RFC 4443); it tells the MTU.
const PACKET_TOO_BIG: u8 = 2;

/// What one look into the error queue found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// An ICMP error.
    Unreachable(Unreachable),
    /// An error that this machine made itself: the send that caused it has told.
    Local,
}

#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Takes the next error off the queue of the socket bound to `relayed`; `None`: there is none.
pub(crate) fn take(fd: RawFd, relayed: SocketAddr) -> Option<Found> {
    let mut name = [0; NAME_BYTES];
    let mut control = Control([0; CONTROL_BYTES]);
    let mut header = empty_header();
    header.msg_name = name.as_mut_ptr().cast();
    header.msg_namelen = NAME_BYTES as u32;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL_BYTES;
    // SAFETY: the header points at two live arrays with their true lengths, and at no vector: the
    // datagram that caused the error is not wanted.
    let taken =
        unsafe { libc::recvmsg(fd, &raw mut header, libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT) };
    if taken < 0 {
        return None;
    }
    let name = &name[..NAME_BYTES.min(header.msg_namelen as usize)];
    let control = &control.0[..CONTROL_BYTES.min(header.msg_controllen)];

    Some(error(relayed, name, control).map_or(Found::Local, Found::Unreachable))
}

/// Reads an error of ICMP: `name` is where the datagram that caused it went to.
fn error(relayed: SocketAddr, name: &[u8], control: &[u8]) -> Option<Unreachable> {
    let is_error = |level, kind| {
        matches!(
            (level, kind),
            (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR)
        )
    };
    let piece = pieces(control).find(|piece| is_error(piece.level, piece.kind))?;
    let error = piece.data.first_chunk::<ERROR_BYTES>()?;
    // struct sock_extended_err: errno (4), origin, type, code, padding, info (4), data (4).
    let [_, _, _, _, origin, kind, code, _, a, b, c, d, ..] = *error;
    if !matches!(origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6) {
        return None;
    }
    let v6 = origin == libc::SO_EE_ORIGIN_ICMP6;
    let has_mtu = if v6 { kind == PACKET_TOO_BIG } else { (kind, code) == FRAGMENTATION_NEEDED };
    let data = if has_mtu { u32::from_ne_bytes([a, b, c, d]) } else { 0 };

    Some(Unreachable { path: Path::peer(relayed, address(name)?), kind, code, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use socket2::SockAddr;

    const RELAYED: &str = "192.0.2.1:50000";

    fn name(address: &str) -> Vec<u8> {
        let address = SockAddr::from(address.parse::<SocketAddr>().unwrap());
        // SAFETY: the pointer and length are those of a live address.
        unsafe { std::slice::from_raw_parts(address.as_ptr().cast(), address.len() as usize) }
            .to_vec()
    }

    fn control(level: i32, kind: i32, error: [u8; ERROR_BYTES]) -> Vec<u8> {
        let mut control = (16 + ERROR_BYTES + 16).to_ne_bytes().to_vec();
        control.extend(level.to_ne_bytes());
        control.extend(kind.to_ne_bytes());
        control.extend(error);
        control.extend([0; 16]);
        control
    }

    fn extended(origin: u8, kind: u8, code: u8, info: u32) -> [u8; ERROR_BYTES] {
        let mut error = [0; ERROR_BYTES];
        error[..4].copy_from_slice(&libc::ECONNREFUSED.to_ne_bytes());
        error[4..7].copy_from_slice(&[origin, kind, code]);
        error[8..12].copy_from_slice(&info.to_ne_bytes());
        error
    }

    fn read(remote: &str, control: &[u8]) -> Option<(u8, u8, u32)> {
        let error = error(RELAYED.parse().unwrap(), &name(remote), control)?;
        assert_eq!(error.path, Path::peer(RELAYED.parse().unwrap(), remote.parse().unwrap()));
        Some((error.kind, error.code, error.data))
    }

    #[test]
    fn errors_of_both_families_are_read_with_their_mtu() {
        let refused = extended(libc::SO_EE_ORIGIN_ICMP, 3, 3, 77);
        let too_long = extended(libc::SO_EE_ORIGIN_ICMP, 3, 4, 1_280);
        let too_big = extended(libc::SO_EE_ORIGIN_ICMP6, 2, 0, 1_400);
        let (v4, v6) = ("198.51.100.1:9", "[2001:db8::1]:9");

        let ip = |error| control(libc::SOL_IP, libc::IP_RECVERR, error);
        assert_eq!(read(v4, &ip(refused)), Some((3, 3, 0)));
        assert_eq!(read(v4, &ip(too_long)), Some((3, 4, 1_280)));
        let ip6 = control(libc::SOL_IPV6, libc::IPV6_RECVERR, too_big);
        assert_eq!(read(v6, &ip6), Some((2, 0, 1_400)));
    }

    #[test]
    fn what_this_machine_found_out_itself_is_no_icmp_error() {
        let own = extended(libc::SO_EE_ORIGIN_LOCAL, 0, 0, 1_500);

        assert_eq!(read("198.51.100.1:9", &control(libc::SOL_IP, libc::IP_RECVERR, own)), None);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(
            name in proptest::collection::vec(any::<u8>(), 0..32),
            control in proptest::collection::vec(any::<u8>(), 0..96),
        ) {
            let _ = error(RELAYED.parse().unwrap(), &name, &control);
        }
    }
}
