//! The packets of a compound, one after another.

use super::nack::{FirEntries, Nacks};
use super::remb::Remb;
use super::report::{ReportBlocks, SdesItems, Ssrcs};
use super::transport_cc::TransportCc;
use super::{format, packet_type};
use crate::bytes::{u16_at, u32_at, u64_at};

/// One RTCP packet, read in place.
#[derive(Clone, Debug)]
pub enum Packet<'a> {
    /// What a sender sent (RFC 3550, section 6.4.1).
    SenderReport {
        /// The sender.
        ssrc: u32,
        /// When it sent the report, see `super::ntp`.
        ntp: u64,
        /// The same moment in the media's clock.
        rtp: u32,
        /// Packets sent so far.
        packets: u32,
        /// Payload bytes sent so far.
        octets: u32,
        /// What it received of others.
        reports: ReportBlocks<'a>,
    },
    /// What a receiver received (RFC 3550, section 6.4.2).
    ReceiverReport {
        /// The receiver.
        ssrc: u32,
        /// What it received of others.
        reports: ReportBlocks<'a>,
    },
    /// Descriptions of sources (RFC 3550, section 6.5).
    Sdes(SdesItems<'a>),
    /// Sources that end (RFC 3550, section 6.6).
    Bye(Ssrcs<'a>),
    /// Lost packets, asked for again (RFC 4585, section 6.2.1).
    Nack {
        /// Who asks.
        sender: u32,
        /// The stream.
        media: u32,
        /// Sequence numbers.
        sequences: Nacks<'a>,
    },
    /// Arrival times of packets (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportCc(TransportCc<'a>),
    /// A picture was lost (RFC 4585, section 6.3.1).
    Pli {
        /// Who asks.
        sender: u32,
        /// The stream.
        media: u32,
    },
    /// A keyframe is needed (RFC 5104, section 4.3.1).
    Fir {
        /// Who asks.
        sender: u32,
        /// Which streams.
        entries: FirEntries<'a>,
    },
    /// The receiver's estimate of the bandwidth (draft-alvestrand-rmcat-remb-03).
    Remb(Remb<'a>),
    /// Something else, or malformed inside.
    Unknown {
        /// Packet type.
        packet_type: u8,
        /// Count or feedback message type, 0..=31.
        format: u8,
    },
}

/// Iterates over the packets of a compound, reduced size allowed (RFC 5506); ends where it is
/// malformed.
pub fn packets(compound: &[u8]) -> Packets<'_> {
    Packets { rest: compound }
}

/// Whether packets fill the compound, with none left over or cut short.
pub fn is_well_formed(compound: &[u8]) -> bool {
    let mut packets = packets(compound);
    while packets.frame().is_some() {}

    packets.rest.is_empty() && !compound.is_empty()
}

/// Packets of a compound.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Packets<'a> {
    /// Takes the next packet off the front: its type, its count or format, what follows these.
    fn frame(&mut self) -> Option<(u8, u8, &'a [u8])> {
        let [first, packet_type, ..] = *self.rest else { return None };
        let len = 4 + 4 * usize::from(u16_at(self.rest, 2)?);
        let (packet, rest) = self.rest.split_at_checked(len)?;
        let body = without_padding(packet, first & 0x20 != 0)?;
        if first >> 6 != 2 {
            return None;
        }
        self.rest = rest;

        Some((packet_type, first & 0x1f, body))
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        let (packet_type, format, body) = self.frame()?;
        let packet = match packet_type {
            packet_type::SENDER_REPORT => sender_report(format, body),
            packet_type::RECEIVER_REPORT => receiver_report(format, body),
            packet_type::SDES => SdesItems::parse(format, body).map(Packet::Sdes),
            packet_type::BYE => Ssrcs::parse(format.into(), body).map(Packet::Bye),
            packet_type::TRANSPORT_FEEDBACK => transport_feedback(format, body),
            packet_type::PAYLOAD_FEEDBACK => payload_feedback(format, body),
            _ => None,
        };

        Some(packet.unwrap_or(Packet::Unknown { packet_type, format }))
    }
}

/// What stands between the first four bytes and the padding, whose last byte counts it.
fn without_padding(packet: &[u8], padded: bool) -> Option<&[u8]> {
    let body = packet.get(4..)?;
    if !padded {
        return Some(body);
    }
    let padding = usize::from(*body.last()?);

    if padding == 0 { None } else { body.get(..body.len().checked_sub(padding)?) }
}

fn sender_report(count: u8, body: &[u8]) -> Option<Packet<'_>> {
    Some(Packet::SenderReport {
        ssrc: u32_at(body, 0)?,
        ntp: u64_at(body, 4)?,
        rtp: u32_at(body, 12)?,
        packets: u32_at(body, 16)?,
        octets: u32_at(body, 20)?,
        reports: ReportBlocks::parse(count, body.get(24..)?)?,
    })
}

fn receiver_report(count: u8, body: &[u8]) -> Option<Packet<'_>> {
    Some(Packet::ReceiverReport {
        ssrc: u32_at(body, 0)?,
        reports: ReportBlocks::parse(count, body.get(4..)?)?,
    })
}

fn transport_feedback(format: u8, body: &[u8]) -> Option<Packet<'_>> {
    let (sender, media) = (u32_at(body, 0)?, u32_at(body, 4)?);
    let control = body.get(8..)?;
    match format {
        format::NACK => Some(Packet::Nack { sender, media, sequences: Nacks::parse(control)? }),
        format::TRANSPORT_CC => TransportCc::parse(sender, media, control).map(Packet::TransportCc),
        _ => None,
    }
}

fn payload_feedback(format: u8, body: &[u8]) -> Option<Packet<'_>> {
    let (sender, media) = (u32_at(body, 0)?, u32_at(body, 4)?);
    let control = body.get(8..)?;
    match format {
        format::PLI => Some(Packet::Pli { sender, media }),
        format::FIR => Some(Packet::Fir { sender, entries: FirEntries::parse(control)? }),
        format::APPLICATION => Remb::parse(sender, control).map(Packet::Remb),
        _ => None,
    }
}
