//! The backend on `recvmmsg` and `sendmmsg`: the reference, and the fallback without io_uring.

use crate::bind::Patience;
use crate::epoll::Epoll;
use crate::io::{Io, IoCounters};
use crate::messages::{Messages, SEND_FLAGS, empty_header};
use crate::runs::Runs;
use crate::sockets::{SocketId, Sockets};
use crate::train::{CONTROL_BYTES, NAME_BYTES, TRAIN_BYTES, Train, address, segment_size};
use crate::wake::Wake;
use relay_shard::{DropReason, Outbox, Packet, Unreachable};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// Trains received by one call.
const BATCH: usize = 32;

/// Runs sent by one call.
const SENDS_MAX: usize = 1024;

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Ancillary {
    name: [u8; NAME_BYTES + 4],
    control: [u8; CONTROL_BYTES],
}

/// The token of the wake among those of sockets.
const WAKE: u64 = u64::MAX;

/// The token of the descriptor that is watched for others.
const WATCHED: u64 = u64::MAX - 1;

/// A shard's sockets, polled.
pub(crate) struct Mmsg {
    sockets: Sockets,
    wake: Arc<Wake>,
    epoll: Epoll,
    readable: VecDeque<SocketId>,
    watched: bool,
    payloads: Vec<u8>,
    ancillary: Vec<Ancillary>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    batch: Batch,
    open: Option<Train>,
    messages: Messages,
    runs: Runs,
    order: Vec<(SocketId, usize)>,
    counters: IoCounters,
}

/// What `recvmmsg` filled last, and the next of it.
#[derive(Default)]
struct Batch {
    socket: Option<SocketId>,
    filled: usize,
    next: usize,
}

impl Mmsg {
    /// A backend over these sockets, for batches of up to `packets` sent.
    pub(crate) fn new(sockets: Sockets, wake: Arc<Wake>, packets: usize) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(wake.fd(), WAKE)?;
        for id in sockets.media() {
            sockets.fd(id).map_or(Ok(()), |fd| epoll.add(fd, id.bits()))?;
        }

        Ok(Self {
            sockets,
            wake,
            epoll,
            readable: VecDeque::new(),
            watched: false,
            payloads: vec![0; BATCH * TRAIN_BYTES],
            ancillary: vec![Ancillary { name: [0; 32], control: [0; CONTROL_BYTES] }; BATCH],
            vectors: Vec::with_capacity(BATCH),
            headers: Vec::with_capacity(BATCH),
            batch: Batch::default(),
            open: None,
            messages: Messages::with_capacity(SENDS_MAX),
            runs: Runs::with_capacity(packets),
            order: Vec::with_capacity(packets),
            counters: IoCounters::default(),
        })
    }

    /// Receives a batch from the next readable socket; false when none is readable any more.
    fn receive(&mut self) -> bool {
        let Some(&socket) = self.readable.front() else { return false };
        let Some(fd) = self.sockets.fd(socket) else {
            self.readable.pop_front();
            return true;
        };
        self.point_headers();
        self.counters.syscalls += 1;
        // SAFETY: each header points at memory of `self` that nothing else borrows now, with its
        // true length.
        let filled = unsafe {
            libc::recvmmsg(
                fd,
                self.headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let filled = usize::try_from(filled).unwrap_or(0);
        if filled < BATCH {
            self.readable.pop_front();
        }
        self.counters.trains_in += filled as u64;
        self.batch = Batch { socket: Some(socket), filled, next: 0 };

        true
    }

    fn point_headers(&mut self) {
        self.vectors.clear();
        self.headers.clear();
        for payload in self.payloads.chunks_exact_mut(TRAIN_BYTES) {
            let vector =
                libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: TRAIN_BYTES };
            self.vectors.push(vector);
        }
        for (vector, ancillary) in self.vectors.iter_mut().zip(&mut self.ancillary) {
            let mut header = empty_header();
            header.msg_name = ancillary.name.as_mut_ptr().cast();
            header.msg_namelen = NAME_BYTES as u32;
            header.msg_control = ancillary.control.as_mut_ptr().cast();
            header.msg_controllen = CONTROL_BYTES;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            self.headers.push(libc::mmsghdr { msg_hdr: header, msg_len: 0 });
        }
    }

    /// Finds the datagrams in a filled buffer.
    fn open(&mut self, index: usize) -> Option<Train> {
        let header = &self.headers[index];
        let Ancillary { name, control } = &self.ancillary[index];
        if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            self.counters.drops.count(DropReason::Truncated);
            return None;
        }
        let name = &name[..NAME_BYTES.min(header.msg_hdr.msg_namelen as usize)];
        let control = &control[..CONTROL_BYTES.min(header.msg_hdr.msg_controllen)];
        let start = index * TRAIN_BYTES;
        let end = start + header.msg_len as usize;
        let Some(remote) = address(name) else {
            self.counters.drops.count(DropReason::Malformed);
            return None;
        };
        let Some(path) = self.batch.socket.and_then(|id| self.sockets.path(id, remote)) else {
            self.counters.drops.count(DropReason::UnknownPath);
            return None;
        };

        Some(Train::new(path, start..end, segment_size(control)))
    }

    /// Sends the runs at `from..until` of the order, all of one socket.
    fn send(&mut self, out: &Outbox, fd: RawFd, from: usize, until: usize) {
        let runs = self.runs.runs();
        let batch = self.order[from..until].iter().map(|&(_, run)| &runs[run]);
        self.messages.fill(out, &self.runs, batch);
        let mut done = from;
        while done < until {
            let headers = &mut self.messages.headers()[done - from..];
            self.counters.syscalls += 1;
            // SAFETY: the headers point at the outbox and at `self.messages`, which outlive the
            // call.
            let sent = unsafe {
                libc::sendmmsg(fd, headers.as_mut_ptr(), headers.len() as u32, SEND_FLAGS)
            };
            let errno = io::Error::last_os_error().raw_os_error().unwrap_or_default();
            let taken = usize::try_from(sent).unwrap_or(0);
            for (header, &(_, run)) in headers[..taken].iter().zip(&self.order[done..]) {
                self.counters.sent(self.runs.runs()[run].count, header.msg_len as usize);
            }
            done += taken;
            if sent < 0 && errno != libc::EINTR {
                let run = &self.runs.runs()[self.order[done].1];
                self.sockets.recover(out, &self.runs, run, errno, &mut self.counters);
                done += 1;
            }
        }
    }
}

impl Io for Mmsg {
    fn wait(&mut self, timeout: Duration, _gather: bool) {
        let unread =
            self.open.is_some() || self.batch.next < self.batch.filled || !self.readable.is_empty();
        if unread {
            return;
        }
        let timeout = if self.sockets.has_errors() { Duration::ZERO } else { timeout };
        self.counters.syscalls += 1;
        self.epoll.wait(timeout);
        // Sockets whose errors are not noted now are told again by the next wait.
        let noted = self.sockets.has_errors();
        for ready in self.epoll.ready() {
            if ready.token == WAKE {
                self.wake.clear();
                continue;
            }
            if ready.token == WATCHED {
                self.watched = true;
                continue;
            }
            let id = SocketId::from_bits(ready.token);
            if ready.readable {
                self.readable.push_back(id);
            }
            if ready.error && !noted && self.sockets.is_relayed(id) {
                self.sockets.fails(id);
            }
        }
    }

    fn next(&mut self) -> Option<Packet<'_>> {
        let (path, datagram) = loop {
            if let Some(train) = &mut self.open {
                if let Some(datagram) = train.next() {
                    break (train.path, datagram);
                }
                self.open = None;
            }
            if self.batch.next == self.batch.filled {
                if !self.receive() {
                    return None;
                }
                continue;
            }
            let index = self.batch.next;
            self.batch.next += 1;
            self.open = self.open(index);
        };
        self.counters.received(datagram.len());
        let bytes = &mut self.payloads[datagram];
        let len = bytes.len();

        Some(Packet::new(path, bytes, 0..len))
    }

    fn flush(&mut self, out: &Outbox) {
        self.runs.group(out.transmits(), |path| self.sockets.sends_singly(path));
        self.order.clear();
        for (index, run) in self.runs.runs().iter().enumerate() {
            match self.sockets.find(&run.path) {
                Some(id) if run.unfragmented => {
                    self.sockets.send_whole(id, out, &self.runs, run, &mut self.counters);
                }
                Some(id) => self.order.push((id, index)),
                None => self.counters.refused(libc::EADDRNOTAVAIL, run.count),
            }
        }
        // By socket, and within it in the order of the grouping.
        self.order.sort_unstable();
        let mut from = 0;
        while from < self.order.len() {
            let socket = self.order[from].0;
            let same = self.order[from..].iter().take(SENDS_MAX).take_while(|run| run.0 == socket);
            let until = from + same.count();
            if let Some(fd) = self.sockets.fd(socket) {
                self.send(out, fd, from, until);
            }
            from = until;
        }
    }

    fn open(&mut self, relayed: SocketAddr, patience: &Patience) -> io::Result<()> {
        let id = self.sockets.open(relayed, patience, &mut self.counters)?;
        let Some(fd) = self.sockets.fd(id) else { return Ok(()) };

        self.epoll.add(fd, id.bits()).inspect_err(|_| self.close(relayed))
    }

    fn close(&mut self, relayed: SocketAddr) {
        drop(self.sockets.close(&relayed, &mut self.counters));
    }

    fn next_error(&mut self) -> Option<Unreachable> {
        self.sockets.next_error(&mut self.counters, |_| {})
    }

    fn watch(&mut self, fd: RawFd) -> io::Result<()> {
        self.epoll.add(fd, WATCHED)
    }

    fn watched(&mut self) -> bool {
        std::mem::take(&mut self.watched)
    }

    fn counters(&self) -> &IoCounters {
        &self.counters
    }
}
