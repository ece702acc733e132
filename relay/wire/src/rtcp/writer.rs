//! Packets to send, written into the caller's buffer.

use super::nack::{FirEntry, Packed};
use super::remb;
use super::report::ReportBlock;
use super::transport_cc;
use super::{SDES_CNAME, format, packet_type};
use crate::bytes::Sink;
use std::time::Duration;

/// A sender report without its blocks (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// The sender.
    pub ssrc: u32,
    /// When the report is sent, see `super::ntp`.
    pub ntp: u64,
    /// The same moment in the media's clock.
    pub rtp: u32,
    /// Packets sent so far.
    pub packets: u32,
    /// Payload bytes sent so far.
    pub octets: u32,
}

/// Writes a compound of RTCP packets, or a single one.
///
/// Each packet is written whole or, if it does not fit or is not valid, not at all: then the call
/// returns false, and the compound stands as it stood.
#[derive(Debug)]
pub struct Writer<'a> {
    sink: Sink<'a>,
}

impl<'a> Writer<'a> {
    /// Starts a compound at the front of `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { sink: Sink::new(buffer) }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.sink.len()
    }

    /// Whether nothing is written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The compound so far.
    pub fn written(&self) -> &[u8] {
        self.sink.written()
    }

    /// Appends a sender report with at most 31 blocks.
    pub fn sender_report(&mut self, info: &SenderInfo, reports: &[ReportBlock]) -> bool {
        self.packet(packet_type::SENDER_REPORT, reports.len(), |sink| {
            sink.put(&info.ssrc.to_be_bytes());
            sink.put(&info.ntp.to_be_bytes());
            sink.put(&info.rtp.to_be_bytes());
            sink.put(&info.packets.to_be_bytes());
            sink.put(&info.octets.to_be_bytes());
            blocks(sink, reports);
        })
    }

    /// Appends a receiver report with at most 31 blocks.
    pub fn receiver_report(&mut self, ssrc: u32, reports: &[ReportBlock]) -> bool {
        self.packet(packet_type::RECEIVER_REPORT, reports.len(), |sink| {
            sink.put(&ssrc.to_be_bytes());
            blocks(sink, reports);
        })
    }

    /// Appends a source description with a CNAME of at most 255 bytes.
    pub fn cname(&mut self, ssrc: u32, cname: &str) -> bool {
        let Ok(len) = u8::try_from(cname.len()) else { return false };

        self.packet(packet_type::SDES, 1, |sink| {
            sink.put(&ssrc.to_be_bytes());
            sink.put(&[SDES_CNAME, len]);
            sink.put(cname.as_bytes());
            sink.put(&[0]);
            sink.pad();
        })
    }

    /// Appends a BYE of at most 31 sources.
    pub fn bye(&mut self, ssrcs: &[u32]) -> bool {
        self.packet(packet_type::BYE, ssrcs.len(), |sink| {
            ssrcs.iter().for_each(|ssrc| sink.put(&ssrc.to_be_bytes()));
        })
    }

    /// Appends a NACK of at least one sequence number; ascending numbers are packed best.
    pub fn nack(
        &mut self,
        sender: u32,
        media: u32,
        sequences: impl IntoIterator<Item = u16>,
    ) -> bool {
        let mut entries = Packed::new(sequences.into_iter()).peekable();
        if entries.peek().is_none() {
            return false;
        }

        self.feedback(packet_type::TRANSPORT_FEEDBACK, format::NACK, sender, media, |sink| {
            entries.take_while(|entry| put(sink, entry)).for_each(drop);
        })
    }

    /// Appends a PLI.
    pub fn pli(&mut self, sender: u32, media: u32) -> bool {
        self.feedback(packet_type::PAYLOAD_FEEDBACK, format::PLI, sender, media, |_| {})
    }

    /// Appends a FIR of at least one stream.
    pub fn fir(&mut self, sender: u32, entries: &[FirEntry]) -> bool {
        !entries.is_empty()
            && self.feedback(packet_type::PAYLOAD_FEEDBACK, format::FIR, sender, 0, |sink| {
                for entry in entries {
                    sink.put(&entry.ssrc.to_be_bytes());
                    sink.put(&[entry.sequence, 0, 0, 0]);
                }
            })
    }

    /// Appends a REMB for at most 255 streams; the bitrate is rounded down to 18 significant bits.
    pub fn remb(&mut self, sender: u32, bitrate_bps: u64, ssrcs: &[u32]) -> bool {
        let Ok(count) = u8::try_from(ssrcs.len()) else { return false };
        let [a, b, c] = remb::exponent_mantissa(bitrate_bps);

        self.feedback(packet_type::PAYLOAD_FEEDBACK, format::APPLICATION, sender, 0, |sink| {
            sink.put(b"REMB");
            sink.put(&[count, a, b, c]);
            ssrcs.iter().for_each(|ssrc| sink.put(&ssrc.to_be_bytes()));
        })
    }

    /// Appends transport-wide feedback on the packets from `base` to the last of `arrivals`; those
    /// between that have no arrival are told missing.
    ///
    /// Arrivals are in ascending order of their sequence numbers, none before `base`; times count
    /// from any fixed moment. Returns how many of them it tells of: go on with the rest in another
    /// packet, unless it is 0, which means that there is no room or nothing to tell.
    pub fn transport_cc(
        &mut self,
        (sender, media): (u32, u32),
        base: u16,
        feedback_count: u8,
        arrivals: &[(u16, Duration)],
    ) -> usize {
        let (kind, format) = (packet_type::TRANSPORT_FEEDBACK, format::TRANSPORT_CC);
        let mut told = 0;
        let written = self.feedback(kind, format, sender, media, |sink| {
            told = transport_cc::write(sink, base, feedback_count, arrivals);
            if told == 0 {
                sink.spoil();
            }
        });

        if written { told } else { 0 }
    }

    fn feedback(
        &mut self,
        kind: u8,
        format: u8,
        sender: u32,
        media: u32,
        control: impl FnOnce(&mut Sink<'a>),
    ) -> bool {
        self.packet(kind, format.into(), |sink| {
            sink.put(&sender.to_be_bytes());
            sink.put(&media.to_be_bytes());
            control(sink);
        })
    }

    /// Writes the four bytes in front, the body, then the length in front.
    fn packet(&mut self, kind: u8, count: usize, body: impl FnOnce(&mut Sink<'a>)) -> bool {
        let start = self.sink.len();
        if count > 31 {
            return false;
        }
        self.sink.put(&[0x80 | count as u8, kind, 0, 0]);
        body(&mut self.sink);
        let words = (self.sink.len() - start) / 4;
        let Some(Ok(len)) = words.checked_sub(1).map(u16::try_from) else {
            self.sink.rewind(start);
            return false;
        };
        if !self.sink.is_whole() {
            self.sink.rewind(start);
            return false;
        }
        self.sink.patch(start + 2, &len.to_be_bytes());

        true
    }
}

fn blocks(sink: &mut Sink<'_>, reports: &[ReportBlock]) {
    reports.iter().for_each(|report| sink.put(&report.write()));
}

/// Appends, and tells whether it fitted.
fn put(sink: &mut Sink<'_>, bytes: &[u8]) -> bool {
    sink.put(bytes);

    sink.is_whole()
}
