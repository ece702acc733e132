//! From the media log to files: frames out of packets, files out of frames.
#![deny(unsafe_code)]

pub mod clock;
pub mod codec;
pub mod composite;
pub mod facts;
mod frames;
pub mod job;
mod log;
pub mod matroska;
mod metrics;
mod order;
mod parameters;
pub mod service;
pub mod shelf;
pub mod summary;
mod survey;
pub mod tracks;

pub use frames::{Assembler, Frame};
pub use log::{Damages, Log};
pub use metrics::RecorderCollector;
pub use order::{Order, Packet};
pub use survey::{Survey, Surveyed};
