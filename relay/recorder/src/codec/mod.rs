//! Codecs: pictures and sound out of frames, and frames out of pictures and sound.
//!
//! What is decoded was sent by anybody. Sizes are read and bounded before a library sees them, and
//! whatever a library refuses is an error value. All that is unsafe in this crate is in here.

#[allow(unsafe_code)]
mod ffi;
mod h264;
pub mod opus;
mod picture;
mod vp9;
mod vpx;

pub use h264::{Encoded, Encoder};
pub use picture::{Picture, Plane};

use relay_wire::control::Codec;

/// Width and height of the largest picture that is decoded: level 5.2's.
const SIDE_MAX: u32 = 4096;
const PIXELS_MAX: u32 = 4096 * 2304;

/// Why something could not be decoded or encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// There is no decoder for it.
    #[error("{0:?} is not decoded")]
    Unsupported(Codec),
    /// Not a picture of this codec, or a profile that is not negotiated.
    #[error("not a frame of {0:?}")]
    Malformed(Codec),
    /// A picture that nobody needs, or none at all.
    #[error("a picture of {width}x{height}: at most {PIXELS_MAX} pixels are decoded")]
    Size {
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
    },
    /// What the library told.
    #[error("{library}: {reason}")]
    Library {
        /// Which one.
        library: &'static str,
        /// Its words.
        reason: String,
    },
}

/// Decodes one stream of pictures, from a keyframe on.
pub struct Decoder(Kind);

enum Kind {
    H264(h264::Decoder),
    Vpx(vpx::Decoder),
}

impl Decoder {
    /// A decoder of VP8, VP9 or H.264.
    pub fn new(codec: Codec) -> Result<Self, CodecError> {
        Ok(Self(match codec {
            Codec::H264 => Kind::H264(h264::Decoder::new()?),
            Codec::Vp8 | Codec::Vp9 => Kind::Vpx(vpx::Decoder::new(codec)?),
            Codec::Av1 | Codec::Opus => return Err(CodecError::Unsupported(codec)),
        }))
    }

    /// Decodes a frame as `Frame::data` holds it into `picture`; false when it shows nothing. After
    /// an error a new decoder and a keyframe are needed.
    pub fn decode(&mut self, data: &[u8], picture: &mut Picture) -> Result<bool, CodecError> {
        match &mut self.0 {
            Kind::H264(decoder) => decoder.decode(data, picture),
            Kind::Vpx(decoder) => decoder.decode(data, picture),
        }
    }
}

/// Refuses sizes that would take memory for nothing.
fn bounded(width: u32, height: u32) -> Result<(), CodecError> {
    let sides = 1..=SIDE_MAX;
    let fits = sides.contains(&width) && sides.contains(&height) && width * height <= PIXELS_MAX;

    fits.then_some(()).ok_or(CodecError::Size { width, height })
}
