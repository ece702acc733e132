//! A received datagram, on loan from the driver for one turn.

use std::net::SocketAddr;
use std::ops::Range;

/// The two ends of a datagram's way, as seen from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    /// Our address; never a wildcard.
    pub local: SocketAddr,
    /// The other side's address.
    pub remote: SocketAddr,
}

/// A datagram inside a buffer of the driver's pool, with headroom before and tailroom behind it.
#[derive(Debug)]
pub struct Packet<'a> {
    /// Where it came from and where it arrived.
    pub path: Path,
    buffer: &'a mut [u8],
    payload: Range<usize>,
}

impl<'a> Packet<'a> {
    /// Wraps the datagram that stands at `payload` of `buffer`.
    ///
    /// # Panics
    /// If `payload` is not a range of `buffer`.
    pub fn new(path: Path, buffer: &'a mut [u8], payload: Range<usize>) -> Self {
        assert!(payload.start <= payload.end && payload.end <= buffer.len());
        Self { path, buffer, payload }
    }

    /// The datagram's bytes.
    pub fn payload(&self) -> &[u8] {
        &self.buffer[self.payload.clone()]
    }

    /// The datagram's bytes, to change in place.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.payload.clone()]
    }

    /// Takes `len` bytes off the front (at most all of them); they become headroom.
    pub fn strip(&mut self, len: usize) {
        self.payload.start = self.payload.end.min(self.payload.start + len);
    }

    /// Shortens the datagram to `len` bytes; a longer `len` changes nothing.
    pub fn truncate(&mut self, len: usize) {
        self.payload.end = self.payload.end.min(self.payload.start + len);
    }
}
