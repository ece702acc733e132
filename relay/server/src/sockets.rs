//! One shard's sockets: unconnected, one per local address, SO_REUSEPORT among the shards; and one
//! for each relayed address.

use crate::bind::Patience;
use crate::errqueue::{self, Found};
use crate::io::{IoCounters, is_full, offload_is_broken, retry_singly};
use crate::messages::Messages;
use crate::options;
use crate::relayed::{Descriptors, Place, Relayed};
use crate::runs::{Run, Runs};
use relay_shard::{DropReason, Outbox, Path, Unreachable, Via};
use socket2::Socket;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

/// Errors that may wait for the shard.
const ERRORS_MAX: usize = 256;

/// Errors that a refused send reads before it is tried again.
const ERRORS_A_SEND: usize = 8;

/// How often a lack of descriptors or memory is told.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// One of a shard's sockets: those of media addresses first, then those of relayed ones, each with
/// a generation that tells two sockets at the same place apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SocketId(u64);

impl SocketId {
    /// Index below, generation above 32 bits.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    pub(crate) fn index(self) -> usize {
        self.0 as u32 as usize
    }
}

struct Bound {
    socket: Socket,
    local: SocketAddr,
    single: bool,
}

/// One shard's sockets.
pub(crate) struct Sockets {
    bound: Vec<Bound>,
    relayed: Relayed,
    any_single: bool,
    /// Relayed sockets that have errors to tell.
    failing: VecDeque<SocketId>,
    errors: VecDeque<Unreachable>,
    /// Headers for sending a refused run again.
    again: Messages,
    complained: Option<Instant>,
}

impl Sockets {
    /// No sockets yet.
    pub(crate) fn new(descriptors: Descriptors) -> Self {
        Self {
            bound: Vec::new(),
            relayed: Relayed::new(descriptors),
            any_single: false,
            failing: VecDeque::new(),
            errors: VecDeque::with_capacity(ERRORS_MAX),
            again: Messages::with_capacity(1),
            complained: None,
        }
    }

    /// Adds the socket of a media address.
    pub(crate) fn add(&mut self, socket: Socket, local: SocketAddr) {
        self.bound.push(Bound { socket, local, single: false });
    }

    /// The media addresses.
    pub(crate) fn locals(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.bound.iter().map(|bound| bound.local)
    }

    /// The socket of a media address.
    pub(crate) fn media_socket(&self, local: SocketAddr) -> Option<BorrowedFd<'_>> {
        let bound = self.bound.iter().find(|bound| bound.local == local)?;

        Some(bound.socket.as_fd())
    }

    /// The sockets of media addresses.
    pub(crate) fn media(&self) -> impl Iterator<Item = SocketId> + use<> {
        (0..self.bound.len() as u64).map(SocketId)
    }

    /// A socket's descriptor, if it is still the one.
    pub(crate) fn fd(&self, id: SocketId) -> Option<RawFd> {
        match self.place(id) {
            None => self.bound.get(id.index()).map(|bound| bound.socket.as_raw_fd()),
            Some(place) => self.relayed.get(place).map(|(fd, _)| fd),
        }
    }

    /// The path of what a socket receives from `remote`, if it is still the one.
    pub(crate) fn path(&self, id: SocketId, remote: SocketAddr) -> Option<Path> {
        match self.place(id) {
            None => self.bound.get(id.index()).map(|bound| Path::udp(bound.local, remote)),
            Some(place) => self.relayed.get(place).map(|(_, local)| Path::peer(local, remote)),
        }
    }

    /// The socket by which a path's datagrams leave.
    pub(crate) fn find(&self, path: &Path) -> Option<SocketId> {
        match path.via {
            Via::Udp => {
                let index = self.bound.iter().position(|bound| bound.local == path.local)?;
                Some(SocketId(index as u64))
            }
            Via::Peer => self.relayed.find(&path.local).map(|place| self.id(place)),
            Via::Tcp | Via::Inside => None,
        }
    }

    /// Whether this is the socket of a relayed address.
    pub(crate) fn is_relayed(&self, id: SocketId) -> bool {
        self.place(id).is_some()
    }

    /// Opens a socket on a relayed address; one that is refused is counted once, however often it
    /// was tried.
    pub(crate) fn open(
        &mut self,
        relayed: SocketAddr,
        patience: &Patience,
        counters: &mut IoCounters,
    ) -> io::Result<SocketId> {
        let opened = patience.open(|| self.relayed.open(relayed));
        let opened = opened.map(|place| self.id(place));
        if let Err(error) = &opened {
            self.complain(error, counters);
        }
        counters.relayed = self.relayed.len() as u64;

        opened
    }

    /// Takes out the socket of a relayed address, to be closed by the caller.
    pub(crate) fn close(
        &mut self,
        relayed: &SocketAddr,
        counters: &mut IoCounters,
    ) -> Option<(SocketId, Socket)> {
        let (place, socket) = self.relayed.take(relayed)?;
        counters.relayed = self.relayed.len() as u64;

        Some((self.id(place), socket))
    }

    /// Whether segmentation offload was found broken on the socket of this path.
    pub(crate) fn sends_singly(&self, path: &Path) -> bool {
        self.any_single && self.find(path).is_some_and(|id| self.is_single(id))
    }

    /// Notes that a relayed socket has errors to tell.
    pub(crate) fn fails(&mut self, id: SocketId) {
        self.failing.push_back(id);
    }

    /// Whether errors wait to be read.
    pub(crate) fn has_errors(&self) -> bool {
        !self.failing.is_empty() || !self.errors.is_empty()
    }

    /// The next ICMP error; `told` gets each socket that has told all of its errors.
    pub(crate) fn next_error(
        &mut self,
        counters: &mut IoCounters,
        mut told: impl FnMut(SocketId),
    ) -> Option<Unreachable> {
        if let Some(error) = self.errors.pop_front() {
            return Some(error);
        }
        while let Some(&id) = self.failing.front() {
            match self.take_error(id, counters) {
                Some(Found::Unreachable(error)) => return Some(error),
                Some(Found::Local) => {}
                None => {
                    self.failing.pop_front();
                    told(id);
                }
            }
        }

        None
    }

    /// Deals with a run that the kernel refused: sends it again, datagram by datagram where that
    /// may help, and counts what is lost.
    pub(crate) fn recover(
        &mut self,
        out: &Outbox,
        runs: &Runs,
        run: &Run,
        mut errno: i32,
        counters: &mut IoCounters,
    ) {
        let Some((id, fd)) = self.find(&run.path).and_then(|id| Some((id, self.fd(id)?))) else {
            return counters.refused(errno, run.count);
        };
        // An error of an earlier datagram is told by the next send, which is not made.
        if self.read_errors(id, errno, counters) {
            counters.syscalls += 1;
            match self.again.send(fd, out, runs, run) {
                Ok(bytes) => return counters.sent(run.count, bytes),
                Err(error) => errno = error.raw_os_error().unwrap_or_default(),
            }
        }
        if run.count == 1 || !retry_singly(errno) {
            return counters.refused(errno, run.count);
        }
        if offload_is_broken(errno, run.segment) && !self.is_single(id) {
            let error = io::Error::from_raw_os_error(errno);
            tracing::warn!(address = %run.path.local, %error, "no UDP_SEGMENT: sending singly");
            self.make_single(id);
        }
        for member in runs.members(run) {
            let datagram = out.bytes(&out.transmits()[member]);
            counters.syscalls += 1;
            match Messages::send_alone(fd, run.path.remote, datagram) {
                Ok(()) => counters.sent(1, datagram.len()),
                Err(error) => counters.refused(error.raw_os_error().unwrap_or_default(), 1),
            }
        }
    }

    /// Sends a datagram whole or not at all (RFC 8656, section 14).
    pub(crate) fn send_whole(
        &mut self,
        id: SocketId,
        out: &Outbox,
        runs: &Runs,
        run: &Run,
        counters: &mut IoCounters,
    ) {
        let Some(fd) = self.fd(id) else { return counters.refused(libc::EADDRNOTAVAIL, 1) };
        counters.syscalls += 3;
        let sent = options::fragment(fd, run.path.local, false).and_then(|()| {
            let sent = self.again.send(fd, out, runs, run);
            let errno = sent.as_ref().err().and_then(io::Error::raw_os_error);
            let earlier = errno.is_some_and(|errno| self.read_errors(id, errno, counters));
            if earlier { self.again.send(fd, out, runs, run) } else { sent }
        });
        let _ = options::fragment(fd, run.path.local, true);
        match sent.map_err(|error| error.raw_os_error().unwrap_or_default()) {
            Ok(bytes) => counters.sent(1, bytes),
            Err(libc::EMSGSIZE) => counters.drops.count(DropReason::WouldFragment),
            Err(errno) => counters.refused(errno, 1),
        }
    }

    /// Reads what errors a socket has to tell after a send was refused; whether there were any of
    /// earlier datagrams.
    fn read_errors(&mut self, id: SocketId, errno: i32, counters: &mut IoCounters) -> bool {
        if self.place(id).is_none() || is_full(errno) {
            return false;
        }
        // Nothing else than an earlier datagram's error refuses so where nobody has connected.
        let mut earlier = errno == libc::ECONNREFUSED;
        for _ in 0..ERRORS_A_SEND {
            match self.take_error(id, counters) {
                Some(Found::Unreachable(error)) => {
                    earlier = true;
                    if self.errors.len() < ERRORS_MAX {
                        self.errors.push_back(error);
                    }
                }
                Some(Found::Local) => {}
                None => break,
            }
        }

        earlier
    }

    fn take_error(&self, id: SocketId, counters: &mut IoCounters) -> Option<Found> {
        let (fd, relayed) = self.relayed.get(self.place(id)?)?;
        counters.syscalls += 1;

        errqueue::take(fd, relayed)
    }

    fn complain(&mut self, error: &io::Error, counters: &mut IoCounters) {
        if error.raw_os_error() == Some(libc::EADDRINUSE) {
            counters.relayed_in_use += 1;
            return;
        }
        counters.relayed_failed += 1;
        if self.complained.is_none_or(|last| last.elapsed() >= COMPLAIN_EVERY) {
            self.complained = Some(Instant::now());
            tracing::error!(
                %error,
                open = self.relayed.len(),
                "no socket for an allocation: raise the limit of open files (LimitNOFILE)"
            );
        }
    }

    fn place(&self, id: SocketId) -> Option<Place> {
        let slot = id.index().checked_sub(self.bound.len())?;

        Some(Place { slot: slot as u32, generation: (id.0 >> 32) as u32 })
    }

    fn id(&self, place: Place) -> SocketId {
        let index = self.bound.len() as u64 + u64::from(place.slot);

        SocketId(u64::from(place.generation) << 32 | index)
    }

    fn is_single(&self, id: SocketId) -> bool {
        match self.place(id) {
            None => self.bound.get(id.index()).is_some_and(|bound| bound.single),
            Some(place) => self.relayed.is_single(place),
        }
    }

    fn make_single(&mut self, id: SocketId) {
        self.any_single = true;
        match self.place(id) {
            None => self.bound[id.index()].single = true,
            Some(place) => self.relayed.make_single(place),
        }
    }
}
