//! One core of the relay, pure: ICE, DTLS, SRTP, rooms.

#![forbid(unsafe_code)]

mod config;
mod data;
mod dtls;
mod egress;
mod hash;
mod ice;
mod logged;
mod outbox;
mod packet;
mod room;
mod shard;
mod srtp;
mod stats;
mod timers;
mod transport;
mod turn;

pub use config::{Config, DtlsVersions, Limits};
pub use egress::Egress;
pub use logged::{Logged, LoggedBlock, Unwritten};
pub use outbox::{Event, HandOver, Outbox, Transmit};
pub use packet::{Packet, Path, Via};
pub use room::Room;
pub use shard::{ConfigError, Shard};
pub use srtp::{MasterKey, Profile, SrtpEgress, SrtpIngress, from_keying_material};
pub use stats::{Counters, DropReason, Drops};
pub use turn::{
    AllocationInfo, Binding, BindingKey, Ledger, NotAdopted, Offloaded, Quota, Reached,
};
pub use turn::{Selector, Standing, Traffic, TurnConfig, TurnCounters, TurnRefusal, Unlimited};
pub use turn::{Unreachable, keeper};
