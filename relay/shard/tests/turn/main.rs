//! TURN on one shard and on two, in virtual time (RFC 8656).
#![allow(dead_code, clippy::unwrap_used, clippy::disallowed_methods)]

mod adopting;
mod allocating;
mod both;
mod client;
mod differences;
mod differential;
mod histories;
mod history;
mod hostile;
mod lasting;
mod model;
mod offload;
mod operating;
mod relaying;
mod rooms;
mod sharing;
mod steps;
mod told;
mod world;
