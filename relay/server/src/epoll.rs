//! epoll(7): which of thousands of descriptors are readable.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

/// Descriptors told by one wait.
const EVENTS_MAX: usize = 256;

/// A descriptor that has something, by the token that it was added with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    pub(crate) readable: bool,
    pub(crate) error: bool,
}

/// A set of descriptors; closed ones leave it by themselves.
pub(crate) struct Epoll {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: epoll_create1 takes no pointers, and the descriptor it returns is nobody else's.
        let epoll = unsafe {
            let fd = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };

        Ok(Self { epoll, events: Vec::with_capacity(EVENTS_MAX) })
    }

    /// Adds a descriptor.
    pub(crate) fn add(&self, fd: RawFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        // SAFETY: the pointer is that of a live event, which is only read.
        let added = unsafe {
            libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event)
        };

        if added < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Waits until a descriptor has something or `timeout` passed; a signal ends it early.
    pub(crate) fn wait(&mut self, timeout: Duration) {
        let timespec = libc::timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        self.events.clear();
        // SAFETY: the kernel writes at most `EVENTS_MAX` events, for which there is room, and the
        // length is set to what it wrote.
        unsafe {
            let ready = libc::epoll_pwait2(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                EVENTS_MAX as i32,
                &raw const timespec,
                ptr::null(),
            );
            self.events.set_len(usize::try_from(ready).unwrap_or(0));
        }
    }

    /// What the last wait found.
    pub(crate) fn ready(&self) -> impl Iterator<Item = Ready> + '_ {
        self.events.iter().map(|event| Ready {
            token: event.u64,
            readable: event.events & libc::EPOLLIN as u32 != 0,
            error: event.events & libc::EPOLLERR as u32 != 0,
        })
    }
}
