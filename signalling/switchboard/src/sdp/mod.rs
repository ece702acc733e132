//! Session descriptions (RFC 8866, RFC 8829): read, answered, offered. Pure functions.

mod answer;
mod codecs;
mod extensions;
mod fragment;
mod model;
mod offer;
mod parse;
mod play;
mod write;

pub use answer::{Answered, Facts, Receive, answer};
pub use codecs::{Negotiated, negotiate};
pub use extensions::OFFERED as OFFERED_EXTENSIONS;
pub use extensions::for_codec;
pub use fragment::{FRAGMENT_BYTES_MAX, Fragment, restarted};
pub use model::{Description, Direction, MediaKind, Payload, Section, SectionKind, Setup};
pub use offer::{Accepted, Content, Offered, accepted, offer, payload_types};
pub use parse::SdpError;
pub use play::{Playable, Stream, play, playable};
pub use write::Local;

/// Bytes of a session description that is read.
pub const SDP_BYTES_MAX: usize = 384 * 1024;
/// m-lines of a session description that is read.
pub const SECTIONS_MAX: usize = 512;
/// Bytes of a mid (it travels in a one-byte header extension).
pub const MID_BYTES_MAX: usize = 16;
/// Bytes of a rid.
pub const RID_BYTES_MAX: usize = 16;
/// Layers of simulcast.
pub const RIDS_MAX: usize = 3;
/// SSRCs kept of one m-line.
pub const SSRCS_MAX: usize = 16;
/// Header extensions kept of one m-line.
pub const EXTENSIONS_MAX: usize = 32;
/// Payload types kept of one m-line: there are no more.
pub const PAYLOADS_MAX: usize = 128;
/// rtcp-fb values kept of one payload type.
pub const FEEDBACK_MAX: usize = 16;
