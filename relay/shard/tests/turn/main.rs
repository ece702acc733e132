//! TURN on one shard and on two, in virtual time (RFC 8656).
#![allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods)]

mod client;
mod relaying;
mod world;
