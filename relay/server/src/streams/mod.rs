//! TCP and TLS clients of the media plane: TURN over streams, and passive ICE-TCP.

mod limits;

pub use limits::StreamLimits;
