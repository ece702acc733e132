//! A received datagram, on loan from the driver for one turn.

use std::net::SocketAddr;
use std::ops::Range;

/// What carries the bytes between the two ends of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Via {
    /// Datagrams between a client and an address that we listen on.
    Udp,
    /// Messages on a client's TCP or TLS connection; the driver frames them.
    Tcp,
    /// Datagrams between a peer and a relayed address of ours (TURN).
    Peer,
    /// Datagrams between a relayed address of ours, the remote end, and another of our addresses:
    /// they never leave the process.
    Inside,
}

/// The two ends of a datagram's way, as seen from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    /// What carries it.
    pub via: Via,
    /// Our address; never a wildcard.
    pub local: SocketAddr,
    /// The other side's address.
    pub remote: SocketAddr,
}

impl Path {
    /// The path of a client's datagrams.
    pub const fn udp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { via: Via::Udp, local, remote }
    }

    /// The path of a client's TCP or TLS connection.
    pub const fn tcp(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { via: Via::Tcp, local, remote }
    }

    /// The path between a relayed address and a peer.
    pub const fn peer(relayed: SocketAddr, peer: SocketAddr) -> Self {
        Self { via: Via::Peer, local: relayed, remote: peer }
    }

    /// The path from a relayed address to another of our own.
    pub const fn inside(local: SocketAddr, relayed: SocketAddr) -> Self {
        Self { via: Via::Inside, local, remote: relayed }
    }
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
