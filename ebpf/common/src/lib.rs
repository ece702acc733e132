//! What the program in the kernel and its loader share: the layout of maps, headers, checksums, and
//! the way of a packet as plain functions over a frame whose every access is checked.
//!
//! The program is a thin shell around `relay`, which tests run on the host with a `Kernel` of their
//! own.

#![no_std]
#![forbid(unsafe_code)]

mod address;
mod bytes;
mod checksum;
mod frame;
mod header;
mod meter;
mod record;
mod relay;
pub mod steer;
mod verdict;
mod write;

pub use address::{Ip, from_mapped, ipv4_bytes, ipv4_mapped, is_ipv4, mapped};
pub use checksum::{change, header as header_checksum, sum, updated};
pub use frame::Frame;
pub use header::Datagram;
pub use meter::Meter;
pub use record::{Counter, Entry, FlowKey, LAYOUT, Link, Port, PortKey, kind};
pub use relay::{Hop, Kernel, Way, relay};
pub use verdict::{Outcome, Verdict};
