//! RTCP packets: reports (RFC 3550), feedback (RFC 4585, RFC 5104), REMB, transport-wide feedback.

mod nack;
pub mod ntp;
mod packet;
mod remb;
mod report;
mod transport_cc;
mod writer;

pub use nack::{FirEntries, FirEntry, Nacks};
pub use packet::{Packet, Packets, is_well_formed, packets};
pub use remb::Remb;
pub use report::{ReportBlock, ReportBlocks, SdesItem, SdesItems, Ssrcs};
pub use transport_cc::{Deltas, TICK_US, TransportCc};
pub use writer::{SenderInfo, Writer};

/// Packet types (RFC 3550, section 12.1; RFC 4585, section 6.1).
mod packet_type {
    pub(super) const SENDER_REPORT: u8 = 200;
    pub(super) const RECEIVER_REPORT: u8 = 201;
    pub(super) const SDES: u8 = 202;
    pub(super) const BYE: u8 = 203;
    pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(super) const PAYLOAD_FEEDBACK: u8 = 206;
}

/// Feedback message types: of RTPFB nack and transport-cc, of PSFB pli, fir and alfb.
mod format {
    pub(super) const NACK: u8 = 1;
    pub(super) const TRANSPORT_CC: u8 = 15;
    pub(super) const PLI: u8 = 1;
    pub(super) const FIR: u8 = 4;
    pub(super) const APPLICATION: u8 = 15;
}

/// SDES items (RFC 3550, section 6.5).
const SDES_CNAME: u8 = 1;
