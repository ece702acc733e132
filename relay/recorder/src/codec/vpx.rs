//! VP8 and VP9 by libvpx.

use super::{CodecError, Picture, bounded, ffi, vp9};
use crate::frames::vp8;
use relay_wire::control::Codec;

/// Decodes one stream.
pub(super) struct Decoder {
    codec: Codec,
    vpx: ffi::Vpx,
}

impl Decoder {
    pub(super) fn new(codec: Codec) -> Result<Self, CodecError> {
        Ok(Self { codec, vpx: ffi::Vpx::new(codec)? })
    }

    /// Decodes a frame, or a superframe, of which the last shown one counts.
    pub(super) fn decode(&mut self, data: &[u8], to: &mut Picture) -> Result<bool, CodecError> {
        let first = *data.first().ok_or(CodecError::Malformed(self.codec))?;
        if self.codec == Codec::Vp9 {
            vp9::check(data)?;
        } else if first & 1 == 0 {
            // Only a keyframe of VP8 has a size.
            let (width, height) = vp8::size(data).ok_or(CodecError::Malformed(Codec::Vp8))?;
            bounded(width.into(), height.into())?;
        }

        self.vpx.decode(data, |planes, width, height| {
            bounded(width as u32, height as u32)?;
            let copied = to.copy_from(planes, width, height);

            copied.then_some(()).ok_or(CodecError::Malformed(self.codec))
        })
    }
}
