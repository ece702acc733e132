//! Data channels: how they are opened (RFC 8832), and what LiveKit's messages on them tell.

mod dcep;
mod packet;

pub use dcep::{ACK, Dcep, Open, Reliability};
pub use packet::{DataPacket, Destinations};

/// SCTP payload protocol identifiers (RFC 8831, section 8).
pub mod ppid {
    /// RFC 8832.
    pub const DCEP: u32 = 50;
    /// UTF-8 text.
    pub const STRING: u32 = 51;
    /// Bytes.
    pub const BINARY: u32 = 53;
    /// Text of no length, sent as one byte.
    pub const STRING_EMPTY: u32 = 56;
    /// Nothing, sent as one byte.
    pub const BINARY_EMPTY: u32 = 57;
}
