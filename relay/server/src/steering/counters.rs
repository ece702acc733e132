//! What steering counts.

use ebpf_loader::{BindError, Choice, Counted};

/// All that is counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) xdp: XdpCounters,
    pub(crate) flows: FlowCounters,
    /// Times that a shard had to tell everything again.
    pub(crate) resyncs: u64,
}

/// Datagrams by what chose where they go: label and count.
type Choices = Vec<(&'static str, u64)>;

/// What the kernel brings to shards, and what it does not.
#[derive(Clone, Debug)]
pub(crate) struct FlowCounters {
    /// Flows now that the kernel knows.
    pub(crate) flows: u64,
    /// Flows now that it should, and does not: the shards hand over.
    pub(crate) missed: u64,
    /// Flows that were refused since the maps are full.
    pub(crate) full: u64,
    /// Flows that the kernel refused for another reason.
    pub(crate) refused: u64,
    /// What chose a socket.
    pub(crate) sockets: Choices,
    /// What chose a CPU.
    pub(crate) cpus: Choices,
}

impl FlowCounters {
    /// Counts what was refused.
    pub(super) fn refuse(&mut self, error: &BindError) {
        match error {
            BindError::Full => self.full += 1,
            BindError::Kernel(_) => self.refused += 1,
        }
    }
}

impl Default for FlowCounters {
    fn default() -> Self {
        let none: Choices = Choice::ALL.iter().map(|choice| (choice.label(), 0)).collect();

        Self { flows: 0, missed: 0, full: 0, refused: 0, sockets: none.clone(), cpus: none }
    }
}

/// What the kernel relays, and what it does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct XdpCounters {
    /// Interfaces that the program is attached to now.
    pub(crate) interfaces: u64,
    /// Channels now that the kernel relays.
    pub(crate) bindings: u64,
    /// Channels now that it should, and does not: the shards relay them.
    pub(crate) missed: u64,
    /// Channels that were refused since the maps are full.
    pub(crate) full: u64,
    /// Channels and records that the kernel refused for another reason.
    pub(crate) refused: u64,
    /// Packets from clients to peers.
    pub(crate) sent: u64,
    /// Their payload bytes.
    pub(crate) sent_bytes: u64,
    /// Packets from peers to clients.
    pub(crate) received: u64,
    /// Their payload bytes.
    pub(crate) received_bytes: u64,
    /// Packets over the bandwidth limit.
    pub(crate) over_limit: u64,
    /// Allocations of an earlier process that could not be read.
    pub(crate) unreadable: u64,
    /// Frames by outcome since the maps were made.
    pub(crate) outcomes: Vec<(&'static str, u64)>,
}

impl XdpCounters {
    /// Counts what was relayed.
    pub(super) fn relayed(&mut self, counted: &Counted) {
        let Counted { up, down } = counted;
        self.sent += up.packets;
        self.sent_bytes += up.bytes;
        self.received += down.packets;
        self.received_bytes += down.bytes;
        self.over_limit += up.refused + down.refused;
    }

    /// Counts what was refused.
    pub(super) fn refuse(&mut self, error: &BindError) {
        match error {
            BindError::Full => self.full += 1,
            BindError::Kernel(_) => self.refused += 1,
        }
    }
}
