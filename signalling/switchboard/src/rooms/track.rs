//! A published track.

use crate::sdp::Facts;
use livekit_protocol as proto;
use livekit_protocol::{TrackSource, TrackType, VideoQuality};
use relay_wire::control::{Choice, Codec, Kind, TrackId};

/// Layers and codecs kept of what a client says about a track.
const LAYERS_MAX: usize = 8;
const CODECS_MAX: usize = 8;
const FEATURES_MAX: usize = 16;
/// What the layers of simulcast are called by LiveKit's SDKs, low to high.
const LAYER_LETTERS: [&str; 3] = ["q", "h", "f"];
/// Bytes of a stream name that goes into `a=msid`.
const STREAM_BYTES_MAX: usize = 64;

/// A track: announced by AddTrack, bound by an offer, live with its first packet.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pub(super) id: TrackId,
    pub(super) kind: Kind,
    /// What everybody is told of it.
    pub(super) info: proto::TrackInfo,
    /// Names under which it may appear in `a=msid`; the first is AddTrack's.
    pub(super) cids: Vec<String>,
    pub(super) preferred: Option<Codec>,
    pub(super) stereo: bool,
    /// What the relay knows of it, once an offer carried it.
    pub(super) bound: Option<Facts>,
    /// What arrives, once it does.
    pub(super) codec: Option<Codec>,
    /// Whether its publisher was told that somebody receives it.
    pub(super) received: bool,
}

impl Track {
    pub(super) fn new(id: TrackId, sid: String, kind: Kind, add: &proto::AddTrackRequest) -> Self {
        let preferred = add.simulcast_codecs.first().and_then(|first| codec_of(&first.codec));
        let mut cids = vec![add.cid.clone()];
        let others = add.simulcast_codecs.iter().take(CODECS_MAX).map(|codec| codec.cid.clone());
        cids.extend(others.filter(|cid| !cid.is_empty() && *cid != add.cid));
        let stereo = is_stereo(add);
        Self {
            id,
            kind,
            info: info_of(sid, kind, preferred, add),
            cids,
            preferred,
            stereo,
            bound: None,
            codec: None,
            received: false,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.codec.is_some()
    }

    /// Takes note of the codec that arrives.
    pub(super) fn started(&mut self, codec: Codec) {
        self.codec = Some(codec);
        self.info.mime_type = mime(codec).into();
        if let Some(first) = self.info.codecs.first_mut() {
            first.mime_type = mime(codec).into();
        }
    }

    /// Takes note of the m-line on which it comes.
    pub(super) fn bind(&mut self, facts: Facts) {
        self.info.mid.clone_from(&facts.mid);
        if let Some(first) = self.info.codecs.first_mut() {
            first.mid.clone_from(&facts.mid);
        }
        self.bound = Some(facts);
    }

    /// Name of the stream that shares lip sync with it, or its own sid.
    pub(super) fn stream(&self) -> &str {
        let given = self.info.stream.as_str();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !given.is_empty()
            && given.len() <= STREAM_BYTES_MAX
            && given.bytes().all(plain)
            && !given.starts_with("TR")
        {
            return given;
        }
        match self.info.source() {
            TrackSource::Camera | TrackSource::Microphone => "camera",
            TrackSource::ScreenShare | TrackSource::ScreenShareAudio => "screen",
            TrackSource::Unknown => &self.info.sid,
        }
    }

    /// Layers of simulcast in the relay's order. Offers have no order of their own: browsers put
    /// the lowest first, LiveKit's Rust SDK (and those on top of it) the highest.
    #[expect(deprecated, reason = "`layers` is what clients fill")]
    pub(super) fn low_to_high(&self, rids: &[String]) -> Vec<String> {
        let quality = |rid: &String| {
            let named = self.info.layers.iter().find(|layer| layer.rid == *rid);
            named.map(|layer| layer.quality).or_else(|| {
                let letter = LAYER_LETTERS.iter().position(|letter| letter == rid)?;
                i32::try_from(letter).ok()
            })
        };
        let mut ordered = rids.to_vec();
        if rids.iter().all(|rid| quality(rid).is_some()) {
            ordered.sort_by_key(quality);
        }

        ordered
    }

    /// The layer that a subscriber's settings ask for.
    pub(super) fn choice(&self, settings: &proto::UpdateTrackSettings) -> Choice {
        if settings.disabled {
            return Choice::Paused;
        }
        if self.kind == Kind::Audio {
            return Choice::High;
        }
        if settings.width > 0 && settings.height > 0 {
            return self.choice_for(settings.width, settings.height);
        }
        let asked = settings.quality();
        match asked {
            VideoQuality::Low | VideoQuality::Medium | VideoQuality::High => {
                self.lowest_layer(asked, |layer| layer.quality >= asked as i32)
            }
            VideoQuality::Off => Choice::Paused,
        }
    }

    /// The smallest layer that covers a picture of this size, by the shorter side.
    fn choice_for(&self, width: u32, height: u32) -> Choice {
        let portrait = self.info.width < self.info.height;
        let side = |width: u32, height: u32| if portrait { width } else { height };
        let wanted = side(width, height);
        self.lowest_layer(VideoQuality::High, |layer| side(layer.width, layer.height) >= wanted)
    }

    /// The lowest layer that does, else the highest one. What counts is its place among those that
    /// were announced: of two layers SDKs call the lower one LOW in simulcast, and MEDIUM in SVC.
    /// `otherwise` is for tracks that announce no layers.
    #[expect(deprecated, reason = "`layers` is what clients fill")]
    fn lowest_layer(
        &self,
        otherwise: VideoQuality,
        does: impl Fn(&proto::VideoLayer) -> bool,
    ) -> Choice {
        let mut layers: Vec<&proto::VideoLayer> = self.info.layers.iter().collect();
        layers.sort_by_key(|layer| layer.quality);
        let highest = match layers.len() {
            0 | 1 => return choice_of(otherwise),
            count => count - 1,
        };
        match layers.iter().position(|layer| does(layer)) {
            Some(0) => Choice::Low,
            Some(place) if place < highest => Choice::Medium,
            Some(_) | None => Choice::High,
        }
    }
}

fn choice_of(quality: VideoQuality) -> Choice {
    match quality {
        VideoQuality::Low => Choice::Low,
        VideoQuality::Medium => Choice::Medium,
        VideoQuality::High => Choice::High,
        VideoQuality::Off => Choice::Paused,
    }
}

pub(super) fn kind_of(codec: Codec) -> Kind {
    match codec {
        Codec::Opus => Kind::Audio,
        Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => Kind::Video,
    }
}

pub(super) fn mime(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "audio/opus",
        Codec::Vp8 => "video/VP8",
        Codec::H264 => "video/H264",
        Codec::Vp9 => "video/VP9",
        Codec::Av1 => "video/AV1",
    }
}

fn codec_of(name: &str) -> Option<Codec> {
    let name = name.rsplit('/').next().unwrap_or(name);
    Codec::ALL.into_iter().find(|codec| {
        mime(*codec).rsplit('/').next().is_some_and(|known| known.eq_ignore_ascii_case(name))
    })
}

#[expect(deprecated, reason = "older SDKs say it so")]
fn is_stereo(add: &proto::AddTrackRequest) -> bool {
    add.stereo || add.audio_features.contains(&(proto::AudioTrackFeature::TfStereo as i32))
}

/// Layers with numbers that have a meaning: others have no JSON form.
fn known_layers(layers: &[proto::VideoLayer]) -> Vec<proto::VideoLayer> {
    let known = |layer: &proto::VideoLayer| proto::VideoLayer {
        quality: layer.quality() as i32,
        ..layer.clone()
    };
    layers.iter().take(LAYERS_MAX).map(known).collect()
}

#[expect(deprecated, reason = "SDKs read and write these fields")]
fn info_of(
    sid: String,
    kind: Kind,
    preferred: Option<Codec>,
    add: &proto::AddTrackRequest,
) -> proto::TrackInfo {
    let layers = known_layers(&add.layers);
    let mut codecs: Vec<_> = add
        .simulcast_codecs
        .iter()
        .take(CODECS_MAX)
        .map(|codec| proto::SimulcastCodecInfo {
            mime_type: codec_of(&codec.codec).map_or(String::new(), |codec| mime(codec).into()),
            cid: codec.cid.clone(),
            layers: known_layers(&codec.layers),
            ..Default::default()
        })
        .collect();
    if codecs.is_empty() {
        let layers = layers.clone();
        let cid = add.cid.clone();
        codecs.push(proto::SimulcastCodecInfo { cid, layers, ..Default::default() });
    }
    let (r#type, likely) = match kind {
        Kind::Audio => (TrackType::Audio, Codec::Opus),
        Kind::Video => (TrackType::Video, preferred.unwrap_or(Codec::Vp8)),
    };
    proto::TrackInfo {
        sid,
        r#type: r#type as i32,
        name: add.name.clone(),
        muted: add.muted,
        width: add.width,
        height: add.height,
        simulcast: layers.len() > 1,
        disable_dtx: add.disable_dtx,
        source: add.source() as i32,
        layers,
        mime_type: mime(likely).into(),
        codecs,
        stereo: is_stereo(add),
        // Redundant audio is not spoken here.
        disable_red: true,
        encryption: add.encryption() as i32,
        stream: add.stream.clone(),
        audio_features: add.audio_features().take(FEATURES_MAX).map(|f| f as i32).collect(),
        backup_codec_policy: add.backup_codec_policy() as i32,
        packet_trailer_features: add
            .packet_trailer_features()
            .take(FEATURES_MAX)
            .map(|feature| feature as i32)
            .collect(),
        ..Default::default()
    }
}
