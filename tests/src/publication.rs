//! One thing that a client sends: announced, offered, and sent frame by frame.

use crate::mischief::{Mischief, Trick};
use crate::model::{Encoder, Packet, Shape};
use crate::peer::Peer;
use crate::{Source, media, screen};
use livekit_protocol as proto;
use relay_wire::control::{Codec, Kind};
use std::time::{Duration, Instant};
use str0m::change::SdpApi;
use str0m::format;
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid, Pt, Simulcast};
use str0m::media::{Rid, SimulcastLayer};
use str0m::rtp::{ExtensionValues, RtpWrite};

/// Time between two frames of video that a model encoder makes.
const PICTURE_INTERVAL: Duration = Duration::from_micros(66_667);

/// A source on its way to the relay.
pub(crate) struct Publication {
    pub(crate) source: Source,
    pub(crate) cid: String,
    pub(crate) sid: Option<String>,
    pub(crate) mid: Option<Mid>,
    /// Frames sent.
    pub(crate) number: u32,
    /// When the next frame is due.
    pub(crate) due: Option<Instant>,
    /// Media time of the next frame.
    elapsed: Duration,
    /// Per layer, highest first: whether the next frame is a keyframe.
    keyframe: [bool; 3],
    muted: bool,
    /// Makes packets; without it str0m makes them of frames.
    studio: Option<Studio>,
}

/// What makes packets, and what it does to them.
struct Studio {
    encoder: Encoder,
    /// Since when time counts.
    begin: Instant,
    mischief: Mischief,
}

impl Publication {
    /// The `number`th publication of somebody.
    pub(crate) fn new(identity: &str, source: Source, number: usize) -> Self {
        Self {
            source,
            cid: format!("{identity}-{source:?}-{number}"),
            sid: None,
            mid: None,
            number: 0,
            due: None,
            elapsed: Duration::ZERO,
            keyframe: [true; 3],
            muted: false,
            studio: None,
        }
    }

    /// Has a model encoder make the packets.
    pub(crate) fn encode(&mut self, identity: &str, begin: Instant, seed: u64) {
        let (codec, layers) = (self.source.codec(), self.source.spatial_layers());
        let shape = Shape { codec, streams: self.rids().len() as u8, layers };
        let publisher = screen::publisher(identity, self.source.kind());
        let (encoder, mischief) = (Encoder::new(shape, publisher, seed), Mischief::new(seed));
        self.studio = Some(Studio { encoder, begin, mischief });
    }

    /// What announces it to signalling.
    pub(crate) fn request(&self) -> proto::AddTrackRequest {
        let video = self.source.kind() == Kind::Video;
        let (width, height) = if video { (1280, 720) } else { (0, 0) };
        proto::AddTrackRequest {
            cid: self.cid.clone(),
            r#type: i32::from(video),
            source: if video { 1 } else { 2 },
            width,
            height,
            layers: layers(self.source),
            simulcast_codecs: self.codecs(),
            ..Default::default()
        }
    }

    /// Adds its m-line to an offer.
    pub(crate) fn offer(&mut self, changes: &mut SdpApi<'_>) {
        let kind = match self.source.kind() {
            Kind::Audio => MediaKind::Audio,
            Kind::Video => MediaKind::Video,
        };
        let simulcast = (self.rids().len() > 1).then(|| Simulcast {
            send: self.rids().iter().map(|rid| SimulcastLayer::new(rid)).collect(),
            recv: Vec::new(),
        });
        let (stream, cid) = (Some("stream".to_owned()), Some(self.cid.clone()));
        self.mid = Some(changes.add_media(kind, Direction::SendOnly, stream, cid, simulcast));
    }

    /// Frames flow from now on; repairs of them are at hand.
    pub(crate) fn start(&mut self, now: Instant, peer: &mut Peer) {
        self.due.get_or_insert(now);
        let Some(mid) = self.mid else { return };
        for rid in self.rids() {
            if let Some(stream) = peer.rtc.direct_api().stream_tx_by_mid(mid, rid_of(rid)) {
                stream.set_rtx_cache(1024, Duration::from_secs(3), None);
            }
        }
    }

    /// Stops to send, or starts again with keyframes.
    pub(crate) fn mute(&mut self, muted: bool) {
        self.muted = muted;
        self.keyframe = [true; 3];
        for stream in 0..self.rids().len() {
            if let Some(encoder) = self.encoder() {
                encoder.refresh(stream);
            }
        }
    }

    /// The layer of this name is to show a keyframe next.
    pub(crate) fn refresh(&mut self, rid: &str) {
        let Some(place) = self.rids().iter().position(|name| *name == rid) else { return };
        self.keyframe[self.rids().len() - 1 - place] = true;
        if let Some(encoder) = self.encoder() {
            encoder.refresh(place);
        }
    }

    /// What makes its packets.
    pub(crate) fn encoder(&mut self) -> Option<&mut Encoder> {
        self.studio.as_mut().map(|studio| &mut studio.encoder)
    }

    /// Plays a trick from now on, or no more.
    pub(crate) fn misbehave(&mut self, trick: Option<Trick>) {
        let Some(studio) = &mut self.studio else { return };
        studio.mischief.play(trick);
        for stream in 1..self.source.rids().len() {
            studio.encoder.set_active(stream, trick != Some(Trick::OneLayer));
        }
        studio.encoder.refresh(0);
    }

    /// Sends what is due.
    pub(crate) fn send(&mut self, now: Instant, peer: &mut Peer) {
        let (Some(mid), Some(due)) = (self.mid, self.due) else { return };
        if due > now {
            return;
        }
        self.due = Some(due + self.interval());
        self.elapsed += self.interval();
        if self.muted || !peer.rtc.is_connected() {
            return;
        }
        let Some(pt) = payload_type(peer, mid, self.source.codec()) else { return };
        match &mut self.studio {
            Some(studio) => studio.send(now, due, self.source, peer, (mid, pt)),
            None => self.send_frame(now, peer, (mid, pt)),
        }
        self.number += 1;
        peer.poll(now);
    }

    fn rids(&self) -> &'static [&'static str] {
        self.source.rids()
    }

    fn interval(&self) -> Duration {
        match (&self.studio, self.source.kind()) {
            (Some(_), Kind::Video) => PICTURE_INTERVAL,
            (Some(_), Kind::Audio) | (None, _) => self.source.interval(),
        }
    }

    fn codecs(&self) -> Vec<proto::SimulcastCodec> {
        let codec = match self.source.codec() {
            Codec::Opus | Codec::Vp8 => return Vec::new(),
            Codec::H264 => "h264",
            Codec::Vp9 => "vp9",
            Codec::Av1 => "av1",
        };
        let (codec, cid) = (codec.to_owned(), self.cid.clone());

        vec![proto::SimulcastCodec { codec, cid, ..Default::default() }]
    }

    fn send_frame(&mut self, now: Instant, peer: &mut Peer, (mid, pt): (Mid, Pt)) {
        let kind = self.source.kind();
        let (rate, frequency) = match kind {
            Kind::Audio => (48_000, Frequency::FORTY_EIGHT_KHZ),
            Kind::Video => (90_000, Frequency::NINETY_KHZ),
        };
        let ticks = self.elapsed.as_micros() as u64 * rate / 1_000_000;
        for (layer, rid) in self.rids().iter().rev().enumerate() {
            let Some(writer) = peer.rtc.writer(mid) else { return };
            let keyframe = std::mem::take(&mut self.keyframe[layer]);
            let bytes = media::frame(kind, self.number, layer as u8, keyframe);
            let writer = if rid.is_empty() { writer } else { writer.rid((*rid).into()) };
            let writer = if kind == Kind::Audio { writer.audio_level(-20, true) } else { writer };
            let written = writer.write(pt, now, MediaTime::new(ticks, frequency), bytes);
            written.expect("a negotiated payload type");
            peer.poll(now);
        }
    }
}

impl Studio {
    fn send(
        &mut self,
        now: Instant,
        due: Instant,
        source: Source,
        peer: &mut Peer,
        (mid, pt): (Mid, Pt),
    ) {
        let packets = self.encoder.encode(due - self.begin);
        if self.mischief.jumps(now) {
            self.mischief.jump();
            if self.mischief.trick() == Some(Trick::NewSsrcs) {
                self.change_ssrcs(source, peer, mid);
            }
        }
        for packet in packets {
            for packet in self.mischief.bend(packet) {
                source.send_packet(now, peer, (mid, pt), packet);
            }
        }
    }

    fn change_ssrcs(&mut self, source: Source, peer: &mut Peer, mid: Mid) {
        self.mischief.begin_anew();
        let mut direct = peer.rtc.direct_api();
        for rid in source.rids().iter().map(|rid| rid_of(rid)) {
            // `reset_stream_tx` would do, but then no feedback finds the stream.
            let old = direct.stream_tx_by_mid(mid, rid).expect("a stream of that rid").ssrc();
            direct.remove_stream_tx(old);
            let (media, repairs) = (direct.new_ssrc(), direct.new_ssrc());
            let stream = direct.declare_stream_tx(media, Some(repairs), mid, rid);
            stream.set_rtx_cache(1024, Duration::from_secs(3), None);
        }
    }
}

impl Source {
    fn send_packet(self, now: Instant, peer: &mut Peer, (mid, pt): (Mid, Pt), packet: Packet) {
        let rid = rid_of(self.rids()[usize::from(packet.stream)]);
        let mut direct = peer.rtc.direct_api();
        let Some(stream) = direct.stream_tx_by_mid(mid, rid) else { return };
        let Packet { sequence, timestamp, marker, payload, .. } = packet;
        let mut write = RtpWrite::new(pt, sequence.into(), timestamp, now, payload)
            .marker(marker)
            .nackable(self.kind() == Kind::Video);
        if self.kind() == Kind::Audio {
            let (audio_level, voice_activity) = (Some(-20), Some(true));
            write = write.ext_vals(ExtensionValues {
                audio_level,
                voice_activity,
                ..Default::default()
            });
        }
        stream.write_rtp(write);
        peer.poll(now);
    }
}

/// The codec that str0m means.
pub(crate) fn codec_of(codec: format::Codec) -> Option<Codec> {
    match codec {
        format::Codec::Opus => Some(Codec::Opus),
        format::Codec::Vp8 => Some(Codec::Vp8),
        format::Codec::H264 => Some(Codec::H264),
        format::Codec::Vp9 => Some(Codec::Vp9),
        format::Codec::Av1 => Some(Codec::Av1),
        _ => None,
    }
}

fn payload_type(peer: &Peer, mid: Mid, codec: Codec) -> Option<Pt> {
    let agreed = peer.rtc.media(mid)?.remote_pts();
    let config = peer.rtc.codec_config();
    let params = config.find(|params| {
        codec_of(params.spec().codec) == Some(codec) && agreed.contains(&params.pt())
    });

    params.map(format::PayloadParams::pt)
}

fn rid_of(name: &str) -> Option<Rid> {
    (!name.is_empty()).then(|| name.into())
}

fn layers(source: Source) -> Vec<proto::VideoLayer> {
    let layered = source.rids().len() > 1 || source.spatial_layers() > 1;
    let count = if layered { 3 } else { 0 };
    (0..count)
        .map(|quality: i32| proto::VideoLayer {
            quality,
            width: 320 << quality,
            height: 180 << quality,
            ..Default::default()
        })
        .collect()
}
