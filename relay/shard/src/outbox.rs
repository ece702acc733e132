//! What a turn caused: packets to send, packets of other shards, events. The driver drains it.

use crate::{DropReason, Drops, Packet, Path};
use relay_wire::control::Message;
use std::ops::Range;

/// Bytes of headroom in front of each packet: room for a lower layer's headers.
const HEADROOM: usize = 64;

/// Something for the driver, other than a packet.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// For signalling.
    Control(Message),
    /// Datagrams on this path are this shard's: other shards and the kernel may steer by it.
    FlowBound(Path),
    /// This path is no longer this shard's.
    FlowUnbound(Path),
}

/// A packet to send: its bytes stand at `range` of the outbox's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// From where to where.
    pub path: Path,
    /// Place in `Outbox::memory`.
    pub range: Range<usize>,
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
    hand_overs: Vec<HandOver>,
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
            hand_overs: Vec::with_capacity(packets),
            events: Vec::with_capacity(64),
            drops: Drops::default(),
        }
    }

    /// Lends `len` bytes that leave on `path` at the next flush. Their content is what an earlier
    /// packet left there: write all of it. `None` when full, counted as a drop.
    pub fn slot(&mut self, path: Path, len: usize) -> Option<&mut [u8]> {
        let Some(range) = self.reserve(len, self.transmits.len(), self.transmits.capacity()) else {
            self.drops.count(DropReason::OutboxFull);
            return None;
        };
        self.transmits.push(Transmit { path, range: range.clone() });

        Some(&mut self.memory[range])
    }

    /// Takes back the slot lent last.
    pub fn cancel(&mut self) {
        if let Some(last) = self.transmits.pop() {
            self.used = last.range.start - HEADROOM;
        }
    }

    /// Copies a datagram that another shard owns; the driver hands it over.
    pub fn hand_over(&mut self, shard: u16, packet: &Packet<'_>) {
        let len = packet.payload().len();
        let Some(range) = self.reserve(len, self.hand_overs.len(), self.hand_overs.capacity())
        else {
            return self.drop(DropReason::OutboxFull);
        };
        self.memory[range.clone()].copy_from_slice(packet.payload());
        let datagram = Transmit { path: packet.path, range };
        self.hand_overs.push(HandOver { shard, datagram });
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
        self.hand_overs.clear();
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
