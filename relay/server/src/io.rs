//! What the media loop needs of a backend: wait, receive, send.

use crate::bind::Patience;
use relay_shard::{DropReason, Drops, Outbox, Packet, Unreachable};
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::Duration;

/// Sockets of one shard, with what moves datagrams through them.
pub(crate) trait Io {
    /// Blocks until something came or `timeout` passed. With `gather` it may sleep on after the
    /// first datagrams, for a bigger batch, but no longer than `timeout`.
    fn wait(&mut self, timeout: Duration, gather: bool);

    /// The next received datagram, on loan until the next call.
    fn next(&mut self) -> Option<Packet<'_>>;

    /// Sends the outbox's packets and counts those that the kernel did not take. When it returns,
    /// the outbox's memory is no longer needed.
    fn flush(&mut self, out: &Outbox);

    /// Opens a socket on a relayed address; what it receives comes on `Path::peer`. Blocks while
    /// there is patience.
    fn open(&mut self, relayed: SocketAddr, patience: &Patience) -> io::Result<()>;

    /// Closes the socket of a relayed address; the port may be free only after the next `wait`.
    fn close(&mut self, relayed: SocketAddr);

    /// The next ICMP error that datagrams from relayed addresses caused.
    fn next_error(&mut self) -> Option<Unreachable>;

    /// Watches one more descriptor: when it is readable `wait` returns.
    fn watch(&mut self, fd: RawFd) -> io::Result<()>;

    /// Whether the watched descriptor became readable since the last call.
    fn watched(&mut self) -> bool;

    /// Counters since the start.
    fn counters(&self) -> &IoCounters;
}

/// What a backend did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IoCounters {
    /// Datagrams received, and their payload bytes.
    pub(crate) datagrams_in: u64,
    /// Bytes of `datagrams_in`.
    pub(crate) bytes_in: u64,
    /// Buffers that the kernel filled: trains of datagrams.
    pub(crate) trains_in: u64,
    /// Datagrams that the kernel took, and their payload bytes.
    pub(crate) datagrams_out: u64,
    /// Bytes of `datagrams_out`.
    pub(crate) bytes_out: u64,
    /// Send operations: runs of datagrams.
    pub(crate) runs_out: u64,
    /// System calls of the media loop.
    pub(crate) syscalls: u64,
    /// Relayed addresses that are open now.
    pub(crate) relayed: u64,
    /// Relayed addresses that could not be opened: another program has the port.
    pub(crate) relayed_in_use: u64,
    /// The same for want of descriptors or memory.
    pub(crate) relayed_failed: u64,
    /// Datagrams that the kernel cut off or did not send.
    pub(crate) drops: Drops,
}

/// The reason under which a failed send of datagrams is counted.
fn refusal(errno: i32) -> DropReason {
    if is_full(errno) { DropReason::SendBufferFull } else { DropReason::SendFailed }
}

/// Whether a send was refused for want of room.
pub(crate) fn is_full(errno: i32) -> bool {
    matches!(errno, libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM)
}

/// Whether a failed run says that this socket's segmentation offload does not work at all, rather
/// than that the path's MTU is below the segment size. 1232 bytes fit into the least MTU of IPv6.
pub(crate) fn offload_is_broken(errno: i32, segment: usize) -> bool {
    match errno {
        libc::EIO | libc::EOPNOTSUPP | libc::ENOPROTOOPT => true,
        libc::EINVAL => segment <= 1232,
        _ => false,
    }
}

/// Whether a failed run is worth sending again as single datagrams.
pub(crate) fn retry_singly(errno: i32) -> bool {
    matches!(
        errno,
        libc::EIO | libc::EOPNOTSUPP | libc::ENOPROTOOPT | libc::EINVAL | libc::EMSGSIZE
    )
}

impl IoCounters {
    pub(crate) fn received(&mut self, bytes: usize) {
        self.datagrams_in += 1;
        self.bytes_in += bytes as u64;
    }

    pub(crate) fn sent(&mut self, datagrams: usize, bytes: usize) {
        self.datagrams_out += datagrams as u64;
        self.bytes_out += bytes as u64;
        self.runs_out += 1;
    }

    pub(crate) fn refused(&mut self, errno: i32, datagrams: usize) {
        let reason = refusal(errno);
        (0..datagrams).for_each(|_| self.drops.count(reason));
    }
}
