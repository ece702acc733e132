//! One shard's sockets: unconnected, one per local address, SO_REUSEPORT among the shards.

use crate::StartError;
use crate::addresses::Listen;
use crate::io::{IoCounters, offload_is_broken, retry_singly};
use crate::messages::Messages;
use crate::runs::{Run, Runs};
use relay_shard::Outbox;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};

/// Kernel memory for datagrams in each direction of a socket: 30 ms of 1 Gbit/s.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

struct Bound {
    socket: Socket,
    local: SocketAddr,
    single: bool,
}

/// One shard's sockets.
#[derive(Default)]
pub(crate) struct Sockets {
    bound: Vec<Bound>,
    any_single: bool,
}

impl Sockets {
    pub(crate) fn locals(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.bound.iter().map(|bound| bound.local)
    }

    pub(crate) fn len(&self) -> usize {
        self.bound.len()
    }

    pub(crate) fn fd(&self, socket: usize) -> RawFd {
        self.bound[socket].socket.as_raw_fd()
    }

    pub(crate) fn local(&self, socket: usize) -> SocketAddr {
        self.bound[socket].local
    }

    /// The socket of a local address.
    pub(crate) fn index(&self, local: &SocketAddr) -> Option<usize> {
        self.bound.iter().position(|bound| bound.local == *local)
    }

    /// Whether segmentation offload was found broken on the socket of this address.
    pub(crate) fn sends_singly(&self, local: &SocketAddr) -> bool {
        self.any_single && self.bound.iter().any(|bound| bound.single && bound.local == *local)
    }

    /// Deals with a run that the kernel refused: sends it again datagram by datagram where that
    /// may help, and counts what is lost.
    pub(crate) fn recover(
        &mut self,
        out: &Outbox,
        runs: &Runs,
        run: &Run,
        errno: i32,
        counters: &mut IoCounters,
    ) {
        let Some(index) = self.index(&run.path.local) else {
            return counters.refused(errno, run.count);
        };
        if run.count == 1 || !retry_singly(errno) {
            return counters.refused(errno, run.count);
        }
        let bound = &mut self.bound[index];
        if offload_is_broken(errno, run.segment) && !bound.single {
            let error = io::Error::from_raw_os_error(errno);
            tracing::warn!(address = %bound.local, %error, "no UDP_SEGMENT here: sending singly");
            bound.single = true;
            self.any_single = true;
        }
        for member in runs.members(run) {
            let datagram = out.bytes(&out.transmits()[member]);
            counters.syscalls += 1;
            match Messages::send_alone(self.fd(index), run.path.remote, datagram) {
                Ok(()) => counters.sent(1, datagram.len()),
                Err(error) => counters.refused(error.raw_os_error().unwrap_or_default(), 1),
            }
        }
    }
}

/// Opens the sockets of all shards, their options set.
pub(crate) fn bind(listen: &[Listen], shards: u16) -> Result<Vec<Sockets>, StartError> {
    let mut all: Vec<Sockets> = (0..shards).map(|_| Sockets::default()).collect();
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
    if all.iter().any(|sockets| sockets.bound.is_empty()) {
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
    let alone = socket(wanted, false).and_then(|probe| {
        probe.bind(&wanted.into())?;
        probe.local_addr()
    });
    let local = alone.map_err(failed)?.as_socket().unwrap_or(wanted);
    for sockets in all {
        let socket = socket(local, true).map_err(failed)?;
        socket.bind(&local.into()).map_err(failed)?;
        set_options(&socket, local).map_err(failed)?;
        sockets.bound.push(Bound { socket, local, single: false });
    }

    Ok(())
}

fn socket(address: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(share)?;

    Ok(socket)
}

fn set_options(socket: &Socket, local: SocketAddr) -> io::Result<()> {
    let bytes = SOCKET_BUFFER_BYTES as i32;
    // Beyond the sysctl's maximum only with CAP_NET_ADMIN; else as much as it allows.
    if set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, bytes).is_err() {
        socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    }
    if set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes).is_err() {
        socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    }
    // The kernel reports twice of what is set.
    if socket.recv_buffer_size()? < SOCKET_BUFFER_BYTES {
        tracing::warn!(
            address = %local,
            "small receive buffer: raise it with `sysctl net.core.rmem_max={SOCKET_BUFFER_BYTES}`"
        );
    }
    if let Err(error) = set_option(socket, libc::SOL_UDP, libc::UDP_GRO, 1) {
        tracing::warn!(address = %local, %error, "no UDP_GRO here: receiving singly");
    }

    Ok(())
}

fn set_option(socket: &Socket, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the pointer and length are those of a live integer, which is only read.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };

    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
