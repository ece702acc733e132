//! Messages in a stream of bytes, as a client's TCP or TLS connection carries them.

use crate::stun::{HEADER_LEN, MAGIC_COOKIE, Malformed};
use crate::{ChannelHeader, Kind};
use std::ops::Range;

/// Bytes of the length in front of each message of ICE (RFC 4571, section 2).
pub const PREFIX_LEN: usize = 2;

/// How messages follow each other on a connection; its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// STUN, and ChannelData padded to four bytes: both tell their own length (RFC 8489, section
    /// 6.2.2; RFC 8656, section 12.5).
    Turn,
    /// Anything, behind two bytes that tell its length (RFC 6544, section 3; RFC 4571, section 2).
    Ice,
}

/// A message at the front of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where the message is: without prefix, without padding; empty only as `Framing::Ice`.
    pub message: Range<usize>,
    /// Bytes that it takes from the stream.
    pub consumed: usize,
}

impl Framing {
    /// Tells the framing by the place of the magic cookie in the first bytes: at 4 or, behind a
    /// length, at 6. `Ok(None)`: more bytes are needed; `Malformed`: it is neither, whatever comes.
    pub fn detect(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let candidates = [(Self::Turn, 0), (Self::Ice, PREFIX_LEN)];
        let mut possible = candidates.into_iter().filter(|(_, at)| may_be_stun(bytes, *at));
        let (framing, at) = possible.next().ok_or(Malformed)?;
        let told = bytes.len() >= at + COOKIE_END;

        Ok(told.then_some(framing))
    }

    /// The message at the front of `bytes`. `Ok(None)`: more bytes are needed; `Malformed`: there
    /// is none, or one longer than `max` bytes, and the connection is of no more use.
    pub fn next(self, bytes: &[u8], max: usize) -> Result<Option<Frame>, Malformed> {
        let frame = match self {
            Self::Turn => turn_frame(bytes)?,
            Self::Ice => ice_frame(bytes),
        };
        let Some(frame) = frame else { return Ok(None) };
        if frame.message.len() > max {
            return Err(Malformed);
        }

        Ok((frame.consumed <= bytes.len()).then_some(frame))
    }
}

/// What stands in front of a message of ICE; `None` if the message is too long for it.
pub fn ice_prefix(message: &[u8]) -> Option<[u8; PREFIX_LEN]> {
    u16::try_from(message.len()).ok().map(u16::to_be_bytes)
}

/// Bytes of a STUN message up to the end of its cookie.
const COOKIE_END: usize = 8;

/// Whether what is there of a message at `at` may be STUN.
fn may_be_stun(bytes: &[u8], at: usize) -> bool {
    let message = bytes.get(at..).unwrap_or_default();
    let cookie = message.get(4..).unwrap_or_default();

    matches!(message, [] | [0..=3, ..]) && cookie.iter().zip(&MAGIC_COOKIE).all(|(a, b)| a == b)
}

/// A message of TURN, whole or not yet.
fn turn_frame(bytes: &[u8]) -> Result<Option<Frame>, Malformed> {
    let kind = Kind::of(bytes);
    let plausible = match kind {
        Kind::Stun => may_be_stun(bytes, 0),
        Kind::Channel => true,
        Kind::Dtls | Kind::Rtp | Kind::Rtcp | Kind::Unknown => bytes.is_empty(),
    };
    if !plausible {
        return Err(Malformed);
    }
    let &[_, _, l0, l1, ..] = bytes else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    let header_len = if kind == Kind::Stun { HEADER_LEN } else { ChannelHeader::LEN };
    if kind == Kind::Stun && !len.is_multiple_of(4) {
        return Err(Malformed);
    }
    let end = header_len + len;

    Ok(Some(Frame { message: 0..end, consumed: end.next_multiple_of(4) }))
}

/// A message of ICE, whole or not yet.
fn ice_frame(bytes: &[u8]) -> Option<Frame> {
    let &[l0, l1, ..] = bytes else { return None };
    let end = PREFIX_LEN + usize::from(u16::from_be_bytes([l0, l1]));

    Some(Frame { message: PREFIX_LEN..end, consumed: end })
}
