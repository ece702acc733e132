//! The backend on `io_uring`: multishot receive into provided buffers, batches of sends in one
//! system call.

mod buffers;

use crate::bind::Patience;
use crate::io::{Io, IoCounters};
use crate::messages::{Messages, SEND_FLAGS, empty_header};
use crate::relayed::Descriptors;
use crate::runs::Runs;
use crate::sockets::{SocketId, Sockets};
use crate::train::{CONTROL_BYTES, NAME_BYTES, TRAIN_BYTES, Train, address, segment_size};
use crate::wake::Wake;
use buffers::Buffers;
use io_uring::squeue::Flags;
use io_uring::types::{CancelBuilder, Fd, RecvMsgOut, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use relay_shard::{DropReason, Outbox, Packet, Unreachable};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{IntoRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// Sends in one submission.
const SENDS_MAX: usize = 1024;

/// Entries of the submission queue: a batch of sends, and room to arm receives.
const QUEUE_ENTRIES: u32 = 2048;

/// Entries of the completion queue: when all receive buffers are filled, each socket that a
/// process may have ends its receive, and the queue should take all that in.
const COMPLETION_ENTRIES: u32 = 16_384;

/// Receive buffers of a shard; pages of them that no train ever filled are not resident.
const BUFFERS: u16 = 128;

/// A multishot completion: header, address, ancillary data, then the train.
const PAYLOAD_START: usize = 16 + NAME_BYTES + CONTROL_BYTES;

/// Bytes of a buffer: whole pages.
const BUFFER_BYTES: usize = (PAYLOAD_START + TRAIN_BYTES).next_multiple_of(4096);

/// Completions for which a gathering shard may sleep on.
const GATHER_COMPLETIONS: usize = 64;

/// Milliseconds to wait for cancelled receives.
const CANCEL_ROUNDS: usize = 100;

/// Cancelled receives that are waited for at once.
const CANCELLED_MAX: usize = 4_096;

const GROUP: u16 = 0;

/// A receive of the socket whose id stands below.
const RECEIVE: u64 = 1 << 60;
/// The send of the run whose index stands below.
const SEND: u64 = 2 << 60;
const WAKE: u64 = 3 << 60;
/// Cancels a receive, or closes a socket; only a failure is told, and means that nothing was left
/// to do.
const CLOSE: u64 = 4 << 60;
/// The poll of the watched descriptor.
const WATCH: u64 = 5 << 60;
const KIND: u64 = 0xf << 60;

struct Received {
    socket: SocketId,
    buffer: u16,
    len: usize,
}

/// A shard's ring. Fields are dropped in order: the ring goes before what the kernel writes to.
pub(crate) struct Uring {
    ring: IoUring,
    buffers: Buffers,
    receive_header: Box<libc::msghdr>,
    wake_value: Box<u64>,
    messages: Messages,
    sockets: Sockets,
    wake: Arc<Wake>,
    /// Which sockets receive, by index.
    armed: Vec<bool>,
    /// Receives that have not ended, those of closed sockets among them.
    receives: usize,
    /// Sockets of relayed addresses whose receive is to be armed.
    rearm: VecDeque<SocketId>,
    wake_armed: bool,
    /// A descriptor of others, and whether it is polled now.
    watch: Option<RawFd>,
    watch_armed: bool,
    watched: bool,
    /// Receives that ended, and how; of one batch of completions.
    ended: Vec<(SocketId, i32)>,
    ready: VecDeque<Received>,
    open: Option<(u16, Train)>,
    runs: Runs,
    sends_in_flight: usize,
    failed: Vec<(usize, i32)>,
    counters: IoCounters,
}

impl Uring {
    /// Makes the ring and arms the receives; fails when the kernel refuses any part of it, and
    /// then gives the sockets back.
    pub(crate) fn new(
        sockets: Sockets,
        wake: Arc<Wake>,
        packets: usize,
    ) -> Result<Self, Box<(io::Error, Sockets)>> {
        let (ring, buffers) = match Self::ring() {
            Ok(made) => made,
            Err(error) => return Err(Box::new((error, sockets))),
        };
        let mut receive_header = Box::new(empty_header());
        receive_header.msg_namelen = NAME_BYTES as u32;
        receive_header.msg_controllen = CONTROL_BYTES;
        let mut uring = Self {
            ring,
            buffers,
            receive_header,
            wake_value: Box::new(0),
            messages: Messages::with_capacity(SENDS_MAX),
            armed: vec![false; sockets.media().count()],
            receives: 0,
            rearm: VecDeque::new(),
            sockets,
            wake,
            wake_armed: false,
            watch: None,
            watch_armed: false,
            watched: false,
            ended: Vec::new(),
            ready: VecDeque::with_capacity(BUFFERS.into()),
            open: None,
            runs: Runs::with_capacity(packets),
            sends_in_flight: 0,
            failed: Vec::with_capacity(SENDS_MAX),
            counters: IoCounters::default(),
        };
        uring.arm();
        match uring.probe() {
            Ok(()) => Ok(uring),
            Err(error) => Err(Box::new((error, uring.into_sockets()))),
        }
    }

    fn ring() -> io::Result<(IoUring, Buffers)> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(COMPLETION_ENTRIES)
            .build(QUEUE_ENTRIES)?;
        let mut buffers = Buffers::new(BUFFERS, BUFFER_BYTES)?;
        // SAFETY: `Uring` drops its ring before its buffers.
        unsafe { buffers.register(&ring.submitter(), GROUP)? };

        Ok((ring, buffers))
    }

    /// Submits the first receives; a kernel that does not know them says so at once.
    fn probe(&mut self) -> io::Result<()> {
        self.ring.submit()?;
        let refused = self.ring.completion().find(|entry| {
            entry.user_data() & KIND == RECEIVE
                && matches!(-entry.result(), libc::EINVAL | libc::EOPNOTSUPP | libc::EPERM)
        });

        refused.map_or(Ok(()), |entry| Err(io::Error::from_raw_os_error(-entry.result())))
    }

    fn into_sockets(mut self) -> Sockets {
        let none = Sockets::new(Descriptors::new(0));

        std::mem::replace(&mut self.sockets, none)
    }

    fn arm(&mut self) {
        for socket in self.sockets.media() {
            self.receive(socket);
        }
        // No more than can receive something: without a buffer a receive ends at once.
        for _ in 0..self.rearm.len().min(self.buffers.lent()) {
            if let Some(socket) = self.rearm.pop_front() {
                self.receive(socket);
            }
        }
        if !std::mem::replace(&mut self.wake_armed, true) {
            let value = (&raw mut *self.wake_value).cast();
            let entry = opcode::Read::new(Fd(self.wake.fd()), value, 8).build().user_data(WAKE);
            self.push(&entry);
        }
        if let Some(fd) = self.watch.filter(|_| !self.watch_armed) {
            self.watch_armed = true;
            // One shot: armed anew it looks anew, so that nothing left unread is forgotten.
            let entry = opcode::PollAdd::new(Fd(fd), libc::POLLIN as u32).build();
            self.push(&entry.user_data(WATCH));
        }
    }

    /// Arms a socket's receive, unless it is armed, or closed.
    fn receive(&mut self, socket: SocketId) {
        let Some(fd) = self.sockets.fd(socket) else { return };
        if std::mem::replace(&mut self.armed[socket.index()], true) {
            return;
        }
        self.receives += 1;
        let entry = opcode::RecvMsgMulti::new(Fd(fd), &raw const *self.receive_header, GROUP)
            .build()
            .user_data(RECEIVE | socket.bits());
        self.push(&entry);
    }

    fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: what entries point to (the receive header, the wake value, the batch's headers)
        // lives in boxes and vectors of `self` that do not move while the kernel may use them:
        // receives and the wake until the ring is dropped, sends until `flush` has seen their
        // completions.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            self.enter(0, None);
        }
    }

    /// Submits what is queued and waits for completions; time-outs and signals are no errors.
    fn enter(&mut self, want: usize, timeout: Option<Duration>) {
        self.counters.syscalls += 1;
        let entered = match timeout {
            None => self.ring.submit_and_wait(want),
            Some(timeout) => {
                let timespec = Timespec::from(timeout);
                let args = SubmitArgs::new().timespec(&timespec);
                self.ring.submitter().submit_with_args(want, &args)
            }
        };
        let Err(error) = entered else { return };
        let passing = [libc::ETIME, libc::EINTR, libc::EBUSY, libc::EAGAIN];
        let passes = error.raw_os_error().is_some_and(|errno| passing.contains(&errno));
        assert!(passes, "io_uring_enter fails only for a broken ring: {error}");
    }

    fn reap(&mut self) {
        let Self { ring, buffers, runs, failed, counters, .. } = self;
        for entry in ring.completion() {
            let below = entry.user_data() & !KIND;
            match entry.user_data() & KIND {
                RECEIVE => {
                    let socket = SocketId::from_bits(below);
                    if let Some(buffer) = cqueue::buffer_select(entry.flags()) {
                        buffers.returned();
                        match usize::try_from(entry.result()) {
                            Ok(len) => self.ready.push_back(Received { socket, buffer, len }),
                            Err(_) => buffers.lend(buffer),
                        }
                    }
                    if !cqueue::more(entry.flags()) {
                        self.ended.push((socket, entry.result()));
                    }
                }
                SEND => {
                    self.sends_in_flight -= 1;
                    let index = below as usize;
                    match usize::try_from(entry.result()) {
                        Ok(bytes) => counters.sent(runs.runs()[index].count, bytes),
                        Err(_) => failed.push((index, -entry.result())),
                    }
                }
                WAKE => self.wake_armed = false,
                WATCH => (self.watch_armed, self.watched) = (false, true),
                _ => {}
            }
        }
        while let Some((socket, result)) = self.ended.pop() {
            self.receive_ended(socket, result);
        }
    }

    /// A receive ends for want of a buffer, by an error of the socket, or because it was closed.
    fn receive_ended(&mut self, socket: SocketId, result: i32) {
        self.receives -= 1;
        if self.sockets.fd(socket).is_none() {
            return;
        }
        self.armed[socket.index()] = false;
        if !self.sockets.is_relayed(socket) {
            return;
        }
        if result >= 0 || result == -libc::ENOBUFS {
            self.rearm.push_back(socket);
        } else {
            self.sockets.fails(socket);
        }
    }

    /// Finds the datagrams in a filled buffer.
    fn open(&mut self, received: &Received) -> Option<Train> {
        let buffer = self.buffers.get(received.buffer);
        let message = RecvMsgOut::parse(&buffer[..received.len], &self.receive_header).ok()?;
        if message.is_payload_truncated() {
            self.counters.drops.count(DropReason::Truncated);
            return None;
        }
        let Some(remote) = address(message.name_data()) else {
            self.counters.drops.count(DropReason::Malformed);
            return None;
        };
        let Some(path) = self.sockets.path(received.socket, remote) else {
            self.counters.drops.count(DropReason::UnknownPath);
            return None;
        };
        let segment = segment_size(message.control_data());
        let end = PAYLOAD_START + message.payload_data().len();

        Some(Train::new(path, PAYLOAD_START..end, segment))
    }

    /// Sends runs `from..until` of the grouping in one system call and waits for their results.
    fn send(&mut self, out: &Outbox, from: usize, until: usize) {
        self.messages.fill(out, &self.runs, self.runs.runs()[from..until].iter());
        for index in from..until {
            let run = &self.runs.runs()[index];
            let socket = self.sockets.find(&run.path);
            let Some((socket, fd)) = socket.and_then(|id| Some((id, self.sockets.fd(id)?))) else {
                self.failed.push((index, libc::EADDRNOTAVAIL));
                continue;
            };
            if run.unfragmented {
                self.sockets.send_whole(socket, out, &self.runs, run, &mut self.counters);
                continue;
            }
            let header = &raw const self.messages.headers()[index - from].msg_hdr;
            let entry = opcode::SendMsg::new(Fd(fd), header)
                .flags(SEND_FLAGS as u32)
                .build()
                .user_data(SEND | index as u64);
            self.push(&entry);
            self.sends_in_flight += 1;
        }
        // MSG_DONTWAIT completes each send at once, so that this loop runs once.
        while self.sends_in_flight > 0 {
            self.enter(self.sends_in_flight, None);
            self.reap();
        }
    }
}

impl Io for Uring {
    fn wait(&mut self, timeout: Duration, gather: bool) {
        self.arm();
        if self.ready.is_empty() && self.open.is_none() {
            let waits = !self.rearm.is_empty() || self.sockets.has_errors();
            let timeout = if waits { Duration::ZERO } else { timeout };
            let want = if gather { GATHER_COMPLETIONS } else { 1 };
            self.enter(want, Some(timeout));
        }
        self.reap();
    }

    fn next(&mut self) -> Option<Packet<'_>> {
        let (buffer, path, datagram) = loop {
            if let Some((buffer, train)) = &mut self.open {
                if let Some(datagram) = train.next() {
                    break (*buffer, train.path, datagram);
                }
                self.buffers.lend(*buffer);
                self.open = None;
            }
            let received = self.ready.pop_front()?;
            self.counters.trains_in += 1;
            match self.open(&received) {
                Some(train) => self.open = Some((received.buffer, train)),
                None => self.buffers.lend(received.buffer),
            }
        };
        self.counters.received(datagram.len());
        let bytes = &mut self.buffers.get(buffer)[datagram];
        let len = bytes.len();

        Some(Packet::new(path, bytes, 0..len))
    }

    fn flush(&mut self, out: &Outbox) {
        self.runs.group(out.transmits(), |path| self.sockets.sends_singly(path));
        let total = self.runs.runs().len();
        for from in (0..total).step_by(SENDS_MAX) {
            self.send(out, from, total.min(from + SENDS_MAX));
        }
        for &(index, errno) in &self.failed {
            let run = &self.runs.runs()[index];
            self.sockets.recover(out, &self.runs, run, errno, &mut self.counters);
        }
        self.failed.clear();
    }

    fn open(&mut self, relayed: SocketAddr, patience: &Patience) -> io::Result<()> {
        let socket = self.sockets.open(relayed, patience, &mut self.counters)?;
        if self.armed.len() <= socket.index() {
            self.armed.resize(socket.index() + 1, false);
        }
        // What a socket received that was here before is told with another id.
        self.armed[socket.index()] = false;
        self.rearm.push_back(socket);

        Ok(())
    }

    fn close(&mut self, relayed: SocketAddr) {
        let Some((id, socket)) = self.sockets.close(&relayed, &mut self.counters) else { return };
        if !self.armed[id.index()] {
            return;
        }
        let cancel = opcode::AsyncCancel::new(RECEIVE | id.bits()).build();
        self.push(&cancel.flags(Flags::SKIP_SUCCESS).user_data(CLOSE));
        // In this order: the receive would keep a closed socket alive, and its port with it.
        let close = opcode::Close::new(Fd(socket.into_raw_fd())).build();
        self.push(&close.flags(Flags::SKIP_SUCCESS).user_data(CLOSE));
    }

    fn next_error(&mut self) -> Option<Unreachable> {
        self.sockets.next_error(&mut self.counters, |socket| self.rearm.push_back(socket))
    }

    fn watch(&mut self, fd: RawFd) -> io::Result<()> {
        self.watch = Some(fd);

        Ok(())
    }

    fn watched(&mut self) -> bool {
        std::mem::take(&mut self.watched)
    }

    fn counters(&self) -> &IoCounters {
        &self.counters
    }
}

impl Drop for Uring {
    /// Cancels what is armed and sees it end: nothing may be written to buffers once they are
    /// unmapped, and the kernel would keep the sockets open for a while.
    fn drop(&mut self) {
        let _ = self.ring.submitter().register_sync_cancel(None, CancelBuilder::any());
        for _ in 0..CANCEL_ROUNDS {
            self.reap();
            let polls = usize::from(self.wake_armed) + usize::from(self.watch_armed);
            let waits = self.receives + polls;
            // Once in any case: sockets may wait to be closed.
            self.enter(waits.min(CANCELLED_MAX), Some(Duration::from_millis(1)));
            if waits == 0 {
                return;
            }
        }
    }
}
