//! Rooms in virtual time: scripted clients, and a relay that answers by itself.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod administering;
mod garbage;
mod joining;
mod limits;
mod permissions;
mod publishing;
mod recording;
mod rejection;
mod reporting;
mod resuming;
mod script;
mod sessions_outside;
mod subscribing;
mod turn;
mod whip;
mod world;
