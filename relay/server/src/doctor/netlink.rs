//! What a network driver can do with XDP, asked of the kernel by generic netlink (Linux 6.3 on).

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// Bytes of an answer.
const ANSWER_MAX: usize = 8 << 10;

const CONTROLLER: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const GET_DEVICE: u8 = 1;
const DEVICE_INDEX: u16 = 1;
const DEVICE_XDP_FEATURES: u16 = 3;

/// Bytes of netlink's header and of generic netlink's behind it.
const HEADER_LEN: usize = 16;
const GENERIC_LEN: usize = 4;

/// XDP features of an interface, a set of `NETDEV_XDP_ACT_*` (include/uapi/linux/netdev.h); an
/// error where the kernel does not tell.
pub(super) fn xdp_features(interface: u32) -> io::Result<u64> {
    let socket = open()?;
    let family = ask(&socket, CONTROLLER, GET_FAMILY, FAMILY_NAME, b"netdev\0")?;
    let family = find(&family, FAMILY_ID)
        .and_then(|id| id.first_chunk())
        .map(|id| u16::from_ne_bytes(*id))
        .ok_or(io::ErrorKind::InvalidData)?;
    let device = ask(&socket, family, GET_DEVICE, DEVICE_INDEX, &interface.to_ne_bytes())?;
    let features = find(&device, DEVICE_XDP_FEATURES).and_then(|bits| bits.first_chunk());

    features.map(|bits| u64::from_ne_bytes(*bits)).ok_or(io::ErrorKind::InvalidData.into())
}

fn open() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are passed.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_GENERIC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }

    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends a command with one attribute; the attributes of the answer.
fn ask(socket: &OwnedFd, family: u16, command: u8, kind: u16, value: &[u8]) -> io::Result<Vec<u8>> {
    let message = message(family, command, kind, value);
    let fd = socket.as_raw_fd();
    // SAFETY: the pointer and the length are those of a live buffer.
    let sent = unsafe { libc::send(fd, message.as_ptr().cast(), message.len(), 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut answer = vec![0; ANSWER_MAX];
    // SAFETY: as above.
    let len = unsafe { libc::recv(fd, answer.as_mut_ptr().cast(), answer.len(), 0) };
    answer.truncate(usize::try_from(len).map_err(|_| io::Error::last_os_error())?);

    attributes(&answer)
}

fn message(family: u16, command: u8, kind: u16, value: &[u8]) -> Vec<u8> {
    let attribute_len = size_of::<u32>() + value.len();
    let len = HEADER_LEN + GENERIC_LEN + attribute_len.next_multiple_of(4);
    let mut message = Vec::with_capacity(len);
    message.extend((len as u32).to_ne_bytes());
    message.extend(family.to_ne_bytes());
    message.extend((libc::NLM_F_REQUEST as u16).to_ne_bytes());
    message.extend([0; 8]);
    message.extend([command, 1, 0, 0]);
    message.extend((attribute_len as u16).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(len, 0);

    message
}

/// What follows an answer's headers, or the error that it tells.
fn attributes(answer: &[u8]) -> io::Result<Vec<u8>> {
    let (Some(kind), Some(rest)) = (answer.get(4..6), answer.get(HEADER_LEN..)) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    if kind == (libc::NLMSG_ERROR as u16).to_ne_bytes() {
        let errno = rest.first_chunk().map_or(0, |errno| i32::from_ne_bytes(*errno));
        return Err(io::Error::from_raw_os_error(-errno));
    }

    rest.get(GENERIC_LEN..).map(<[u8]>::to_vec).ok_or(io::ErrorKind::InvalidData.into())
}

/// The value of an attribute.
fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    while let [l0, l1, k0, k1, ..] = attributes {
        let len = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let value = attributes.get(4..len)?;
        if u16::from_ne_bytes([*k0, *k1]) == wanted {
            return Some(value);
        }
        attributes = attributes.get(len.next_multiple_of(4)..).unwrap_or_default();
    }

    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_found_behind_others_and_nonsense_is_none() {
        let bytes = [5, 0, 9, 0, 7, 0, 0, 0, 6, 0, 1, 0, 0x34, 0x12];
        assert_eq!(find(&bytes, 1), Some(&[0x34, 0x12][..]));
        assert_eq!(find(&bytes, 9), Some(&[7][..]));
        assert_eq!(find(&bytes, 2), None);
        assert_eq!(find(&[200, 0, 1, 0], 1), None);
        assert_eq!(find(&[0, 0, 1, 0, 0, 0], 1), None, "a length of nothing ends it");
    }

    #[test]
    fn an_error_is_told_as_the_kernel_tells_it() {
        let mut answer = vec![0; HEADER_LEN];
        answer[4] = libc::NLMSG_ERROR as u8;
        answer.extend((-libc::ENOENT).to_ne_bytes());
        assert_eq!(attributes(&answer).unwrap_err().raw_os_error(), Some(libc::ENOENT));
        assert!(attributes(&answer[..10]).is_err());
    }
}
