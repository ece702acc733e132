//! Whole systems in virtual time: real clients of an independent WebRTC stack (str0m), a network
//! that loses, delays, repeats and reorders, our switchboard and our shards.
//!
//! Nothing here waits: a minute of a call takes as long as its packets take to handle.

pub mod allocations;
mod client;
mod media;
mod peer;
mod relay;
mod turn;
mod world;

pub use client::Client;
pub use media::{Received, Source};
pub use peer::Network;
pub use relay::{Relay, Work};
pub use turn::{TurnClient, TurnRelay};
pub use world::{World, seeds};
