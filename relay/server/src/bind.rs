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
use std::time::{Duration, Instant};

/// Kernel memory for datagrams in each direction of a socket: 30 ms of 1 Gbit/s.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// How long a port may be taken by what is left of a killed process: the kernel takes its rings
/// down, and the sockets that they hold, some time after the process is gone.
const LEFT_OVER: Duration = Duration::from_secs(2);

/// Time between two attempts.
const ATTEMPT_EVERY: Duration = Duration::from_millis(20);

/// Opens sockets that a killed process may still have, for a bounded time in all.
pub(crate) struct Patience(Option<Instant>);

impl Patience {
    /// Waits as long as a killed process may still have them.
    pub(crate) fn new() -> Self {
        Self::within(LEFT_OVER)
    }

    /// Waits so long at most.
    pub(crate) fn within(time: Duration) -> Self {
        Self(Some(Instant::now() + time))
    }

    /// Waits for nothing.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Opens, again and again as long as the address is in use and there is time.
    pub(crate) fn open<T>(&self, mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            match open() {
                Err(error)
                    if error.raw_os_error() == Some(libc::EADDRINUSE)
                        && self.0.is_some_and(|until| Instant::now() < until) =>
                {
                    std::thread::sleep(ATTEMPT_EVERY);
                }
                opened => return opened,
            }
        }
    }
}

/// Opens the sockets of all shards, their options set.
pub(crate) fn bind(
    listen: &[Listen],
    shards: u16,
    descriptors: &Descriptors,
) -> Result<Vec<Sockets>, StartError> {
    let mut all: Vec<Sockets> = (0..shards).map(|_| Sockets::new(descriptors.clone())).collect();
    let patience = Patience::new();
    for wanted in listen {
        match bind_address(wanted.address, &patience, &mut all) {
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

fn bind_address(
    wanted: SocketAddr,
    patience: &Patience,
    all: &mut [Sockets],
) -> Result<(), StartError> {
    let failed = |error: io::Error| match error.raw_os_error() {
        Some(libc::EADDRINUSE) => StartError::PortTaken(wanted),
        Some(libc::EADDRNOTAVAIL) => StartError::AddressNotHere(wanted),
        Some(libc::EACCES | libc::EPERM) => StartError::PortNotAllowed(wanted),
        _ => StartError::Socket { address: wanted, error },
    };
    // With SO_REUSEPORT two relays of one user would share a port and each get half of the
    // datagrams: a socket without it finds out whether anybody is there.
    let alone = patience.open(|| {
        let probe = options::udp(wanted, false)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::sync::mpsc;

    #[test]
    fn a_port_that_is_let_go_in_time_is_had() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let (tried, is_tried) = mpsc::channel();
        let letting_go = std::thread::spawn(move || {
            is_tried.recv().unwrap();
            drop(taken);
        });
        let opened = Patience::new().open(|| {
            let opened = UdpSocket::bind(address);
            let _ = tried.send(());
            opened
        });

        assert_eq!(opened.unwrap().local_addr().unwrap(), address);
        letting_go.join().unwrap();
    }

    #[test]
    fn what_stays_taken_is_told_and_other_errors_at_once() {
        let mut tries = 0;
        let over = Patience::within(Duration::ZERO);
        let result: io::Result<()> = over.open(|| {
            tries += 1;
            Err(io::Error::from_raw_os_error(libc::EADDRINUSE))
        });
        assert_eq!((tries, result.unwrap_err().raw_os_error()), (1, Some(libc::EADDRINUSE)));
        let denied = io::Error::from_raw_os_error;
        let result: io::Result<()> = Patience::new().open(|| Err(denied(libc::EACCES)));
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EACCES));
    }
}
