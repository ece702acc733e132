//! Allocations that wait for their sockets: the driver opens them, and tells how that went.

use super::allocation::Receipt;
use super::answer::Asker;
use super::principal::Principal;
use std::net::{IpAddr, SocketAddr};

/// What must be true of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// Nothing.
    Any,
    /// It is even (EVEN-PORT).
    Even,
    /// It is even, and the next is reserved (EVEN-PORT with its R bit).
    Pair,
}

/// What an allocation is made of, but for its relayed addresses.
pub(super) struct Grant {
    pub(super) asker: Asker,
    pub(super) principal: Principal,
    /// The client's address, which the ledger counts.
    pub(super) counted: IpAddr,
    pub(super) receipt: Receipt,
    pub(super) mobile: bool,
}

/// A socket that is being opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) address: SocketAddr,
    pub(super) opened: bool,
}

/// An Allocate request that waits for sockets.
pub(super) struct Pending {
    pub(super) grant: Grant,
    pub(super) fit: Fit,
    /// Of both families, or a pair whose second is to be reserved.
    pub(super) openings: Vec<Opening>,
    /// Sockets that could not be opened.
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
