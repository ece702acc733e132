//! RTP from publishers: which track and layer it belongs to, and its way to the subscribers.

use super::exit::Exit;
use super::layer::{Place, Unplaced};
use super::link::Source;
use super::media::{self, Body, Copied, Front, Media};
use super::rewrite::Numbers;
use super::scaling::{ALL, Frame, Scaling};
use super::track::{Requests, Track};
use super::{Room, notify};
use crate::{DropReason, Egress, Outbox};
use relay_wire::control::{Codec, Event, Kind, TransportId};
use relay_wire::dependency;
use relay_wire::rtp::Header;
use std::time::{Duration, Instant};

/// First request for a lost packet, and feedback on arrivals, come at most this late.
const NACK_DELAY: Duration = Duration::from_millis(5);
const FEEDBACK_DELAY: Duration = Duration::from_millis(50);

/// A packet on its way in, repairs unwrapped.
struct Incoming<'a> {
    packet: &'a [u8],
    header: Header,
    source: Source,
    codec: Codec,
    /// It came as a retransmission.
    repair: bool,
    number: u16,
    payload: &'a [u8],
}

impl Room {
    /// Handles one RTP packet in plain that came on a transport.
    pub fn rtp<E: Egress>(
        &mut self,
        now: Instant,
        from: TransportId,
        packet: &[u8],
        egress: &mut E,
        out: &mut Outbox,
    ) {
        let Some(header) = Header::parse(packet) else {
            return out.drop(DropReason::Malformed);
        };
        let Some(payload) = header.payload(packet) else {
            return out.drop(DropReason::Malformed);
        };
        let Some(&link) = self.by_transport.get(&from) else {
            return out.drop(DropReason::UnknownTrack);
        };
        self.note_arrival(now, link, &header, packet);
        let source = match self.source(link, &header, packet) {
            Ok(source) => source,
            Err(reason) => return out.drop(reason),
        };
        match self.unwrap(source, header, packet, &packet[payload]) {
            Ok(Some(incoming)) => self.receive(now, link, &incoming, egress, out),
            Ok(None) => {}
            Err(reason) => out.drop(reason),
        }
    }

    fn note_arrival(&mut self, now: Instant, link: usize, header: &Header, packet: &[u8]) {
        self.counters.rtp_in += 1;
        self.counters.rtp_in_bytes += packet.len() as u64;
        let Some(link) = self.links.get_mut(link) else { return };
        let value = link.extensions.transport_cc.and_then(|id| header.extension(packet, id));
        let Some(number) = value.and_then(|value| value.try_into().ok()) else { return };
        link.arrivals.note(now, u16::from_be_bytes(number));
        self.timers.feedback.get_or_insert(now + FEEDBACK_DELAY);
    }

    /// The track and layer of a packet, learnt with its first one.
    fn source(
        &mut self,
        link: usize,
        header: &Header,
        packet: &[u8],
    ) -> Result<Source, DropReason> {
        let known = self.links.get(link).and_then(|link| link.source(header.ssrc));
        if let Some(source) = known {
            return Ok(source);
        }
        let (source, rtx) = self.identify(link, header, packet).ok_or(DropReason::UnknownTrack)?;

        self.bind(link, source, header.ssrc, rtx)
    }

    /// Finds out to what an unknown SSRC belongs: by mid and rid, else by its payload type. The
    /// second is true for retransmissions.
    fn identify(&self, link: usize, header: &Header, packet: &[u8]) -> Option<(Source, bool)> {
        let link = self.links.get(link)?;
        let value = |id: Option<u8>| id.and_then(|id| header.extension(packet, id));
        let mid = value(link.extensions.mid);
        let mut tracks = link.tracks.iter().rev().filter(|place| {
            self.tracks.get(**place).is_some_and(|track| match mid {
                Some(mid) => track.spec.mid.as_bytes() == mid,
                None => track.codec_of(header.payload_type).is_some(),
            })
        });
        let place = *tracks.next()?;
        if mid.is_none() && tracks.next().is_some() {
            return None;
        }
        let track = self.tracks.get(place)?;
        let (_, rtx) = track.codec_of(header.payload_type)?;
        let rid = value(if rtx { link.extensions.repaired_rid } else { link.extensions.rid });
        let layer = match rid {
            Some(rid) if !track.spec.rids.is_empty() => {
                track.spec.rids.iter().position(|known| known.as_bytes() == rid)?
            }
            _ if track.layers.len() == 1 => 0,
            _ => return None,
        };

        Some((Source { track: place, layer: layer as u8 }, rtx))
    }

    /// Binds an SSRC to a layer; the one it had before is forgotten.
    pub(super) fn bind(
        &mut self,
        link: usize,
        source: Source,
        ssrc: u32,
        rtx: bool,
    ) -> Result<Source, DropReason> {
        let track = self.tracks.get_mut(source.track).ok_or(DropReason::UnknownTrack)?;
        let layer = &mut track.layers[usize::from(source.layer)];
        let link = self.links.get_mut(link).ok_or(DropReason::UnknownTrack)?;
        let old = if rtx { layer.rtx_ssrc } else { layer.ssrc };
        if let Some(old) = old {
            link.unlearn(old);
        }
        if !link.learn(ssrc, source) {
            return Err(DropReason::SsrcLimit);
        }
        if rtx {
            layer.rtx_ssrc = Some(ssrc);
        } else {
            layer.adopt(ssrc);
        }

        Ok(source)
    }

    /// Tells codec and sequence number; `None` for a retransmission of nothing, which senders
    /// probe the bandwidth with.
    fn unwrap<'a>(
        &self,
        source: Source,
        header: Header,
        packet: &'a [u8],
        payload: &'a [u8],
    ) -> Result<Option<Incoming<'a>>, DropReason> {
        let track = self.tracks.get(source.track).ok_or(DropReason::UnknownTrack)?;
        let (codec, repair) =
            track.codec_of(header.payload_type).ok_or(DropReason::UnknownPayloadType)?;
        let incoming =
            Incoming { packet, header, source, codec, repair, number: header.sequence, payload };
        if !repair {
            return Ok(Some(incoming));
        }
        let [high, low, payload @ ..] = payload else { return Ok(None) };

        Ok(Some(Incoming { number: u16::from_be_bytes([*high, *low]), payload, ..incoming }))
    }

    fn receive<E: Egress>(
        &mut self,
        now: Instant,
        link: usize,
        incoming: &Incoming<'_>,
        egress: &mut E,
        out: &mut Outbox,
    ) {
        let Source { track: place, layer } = incoming.source;
        let layer = usize::from(layer);
        let Some(track) = self.tracks.get_mut(place) else { return };
        if track.codec.is_none() {
            notify(Event::Started(track.spec.track, incoming.codec), out);
        }
        if track.codec != Some(incoming.codec) {
            track.codec = Some(incoming.codec);
            track.layers.iter_mut().for_each(|layer| layer.scaling = Scaling::new());
            track.interrupt(now, None);
        }
        let chase = track.is_video() && !track.muted;
        let (rate, numbers) = (track.rate(), (incoming.number, incoming.header.timestamp));
        let placed = track.layers[layer].receive(now, numbers, incoming.repair, rate, chase);
        let placed = match placed {
            Ok(placed) => placed,
            Err(Unplaced::Duplicate) => return out.drop(DropReason::Duplicate),
            Err(Unplaced::TooOld) => return out.drop(DropReason::TooOld),
        };
        if let (Some(link), Some(time)) = (self.links.get_mut(link), placed.round_trip) {
            link.measure(time);
        }
        if chase && track.layers[layer].missing.due().is_some() {
            self.timers.nack.get_or_insert(now + NACK_DELAY);
        }
        if placed.restart {
            track.interrupt(now, Some(layer as u8));
        }
        let revived = track.notice(now, layer);
        if track.muted {
            return out.drop(DropReason::Muted);
        }
        let Parsed { media, body, frame, rescaled } = parse(now, track, layer, incoming, &placed);
        let mut requests = Requests::default();
        if revived || placed.restart || rescaled {
            requests = track.aim(now, true, &self.outlets);
        }
        if placed.torn && track.layers[layer].keyframes.want(now) {
            requests[layer] = track.layers[layer].ssrc;
        }
        let mut exit = Exit::new(now, &self.clock, egress, out, &mut self.counters);
        exit.tap = self.tap.as_mut();
        if incoming.payload.is_empty() {
            track.skip(layer, (&media, placed.due), &mut self.outlets, &mut exit);
        } else {
            track.forward(layer, &placed, (&media, body), frame, &mut self.outlets, &mut exit);
        }
        if frame.starts != 0 && track.is_video() {
            requests[layer] = None;
        }
        self.request_keyframes(link, &requests, egress, out);
    }
}

/// A packet, read once for all subscribers.
struct Parsed<'a> {
    media: Media,
    body: Body<'a>,
    frame: Frame,
    /// Whether there are other layers now.
    rescaled: bool,
}

fn parse<'a>(
    now: Instant,
    track: &mut Track,
    layer: usize,
    incoming: &Incoming<'a>,
    placed: &Place,
) -> Parsed<'a> {
    let Incoming { packet, header, codec, mut payload, .. } = *incoming;
    let mut media = Media {
        numbers: Numbers {
            sequence: placed.sequence,
            timestamp: header.timestamp,
            picture: 0,
            tl0: 0,
            frame: 0,
            marker: header.marker && !payload.is_empty(),
            ends: None,
        },
        codec,
        wanted: ALL,
        front: None,
        copied: Copied::default(),
    };
    let mut frame = Frame::plain(false, false);
    let mut body = Body::default();
    if payload.is_empty() {
        return Parsed { media, body, frame, rescaled: false };
    }
    let (copied, descriptor) = Copied::read(packet, &header, &track.spec.extensions);
    media.copied = copied;
    if let Some(level) = copied.audio_level {
        track.level.observe(now, level & 0x7f);
    }
    let source = &mut track.layers[layer];
    let front = Front::read(codec, payload);
    let keyframe = front.is_keyframe(codec, payload);
    let mut rescaled = false;
    frame = Frame::plain(keyframe, placed.fresh);
    if track.spec.kind == Kind::Video {
        (frame, rescaled) = source.scaling.read(now, placed, descriptor, &front, keyframe);
    }
    let len = media::take_front(&mut media, &front, payload, placed, source);
    payload = &payload[len.unwrap_or(0)..];
    if let Some(value) = descriptor.filter(|_| media::passes_descriptor(codec))
        && let Some(fields) = dependency::Fields::parse(value)
    {
        body.descriptor = value;
        media.numbers.frame = fields.number;
    }
    media.numbers.ends = frame.ends.filter(|_| media::passes_descriptor(codec));
    media.wanted = frame.wanted;
    body.payload = payload;

    Parsed { media, body, frame, rescaled }
}
