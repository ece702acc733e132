//! RTP headers (RFC 3550, section 5) and their extensions (RFC 8285).

mod extension;
mod header;
pub mod sequence;
mod writer;

pub use extension::{AudioLevel, Extensions, abs_send_time};
pub use header::{Fixed, Header};
pub use sequence::SequenceExtender;
pub use writer::{HEADER_MAX, Writer};
