//! Rooms on plain packets, through their public interface.

mod data;
mod forwarding;
mod history;
mod layers;
mod limits;
mod repair;
mod reports;
mod world;
