//! H.264 by OpenH264.

use super::{CodecError, Picture, bounded, ffi};
use crate::frames::h264::units;
use crate::parameters;
use openh264::OpenH264API;
use openh264::encoder::{
    self, BitRate, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, RateControlMode,
    VuiConfig,
};
use openh264::formats::YUVSource;
use relay_wire::control::Codec;

const SPS: u8 = 7;
const PPS: u8 = 8;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

impl From<openh264::Error> for CodecError {
    fn from(error: openh264::Error) -> Self {
        Self::Library { library: "openh264", reason: error.to_string() }
    }
}

/// Decodes one stream.
pub(super) struct Decoder(openh264::decoder::Decoder);

impl Decoder {
    pub(super) fn new() -> Result<Self, CodecError> {
        Ok(Self(openh264::decoder::Decoder::new()?))
    }

    /// Decodes an access unit with start codes.
    pub(super) fn decode(&mut self, data: &[u8], to: &mut Picture) -> Result<bool, CodecError> {
        const MALFORMED: CodecError = CodecError::Malformed(Codec::H264);
        if units(data).next().is_none() {
            return Err(MALFORMED);
        }
        for unit in units(data).filter(|unit| unit[0] & 0x1f == SPS) {
            let (width, height) = parameters::size(unit).ok_or(MALFORMED)?;
            bounded(width.into(), height.into())?;
        }
        let Some(decoded) = self.0.decode(data)? else { return Ok(false) };
        let (width, height) = decoded.dimensions();
        let (y, u, v) = decoded.strides();
        let planes = [(decoded.y(), y), (decoded.u(), u), (decoded.v(), v)];

        if to.copy_from(planes, width, height) { Ok(true) } else { Err(MALFORMED) }
    }
}

/// Encodes pictures of one size, constrained baseline, without reordering.
pub struct Encoder(encoder::Encoder);

/// What became of a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Whether a decoder may start here.
    pub keyframe: bool,
    /// The sequence parameter set, if there is one.
    pub sps: Option<Vec<u8>>,
    /// The picture parameter set, if there is one.
    pub pps: Option<Vec<u8>>,
    /// All other units, each with its length of four bytes in front (ISO/IEC 14496-15).
    pub data: Vec<u8>,
}

impl Encoded {
    /// All units with start codes (ITU-T H.264, annex B), parameter sets in front.
    pub fn annex_b(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.data.len() + 64);
        let mut put = |unit: &[u8]| {
            all.extend_from_slice(&START_CODE);
            all.extend_from_slice(unit);
        };
        self.sps.iter().chain(&self.pps).for_each(|unit| put(unit));
        let mut rest = &self.data[..];
        while let Some((len, behind)) = rest.split_first_chunk() {
            let len = u32::from_be_bytes(*len) as usize;
            let (unit, behind) = behind.split_at(len.min(behind.len()));
            put(unit);
            rest = behind;
        }

        all
    }
}

impl Encoder {
    /// An encoder on this thread, with a keyframe every `keyframe_every` pictures.
    pub fn new(bitrate_bps: u32, rate_hz: f32, keyframe_every: u32) -> Result<Self, CodecError> {
        let config = EncoderConfig::new()
            .bitrate(BitRate::from_bps(bitrate_bps))
            .max_frame_rate(FrameRate::from_hz(rate_hz))
            .rate_control_mode(RateControlMode::Bitrate)
            .intra_frame_period(IntraFramePeriod::from_num_frames(keyframe_every))
            // Keyframes are where the file can be cut: no others, and no picture left out.
            .scene_change_detect(false)
            .skip_frames(false)
            .num_threads(1)
            .vui(VuiConfig::bt601());

        let mut encoder = encoder::Encoder::with_api_config(OpenH264API::from_source(), config)?;
        // It would warn that it keeps the bit rate less well when no picture is left out.
        ffi::hush(&mut encoder);

        Ok(Self(encoder))
    }

    /// Encodes the next picture.
    pub fn encode(&mut self, picture: &Picture) -> Result<Encoded, CodecError> {
        let stream = self.0.encode(&Source(picture))?;
        let keyframe = matches!(stream.frame_type(), FrameType::IDR);
        let mut encoded = Encoded { keyframe, ..Encoded::default() };
        for unit in units(&stream.to_vec()) {
            match unit[0] & 0x1f {
                SPS => encoded.sps = Some(unit.to_vec()),
                PPS => encoded.pps = Some(unit.to_vec()),
                _ => {
                    encoded.data.extend_from_slice(&(unit.len() as u32).to_be_bytes());
                    encoded.data.extend_from_slice(unit);
                }
            }
        }

        Ok(encoded)
    }
}

struct Source<'a>(&'a Picture);

impl YUVSource for Source<'_> {
    fn dimensions(&self) -> (usize, usize) {
        (self.0.width(), self.0.height())
    }

    fn strides(&self) -> (usize, usize, usize) {
        let [y, u, v] = &self.0.planes;

        (y.width(), u.width(), v.width())
    }

    fn y(&self) -> &[u8] {
        self.0.planes[0].bytes()
    }

    fn u(&self) -> &[u8] {
        self.0.planes[1].bytes()
    }

    fn v(&self) -> &[u8] {
        self.0.planes[2].bytes()
    }
}
