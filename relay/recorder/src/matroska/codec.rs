//! What Matroska tells of a stream, codec by codec (Matroska's codec mappings; RFC 7845 for Opus).

use super::{TRACK, Title};
use crate::frames::{Frame, av1, h264};
use crate::parameters;
use mkv_element::prelude::*;
use relay_wire::control::Codec;

const VIDEO: u64 = 1;
const AUDIO: u64 = 2;
const SPS: u8 = 7;
const PPS: u8 = 8;
/// What a decoder of Opus must hear before a point to be right there.
const OPUS_PRE_ROLL_NS: u64 = 80_000_000;

/// A file's name behind the dot.
pub fn extension(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => "webm",
        Codec::H264 => "mkv",
    }
}

/// A stream, as far as a file must know it.
pub(super) struct Track {
    codec: Codec,
    size: (u16, u16),
    private: Option<Vec<u8>>,
    /// H.264's parameter sets: a file has one of each.
    parameters: Vec<u8>,
}

impl Track {
    /// What the first frame tells.
    pub(super) fn of(first: &Frame) -> Option<Self> {
        let track = |private, parameters| Self {
            codec: first.codec,
            size: first.size.unwrap_or_default(),
            private,
            parameters,
        };
        if first.codec != Codec::Opus && (!first.keyframe || first.size.is_none()) {
            return None;
        }

        Some(match first.codec {
            Codec::Opus => track(Some(opus_head(&first.data)?), Vec::new()),
            Codec::Vp8 | Codec::Vp9 => track(None, Vec::new()),
            Codec::Av1 => track(Some(av1_private(&first.data)?), Vec::new()),
            Codec::H264 => {
                let private = h264_private(&first.data)?;
                track(Some(private.clone()), private)
            }
        })
    }

    /// Whether a frame is of this stream.
    pub(super) fn fits(&self, frame: &Frame) -> bool {
        frame.codec == self.codec
            && (self.codec != Codec::H264
                || h264_private(&frame.data).is_none_or(|private| private == self.parameters))
    }

    /// A frame's bytes in the file; `None` when it is not of this stream.
    pub(super) fn data(&self, frame: &Frame) -> Option<Vec<u8>> {
        if !self.fits(frame) {
            return None;
        }
        if self.codec != Codec::H264 {
            return Some(frame.data.clone());
        }
        let mut data = Vec::with_capacity(frame.data.len());
        for unit in h264::units(&frame.data) {
            data.extend_from_slice(&u32::try_from(unit.len()).ok()?.to_be_bytes());
            data.extend_from_slice(unit);
        }

        Some(data)
    }

    pub(super) fn entry(&self, title: &Title) -> TrackEntry {
        let audio = self.codec == Codec::Opus;
        let (width, height) = self.size;

        TrackEntry {
            track_number: TrackNumber(TRACK),
            track_uid: TrackUid(TRACK),
            track_type: TrackType(if audio { AUDIO } else { VIDEO }),
            flag_lacing: FlagLacing(0),
            language: Language("und".into()),
            name: (!title.name.is_empty()).then(|| Name(title.name.clone())),
            codec_id: CodecId(codec_id(self.codec).into()),
            codec_private: self.private.clone().map(|private| CodecPrivate(private.into())),
            seek_pre_roll: SeekPreRoll(if audio { OPUS_PRE_ROLL_NS } else { 0 }),
            video: (!audio).then(|| Video {
                pixel_width: PixelWidth(width.into()),
                pixel_height: PixelHeight(height.into()),
                ..Video::default()
            }),
            audio: audio.then(|| Audio {
                sampling_frequency: SamplingFrequency(48_000.0),
                channels: Channels(2),
                ..Audio::default()
            }),
            ..TrackEntry::default()
        }
    }
}

fn codec_id(codec: Codec) -> &'static str {
    match codec {
        Codec::Opus => "A_OPUS",
        Codec::Vp8 => "V_VP8",
        Codec::Vp9 => "V_VP9",
        Codec::Av1 => "V_AV1",
        Codec::H264 => "V_MPEG4/ISO/AVC",
    }
}

/// Opus' identification header (RFC 7845, section 5.1): two channels, since packets of one channel
/// and of two may follow one another.
fn opus_head(packet: &[u8]) -> Option<Vec<u8>> {
    packet.first()?;
    let mut head = b"OpusHead\x01\x02\0\0".to_vec();
    head.extend_from_slice(&48_000_u32.to_le_bytes());
    head.extend_from_slice(&[0, 0, 0]);

    Some(head)
}

/// The decoder configuration record (ISO/IEC 14496-15, section 5.3.3.1).
fn h264_private(data: &[u8]) -> Option<Vec<u8>> {
    let unit = |kind: u8| h264::units(data).find(|unit| unit[0] & 0x1f == kind);
    let (sps, pps) = (unit(SPS)?, unit(PPS)?);
    let profile = sps.get(1..4)?;
    let mut private = vec![1, profile[0], profile[1], profile[2], 0xff, 0xe1];
    for (count, set) in [(None, sps), (Some(1), pps)] {
        private.extend(count);
        private.extend_from_slice(&u16::try_from(set.len()).ok()?.to_be_bytes());
        private.extend_from_slice(set);
    }

    Some(private)
}

/// The configuration of AV1 (AV1 in ISO Base Media File Format, section 2.3): profile 0, 8 bits,
/// 4:2:0, which is all that is negotiated.
fn av1_private(unit: &[u8]) -> Option<Vec<u8>> {
    let (obu, body) = av1::sequence_header(unit)?;
    let mut private = vec![0x81, parameters::av1_level(body)? & 0x1f, 0x0c, 0];
    private.extend_from_slice(obu);

    Some(private)
}
