//! Packets as they leave: headers assembled for one subscriber, on the stack.

use super::clock::Clock;
use super::link::Outlet;
use super::media::Media;
use super::rewrite::Numbers;
use crate::{Counters, Egress, Outbox};
use relay_wire::control::{Codec, CodecSpec, Extensions, SubscriptionSpec, TransportId};
use relay_wire::rtp::{Fixed, Writer};
use relay_wire::vp8;
use std::time::Instant;

/// Bytes of the longest header: mid, both stamps, level, orientation, playout delay.
const HEADER_MAX: usize = 12 + 4 + 17 + 4 + 3 + 2 + 2 + 4 + 4;
/// Bytes in front of a rewritten payload: the original sequence number and VP8's descriptor.
const PREFIX_MAX: usize = 2 + vp8::DESCRIPTOR_MAX;
/// Bytes of the longest mid.
pub(super) const MID_MAX: usize = 16;

/// How a track leaves to one subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) transport: TransportId,
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: Option<u32>,
    /// Payload types of media and retransmissions, by codec.
    payload_types: [Option<(u8, Option<u8>)>; 3],
    extensions: Extensions,
    mid: [u8; MID_MAX],
    mid_len: u8,
}

impl Terms {
    /// The mid must be at most `MID_MAX` bytes.
    pub(super) fn new(spec: &SubscriptionSpec) -> Self {
        let mut mid = [0; MID_MAX];
        let mid_len = spec.mid.len().min(MID_MAX);
        mid[..mid_len].copy_from_slice(&spec.mid.as_bytes()[..mid_len]);
        let mut payload_types = [None; 3];
        for CodecSpec { codec, payload_type, rtx } in &spec.codecs {
            payload_types[*codec as usize].get_or_insert((*payload_type, *rtx));
        }

        Self {
            transport: spec.transport,
            ssrc: spec.ssrc,
            rtx_ssrc: spec.rtx_ssrc,
            payload_types,
            extensions: spec.extensions,
            mid,
            mid_len: mid_len as u8,
        }
    }

    /// SSRC and payload type of retransmissions.
    pub(super) fn rtx(&self, codec: Codec) -> Option<(u32, u8)> {
        Some((self.rtx_ssrc?, self.payload_types[codec as usize]?.1?))
    }

    fn payload_type(&self, codec: Codec) -> Option<u8> {
        Some(self.payload_types[codec as usize]?.0)
    }

    fn mid(&self) -> &[u8] {
        &self.mid[..self.mid_len.into()]
    }

    /// Whether the header may tell its time. A packet that is repeated under its own sequence
    /// number must be the same bit by bit: AES-GCM does not survive another packet under the same
    /// nonce (RFC 7714, section 8).
    fn is_stamped(&self, codec: Codec) -> bool {
        codec == Codec::Opus || self.rtx(codec).is_some()
    }
}

/// The way out for packets of one turn.
pub(super) struct Exit<'a, E> {
    pub(super) now: Instant,
    pub(super) abs_send_time: u32,
    pub(super) egress: &'a mut E,
    pub(super) out: &'a mut Outbox,
    pub(super) counters: &'a mut Counters,
}

impl<'a, E: Egress> Exit<'a, E> {
    pub(super) fn new(
        now: Instant,
        clock: &Clock,
        egress: &'a mut E,
        out: &'a mut Outbox,
        counters: &'a mut Counters,
    ) -> Self {
        Self { now, abs_send_time: clock.abs_send_time(now), egress, out, counters }
    }

    /// Sends a media packet; returns its payload's bytes, 0 if it was not sent.
    pub(super) fn media(
        &mut self,
        terms: &Terms,
        outlet: &mut Outlet,
        media: &Media,
        numbers: &Numbers,
        payload: &[u8],
    ) -> usize {
        let Some(payload_type) = terms.payload_type(media.codec) else { return 0 };
        let fixed = Fixed {
            marker: media.marker,
            payload_type,
            sequence: numbers.sequence as u16,
            timestamp: numbers.timestamp,
            ssrc: terms.ssrc,
        };
        let mut prefix = [0; PREFIX_MAX];
        let prefix_len = media.vp8.map_or(0, |vp8| vp8.write(&mut prefix, numbers));

        self.send(terms, outlet, &fixed, media, &prefix[..prefix_len], payload)
    }

    /// Sends a media packet again in the stream of retransmissions (RFC 4588, section 4).
    pub(super) fn retransmission(
        &mut self,
        terms: &Terms,
        outlet: &mut Outlet,
        (ssrc, payload_type, sequence): (u32, u8, u16),
        media: &Media,
        numbers: &Numbers,
        payload: &[u8],
    ) {
        let fixed = Fixed {
            marker: media.marker,
            payload_type,
            sequence,
            timestamp: numbers.timestamp,
            ssrc,
        };
        let mut prefix = [0; PREFIX_MAX];
        prefix[..2].copy_from_slice(&(numbers.sequence as u16).to_be_bytes());
        let prefix_len = 2 + media.vp8.map_or(0, |vp8| vp8.write(&mut prefix[2..], numbers));

        self.send(terms, outlet, &fixed, media, &prefix[..prefix_len], payload);
    }

    fn send(
        &mut self,
        terms: &Terms,
        outlet: &mut Outlet,
        fixed: &Fixed,
        media: &Media,
        prefix: &[u8],
        payload: &[u8],
    ) -> usize {
        let mut buffer = [0; HEADER_MAX];
        let stamp = terms.is_stamped(media.codec).then_some((self.abs_send_time, outlet));
        let Some(len) = header(&mut buffer, terms, fixed, media, stamp) else { return 0 };
        let sent = self.egress.rtp(terms.transport, &buffer[..len], prefix, payload, self.out);
        if !sent {
            return 0;
        }
        let octets = prefix.len() + payload.len();
        self.counters.rtp_out += 1;
        self.counters.rtp_out_bytes += (len + octets) as u64;

        octets
    }
}

/// Writes the header with the subscriber's extension ids; returns its length.
fn header(
    buffer: &mut [u8],
    terms: &Terms,
    fixed: &Fixed,
    media: &Media,
    stamp: Option<(u32, &mut Outlet)>,
) -> Option<usize> {
    let ids = &terms.extensions;
    let mut writer = Writer::begin(buffer, fixed);
    if let Some(id) = ids.mid {
        writer.extension(id, terms.mid());
    }
    if let Some((time, outlet)) = stamp {
        if let Some(id) = ids.abs_send_time {
            writer.abs_send_time(id, time);
        }
        if let Some(id) = ids.transport_cc {
            writer.transport_cc(id, outlet.sequence);
            outlet.sequence = outlet.sequence.wrapping_add(1);
        }
    }
    if let (Some(id), Some(level)) = (ids.audio_level, media.copied.audio_level) {
        writer.extension(id, &[level]);
    }
    if let (Some(id), Some(orientation)) = (ids.video_orientation, media.copied.video_orientation) {
        writer.extension(id, &[orientation]);
    }
    if let (Some(id), Some(delay)) = (ids.playout_delay, media.copied.playout_delay) {
        writer.extension(id, &delay);
    }

    writer.finish()
}
