//! Opens the sockets of media addresses.

use crate::StartError;
use crate::addresses::Listen;
use crate::options;
use crate::relayed::Descriptors;
use crate::sockets::Sockets;
use socket2::Socket;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

/// Kernel memory for datagrams in each direction of a socket: 30 ms of 1 Gbit/s.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// Opens the sockets of all shards, their options set.
pub(crate) fn bind(
    listen: &[Listen],
    shards: u16,
    descriptors: &Descriptors,
) -> Result<Vec<Sockets>, StartError> {
    let mut all: Vec<Sockets> = (0..shards).map(|_| Sockets::new(descriptors.clone())).collect();
    for wanted in listen {
        match bind_address(wanted.address, &mut all) {
            Ok(()) => {}
            // An address found behind a wildcard may be tentative or just gone.
            Err(StartError::AddressNotHere(address)) if wanted.found => {
                tracing::warn!(%address, "media.listen: this address cannot be used now");
            }
            Err(error) => return Err(error),
        }
    }
    if all.iter().any(|sockets| sockets.locals().next().is_none()) {
        return Err(StartError::NoAddress);
    }

    Ok(all)
}

fn bind_address(wanted: SocketAddr, all: &mut [Sockets]) -> Result<(), StartError> {
    let failed = |error: io::Error| match error.raw_os_error() {
        Some(libc::EADDRINUSE) => StartError::PortTaken(wanted),
        Some(libc::EADDRNOTAVAIL) => StartError::AddressNotHere(wanted),
        Some(libc::EACCES | libc::EPERM) => StartError::PortNotAllowed(wanted),
        _ => StartError::Socket { address: wanted, error },
    };
    // With SO_REUSEPORT two relays of one user would share a port and each get half of the
    // datagrams: a socket without it finds out whether anybody is there.
    let alone = options::udp(wanted, false).and_then(|probe| {
        probe.bind(&wanted.into())?;
        probe.local_addr()
    });
    let local = alone.map_err(failed)?.as_socket().unwrap_or(wanted);
    for sockets in all {
        let socket = options::udp(local, true).map_err(failed)?;
        socket.bind(&local.into()).map_err(failed)?;
        set_options(&socket, local).map_err(failed)?;
        sockets.add(socket, local);
    }

    Ok(())
}

fn set_options(socket: &Socket, local: SocketAddr) -> io::Result<()> {
    let (fd, bytes) = (socket.as_raw_fd(), SOCKET_BUFFER_BYTES as i32);
    // Beyond the sysctl's maximum only with CAP_NET_ADMIN; else as much as it allows.
    if options::set(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes).is_err() {
        socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    }
    if options::set(fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes).is_err() {
        socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    }
    // The kernel reports twice of what is set.
    if socket.recv_buffer_size()? < SOCKET_BUFFER_BYTES {
        tracing::warn!(
            address = %local,
            "small receive buffer: raise it with `sysctl net.core.rmem_max={SOCKET_BUFFER_BYTES}`"
        );
    }
    if let Err(error) = options::set(fd, libc::SOL_UDP, libc::UDP_GRO, 1) {
        tracing::warn!(address = %local, %error, "no UDP_GRO here: receiving singly");
    }

    Ok(())
}
