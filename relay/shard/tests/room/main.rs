//! Rooms on plain packets, through their public interface.

mod data;
mod decoder;
mod encoder;
mod forwarding;
mod history;
mod layered;
mod layers;
mod limits;
mod recorded;
mod repair;
mod reports;
#[path = "../../../wire/tests/scalable/mod.rs"]
mod scalable;
mod seen;
mod svc;
mod temporal;
mod world;
mod wrong;
