//! What a turn caused: packets to send, packets of other shards, events. The driver drains it.

use crate::logged::Desk;
use crate::{Binding, BindingKey, DropReason, Drops, Logged, Packet, Path, Standing, Via};
use relay_wire::control::Message;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;

/// Bytes of headroom in front of each packet: room for a lower layer's headers.
const HEADROOM: usize = 64;

/// Packets to relayed addresses of ours that one call may cause.
const INSIDE_MAX: usize = 1024;

/// Something for the driver, other than a packet.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// For signalling.
    Control(Message),
    /// Datagrams on this path are this shard's: other shards and the kernel may steer by it.
    FlowBound(Path),
    /// This path is no longer this shard's.
    FlowUnbound(Path),
    /// Open a socket on this relayed address and say how that went: `Shard::relay_opened`.
    RelayOpen(SocketAddr),
    /// Close the socket of this relayed address.
    RelayClose(SocketAddr),
    /// Close the client's connection on this path, after what it was sent.
    HangUp(Path),
    /// What this channel carries may be relayed without the shard, until it expires; told again
    /// with each refresh.
    ChannelBound(Binding),
    /// This channel, which was told of, may not be relayed without the shard any more.
    ChannelUnbound(BindingKey),
    /// An allocation stands like this from now on: what `Shard::adopt` goes on with.
    AllocationStands(Box<Standing>),
    /// The allocation of this number, which was told of, ended.
    AllocationEnded(u64),
}

/// A packet to send: its bytes stand at `range` of the outbox's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From where to where.
    pub path: Path,
    /// Place in `Outbox::memory`.
    pub range: Range<usize>,
    /// Rather not sent than in fragments (RFC 8656, section 14).
    pub unfragmented: bool,
}

/// A datagram that belongs to another shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// The owner's index.
    pub shard: u16,
    /// The datagram, as it was received.
    pub datagram: Transmit,
}

/// Caller-owned results of one or more turns: bounded memory, reused after each flush.
#[derive(Debug)]
pub struct Outbox {
    memory: Box<[u8]>,
    used: usize,
    transmits: Vec<Transmit>,
    /// Packets whose remote end is a relayed address of ours: the shard takes them back.
    inside: VecDeque<Transmit>,
    hand_overs: Vec<HandOver>,
    logs: Desk,
    /// In the order in which they happened.
    pub events: Vec<Event>,
    /// Packets that went nowhere, by reason, since the outbox was made.
    pub drops: Drops,
}

impl Outbox {
    /// An outbox with room for `bytes` of packets (headroom included) and `packets` of them.
    pub fn new(bytes: usize, packets: usize) -> Self {
        Self {
            memory: vec![0; bytes].into_boxed_slice(),
            used: 0,
            transmits: Vec::with_capacity(packets),
            inside: VecDeque::with_capacity(INSIDE_MAX),
            hand_overs: Vec::with_capacity(packets),
            logs: Desk::default(),
            events: Vec::with_capacity(64),
            drops: Drops::default(),
        }
    }

    /// Lends `len` bytes that leave on `path` at the next flush; on a path inside the process the
    /// shard delivers them itself. Their content is what an earlier packet left there: write all of
    /// it. `None` when full, counted as a drop.
    pub fn slot(&mut self, path: Path, len: usize) -> Option<&mut [u8]> {
        self.lend(path, len, false)
    }

    /// Like `slot`, for a packet that must not be fragmented.
    pub fn slot_unfragmented(&mut self, path: Path, len: usize) -> Option<&mut [u8]> {
        self.lend(path, len, true)
    }

    /// Takes back the slot lent last on `path`.
    pub fn cancel(&mut self, path: &Path) {
        let last = match path.via {
            Via::Inside => self.inside.pop_back(),
            Via::Udp | Via::Tcp | Via::Peer => self.transmits.pop(),
        };
        if let Some(last) = last {
            self.used = last.range.start - HEADROOM;
        }
    }

    /// Takes out the next packet that goes to a relayed address of ours, copied into `buffer`,
    /// which must be as long as any packet; returns its path and length.
    pub(crate) fn take_inside(&mut self, buffer: &mut [u8]) -> Option<(Path, usize)> {
        let transmit = self.inside.pop_front()?;
        let bytes = &self.memory[transmit.range];
        buffer[..bytes.len()].copy_from_slice(bytes);

        Some((transmit.path, bytes.len()))
    }

    /// Copies a datagram that another shard owns; the driver hands it over.
    pub fn hand_over(&mut self, shard: u16, packet: &Packet<'_>) {
        let len = packet.payload().len();
        let Some(range) = self.reserve(len, self.hand_overs.len(), self.hand_overs.capacity())
        else {
            return self.drop(DropReason::OutboxFull);
        };
        self.memory[range.clone()].copy_from_slice(packet.payload());
        let datagram = Transmit { path: packet.path, range, unfragmented: false };
        self.hand_overs.push(HandOver { shard, datagram });
    }

    /// Lends memory for blocks of media logs, or gives it back: `medialog::BLOCK_MAX` bytes.
    pub fn lend_block(&mut self, memory: Box<[u8]>) {
        self.logs.lend(memory);
    }

    /// What is to be written into media logs, in order; takes it out.
    pub fn logged(&mut self) -> std::vec::Drain<'_, Logged> {
        self.logs.full.drain(..)
    }

    /// Whether something is to be written into media logs.
    pub fn has_logged(&self) -> bool {
        !self.logs.full.is_empty()
    }

    pub(crate) fn take_block(&mut self) -> Option<Box<[u8]>> {
        self.logs.take()
    }

    pub(crate) fn log(&mut self, logged: Logged) {
        self.logs.full.push(logged);
    }

    /// Counts a packet that ends here.
    pub fn drop(&mut self, reason: DropReason) {
        self.drops.count(reason);
    }

    /// Packets to send, in order.
    pub fn transmits(&self) -> &[Transmit] {
        &self.transmits
    }

    /// Datagrams for other shards.
    pub fn hand_overs(&self) -> &[HandOver] {
        &self.hand_overs
    }

    /// The bytes that transmits and hand-overs point into.
    pub fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// One packet's bytes.
    pub fn bytes(&self, transmit: &Transmit) -> &[u8] {
        &self.memory[transmit.range.clone()]
    }

    /// Free memory in bytes: flush before a turn when it is less than a turn may need.
    pub fn free(&self) -> usize {
        self.memory.len() - self.used
    }

    /// Forgets packets and hand-overs after they were sent; events are drained by the driver.
    pub fn clear(&mut self) {
        self.used = 0;
        self.transmits.clear();
        self.inside.clear();
        self.hand_overs.clear();
    }

    fn lend(&mut self, path: Path, len: usize, unfragmented: bool) -> Option<&mut [u8]> {
        let (count, capacity) = match path.via {
            Via::Inside => (self.inside.len(), INSIDE_MAX),
            Via::Udp | Via::Tcp | Via::Peer => (self.transmits.len(), self.transmits.capacity()),
        };
        let Some(range) = self.reserve(len, count, capacity) else {
            self.drops.count(DropReason::OutboxFull);
            return None;
        };
        let transmit = Transmit { path, range: range.clone(), unfragmented };
        match path.via {
            Via::Inside => self.inside.push_back(transmit),
            Via::Udp | Via::Tcp | Via::Peer => self.transmits.push(transmit),
        }

        Some(&mut self.memory[range])
    }

    fn reserve(&mut self, len: usize, count: usize, capacity: usize) -> Option<Range<usize>> {
        let start = self.used + HEADROOM;
        let end = start + len;
        if end > self.memory.len() || count == capacity {
            return None;
        }
        self.used = end.next_multiple_of(64).min(self.memory.len());

        Some(start..end)
    }
}
