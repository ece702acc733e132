//! TURN (RFC 8656): allocations, permissions, channels, and the relaying between them.

mod config;
mod info;
mod ledger;

pub use config::{Reached, TurnConfig};
pub use info::{AllocationInfo, Selector, Unreachable};
pub use ledger::{Ledger, Quota, Unlimited};
