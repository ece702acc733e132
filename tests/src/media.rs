//! Frames that can be recognised: each carries its number and a checksum.

use relay_wire::control::{Codec, Kind};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Bytes of a video frame of the highest layer: about four packets.
const VIDEO_BYTES: usize = 4_000;
/// Bytes of a keyframe of the highest layer.
const KEYFRAME_BYTES: usize = 12_000;
/// Bytes of an Opus frame.
const AUDIO_BYTES: usize = 160;
/// Bytes that every frame has: first byte, layer, number, checksum.
const FRAME_BYTES_MIN: usize = 10;

/// Who makes the packets of a world's media.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Media {
    /// str0m, of frames; and it puts what comes together again.
    Frames,
    /// Model encoders, and model decoders read them. Time counts from `begin`.
    Packets { begin: Instant },
}

/// What somebody publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// Opus, 50 frames a second.
    Microphone,
    /// VP8 in one layer, 30 frames a second.
    Camera,
    /// VP8 in three layers of simulcast, 30 frames a second.
    SimulcastCamera,
    /// H.264 in three layers of simulcast.
    H264Camera,
    /// VP9 in one stream of three spatial and three temporal layers; only models make it.
    Vp9Camera,
}

impl Source {
    /// Audio or video.
    pub fn kind(self) -> Kind {
        match self {
            Self::Microphone => Kind::Audio,
            Self::Camera | Self::SimulcastCamera | Self::H264Camera | Self::Vp9Camera => {
                Kind::Video
            }
        }
    }

    /// Time between two frames.
    pub fn interval(self) -> Duration {
        match self {
            Self::Microphone => Duration::from_millis(20),
            Self::Camera | Self::SimulcastCamera | Self::H264Camera | Self::Vp9Camera => {
                Duration::from_micros(33_333)
            }
        }
    }

    /// In what it is encoded.
    pub fn codec(self) -> Codec {
        match self {
            Self::Microphone => Codec::Opus,
            Self::Camera | Self::SimulcastCamera => Codec::Vp8,
            Self::H264Camera => Codec::H264,
            Self::Vp9Camera => Codec::Vp9,
        }
    }

    /// Spatial layers within a stream.
    pub fn spatial_layers(self) -> u8 {
        if self == Self::Vp9Camera { 3 } else { 1 }
    }

    /// Layers of simulcast, low to high; one empty name without simulcast.
    pub fn rids(self) -> &'static [&'static str] {
        match self {
            Self::Microphone | Self::Camera | Self::Vp9Camera => &[""],
            Self::SimulcastCamera | Self::H264Camera => &["q", "h", "f"],
        }
    }
}

/// Makes the frame of this number. `layer` counts from the highest, 0.
pub(crate) fn frame(kind: Kind, number: u32, layer: u8, keyframe: bool) -> Vec<u8> {
    let len = match (kind, keyframe) {
        (Kind::Audio, _) => AUDIO_BYTES,
        (Kind::Video, false) => VIDEO_BYTES >> (2 * layer),
        (Kind::Video, true) => KEYFRAME_BYTES >> (2 * layer),
    };
    let mut frame = vec![0; len];
    // VP8's frame tag: bit 0 is 0 in a keyframe (RFC 6386, section 9.1).
    frame[0] = 0x10 | u8::from(!keyframe);
    frame[1] = layer;
    frame[2..6].copy_from_slice(&number.to_be_bytes());
    for (index, byte) in frame[6..].iter_mut().enumerate() {
        *byte = (index as u32).wrapping_mul(number | 1) as u8;
    }
    let checksum = crc32(&frame[..len - 4]);
    frame[len - 4..].copy_from_slice(&checksum.to_be_bytes());

    frame
}

/// What one client got of one source of another.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Numbers of the frames that came whole.
    pub frames: BTreeSet<u32>,
    /// Frames whose checksum is wrong.
    pub corrupt: u32,
    /// Frames that came twice.
    pub repeated: u32,
    /// Frames that came after a later one.
    pub late: u32,
    /// The layer of the last frame, counted from the highest, 0.
    pub layer: u8,
    /// When the first frame came.
    pub first: Option<Instant>,
    /// When the last frame came.
    pub last: Option<Instant>,
    /// The longest time between two frames.
    pub longest_gap: Duration,
}

impl Received {
    pub(crate) fn record(&mut self, now: Instant, frame: &[u8]) {
        let Some((number, layer)) = check(frame) else {
            self.corrupt += 1;
            return;
        };
        self.late += u32::from(self.frames.last().is_some_and(|last| *last > number));
        self.repeated += u32::from(!self.frames.insert(number));
        self.layer = layer;
        self.first.get_or_insert(now);
        if let Some(last) = self.last.replace(now) {
            self.longest_gap = self.longest_gap.max(now - last);
        }
    }

    /// How much of what was sent came, between the first frame seen and the last, 0.0..=1.0.
    pub fn completeness(&self) -> f64 {
        let (Some(first), Some(last)) = (self.frames.first(), self.frames.last()) else {
            return 0.0;
        };

        self.frames.len() as f64 / f64::from(last - first + 1)
    }
}

fn check(frame: &[u8]) -> Option<(u32, u8)> {
    if frame.len() < FRAME_BYTES_MIN {
        return None;
    }
    let (content, checksum) = frame.split_last_chunk::<4>()?;
    let number = u32::from_be_bytes(content[2..6].try_into().ok()?);

    (crc32(content) == u32::from_be_bytes(*checksum)).then_some((number, content[1]))
}

fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}
