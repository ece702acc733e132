//! How many connections there may be.

/// Bounds of one shard's TCP and TLS connections; one too many is closed at once, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Connections. A fifth of the process's descriptors, divided by the shards, is the most.
    pub connections: usize,
    /// Connections of one client address: an IPv4 address or an IPv6 /64. Many people share one
    /// behind carrier-grade NAT.
    pub connections_per_address: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self { connections: 8_192, connections_per_address: 1_024 }
    }
}
