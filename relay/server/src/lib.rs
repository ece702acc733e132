//! The dataplane's driver: for each core a pinned executor, a ring, sockets and a `Shard`.

mod addresses;
mod config;
pub mod control;
mod driver;
mod error;
mod failure;
mod identity;
mod io;
mod mailbox;
mod mesh;
mod messages;
mod metrics;
mod mmsg;
mod pace;
mod relay;
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
pub use metrics::RelayCollector;
pub use relay::{Relay, RelayHandle, start};
pub use relay_shard::{AllocationInfo, DtlsVersions, Limits, Selector};
pub use relay_wire::Network;
pub use router::Events;
pub use streams::StreamLimits;
pub use turn::{Quotas, TurnSettings};
