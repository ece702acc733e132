//! From the media log to files: frames out of packets, files out of frames.
#![forbid(unsafe_code)]

pub mod clock;
mod frames;
pub mod matroska;
mod order;
mod parameters;

pub use frames::{Assembler, Frame};
pub use order::{Order, Packet};
