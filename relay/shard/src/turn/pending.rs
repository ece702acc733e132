//! Allocations that wait for their sockets: the driver opens them, and tells how that went.

use super::allocation::Receipt;
use super::answer::Asker;
use super::principal::Principal;
use std::net::{IpAddr, SocketAddr};

/// Relayed addresses of one request at most: of both families, or a pair.
pub(super) const OPENINGS_MAX: usize = 2;

/// What must be true of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// Nothing.
    Any,
    /// It is even (EVEN-PORT).
    Even,
    /// It is even, and the next is reserved (EVEN-PORT with R).
    Pair,
}

/// A socket that is being opened for an allocation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) address: SocketAddr,
    pub(super) opened: bool,
}

/// An Allocate request that waits for sockets.
pub(super) struct Pending {
    pub(super) asker: Asker,
    pub(super) principal: Principal,
    /// The address that the ledger counts.
    pub(super) counted: IpAddr,
    pub(super) receipt: Receipt,
    pub(super) mobile: bool,
    pub(super) fit: Fit,
    /// Of a pair, the reserved one is the second.
    pub(super) openings: Vec<Opening>,
    /// Addresses that were tried in vain.
    pub(super) failures: u32,
    /// Names its deadline.
    pub(super) number: u64,
}

impl Pending {
    /// Whether every socket is open.
    pub(super) fn is_ready(&self) -> bool {
        self.openings.iter().all(|opening| opening.opened)
    }
}
