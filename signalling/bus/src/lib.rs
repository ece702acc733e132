//! Who is connected where (directory), messages between nodes (bus), durable jobs (queue).
//!
//! [`Embedded`] is one process with a file; nothing else is needed. With [`Redis`], many nodes
//! share the same. Either gives a [`Bus`], one node's handle, and a receiver of what it is told,
//! [`Event`].
#![forbid(unsafe_code)]

mod bus;
mod config;
mod embedded;
mod error;
mod local;
mod log;
mod metrics;
mod names;
mod queue;
mod redis;
mod rooms;
mod users;

pub use bus::{Bus, Event, Link};
pub use config::{Node, Timings};
pub use embedded::Embedded;
pub use error::Error;
pub use log::Log;
pub use queue::{DeadJob, Job};
pub use redis::{Redis, RedisUrl};
pub use rooms::Placement;
pub use users::{Change, Notice, Place, Presence, Present, Session, Settings, State, User};
