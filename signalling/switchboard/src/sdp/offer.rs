//! Offers to a subscriber what it receives, and reads its answer.

use super::codecs::negotiate;
use super::extensions::{self, OFFERED};
use super::model::{Description, Direction, MediaKind, Section};
use super::write::{Local, Writer, media_name};
use relay_wire::control::{Codec, CodecSpec, Extensions};

/// RTCP feedback that is offered for pictures.
// No transport-cc: until the relay estimates by it, each subscriber would send it 10 to 20 packets
// a second for nothing, and each of them wakes a shard.
const FEEDBACK: [&str; 4] = ["nack", "nack pli", "ccm fir", "goog-remb"];

/// An m-line of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Offered {
    /// `a=mid`.
    pub mid: String,
    /// What is on it.
    pub content: Content,
}

/// What is on an m-line of ours.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Data channels.
    Data,
    /// Nothing any more: port 0, and out of the bundle.
    Rejected(MediaKind),
    /// A track.
    Send {
        /// In this codec.
        codec: Codec,
        /// Whether its sound is stereo.
        stereo: bool,
        /// Stream id of `a=msid`.
        stream: String,
        /// Track id of `a=msid`.
        track: String,
        /// SSRC of the media.
        ssrc: u32,
        /// SSRC of retransmissions; for pictures only.
        rtx_ssrc: u32,
        /// Canonical name (RFC 3550, section 6.5.1): one per publisher, so that lips are in sync.
        cname: String,
    },
}

/// The payload types that our offers give a codec.
pub const fn payload_types(codec: Codec) -> CodecSpec {
    let (payload_type, rtx) = match codec {
        Codec::Opus => (111, None),
        Codec::Vp8 => (96, Some(97)),
        Codec::H264 => (98, Some(99)),
        Codec::Vp9 => (100, Some(101)),
        Codec::Av1 => (102, Some(103)),
    };
    CodecSpec { codec, payload_type, rtx }
}

/// Writes an offer.
pub fn offer(local: Local<'_>, sections: &[Offered]) -> String {
    let live = sections.iter().filter(|section| !matches!(section.content, Content::Rejected(_)));
    let bundle: Vec<&str> = live.map(|section| section.mid.as_str()).collect();
    // Not actpass: whoever may choose might leave the DTLS client's part to us.
    // Dependency descriptors at keyframes are too long for the one-byte form.
    let mut writer = Writer::new(local, "passive", &bundle, true);
    for Offered { mid, content } in sections {
        match content {
            Content::Data => writer.data("UDP/DTLS/SCTP", mid),
            Content::Rejected(kind) => {
                // A static payload type, as Chromium does: it needs no `a=rtpmap`.
                writer.rejected(media_name(*kind), "UDP/TLS/RTP/SAVPF", "0", mid);
            }
            Content::Send { codec, stereo, stream, track, ssrc, rtx_ssrc, cname } => {
                write_media(*codec, *stereo, mid, &mut writer);
                writer.line(format_args!("a=msid:{stream} {track}"));
                let repaired = payload_types(*codec).rtx.is_some();
                if repaired {
                    writer.line(format_args!("a=ssrc-group:FID {ssrc} {rtx_ssrc}"));
                }
                for ssrc in [Some(ssrc), repaired.then_some(rtx_ssrc)].into_iter().flatten() {
                    writer.line(format_args!("a=ssrc:{ssrc} cname:{cname}"));
                    writer.line(format_args!("a=ssrc:{ssrc} msid:{stream} {track}"));
                }
            }
        }
    }
    writer.finish()
}

fn kind_of(codec: Codec) -> MediaKind {
    match codec {
        Codec::Opus => MediaKind::Audio,
        Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => MediaKind::Video,
    }
}

fn write_media(codec: Codec, stereo: bool, mid: &str, writer: &mut Writer<'_>) {
    let CodecSpec { payload_type: number, rtx, .. } = payload_types(codec);
    let kind = kind_of(codec);
    let numbers: Vec<u8> = [Some(number), rtx].into_iter().flatten().collect();
    writer.media(kind, mid, &numbers, Direction::SendOnly);
    writer.line(format_args!("a=rtcp-rsize"));
    match codec {
        Codec::Opus => {
            writer.line(format_args!("a=rtpmap:{number} opus/48000/2"));
            let stereo = if stereo { ";sprop-stereo=1;stereo=1" } else { "" };
            writer.line(format_args!("a=fmtp:{number} minptime=10;useinbandfec=1{stereo}"));
        }
        Codec::Vp8 => writer.line(format_args!("a=rtpmap:{number} VP8/90000")),
        Codec::H264 => {
            writer.line(format_args!("a=rtpmap:{number} H264/90000"));
            writer.line(format_args!(
                "a=fmtp:{number} level-asymmetry-allowed=1;packetization-mode=1;\
                 profile-level-id=42e01f"
            ));
        }
        Codec::Vp9 => {
            writer.line(format_args!("a=rtpmap:{number} VP9/90000"));
            writer.line(format_args!("a=fmtp:{number} profile-id=0"));
        }
        Codec::Av1 => {
            writer.line(format_args!("a=rtpmap:{number} AV1/90000"));
            writer.line(format_args!("a=fmtp:{number} level-idx=5;profile=0;tier=0"));
        }
    }
    if let Some(rtx) = rtx {
        for value in FEEDBACK {
            writer.line(format_args!("a=rtcp-fb:{number} {value}"));
        }
        writer.line(format_args!("a=rtpmap:{rtx} rtx/90000"));
        writer.line(format_args!("a=fmtp:{rtx} apt={number}"));
    }
    writer.extensions(&extensions::for_codec(codec, extensions::for_kind(kind, OFFERED)));
}

/// What a client takes of an m-line of ours, with its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The codec with the client's payload types.
    pub codec: CodecSpec,
    /// The header extensions that it takes.
    pub extensions: Extensions,
}

/// What `answer` says to our m-line `mid` with `codec`; `None` when the client does not take it.
pub fn accepted(answer: &Description, mid: &str, codec: Codec) -> Option<Accepted> {
    let section = answer.sections.iter().find(|section| section.mid == mid)?;
    if is_rejected(section) || !section.receives() {
        return None;
    }
    let taken = negotiate(section, &[codec], None);
    let extensions = extensions::understood(&section.extensions);
    taken.first().map(|taken| Accepted { codec: taken.spec(), extensions })
}

/// In an answer port 0 always means rejected (RFC 9143, section 7.3).
fn is_rejected(section: &Section) -> bool {
    section.port == 0
}

impl Description {
    /// Whether this answer rejects every m-line.
    pub fn rejects_all(&self) -> bool {
        !self.sections.is_empty() && self.sections.iter().all(is_rejected)
    }

    /// Whether this answer rejects m-line `mid`.
    pub fn rejects(&self, mid: &str) -> bool {
        self.sections.iter().find(|section| section.mid == mid).is_none_or(is_rejected)
    }
}
