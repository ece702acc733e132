//! TURN on one shard and on two, in virtual time (RFC 8656).
#![allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods)]

mod allocating;
mod client;
mod lasting;
mod operating;
mod relaying;
mod sharing;
mod world;
