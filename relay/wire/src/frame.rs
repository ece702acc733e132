//! Frames on the control socket: a length of four bytes, then one message in postcard.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes that a frame's message may have.
pub const FRAME_MAX: usize = 1 << 20;

/// Bytes of the length in front, big-endian.
const LENGTH_LEN: usize = 4;

/// Why a frame could not be written or read. After an error in reading, the stream is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The message is longer than `FRAME_MAX`.
    #[error("a control message of {0} bytes: at most {FRAME_MAX} are allowed")]
    TooLong(usize),
    /// The bytes are no such message, as when the two sides are of different versions.
    #[error("a control message that cannot be understood: are both sides of the same version?")]
    Malformed,
}

/// Appends a message as one frame to `stream`; on an error `stream` stays as it was.
pub fn encode<T: Serialize>(message: &T, stream: &mut Vec<u8>) -> Result<(), FrameError> {
    let start = stream.len();
    stream.extend_from_slice(&[0; LENGTH_LEN]);
    let written = postcard::to_io(message, &mut *stream).is_ok();
    let len = stream.len() - start - LENGTH_LEN;
    if !written || len > FRAME_MAX {
        stream.truncate(start);
        return Err(if written { FrameError::TooLong(len) } else { FrameError::Malformed });
    }
    stream[start..start + LENGTH_LEN].copy_from_slice(&(len as u32).to_be_bytes());

    Ok(())
}

/// Cuts a stream of bytes into messages. It holds what was pushed and not yet read: read all
/// messages after each push, and it holds less than one frame.
#[derive(Debug, Default)]
pub struct Reader {
    stream: Vec<u8>,
    read: usize,
}

impl Reader {
    /// A reader of an empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.stream.drain(..self.read);
        self.read = 0;
        self.stream.extend_from_slice(bytes);
    }

    /// The next message, if it is whole; an error repeats itself.
    #[expect(clippy::should_implement_trait, reason = "its type is chosen at each call")]
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some((length, rest)) = self.stream[self.read..].split_first_chunk() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(*length) as usize;
        if len > FRAME_MAX {
            return Err(FrameError::TooLong(len));
        }
        let Some(frame) = rest.get(..len) else { return Ok(None) };
        let Ok((message, [])) = postcard::take_from_bytes(frame) else {
            return Err(FrameError::Malformed);
        };
        self.read += LENGTH_LEN + len;

        Ok(Some(message))
    }
}
