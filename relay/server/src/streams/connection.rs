//! One client's connection: its socket, and what was received and not read, written and not sent.

use super::counters::CloseReason;
use super::tls::Tls;
use relay_shard::Path;
use relay_wire::stream::{Framing, ice_prefix};
use std::fmt;
use std::io::{self, Write};
use std::net::TcpStream;

/// Bytes that wait for a client that an allocation or a transport is known of; more is dropped.
const OUTPUT_MAX: usize = 256 << 10;

/// The same for any other client.
const OUTPUT_UNPROVEN_MAX: usize = 16 << 10;

/// Buffers without an owner that are kept.
const SPARE_MAX: usize = 64;

/// Bytes of the largest buffer that is kept.
const SPARE_BYTES_MAX: usize = 512 << 10;

/// Which of the two kinds of listeners a connection came from: a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    Tcp,
    Tls,
}

impl StreamKind {
    /// The metric label.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The configuration key of its addresses.
    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Tcp => "media.listen",
            Self::Tls => "turn.tls_listen",
        }
    }
}

/// One client's connection. An idle one owns no buffer.
pub(crate) struct Connection {
    pub(super) socket: TcpStream,
    pub(super) path: Path,
    pub(super) tls: Option<Box<Tls>>,
    /// How messages are framed, once the first one told.
    pub(super) framing: Option<Framing>,
    /// Received, decrypted, and not yet given to the shard.
    pub(super) rest: Vec<u8>,
    /// There may be whole messages in `rest`.
    pub(super) unparsed: bool,
    /// The socket may hold more to read.
    pub(super) readable: bool,
    /// The other side told its end: read until the end is seen.
    pub(super) half_closed: bool,
    /// Stands in a queue of connections to read from.
    pub(super) queued: bool,
    /// Stands in the list of connections to write to.
    pub(super) dirty: bool,
    /// The kernel took no more: nothing is written until it says that it would.
    pub(super) blocked: bool,
    /// An allocation or a transport's path was seen on it, and the last check saw it too.
    pub(super) proven: bool,
    /// Why it is to be closed once what waits is sent.
    pub(super) ending: Option<CloseReason>,
    /// It is being closed: what is read is thrown away.
    pub(super) closing: bool,
    /// Nothing more will be read.
    pub(super) ended: bool,
    /// Nothing more will be written.
    pub(super) shut: bool,
    /// Checks in a row at which nothing of a client's stood on it.
    pub(super) unused: u8,
    /// How often it moved to another shard.
    pub(super) moves: u8,
    /// Messages that wait to be encrypted.
    staged: Vec<u8>,
    /// Bytes for the socket, of which `sent` are gone.
    pub(super) output: Vec<u8>,
    sent: usize,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, path: Path, tls: Option<Box<Tls>>) -> Box<Self> {
        Box::new(Self {
            socket,
            path,
            tls,
            framing: None,
            rest: Vec::new(),
            unparsed: false,
            readable: false,
            half_closed: false,
            queued: false,
            dirty: false,
            blocked: false,
            proven: false,
            ending: None,
            closing: false,
            ended: false,
            shut: false,
            unused: 0,
            moves: 0,
            staged: Vec::new(),
            output: Vec::new(),
            sent: 0,
        })
    }

    pub(super) fn kind(&self) -> StreamKind {
        if self.tls.is_some() { StreamKind::Tls } else { StreamKind::Tcp }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Whether bytes wait for the socket.
    pub(super) fn has_output(&self) -> bool {
        !self.staged.is_empty() || self.sent < self.output.len()
    }

    /// Queues a message, framed; all of it or, when there is no room or no way, nothing.
    pub(super) fn push(&mut self, message: &[u8], spare: &mut Spare) -> Result<(), Unsent> {
        let prefix = match self.framing.filter(|_| !self.closing).ok_or(Unsent::Gone)? {
            Framing::Turn => None,
            Framing::Ice => Some(ice_prefix(message).ok_or(Unsent::Gone)?),
        };
        let max = if self.proven { OUTPUT_MAX } else { OUTPUT_UNPROVEN_MAX };
        let waiting = self.staged.len() + self.output.len() - self.sent;
        if waiting + message.len() > max {
            return Err(Unsent::Full);
        }
        let queue = if self.tls.is_some() { &mut self.staged } else { &mut self.output };
        spare.lend(queue);
        queue.extend_from_slice(prefix.as_ref().map_or(&[], <[u8; 2]>::as_slice));
        queue.extend_from_slice(message);

        Ok(())
    }

    /// Says goodbye, where the protocol has a word for it.
    pub(super) fn farewell(&mut self, spare: &mut Spare) {
        self.seal(spare);
        if let Some(tls) = &mut self.tls {
            tls.close(&mut self.output);
        }
    }

    /// Writes what waits, as far as the kernel takes it; returns how many bytes it took.
    pub(super) fn write(&mut self, spare: &mut Spare) -> io::Result<usize> {
        if self.blocked {
            return Ok(0);
        }
        self.seal(spare);
        let before = self.sent;
        while self.sent < self.output.len() {
            match self.socket.write(&self.output[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => self.sent += taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let taken = self.sent - before;
        self.compact(spare);

        Ok(taken)
    }

    /// Encrypts what waits for it.
    fn seal(&mut self, spare: &mut Spare) {
        let Some(tls) = self.tls.as_mut().filter(|_| !self.staged.is_empty()) else { return };
        spare.lend(&mut self.output);
        tls.seal(&self.staged, &mut self.output);
        spare.take_back(&mut self.staged);
    }

    fn compact(&mut self, spare: &mut Spare) {
        if self.sent == self.output.len() {
            self.sent = 0;
            spare.take_back(&mut self.output);
        } else if self.sent > OUTPUT_MAX {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Why a message was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    /// The reader does not keep up.
    Full,
    /// The connection carries no such message, or none at all.
    Gone,
}

/// Buffers without an owner: connections borrow one while something waits on them.
#[derive(Default)]
pub(super) struct Spare(Vec<Vec<u8>>);

impl Spare {
    /// Gives a buffer to whom has none.
    pub(super) fn lend(&mut self, buffer: &mut Vec<u8>) {
        if buffer.capacity() == 0 {
            *buffer = self.0.pop().unwrap_or_default();
        }
    }

    /// Takes a buffer, which becomes empty and owns nothing.
    pub(super) fn take_back(&mut self, buffer: &mut Vec<u8>) {
        let mut buffer = std::mem::take(buffer);
        let keeps = (1..=SPARE_BYTES_MAX).contains(&buffer.capacity());
        if keeps && self.0.len() < SPARE_MAX {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}
