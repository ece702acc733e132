//! One core of the relay, pure: ICE, DTLS, SRTP, rooms.

mod config;
mod egress;
mod outbox;
mod packet;
mod stats;

pub use config::{Config, DtlsVersions, Limits};
pub use egress::Egress;
pub use outbox::{Event, HandOver, Outbox, Transmit};
pub use packet::{Packet, Path};
pub use stats::{Counters, DropReason, Drops};
