//! Listening for TCP and TLS clients: one socket for each shard and address (SO_REUSEPORT).

use super::connection::{Connection, StreamKind};
use super::counters::CloseReason;
use super::tls::Tls;
use super::{Streams, subscriber};
use crate::StartError;
use crate::addresses::Listen;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use relay_shard::Path;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;

/// Connections accepted from one listener before other work gets its turn.
const ACCEPTS_A_TURN: usize = 32;

/// Pause after the process ran out of descriptors or memory.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Bytes that the kernel takes ahead of what it can send: more would only be late.
const UNSENT_MAX: u32 = 128 << 10;

/// A client that acknowledges nothing for so long is gone.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the kernel keeps with a listener: its index below the generation that no connection has.
const LISTENER: u64 = (u32::MAX as u64) << 32;

/// One shard's sockets that listen.
#[derive(Default)]
pub(crate) struct Listeners(Vec<(TcpListener, SocketAddr, StreamKind)>);

pub(super) struct Listener {
    socket: TcpListener,
    local: SocketAddr,
    kind: StreamKind,
    pending: bool,
    retry_at: Option<Instant>,
}

impl Listener {
    /// The kernel says that somebody waits.
    pub(super) fn ready(&mut self) {
        self.pending = true;
    }

    /// Whether somebody may wait who can be accepted at once.
    pub(super) fn is_pending(&self) -> bool {
        self.pending && self.retry_at.is_none()
    }
}

impl Listeners {
    /// The addresses of one kind.
    pub(crate) fn locals(&self, of: StreamKind) -> Vec<SocketAddr> {
        self.0.iter().filter(|(_, _, kind)| *kind == of).map(|(_, local, _)| *local).collect()
    }
}

/// Opens a listener of each shard on one address.
pub(crate) fn bind(
    all: &mut [Listeners],
    wanted: Listen,
    kind: StreamKind,
) -> Result<(), StartError> {
    let failed = |error| StartError::stream(kind.key(), wanted.address, error);
    // As for UDP: without SO_REUSEPORT a socket finds out whether anybody is there.
    let alone = open(wanted.address, false).and_then(|probe| probe.local_addr());
    let local = match alone {
        Ok(local) => local,
        // As for UDP: an address found behind a wildcard may be tentative or just gone.
        Err(error) if wanted.found && error.kind() == ErrorKind::AddrNotAvailable => {
            tracing::warn!(key = kind.key(), address = %wanted.address, "cannot be used now");
            return Ok(());
        }
        Err(error) => return Err(failed(error)),
    };
    for listeners in all {
        listeners.0.push((open(local, true).map_err(failed)?, local, kind));
    }

    Ok(())
}

/// Lets an epoll instance watch one shard's listeners.
pub(super) fn watch(epoll: &Epoll, listeners: Listeners) -> io::Result<Vec<Listener>> {
    let interest = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
    let mut watched = Vec::new();
    for (index, (socket, local, kind)) in (0u64..).zip(listeners.0) {
        epoll.add(&socket, EpollEvent::new(interest, LISTENER | index))?;
        watched.push(Listener { socket, local, kind, pending: true, retry_at: None });
    }

    Ok(watched)
}

/// The index of the listener that the kernel means, if it means one.
pub(super) fn index_of(bits: u64) -> Option<usize> {
    (bits & LISTENER == LISTENER).then_some((bits & !LISTENER) as usize)
}

impl Streams {
    /// Accepts those who wait, a bounded number of them.
    pub(super) fn accept(&mut self, now: Instant) {
        for index in 0..self.listeners.len() {
            self.accept_at(now, index);
        }
    }

    fn accept_at(&mut self, now: Instant, index: usize) {
        for _ in 0..ACCEPTS_A_TURN {
            let listener = &mut self.listeners[index];
            listener.retry_at = listener.retry_at.filter(|at| *at > now);
            if !listener.is_pending() {
                return;
            }
            let (local, kind) = (listener.local, listener.kind);
            match listener.socket.accept() {
                Ok((socket, remote)) => self.greet(now, socket, Path::tcp(local, remote), kind),
                Err(error) if error.kind() == ErrorKind::WouldBlock => listener.pending = false,
                Err(error) if is_out_of_something(&error) => {
                    listener.retry_at = Some(now + RETRY_AFTER);
                    self.counters.accept_failures += 1;
                }
                // The client went away while it waited, or the network did.
                Err(_) => {}
            }
        }
    }

    fn greet(&mut self, now: Instant, socket: TcpStream, path: Path, kind: StreamKind) {
        self.counters.accepted(kind);
        let of_address = self.by_address.get(&subscriber(path.remote.ip())).copied();
        let full = self.table.len() >= self.limits.connections
            || of_address.unwrap_or(0) >= self.limits.connections_per_address;
        if full || socket.set_nonblocking(true).is_err() {
            return self.counters.closed(CloseReason::Limit);
        }
        let tls = match kind {
            StreamKind::Tcp => None,
            StreamKind::Tls => match self.tls.clone().map(Tls::new) {
                Some(Ok(tls)) => Some(tls),
                Some(Err(_)) | None => return self.counters.closed(CloseReason::Handshake),
            },
        };
        self.insert(now, Connection::new(socket, path, tls));
    }
}

/// A socket that listens; what is set here its connections inherit.
fn open(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of the process before this one may still linger.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(UNSENT_MAX)?;
    socket.set_tcp_user_timeout(Some(ACKNOWLEDGE_TIMEOUT))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;

    Ok(socket.into())
}

/// Whether nobody can be accepted for want of descriptors or memory.
fn is_out_of_something(error: &io::Error) -> bool {
    let wants = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];

    error.raw_os_error().is_some_and(|errno| wants.contains(&errno))
}
