//! Rooms: who is in them, what they publish, who receives it.

mod config;
mod counters;
mod interface;
mod switchboard;

pub use config::{Config, IceServer, Limits, Timeouts};
pub use counters::{Counters, JoinTimes, LeaveReason, Limit};
pub use interface::{ConnectionId, Join, JoinError, Now, Outbox};
pub use switchboard::Switchboard;
