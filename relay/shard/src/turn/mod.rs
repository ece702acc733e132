//! TURN (RFC 8656): allocations, permissions, channels, and the relaying between them.

#[allow(dead_code)]
mod authenticate;
#[allow(dead_code)]
mod bucket;
#[allow(dead_code)]
mod challenge;
#[cfg(test)]
mod client;
#[allow(dead_code)]
mod clock;
mod config;
#[allow(dead_code)]
mod credentials;
mod info;
mod ledger;
#[allow(dead_code)]
mod limiter;
#[allow(dead_code)]
mod nonce;
#[allow(dead_code)]
mod peers;
#[allow(dead_code)]
mod ports;
#[allow(dead_code)]
mod principal;
#[allow(dead_code)]
mod secret;
#[allow(dead_code)]
mod ticket;

pub use config::{Reached, TurnConfig};
pub use info::{AllocationInfo, Selector, Unreachable};
pub use ledger::{Ledger, Quota, Unlimited};
