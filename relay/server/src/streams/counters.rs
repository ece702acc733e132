//! What is counted about connections.

use super::connection::StreamKind;
use relay_shard::Drops;

macro_rules! close_reasons {
    ($($(#[$doc:meta])* $name:ident = $label:literal)*) => {
        /// Why a connection was closed: a metric label.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub(crate) enum CloseReason {
            $($(#[$doc])* $name,)*
        }

        impl CloseReason {
            /// Every reason, in the order of the counters.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// The metric label.
            pub(crate) const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

close_reasons! {
    /// The client closed it, in order.
    Client = "client"
    /// The client reset it, or it vanished.
    Reset = "reset"
    /// No protocol of ours, or a message longer than may be.
    Garbage = "garbage"
    /// No first message in time.
    Silent = "silent"
    /// Nothing of the client's stood on it for a while.
    Unused = "unused"
    /// The shard hung up: the client's last allocation ended, or an operator ended it.
    HungUp = "hung_up"
    /// The TLS handshake failed.
    Handshake = "handshake"
    /// Records that are not TLS's, after the handshake.
    Tls = "tls"
    /// One too many, of this client's address or in all.
    Limit = "limit"
    /// The shard that it was to move to did not take it.
    Stranded = "stranded"
}

/// Counters and gauges of a shard's connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamCounters {
    /// Connections now, by `StreamKind`.
    pub(crate) open: [u64; 2],
    /// Connections accepted, by `StreamKind`.
    pub(crate) accepted: [u64; 2],
    /// Connections closed, by `CloseReason`.
    pub(crate) closed: [u64; CloseReason::ALL.len()],
    /// Connections that came from another shard.
    pub(crate) moved_in: u64,
    /// Connections that went to another shard.
    pub(crate) moved_out: u64,
    /// Bytes read, as they are on the wire.
    pub(crate) bytes_in: u64,
    /// Bytes written, as they are on the wire.
    pub(crate) bytes_out: u64,
    /// Messages given to the shard.
    pub(crate) messages_in: u64,
    /// Messages that were queued for a client.
    pub(crate) messages_out: u64,
    /// Messages that no connection took.
    pub(crate) drops: Drops,
    /// Times that no connection could be accepted for want of descriptors or memory.
    pub(crate) accept_failures: u64,
}

impl StreamCounters {
    pub(super) fn accepted(&mut self, kind: StreamKind) {
        self.accepted[kind as usize] += 1;
    }

    pub(super) fn closed(&mut self, reason: CloseReason) {
        self.closed[reason as usize] += 1;
    }
}
