//! What is seen of a track.

use crate::codec::{Decoder, Picture};
use crate::frames::Frame;
use relay_wire::control::Codec;

/// A track's last picture, and the decoder that it came from.
#[derive(Default)]
pub(super) struct Video {
    decoder: Option<(Codec, Decoder)>,
    pub(super) picture: Picture,
    pub(super) orientation: u8,
    /// When the picture was due; `None`: there is none.
    shown_us: Option<u64>,
    /// Pictures so far.
    pub(super) version: u64,
}

impl Video {
    /// Decodes a frame; false when that fails: the last picture stays up to the next keyframe.
    pub(super) fn take(&mut self, now_us: u64, frame: &Frame) -> bool {
        if let Some(orientation) = frame.orientation {
            self.orientation = orientation;
        } else if frame.keyframe {
            // Told with each keyframe, if at all (RFC 7742, section 4).
            self.orientation = 0;
        }
        let other = self.decoder.as_ref().is_none_or(|(codec, _)| *codec != frame.codec);
        if other {
            self.decoder = None;
            if !frame.keyframe {
                return false;
            }
            let Ok(decoder) = Decoder::new(frame.codec) else { return false };
            self.decoder = Some((frame.codec, decoder));
        }
        let Some((_, decoder)) = &mut self.decoder else { return false };
        match decoder.decode(&frame.data, &mut self.picture) {
            Ok(shown) => {
                if shown {
                    self.shown_us = Some(now_us);
                    self.version += 1;
                }
                true
            }
            Err(_) => {
                self.decoder = None;
                false
            }
        }
    }

    /// Whether a picture came within this time.
    pub(super) fn is_fresh(&self, now_us: u64, patience_us: u64) -> bool {
        self.shown_us.is_some_and(|shown| now_us.saturating_sub(shown) <= patience_us)
    }

    /// Forgets the picture: what comes next is another one.
    pub(super) fn hide(&mut self) {
        self.shown_us = None;
    }
}
