//! Many datagrams by one system call: `recvmmsg` with `UDP_GRO`, `sendmmsg` with `UDP_SEGMENT`.

use super::address::{NAME_BYTES, read_address};
use socket2::SockAddr;
use std::io;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// Datagrams, or trains of them, by one call.
const BATCH: usize = 64;
/// Bytes of the longest train.
const TRAIN_BYTES: usize = 65_536;
/// Bytes of ancillary data: a segment size and a time.
const CONTROL_BYTES: usize = 64;
const CMSG_HEADER_BYTES: usize = size_of::<libc::cmsghdr>();

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Ancillary {
    name: [u8; NAME_BYTES + 4],
    control: [u8; CONTROL_BYTES],
}

const NOTHING: Ancillary = Ancillary { name: [0; NAME_BYTES + 4], control: [0; CONTROL_BYTES] };

/// Memory for receiving batches.
pub(crate) struct Receiver {
    payloads: Vec<u8>,
    ancillary: Vec<Ancillary>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    used: usize,
}

// SAFETY: the raw pointers in `headers` and `vectors` point at memory on the heap that the value
// owns and that does not move with it; nobody else has them.
unsafe impl Send for Receiver {}

/// A datagram, or a train of one sender's that the kernel glued together.
pub(crate) struct Train<'a> {
    /// Whose it is.
    pub(crate) from: SocketAddr,
    /// When the kernel got it, in nanoseconds since 1970; `None` unless its socket tells.
    pub(crate) at: Option<u64>,
    bytes: &'a [u8],
    segment: usize,
}

impl<'a> Train<'a> {
    /// Its datagrams in order.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks(self.segment)
    }
}

impl Receiver {
    /// Memory for a batch of trains.
    pub(crate) fn new() -> Self {
        let mut receiver = Self {
            payloads: vec![0; BATCH * TRAIN_BYTES],
            ancillary: vec![NOTHING; BATCH],
            vectors: Vec::with_capacity(BATCH),
            headers: Vec::with_capacity(BATCH),
            used: BATCH,
        };
        for payload in receiver.payloads.chunks_exact_mut(TRAIN_BYTES) {
            let iov_base = payload.as_mut_ptr().cast();
            receiver.vectors.push(libc::iovec { iov_base, iov_len: TRAIN_BYTES });
        }
        for vector in &mut receiver.vectors {
            let mut header = empty_header();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            receiver.headers.push(header);
        }

        receiver
    }

    /// Receives what is there, at most a batch; true if there may be more.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        for (header, ancillary) in self.headers.iter_mut().zip(&mut self.ancillary).take(self.used)
        {
            header.msg_hdr.msg_name = ancillary.name.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = NAME_BYTES as u32;
            header.msg_hdr.msg_control = ancillary.control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL_BYTES;
        }
        // SAFETY: each header points at memory of `self` with its true length; none of it is
        // moved or borrowed while the call runs.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        self.used = usize::try_from(received).unwrap_or(0);
        if received < 0 {
            let error = io::Error::last_os_error();
            let nothing =
                matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
            return if nothing { Ok(false) } else { Err(error) };
        }

        Ok(self.used == BATCH)
    }

    /// What the last call received.
    pub(crate) fn trains(&self) -> impl Iterator<Item = Train<'_>> {
        (0..self.used).filter_map(|index| {
            let header = &self.headers[index];
            let ancillary = &self.ancillary[index];
            let start = index * TRAIN_BYTES;
            let bytes = &self.payloads[start..start + header.msg_len as usize];
            let control = &ancillary.control[..header.msg_hdr.msg_controllen.min(CONTROL_BYTES)];
            let (segment, at) = read_control(control);
            let segment = segment.filter(|&size| size > 0).unwrap_or(bytes.len()).max(1);

            Some(Train { from: read_address(&ancillary.name)?, at, bytes, segment })
        })
    }
}

/// Datagrams to send, gathered.
#[derive(Default)]
pub(crate) struct Sends {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    headers: Vec<libc::mmsghdr>,
    vectors: Vec<libc::iovec>,
    controls: Vec<[u64; 3]>,
}

struct Entry {
    end: usize,
    to: Option<SockAddr>,
    segment: Option<usize>,
}

// SAFETY: the raw pointers in `headers` and `vectors` are only read by `flush`, which writes them
// anew each time.
unsafe impl Send for Sends {}

impl Sends {
    /// Appends what `write` puts into the buffer; it goes to `to`, or where the socket is connected
    /// to, in datagrams of `segment` bytes, or as one.
    pub(crate) fn push(
        &mut self,
        to: Option<&SockAddr>,
        segment: Option<usize>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        write(&mut self.bytes);
        self.entries.push(Entry { end: self.bytes.len(), to: to.cloned(), segment });
    }

    /// How many entries wait.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Sends all that waits and forgets it; the number of entries that the kernel took, and why it
    /// did not take the next.
    pub(crate) fn flush(&mut self, socket: &UdpSocket) -> (usize, Option<io::Error>) {
        self.fill();
        let mut done = 0;
        let mut failure = None;
        while done < self.headers.len() {
            let rest = &mut self.headers[done..];
            // SAFETY: the headers point at memory of `self`, filled above, that nothing changes
            // before the end of this function.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    rest.as_mut_ptr(),
                    rest.len() as u32,
                    libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
                )
            };
            let Ok(taken) = usize::try_from(sent) else {
                let error = io::Error::last_os_error();
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                failure = Some(error);
                break;
            };
            done += taken;
        }
        self.bytes.clear();
        self.entries.clear();

        (done, failure)
    }

    fn fill(&mut self) {
        let count = self.entries.len();
        self.headers.clear();
        self.vectors.clear();
        self.controls.clear();
        // The headers point into these: they must not move while they are filled.
        self.vectors.reserve(count);
        self.controls.reserve(count);
        let mut start = 0;
        for entry in &self.entries {
            let bytes = &mut self.bytes[start..entry.end];
            let iov_base = bytes.as_mut_ptr().cast();
            let several = entry.segment.filter(|&segment| segment < bytes.len());
            self.vectors.push(libc::iovec { iov_base, iov_len: bytes.len() });
            self.controls.push(segment_control(several.unwrap_or_default()));
            start = entry.end;
            let mut header = empty_header();
            if let Some(to) = &entry.to {
                header.msg_hdr.msg_name = to.as_ptr().cast_mut().cast();
                header.msg_hdr.msg_namelen = to.len();
            }
            if let Some(vector) = self.vectors.last_mut() {
                header.msg_hdr.msg_iov = vector;
                header.msg_hdr.msg_iovlen = 1;
            }
            if let Some(control) = self.controls.last_mut().filter(|_| several.is_some()) {
                header.msg_hdr.msg_control = control.as_mut_ptr().cast();
                header.msg_hdr.msg_controllen = size_of_val(control);
            }
            self.headers.push(header);
        }
    }
}

fn empty_header() -> libc::mmsghdr {
    // SAFETY: all-zero bytes are a valid `mmsghdr`: integers and null pointers.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

/// A control message with a segment size (`UDP_SEGMENT`), as 64-bit words for its alignment.
fn segment_control(segment: usize) -> [u64; 3] {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&(CMSG_HEADER_BYTES + 2).to_ne_bytes());
    bytes[8..12].copy_from_slice(&libc::SOL_UDP.to_ne_bytes());
    bytes[12..16].copy_from_slice(&libc::UDP_SEGMENT.to_ne_bytes());
    bytes[16..18].copy_from_slice(&(segment as u16).to_ne_bytes());
    let (words, _) = bytes.as_chunks::<8>();
    let mut control = [0; 3];
    for (to, word) in control.iter_mut().zip(words) {
        *to = u64::from_ne_bytes(*word);
    }

    control
}

/// The segment size (`UDP_GRO`) and the time (`SO_TIMESTAMPNS`) in control messages.
fn read_control(mut control: &[u8]) -> (Option<usize>, Option<u64>) {
    let (mut segment, mut at) = (None, None);
    while let Some((header, rest)) = control.split_first_chunk::<CMSG_HEADER_BYTES>() {
        let (len, kind) = header.split_at(size_of::<usize>());
        let len = usize::from_ne_bytes(len.try_into().unwrap_or_default());
        let level = i32::from_ne_bytes(kind[..4].try_into().unwrap_or_default());
        let kind = i32::from_ne_bytes(kind[4..].try_into().unwrap_or_default());
        if level == libc::SOL_UDP && kind == libc::UDP_GRO {
            segment = rest.first_chunk().map(|size| i32::from_ne_bytes(*size) as usize);
        }
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS {
            at = rest.split_first_chunk::<8>().and_then(|(seconds, rest)| {
                let nanoseconds = u64::from_ne_bytes(*rest.first_chunk()?);
                Some(u64::from_ne_bytes(*seconds) * 1_000_000_000 + nanoseconds)
            });
        }
        let step = len.next_multiple_of(8).max(CMSG_HEADER_BYTES);
        control = control.get(step..).unwrap_or_default();
    }

    (segment, at)
}
