//! Packets as they leave: assembled for one subscriber, on the stack.

use super::clock::Clock;
use super::header::{HEADER_MAX, Template, Values};
use super::link::Outlet;
use super::media::{Body, FRONT_MAX, Media};
use super::rewrite::Numbers;
use super::tap::Tap;
use crate::{Counters, Egress, Outbox};
use relay_wire::control::{Codec, CodecSpec, SubscriptionSpec, TransportId};
use relay_wire::rtp::Fixed;
use std::time::Instant;

/// Bytes in front of a rewritten payload: the original sequence number and the rewritten part of
/// the descriptor.
const PREFIX_MAX: usize = 2 + FRONT_MAX;

/// Codecs that there are; their numbers are below.
const CODECS: usize = Codec::Av1 as usize + 1;

/// How a track leaves to one subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) transport: TransportId,
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: Option<u32>,
    /// Payload types of media and retransmissions, by codec.
    payload_types: [Option<(u8, Option<u8>)>; CODECS],
    header: Template,
}

impl Terms {
    /// A repetition under the same sequence number must be the same packet bit by bit, for
    /// AES-GCM does not survive another one under the same nonce (RFC 7714, section 8): video
    /// whose repetitions have no stream of their own does not tell its time.
    pub(super) fn new(spec: &SubscriptionSpec) -> Self {
        let mut payload_types = [None; CODECS];
        for CodecSpec { codec, payload_type, rtx } in &spec.codecs {
            payload_types[*codec as usize].get_or_insert((*payload_type, *rtx));
        }
        let apart = |codec: &CodecSpec| codec.rtx.is_some() && spec.rtx_ssrc.is_some();
        let stamped = spec.codecs.iter().all(|codec| codec.codec == Codec::Opus || apart(codec));

        Self {
            transport: spec.transport,
            ssrc: spec.ssrc,
            rtx_ssrc: spec.rtx_ssrc,
            payload_types,
            header: Template::new(&spec.extensions, &spec.mid, stamped),
        }
    }

    /// SSRC and payload type of retransmissions.
    pub(super) fn rtx(&self, codec: Codec) -> Option<(u32, u8)> {
        Some((self.rtx_ssrc?, self.payload_types[codec as usize]?.1?))
    }

    fn payload_type(&self, codec: Codec) -> Option<u8> {
        Some(self.payload_types[codec as usize]?.0)
    }
}

/// The way out for packets of one turn.
pub(super) struct Exit<'a, E> {
    pub(super) now: Instant,
    pub(super) abs_send_time: u32,
    pub(super) egress: &'a mut E,
    pub(super) out: &'a mut Outbox,
    pub(super) counters: &'a mut Counters,
    /// The media log, if the room is recorded.
    pub(super) tap: Option<&'a mut Tap>,
    /// Where headers are put together.
    header: [u8; HEADER_MAX],
}

impl<'a, E: Egress> Exit<'a, E> {
    pub(super) fn new(
        now: Instant,
        clock: &Clock,
        egress: &'a mut E,
        out: &'a mut Outbox,
        counters: &'a mut Counters,
    ) -> Self {
        let (abs_send_time, header) = (clock.abs_send_time(now), [0; HEADER_MAX]);

        Self { now, abs_send_time, egress, out, counters, tap: None, header }
    }

    /// Sends a media packet; returns its payload's bytes, 0 if it was not sent.
    pub(super) fn media(
        &mut self,
        terms: &Terms,
        outlet: &mut Outlet,
        media: &Media,
        numbers: &Numbers,
        body: &Body<'_>,
    ) -> usize {
        let Some(payload_type) = terms.payload_type(media.codec) else { return 0 };
        let fixed = Fixed {
            marker: numbers.marker,
            payload_type,
            sequence: numbers.sequence as u16,
            timestamp: numbers.timestamp,
            ssrc: terms.ssrc,
        };
        let values = self.values(media, numbers, body);
        let (prefix, prefix_len) = front(media, numbers);

        self.send(terms, outlet, &fixed, &values, (&prefix[..prefix_len], body.payload))
    }

    /// Sends a media packet again in the stream of retransmissions (RFC 4588, section 4).
    pub(super) fn retransmission(
        &mut self,
        terms: &Terms,
        outlet: &mut Outlet,
        (ssrc, payload_type, sequence): (u32, u8, u16),
        media: &Media,
        numbers: &Numbers,
        body: &Body<'_>,
    ) {
        let fixed = Fixed {
            marker: numbers.marker,
            payload_type,
            sequence,
            timestamp: numbers.timestamp,
            ssrc,
        };
        let values = self.values(media, numbers, body);
        let mut prefix = [0; PREFIX_MAX];
        prefix[..2].copy_from_slice(&(numbers.sequence as u16).to_be_bytes());
        let (front, len) = front(media, numbers);
        prefix[2..].copy_from_slice(&front);

        self.send(terms, outlet, &fixed, &values, (&prefix[..2 + len], body.payload));
    }

    fn values<'v>(&self, media: &'v Media, numbers: &Numbers, body: &Body<'v>) -> Values<'v> {
        Values {
            time: self.abs_send_time,
            copied: &media.copied,
            descriptor: body.descriptor,
            frame: numbers.frame,
        }
    }

    fn send(
        &mut self,
        terms: &Terms,
        outlet: &mut Outlet,
        fixed: &Fixed,
        values: &Values<'_>,
        (prefix, payload): (&[u8], &[u8]),
    ) -> usize {
        let len = terms.header.write(fixed, values, outlet, &mut self.header);
        let header = &self.header[..len];
        if !self.egress.rtp(terms.transport, header, prefix, payload, self.out) {
            return 0;
        }
        let octets = prefix.len() + payload.len();
        self.counters.rtp_out += 1;
        self.counters.rtp_out_bytes += (len + octets) as u64;

        octets
    }
}

/// The rewritten part of a payload's descriptor, and its length.
pub(super) fn front(media: &Media, numbers: &Numbers) -> ([u8; FRONT_MAX], usize) {
    match &media.front {
        Some(front) => front.write(numbers),
        None => ([0; FRONT_MAX], 0),
    }
}
