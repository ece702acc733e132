//! The backend on `recvmmsg` and `sendmmsg`: the reference, and the fallback without io_uring.

use crate::io::{Io, IoCounters};
use crate::messages::{Messages, SEND_FLAGS, empty_header};
use crate::runs::Runs;
use crate::sockets::Sockets;
use crate::train::{CONTROL_BYTES, NAME_BYTES, TRAIN_BYTES, Train, address, segment_size};
use crate::wake::Wake;
use relay_shard::{DropReason, Outbox, Packet, Path};
use std::io;
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

/// A shard's sockets, polled.
pub(crate) struct Mmsg {
    sockets: Sockets,
    wake: Arc<Wake>,
    polls: Vec<libc::pollfd>,
    payloads: Vec<u8>,
    ancillary: Vec<Ancillary>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    batch: Batch,
    open: Option<Train>,
    messages: Messages,
    runs: Runs,
    order: Vec<(usize, usize)>,
    counters: IoCounters,
}

/// What `recvmmsg` filled last, and the next of it.
#[derive(Default)]
struct Batch {
    socket: usize,
    filled: usize,
    next: usize,
}

impl Mmsg {
    /// A backend over these sockets, for batches of up to `packets` sent.
    pub(crate) fn new(sockets: Sockets, wake: Arc<Wake>, packets: usize) -> Self {
        let poll = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut polls: Vec<_> = (0..sockets.len()).map(|socket| poll(sockets.fd(socket))).collect();
        polls.push(poll(wake.fd()));

        Self {
            sockets,
            wake,
            polls,
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
        }
    }

    /// Receives a batch from the next readable socket; false when none is readable any more.
    fn receive(&mut self) -> bool {
        let sockets = self.sockets.len();
        let Some(socket) = (0..sockets).find(|&s| self.polls[s].revents & libc::POLLIN != 0) else {
            return false;
        };
        self.point_headers();
        self.counters.syscalls += 1;
        // SAFETY: each header points at memory of `self` that nothing else borrows now, with its
        // true length.
        let filled = unsafe {
            libc::recvmmsg(
                self.sockets.fd(socket),
                self.headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        };
        let filled = usize::try_from(filled).unwrap_or(0);
        if filled < BATCH {
            self.polls[socket].revents = 0;
        }
        self.counters.trains_in += filled as u64;
        self.batch = Batch { socket, filled, next: 0 };

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
        let Some(remote) = address(name).filter(|_| end > start) else {
            self.counters.drops.count(DropReason::Malformed);
            return None;
        };
        let path = Path::udp(self.sockets.local(self.batch.socket), remote);

        Some(Train::new(path, start..end, segment_size(control)))
    }

    /// Sends the runs at `from..until` of the order, all of one socket.
    fn send(&mut self, out: &Outbox, socket: usize, from: usize, until: usize) {
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
                libc::sendmmsg(
                    self.sockets.fd(socket),
                    headers.as_mut_ptr(),
                    headers.len() as u32,
                    SEND_FLAGS,
                )
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
        let unread = self.open.is_some() || self.batch.next < self.batch.filled;
        let timeout = if unread { Duration::ZERO } else { timeout };
        let timespec = libc::timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        self.counters.syscalls += 1;
        // SAFETY: the pointers are those of a live vector and a live timespec.
        let ready = unsafe {
            let polls = self.polls.as_mut_ptr();
            libc::ppoll(polls, self.polls.len() as u64, &raw const timespec, ptr::null())
        };
        if ready < 0 {
            // Interrupted by a signal: nothing is known to be readable.
            self.polls.iter_mut().for_each(|poll| poll.revents = 0);
        }
        if self.polls.last().is_some_and(|poll| poll.revents & libc::POLLIN != 0) {
            self.wake.clear();
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
        self.runs.group(out.transmits(), |path| self.sockets.sends_singly(&path.local));
        self.order.clear();
        for (index, run) in self.runs.runs().iter().enumerate() {
            match self.sockets.index(&run.path.local) {
                Some(socket) => self.order.push((socket, index)),
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
            self.send(out, socket, from, until);
            from = until;
        }
    }

    fn counters(&self) -> &IoCounters {
        &self.counters
    }
}
