//! The dataplane's driver: for each core a pinned executor, a ring, sockets and a `Shard`.

mod addresses;
mod ancillary;
mod bind;
mod config;
pub mod control;
mod driver;
mod epoll;
mod error;
mod errqueue;
mod failure;
mod handle;
mod identity;
mod io;
#[cfg(test)]
mod io_tests;
mod mailbox;
mod mesh;
mod messages;
mod metrics;
mod mmsg;
mod opening;
mod options;
mod pace;
mod relay;
mod relayed;
mod router;
pub mod runs;
mod snapshot;
mod sockets;
mod streams;
mod train;
mod turn;
mod uring;
mod wake;

pub use config::{Advertise, Config, IoKind};
pub use error::StartError;
pub use failure::Failed;
pub use handle::RelayHandle;
pub use metrics::RelayCollector;
pub use relay::{Relay, start};
pub use relay_shard::{AllocationInfo, DtlsVersions, Limits, Selector, Via};
pub use relay_wire::Network;
pub use router::Events;
pub use streams::StreamLimits;
pub use turn::{Quotas, TurnSettings};
