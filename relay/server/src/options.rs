//! Socket options.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

/// Bytes for datagrams in each direction of a relayed socket: 20 ms of 100 Mbit/s. The kernel
/// takes memory only for what waits, so that thousands of idle sockets cost none of it.
const RELAYED_BUFFER_BYTES: usize = 256 << 10;

/// An unbound UDP socket of this address's family; `share` lets other sockets have its port.
pub(crate) fn udp(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if share {
        socket.set_reuse_port(true)?;
    }

    Ok(socket)
}

/// A socket of a relayed address, bound to it: nobody else gets its port, and it tells ICMP errors.
pub(crate) fn relayed(address: SocketAddr) -> io::Result<Socket> {
    let socket = udp(address, false)?;
    socket.bind(&address.into())?;
    socket.set_recv_buffer_size(RELAYED_BUFFER_BYTES)?;
    socket.set_send_buffer_size(RELAYED_BUFFER_BYTES)?;
    let fd = socket.as_raw_fd();
    match address {
        SocketAddr::V4(_) => set(fd, libc::SOL_IP, libc::IP_RECVERR, 1)?,
        SocketAddr::V6(_) => set(fd, libc::SOL_IPV6, libc::IPV6_RECVERR, 1)?,
    }
    // Without it trains come as single datagrams: slower, not wrong.
    let _ = set(fd, libc::SOL_UDP, libc::UDP_GRO, 1);

    Ok(socket)
}

/// Lets datagrams that are longer than the path takes be refused, or fragmented again.
pub(crate) fn fragment(fd: RawFd, local: SocketAddr, allowed: bool) -> io::Result<()> {
    match local {
        SocketAddr::V4(_) => {
            let how = if allowed { libc::IP_PMTUDISC_WANT } else { libc::IP_PMTUDISC_DO };
            set(fd, libc::SOL_IP, libc::IP_MTU_DISCOVER, how)
        }
        SocketAddr::V6(_) => {
            let how = if allowed { libc::IPV6_PMTUDISC_WANT } else { libc::IPV6_PMTUDISC_DO };
            set(fd, libc::SOL_IPV6, libc::IPV6_MTU_DISCOVER, how)
        }
    }
}

/// Sets an integer option.
pub(crate) fn set(fd: RawFd, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the pointer and length are those of a live integer, which is only read.
    let result = unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };

    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
