//! What TURN counts on one shard.

use super::allocation::Traffic;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $code:literal $reason:literal $label:literal)*) => {
        /// Why an authenticated request was refused: a metric label, and an error code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(usize)]
        pub enum TurnRefusal {
            $($(#[$doc])* $name,)*
        }

        impl TurnRefusal {
            /// Every refusal, in the order of `TurnCounters::refused`.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The metric label.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }

            /// The error code (RFC 8489, section 18.3; RFC 8656, section 19; RFC 8016, section
            /// 3.4).
            pub const fn code(self) -> u16 {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// The text that goes with the code.
            pub const fn reason(self) -> &'static str {
                match self {
                    $(Self::$name => $reason,)*
                }
            }
        }
    };
}

refusals! {
    /// The node is being emptied; another is named.
    TryAlternate = 300 "Try Alternate" "try_alternate"
    /// An attribute is missing, malformed, or excludes another.
    BadRequest = 400 "Bad Request" "bad_request"
    /// The peer's address is refused by policy.
    Forbidden = 403 "Forbidden" "forbidden"
    /// The allocation may not be moved.
    MobilityForbidden = 405 "Mobility Forbidden" "mobility_forbidden"
    /// An attribute that must be understood is not.
    UnknownAttribute = 420 "Unknown Attribute" "unknown_attribute"
    /// There is an allocation already, or there is none.
    Mismatch = 437 "Allocation Mismatch" "mismatch"
    /// There is no relayed address of this family.
    UnsupportedFamily = 440 "Address Family not Supported" "unsupported_family"
    /// The allocation is another user's.
    WrongCredentials = 441 "Wrong Credentials" "wrong_credentials"
    /// Something else than UDP toward peers.
    UnsupportedTransport = 442 "Unsupported Transport Protocol" "unsupported_transport"
    /// The allocation has no relayed address of the peer's family.
    FamilyMismatch = 443 "Peer Address Family Mismatch" "family_mismatch"
    /// The user has as many allocations as one may.
    QuotaUser = 486 "Allocation Quota Reached" "quota_user"
    /// The client's address has as many allocations as one may.
    QuotaAddress = 486 "Allocation Quota Reached" "quota_address"
    /// The server has as many allocations as it may.
    QuotaTotal = 508 "Insufficient Capacity" "quota_total"
    /// No port fits.
    NoPorts = 508 "Insufficient Capacity" "no_ports"
    /// Sockets could not be opened.
    NoSocket = 508 "Insufficient Capacity" "no_socket"
    /// More allocations are being made than may be at once.
    Busy = 508 "Insufficient Capacity" "busy"
    /// The node is being emptied, and no other is named.
    Draining = 508 "Insufficient Capacity" "draining"
    /// The reservation is over, or never was.
    NoReservation = 508 "Insufficient Capacity" "no_reservation"
    /// The allocation has as many permissions or channels as it may.
    TooMany = 508 "Insufficient Capacity" "too_many"
}

/// Counters and gauges of TURN on one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TurnCounters {
    /// Allocations now.
    pub allocations: u64,
    /// Permissions now.
    pub permissions: u64,
    /// Channels now.
    pub channels: u64,
    /// Reserved ports now.
    pub reservations: u64,
    /// Allocations now that wait for their sockets.
    pub pending: u64,
    /// Ports of relayed addresses that are free now, over all addresses.
    pub ports_free: u64,
    /// Ports of relayed addresses that are in use now.
    pub ports_used: u64,
    /// Allocations that were made.
    pub created: u64,
    /// Allocations of an earlier process that went on.
    pub adopted: u64,
    /// Allocations that ended, for whatever reason.
    pub ended: u64,
    /// Those of them that an operator ended.
    pub kicked: u64,
    /// Allocations that moved to another path (RFC 8016).
    pub moved: u64,
    /// Refresh requests that were granted.
    pub refreshed: u64,
    /// Authenticated requests that were refused, in the order of `TurnRefusal::ALL`.
    pub refused: [u64; TurnRefusal::ALL.len()],
    /// Requests without credentials that were challenged.
    pub challenges: u64,
    /// Requests with credentials that are not right, or no longer.
    pub unauthorized: u64,
    /// Requests with a nonce that is too old, or not ours.
    pub stale_nonces: u64,
    /// Unauthenticated requests that lacked something.
    pub malformed: u64,
    /// Unauthenticated requests that were not answered: too many from one source prefix, or too
    /// short for an answer of at most twice their size.
    pub unanswered: u64,
    /// Packets from clients to peers.
    pub sent: u64,
    /// Their payload bytes.
    pub sent_bytes: u64,
    /// Packets from peers to clients.
    pub received: u64,
    /// Their payload bytes.
    pub received_bytes: u64,
    /// ICMP errors passed on to clients.
    pub unreachable: u64,
}

impl TurnCounters {
    /// How many requests were refused for this reason.
    pub fn refused(&self, why: TurnRefusal) -> u64 {
        self.refused[why as usize]
    }

    pub(super) fn refuse(&mut self, why: TurnRefusal) {
        self.refused[why as usize] += 1;
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += 1;
        self.sent_bytes += bytes as u64;
    }

    pub(super) fn received(&mut self, bytes: usize) {
        self.received += 1;
        self.received_bytes += bytes as u64;
    }

    pub(super) fn offloaded(&mut self, sent: Traffic, received: Traffic) {
        self.sent += sent.packets;
        self.sent_bytes += sent.bytes;
        self.received += received.packets;
        self.received_bytes += received.bytes;
    }
}
