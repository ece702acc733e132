//! A model of video and sound at both ends of a call: encoders whose every frame says what it is
//! and on which frames it builds, and decoders that accept nothing but a stream as a publisher
//! could have sent it.

mod decoder;
mod encoder;
mod payload;
mod picture;

pub(crate) use decoder::Arrived;
pub use decoder::{Decoder, Report};
pub(crate) use encoder::{Encoder, Packet, Shape};
