//! Message headers for the kernel: a batch of runs, gathered from the outbox's memory.

use crate::runs::{RUN_SEGMENTS_MAX, Run, Runs};
use relay_shard::Outbox;
use socket2::SockAddr;
use std::ops::Range;
use std::os::fd::RawFd;
use std::{io, ptr};

/// Bytes of the ancillary data that carries a segment size.
const CONTROL_BYTES: usize = 24;

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Headers of a batch, with the addresses and vectors that they point to.
///
/// All memory is taken at construction, so that nothing moves while the kernel reads it.
pub(crate) struct Messages {
    headers: Vec<libc::mmsghdr>,
    names: Vec<SockAddr>,
    controls: Vec<Control>,
    vectors: Vec<libc::iovec>,
}

// SAFETY: the pointers are written by `fill` and read by the kernel before its caller goes on;
// between calls they are never followed.
unsafe impl Send for Messages {}

impl Messages {
    /// Memory for `runs` runs in a batch.
    pub(crate) fn with_capacity(runs: usize) -> Self {
        Self {
            headers: Vec::with_capacity(runs),
            names: Vec::with_capacity(runs),
            controls: Vec::with_capacity(runs),
            vectors: Vec::with_capacity(runs * RUN_SEGMENTS_MAX),
        }
    }

    /// Writes the headers of a batch; they hold until the next call, and as long as `out` lives
    /// and is not cleared.
    pub(crate) fn fill<'r>(
        &mut self,
        out: &Outbox,
        runs: &Runs,
        batch: impl Iterator<Item = &'r Run>,
    ) {
        self.headers.clear();
        self.names.clear();
        self.controls.clear();
        self.vectors.clear();
        for run in batch {
            assert!(self.headers.len() < self.headers.capacity(), "a batch longer than its memory");
            self.push(out, runs, run);
        }
    }

    /// The headers of the batch.
    pub(crate) fn headers(&mut self) -> &mut [libc::mmsghdr] {
        &mut self.headers
    }

    /// Sends one datagram by itself, without waiting.
    pub(crate) fn send_alone(
        fd: RawFd,
        remote: std::net::SocketAddr,
        datagram: &[u8],
    ) -> io::Result<()> {
        let name = SockAddr::from(remote);
        // SAFETY: the pointers and lengths are those of a slice and an address that outlive the
        // call, which only reads them.
        let sent = unsafe {
            libc::sendto(
                fd,
                datagram.as_ptr().cast(),
                datagram.len(),
                SEND_FLAGS,
                name.as_ptr().cast(),
                name.len(),
            )
        };

        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Sends one run by itself, without waiting; returns its bytes.
    pub(crate) fn send(
        &mut self,
        fd: RawFd,
        out: &Outbox,
        runs: &Runs,
        run: &Run,
    ) -> io::Result<usize> {
        self.fill(out, runs, std::iter::once(run));
        // SAFETY: the header points at the outbox and at memory of `self`, which outlive the call.
        let sent = unsafe { libc::sendmsg(fd, &raw const self.headers[0].msg_hdr, SEND_FLAGS) };

        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    fn push(&mut self, out: &Outbox, runs: &Runs, run: &Run) {
        let vectors = self.gather(out, runs, run);
        self.names.push(SockAddr::from(run.path.remote));
        self.controls.push(segment_control(run.segment));
        // SAFETY: all-zero bytes are a valid `mmsghdr` (integers and null pointers).
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        if let Some(name) = self.names.last() {
            header.msg_hdr.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = name.len();
        }
        header.msg_hdr.msg_iov = self.vectors[vectors.clone()].as_mut_ptr();
        header.msg_hdr.msg_iovlen = vectors.len();
        if let Some(control) = self.controls.last_mut().filter(|_| run.count > 1) {
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL_BYTES;
        }
        self.headers.push(header);
    }

    fn gather(&mut self, out: &Outbox, runs: &Runs, run: &Run) -> Range<usize> {
        let start = self.vectors.len();
        for member in runs.members(run) {
            let bytes = out.bytes(&out.transmits()[member]);
            self.vectors.push(libc::iovec {
                iov_base: bytes.as_ptr().cast_mut().cast(),
                iov_len: bytes.len(),
            });
        }

        start..self.vectors.len()
    }
}

/// Flags of every send: the shard never waits, and a broken pipe is no signal.
pub(crate) const SEND_FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// Ancillary data that asks for segments of this size (`UDP_SEGMENT`).
fn segment_control(segment: usize) -> Control {
    const LEN: usize = size_of::<libc::cmsghdr>() + size_of::<u16>();
    let mut control = Control([0; CONTROL_BYTES]);
    let (len, rest) = control.0.split_at_mut(size_of::<usize>());
    len.copy_from_slice(&LEN.to_ne_bytes());
    rest[..4].copy_from_slice(&libc::SOL_UDP.to_ne_bytes());
    rest[4..8].copy_from_slice(&libc::UDP_SEGMENT.to_ne_bytes());
    rest[8..10].copy_from_slice(&(segment as u16).to_ne_bytes());

    control
}

/// An empty header for receiving, to be pointed at memory by its owner.
pub(crate) fn empty_header() -> libc::msghdr {
    // SAFETY: all-zero bytes are a valid `msghdr` (integers and null pointers).
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = ptr::null_mut();

    header
}
