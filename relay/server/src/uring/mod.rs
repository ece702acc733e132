//! The backend on `io_uring`: multishot receive into provided buffers, batches of sends in one
//! system call.

mod buffers;

use crate::io::{Io, IoCounters};
use crate::messages::{Messages, SEND_FLAGS, empty_header};
use crate::runs::Runs;
use crate::sockets::Sockets;
use crate::train::{CONTROL_BYTES, NAME_BYTES, TRAIN_BYTES, Train, address, segment_size};
use crate::wake::Wake;
use buffers::Buffers;
use io_uring::types::{CancelBuilder, Fd, RecvMsgOut, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use relay_shard::{DropReason, Outbox, Packet, Path};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Sends in one submission.
const SENDS_MAX: usize = 1024;

/// Entries of the submission queue: a batch of sends, and room to arm receives.
const QUEUE_ENTRIES: u32 = 2048;

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

const GROUP: u16 = 0;

const RECEIVE: u64 = 1 << 32;
const SEND: u64 = 2 << 32;
const WAKE: u64 = 3 << 32;
const KIND: u64 = u64::MAX << 32;

struct Received {
    socket: usize,
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
    armed: Vec<bool>,
    wake_armed: bool,
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
    ) -> Result<Self, (io::Error, Sockets)> {
        let (ring, buffers) = match Self::ring() {
            Ok(made) => made,
            Err(error) => return Err((error, sockets)),
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
            armed: vec![false; sockets.len()],
            sockets,
            wake,
            wake_armed: false,
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
            Err(error) => Err((error, uring.into_sockets())),
        }
    }

    fn ring() -> io::Result<(IoUring, Buffers)> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(2 * QUEUE_ENTRIES)
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
        std::mem::take(&mut self.sockets)
    }

    fn arm(&mut self) {
        for socket in 0..self.armed.len() {
            if !std::mem::replace(&mut self.armed[socket], true) {
                let fd = Fd(self.sockets.fd(socket));
                let entry = opcode::RecvMsgMulti::new(fd, &raw const *self.receive_header, GROUP)
                    .build()
                    .user_data(RECEIVE | socket as u64);
                self.push(&entry);
            }
        }
        if !std::mem::replace(&mut self.wake_armed, true) {
            let value = (&raw mut *self.wake_value).cast();
            let entry = opcode::Read::new(Fd(self.wake.fd()), value, 8).build().user_data(WAKE);
            self.push(&entry);
        }
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
        let Self { ring, buffers, ready, armed, failed, counters, .. } = self;
        for entry in ring.completion() {
            let index = (entry.user_data() & !KIND) as usize;
            match entry.user_data() & KIND {
                RECEIVE => {
                    armed[index] &= cqueue::more(entry.flags());
                    let Some(buffer) = cqueue::buffer_select(entry.flags()) else { continue };
                    match usize::try_from(entry.result()) {
                        Ok(len) => ready.push_back(Received { socket: index, buffer, len }),
                        Err(_) => buffers.lend(buffer),
                    }
                }
                SEND => {
                    self.sends_in_flight -= 1;
                    match usize::try_from(entry.result()) {
                        Ok(bytes) => counters.bytes_out += bytes as u64,
                        Err(_) => failed.push((index, -entry.result())),
                    }
                }
                _ => self.wake_armed = false,
            }
        }
    }

    /// Finds the datagrams in a filled buffer.
    fn open(&mut self, received: &Received) -> Option<Train> {
        let local = self.sockets.local(received.socket);
        let buffer = self.buffers.get(received.buffer);
        let message = RecvMsgOut::parse(&buffer[..received.len], &self.receive_header).ok()?;
        if message.is_payload_truncated() {
            self.counters.drops.count(DropReason::Truncated);
            return None;
        }
        let Some(remote) =
            address(message.name_data()).filter(|_| !message.payload_data().is_empty())
        else {
            self.counters.drops.count(DropReason::Malformed);
            return None;
        };
        let path = Path::udp(local, remote);
        let segment = segment_size(message.control_data());
        let end = PAYLOAD_START + message.payload_data().len();

        Some(Train::new(path, PAYLOAD_START..end, segment))
    }

    /// Sends runs `from..until` of the grouping in one system call and waits for their results.
    fn send(&mut self, out: &Outbox, from: usize, until: usize) {
        self.messages.fill(out, &self.runs, self.runs.runs()[from..until].iter());
        for index in from..until {
            let Some(socket) = self.sockets.index(&self.runs.runs()[index].path.local) else {
                self.failed.push((index, libc::EADDRNOTAVAIL));
                continue;
            };
            let header = &raw const self.messages.headers()[index - from].msg_hdr;
            let entry = opcode::SendMsg::new(Fd(self.sockets.fd(socket)), header)
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
        self.runs.group(out.transmits(), |path| self.sockets.sends_singly(&path.local));
        let total = self.runs.runs().len();
        for from in (0..total).step_by(SENDS_MAX) {
            self.send(out, from, total.min(from + SENDS_MAX));
        }
        self.counters.runs_out += total as u64;
        self.counters.datagrams_out += out.transmits().len() as u64;
        for &(index, errno) in &self.failed {
            let run = &self.runs.runs()[index];
            self.counters.datagrams_out -= run.count as u64;
            self.sockets.recover(out, &self.runs, run, errno, &mut self.counters);
        }
        self.failed.clear();
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
            if !self.wake_armed && !self.armed.contains(&true) {
                return;
            }
            self.enter(1, Some(Duration::from_millis(1)));
        }
    }
}
