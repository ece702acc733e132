//! Whole systems in virtual time: real clients of an independent WebRTC stack (str0m), a network
//! that loses, delays, repeats and reorders, our switchboard and our shards.
//!
//! Nothing here waits: a minute of a call takes as long as its packets take to handle.

pub mod allocations;
mod client;
mod fanout;
mod media;
mod mischief;
pub mod model;
mod peer;
mod publication;
#[path = "../../signalling/switchboard/tests/rooms/rejection.rs"]
mod rejection;
mod relay;
mod screen;
mod turn;
mod world;

pub use client::Client;
pub use fanout::{Fanout, Media as FanoutMedia};
pub use media::{Received, Source};
pub use mischief::Trick;
pub use peer::Network;
pub use relay::{Relay, Work};
pub use screen::Screen;
pub use turn::{TurnClient, TurnRelay};
pub use world::{World, seeds};
