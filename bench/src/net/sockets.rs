//! Sockets for load: options, drops, and waiting for many of them.

use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// Sockets that are told as ready by one call.
const READY_MAX: usize = 256;
/// Index of the drops in what `SO_MEMINFO` tells (linux/sock_diag.h).
const MEMINFO_DROPS: usize = 8;

/// Sets a socket up: never blocks, large buffers, and trains (`UDP_GRO`) if `trains`.
pub(crate) fn prepare(socket: &UdpSocket, trains: bool) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    if trains {
        set_option(socket, libc::SOL_UDP, libc::UDP_GRO, 1)?;
    }
    enlarge_buffers(socket);

    Ok(())
}

/// Lets the kernel tell when each datagram came.
pub(crate) fn tell_receive_times(socket: &UdpSocket) -> io::Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)
}

/// Asks for large buffers: beyond the system's limit where we may, else up to it.
fn enlarge_buffers(socket: &UdpSocket) {
    const BYTES: i32 = 16 << 20;
    for (forced, plain) in
        [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
    {
        if set_option(socket, libc::SOL_SOCKET, forced, BYTES).is_err() {
            // A smaller buffer shows up as drops in the report.
            let _ = set_option(socket, libc::SOL_SOCKET, plain, BYTES);
        }
    }
}

/// Datagrams that a socket dropped because its buffer was full.
pub(crate) fn receive_drops(socket: &impl AsRawFd) -> u64 {
    const SO_MEMINFO: i32 = 55;
    let mut words = [0_u32; MEMINFO_DROPS + 1];
    let mut len = size_of_val(&words) as libc::socklen_t;
    // SAFETY: the pointers are those of a live array and of its length in bytes.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            words.as_mut_ptr().cast(),
            &raw mut len,
        )
    };

    if result == 0 { words[MEMINFO_DROPS].into() } else { 0 }
}

/// Many sockets of which few are ready: waiting costs by those, not by all.
pub(crate) struct Readiness {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
    ready: usize,
}

impl Readiness {
    /// Watches no socket yet.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: this call has no pointers.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and is nobody else's.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };

        Ok(Self {
            epoll,
            events: vec![libc::epoll_event { events: 0, u64: 0 }; READY_MAX],
            ready: 0,
        })
    }

    /// Watches a socket too; `token` is what tells of it.
    pub(crate) fn watch(&self, socket: &impl AsRawFd, token: usize) -> io::Result<()> {
        self.watch_for(libc::EPOLLIN, socket, token)
    }

    /// The same, and tells of it once when something arrives: for sockets that are read until they
    /// are empty, each time. The kernel need not look at them again.
    pub(crate) fn watch_arrivals(&self, socket: &impl AsRawFd, token: usize) -> io::Result<()> {
        self.watch_for(libc::EPOLLIN | libc::EPOLLET, socket, token)
    }

    fn watch_for(&self, events: i32, socket: &impl AsRawFd, token: usize) -> io::Result<()> {
        let mut event = libc::epoll_event { events: events as u32, u64: token as u64 };
        let (epoll, fd) = (self.epoll.as_raw_fd(), socket.as_raw_fd());
        // SAFETY: the pointer is that of a live event, which the call only reads.
        let result = unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) };

        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits until one can be read, at most for a time.
    pub(crate) fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let timeout = timespec(timeout);
        // SAFETY: the pointers are those of a live vector, whose length is told, and of a live
        // timespec; no signal's mask is given.
        let ready = unsafe {
            libc::epoll_pwait2(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                READY_MAX as i32,
                &raw const timeout,
                std::ptr::null(),
            )
        };
        let error = io::Error::last_os_error();
        self.ready = usize::try_from(ready).unwrap_or(0);
        if ready < 0 && error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }

        Ok(())
    }

    /// How many the last wait found.
    pub(crate) fn len(&self) -> usize {
        self.ready
    }

    /// The token of one of them.
    pub(crate) fn token(&self, index: usize) -> usize {
        self.events[index].u64 as usize
    }

    /// The tokens of those that the last wait found.
    pub(crate) fn ready(&self) -> impl Iterator<Item = usize> + use<'_> {
        self.events[..self.ready].iter().map(|event| event.u64 as usize)
    }
}

impl AsRawFd for Readiness {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.epoll.as_raw_fd()
    }
}

/// Waits until one of these can be read, at most for a time; the number that can.
pub(crate) fn wait(polls: &mut [libc::pollfd], timeout: Duration) -> io::Result<usize> {
    let timespec = timespec(timeout);
    // SAFETY: the pointers are those of a live slice and a live timespec.
    let ready = unsafe {
        libc::ppoll(
            polls.as_mut_ptr(),
            polls.len() as libc::nfds_t,
            &raw const timespec,
            std::ptr::null(),
        )
    };
    let Ok(ready) = usize::try_from(ready) else {
        polls.iter_mut().for_each(|poll| poll.revents = 0);
        let error = io::Error::last_os_error();
        let interrupted = error.kind() == io::ErrorKind::Interrupted;
        return if interrupted { Ok(0) } else { Err(error) };
    };

    Ok(ready)
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: time.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: time.subsec_nanos().into(),
    }
}

/// What to wait for on a descriptor: that it can be read.
pub(crate) fn readable(socket: &impl AsRawFd) -> libc::pollfd {
    libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

fn set_option(socket: &UdpSocket, level: i32, name: i32, value: i32) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of an integer that outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };

    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
