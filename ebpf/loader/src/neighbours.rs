//! Keeps the kernel's table of neighbours true: packets that the program sends do not count as use,
//! so that a MAC address would be believed for ever. Entries that the kernel has doubts about are
//! used from here, which makes it ask (rtnetlink(7), `NTF_USE`).

use nix::sys::socket::{
    self, AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType,
};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

/// The most neighbours that are asked for at once.
const NEIGHBOURS_MAX: usize = 256;

/// Bytes of an answer's part; the kernel fills at most 32 KiB.
const PART_MAX: usize = 32 << 10;

/// Bytes of `nlmsghdr` and of `ndmsg`.
const HEADER_LEN: usize = 16;
const NEIGHBOUR_LEN: usize = 12;

/// The attribute with a neighbour's address.
const NDA_DST: u16 = 1;

/// A neighbour as the kernel tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Neighbour {
    family: u8,
    interface: u32,
    state: u16,
    address: Vec<u8>,
}

/// Uses each stale neighbour on these interfaces; returns how many.
pub(crate) fn refresh(interfaces: &[u32]) -> io::Result<usize> {
    let socket = open()?;
    let mut stale = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let all = dump(&socket, family as u8)?;
        stale.extend(
            all.into_iter().filter(|each| {
                each.state == libc::NUD_STALE && interfaces.contains(&each.interface)
            }),
        );
    }
    stale.truncate(NEIGHBOURS_MAX);
    for neighbour in &stale {
        send(&socket, &usage(neighbour))?;
    }

    Ok(stale.len())
}

fn open() -> io::Result<OwnedFd> {
    let (kind, flags) = (SockType::Raw, SockFlag::SOCK_CLOEXEC);
    let route = SockProtocol::NetlinkRoute;
    let socket = socket::socket(AddressFamily::Netlink, kind, flags, route)?;
    socket::bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;

    Ok(socket)
}

fn send(socket: &OwnedFd, message: &[u8]) -> io::Result<()> {
    let kernel = NetlinkAddr::new(0, 0);
    socket::sendto(socket.as_raw_fd(), message, &kernel, MsgFlags::empty())?;

    Ok(())
}

fn dump(socket: &OwnedFd, family: u8) -> io::Result<Vec<Neighbour>> {
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    send(socket, &message(libc::RTM_GETNEIGH, flags, &[family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))?;
    let mut neighbours = Vec::new();
    let mut part = vec![0; PART_MAX];
    loop {
        let len = socket::recv(socket.as_raw_fd(), &mut part, MsgFlags::empty())?;
        if read(&part[..len], &mut neighbours) {
            return Ok(neighbours);
        }
    }
}

/// A message that uses a neighbour.
fn usage(neighbour: &Neighbour) -> Vec<u8> {
    let Neighbour { family, interface, address, .. } = neighbour;
    let mut body = vec![*family, 0, 0, 0];
    body.extend(interface.to_ne_bytes());
    body.extend(libc::NUD_NONE.to_ne_bytes());
    body.extend([libc::NTF_USE, 0]);
    body.extend((4 + address.len() as u16).to_ne_bytes());
    body.extend(NDA_DST.to_ne_bytes());
    body.extend(address);

    message(libc::RTM_NEWNEIGH, libc::NLM_F_REQUEST as u16, &body)
}

fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let mut message = ((HEADER_LEN + body.len()) as u32).to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    // Sequence and port: one question at a time, on a socket of our own.
    message.extend([0; 8]);
    message.extend(body);

    message
}

/// Reads the messages of a part; whether it is the last one.
fn read(mut part: &[u8], neighbours: &mut Vec<Neighbour>) -> bool {
    while let Some(header) = part.first_chunk::<HEADER_LEN>() {
        let len = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        if len < HEADER_LEN || len > part.len() || is_end(kind) {
            return true;
        }
        if kind == libc::RTM_NEWNEIGH {
            neighbours.extend(neighbour(&part[HEADER_LEN..len]));
        }
        part = part.get(len.next_multiple_of(4)..).unwrap_or_default();
    }

    false
}

/// The end of a list, or an error in its place.
fn is_end(kind: u16) -> bool {
    i32::from(kind) == libc::NLMSG_DONE || i32::from(kind) == libc::NLMSG_ERROR
}

fn neighbour(body: &[u8]) -> Option<Neighbour> {
    let fixed = body.first_chunk::<NEIGHBOUR_LEN>()?;
    let mut attributes = &body[NEIGHBOUR_LEN..];
    while let Some(header) = attributes.first_chunk::<4>() {
        let len = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let value = attributes.get(4..len)?;
        if u16::from_ne_bytes([header[2], header[3]]) == NDA_DST {
            return Some(Neighbour {
                family: fixed[0],
                interface: u32::from_ne_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
                state: u16::from_ne_bytes([fixed[8], fixed[9]]),
                address: value.to_vec(),
            });
        }
        attributes = attributes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }

    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        let stale = Neighbour { family: 2, interface: 7, state: 0, address: vec![10, 0, 0, 1] };
        let mut part = usage(&stale);
        let mut neighbours = Vec::new();
        assert!(!read(&part, &mut neighbours));
        assert_eq!(neighbours, [stale]);
        part.extend(message(libc::NLMSG_DONE as u16, 0, &[0; 4]));
        assert!(read(&part, &mut neighbours));
    }

    proptest! {
        #[test]
        fn nonsense_is_read_to_its_end(mut part in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(len) = part.first_mut() {
                *len = len.saturating_sub(60);
            }
            part.iter_mut().skip(1).take(3).for_each(|byte| *byte = 0);
            read(&part, &mut Vec::new());
        }
    }
}
