//! Answers a publisher's offer: what we take, and what the relay must know of it.

use super::codecs::{Negotiated, negotiate};
use super::extensions;
use super::model::{Description, Direction, MediaKind, Payload, Section, SectionKind};
use super::write::{Local, Writer};
use relay_wire::control::{Codec, CodecSpec, Extensions, SsrcSpec};

/// RTCP feedback that is taken when it is offered.
pub(super) const FEEDBACK: [&str; 5] = ["nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"];

/// Terms on which an m-line is received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receive {
    /// Codec that goes first in the answer, so that the client sends it.
    pub preferred: Option<Codec>,
    /// Whether sound comes in stereo.
    pub stereo: bool,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// The session description.
    pub sdp: String,
    /// For each m-line of the offer what will be received on it, if anything.
    pub facts: Vec<Option<Facts>>,
}

/// What will be received on an m-line, with the numbers of the client.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Sound or pictures.
    pub kind: MediaKind,
    /// The m-line.
    pub mid: String,
    /// Codecs in the order of the answer.
    pub codecs: Vec<CodecSpec>,
    /// Announced SSRCs.
    pub ssrcs: Vec<SsrcSpec>,
    /// Layers of simulcast, low to high.
    pub rids: Vec<String>,
    /// Header extensions.
    pub extensions: Extensions,
}

/// Answers `offer`: m-lines with an entry in `receive` are received in one of `codecs`, other
/// m-lines of sound and pictures become inactive, data channels are taken, the rest is rejected.
pub fn answer(
    offer: &Description,
    local: Local<'_>,
    codecs: &[Codec],
    receive: &[Option<Receive>],
) -> Answered {
    let plans: Vec<Plan<'_>> = offer
        .sections
        .iter()
        .enumerate()
        .map(|(index, section)| plan(section, codecs, receive.get(index).copied().flatten()))
        .collect();
    let live = |plan: &Plan<'_>| !matches!(plan, Plan::Reject);
    let bundle: Vec<&str> = offer
        .sections
        .iter()
        .zip(&plans)
        .filter(|(_, plan)| live(plan))
        .map(|(section, _)| section.mid.as_str())
        .collect();

    let mut writer = Writer::new(local, "passive", &bundle, offer.mixed_extensions);
    let mut facts = Vec::with_capacity(plans.len());
    for (section, plan) in offer.sections.iter().zip(&plans) {
        match plan {
            Plan::Reject => {
                writer.rejected(&section.media, &section.proto, &section.formats, &section.mid);
                facts.push(None);
            }
            Plan::Data => {
                writer.data(&section.proto, &section.mid);
                facts.push(None);
            }
            Plan::Media(media) => {
                media.write(section, &mut writer);
                facts.push(media.receive.map(|_| media.facts(section)));
            }
        }
    }
    Answered { sdp: writer.finish(), facts }
}

enum Plan<'a> {
    Reject,
    Data,
    Media(Media<'a>),
}

struct Media<'a> {
    kind: MediaKind,
    codecs: Vec<Negotiated<'a>>,
    extensions: Extensions,
    receive: Option<Receive>,
}

fn plan<'a>(section: &'a Section, allowed: &[Codec], receive: Option<Receive>) -> Plan<'a> {
    if section.rejected_in_offer() {
        return Plan::Reject;
    }
    let kind = match section.kind {
        SectionKind::Media(kind) => kind,
        SectionKind::Data => return Plan::Data,
        SectionKind::Other => return Plan::Reject,
    };
    let codecs = negotiate(section, allowed, receive.and_then(|receive| receive.preferred));
    if codecs.is_empty() {
        return Plan::Reject;
    }
    let extensions = extensions::for_kind(kind, extensions::understood(&section.extensions));
    Plan::Media(Media { kind, codecs, extensions, receive: receive.filter(|_| section.sends()) })
}

impl Media<'_> {
    fn facts(&self, section: &Section) -> Facts {
        let ssrcs = section.ssrcs.iter().map(|ssrc| SsrcSpec {
            ssrc: *ssrc,
            rtx: section.retransmissions.iter().find(|(of, _)| of == ssrc).map(|(_, rtx)| *rtx),
        });
        Facts {
            kind: self.kind,
            mid: section.mid.clone(),
            codecs: self.codecs.iter().map(Negotiated::spec).collect(),
            ssrcs: ssrcs.collect(),
            rids: section.rids.clone(),
            extensions: self.extensions,
        }
    }

    fn write(&self, section: &Section, writer: &mut Writer<'_>) {
        let payloads = self.codecs.iter().flat_map(|codec| [Some(codec.payload), codec.rtx]);
        let numbers: Vec<u8> = payloads.flatten().map(|payload| payload.number).collect();
        let direction = match self.receive {
            Some(_) => Direction::RecvOnly,
            None => Direction::Inactive,
        };
        writer.media(self.kind, &section.mid, &numbers, direction);
        if section.reduced_size {
            writer.line(format_args!("a=rtcp-rsize"));
        }
        for codec in &self.codecs {
            let stereo = self.receive.is_some_and(|receive| receive.stereo);
            write_codec(codec, stereo, &FEEDBACK, writer);
        }
        writer.extensions(&self.extensions);
        if self.receive.is_some() && !section.rids.is_empty() {
            for rid in &section.rids {
                writer.line(format_args!("a=rid:{rid} recv"));
            }
            writer.line(format_args!("a=simulcast:recv {}", section.rids.join(";")));
        }
    }
}

/// Level, profile and tier as they were offered: an answer should keep them, and browsers look for
/// the codec by them (AOMedia's "RTP Payload Format For AV1", section 7.2).
fn av1_parameters(offered: &Payload) -> String {
    let number = |name, default: u8| {
        let told = offered.parameter(name).and_then(|value| value.parse().ok());
        told.filter(|level: &u8| *level < 32).unwrap_or(default)
    };
    format!("level-idx={};profile=0;tier={}", number("level-idx", 5), number("tier", 0).min(1))
}

/// Writes a codec that is taken, with those of the `known` feedback that were offered.
pub(super) fn write_codec(
    codec: &Negotiated<'_>,
    stereo: bool,
    known: &[&str],
    writer: &mut Writer<'_>,
) {
    let Payload { number, feedback, .. } = codec.payload;
    let parameters = match codec.codec {
        Codec::Opus => {
            writer.line(format_args!("a=rtpmap:{number} opus/48000/2"));
            let stereo = if stereo { ";stereo=1" } else { "" };
            format!("minptime=10;useinbandfec=1{stereo}")
        }
        Codec::Vp8 => {
            writer.line(format_args!("a=rtpmap:{number} VP8/90000"));
            String::new()
        }
        Codec::H264 => {
            writer.line(format_args!("a=rtpmap:{number} H264/90000"));
            let profile = codec.payload.parameter("profile-level-id").unwrap_or("42e01f");
            format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}")
        }
        Codec::Vp9 => {
            writer.line(format_args!("a=rtpmap:{number} VP9/90000"));
            "profile-id=0".into()
        }
        Codec::Av1 => {
            writer.line(format_args!("a=rtpmap:{number} AV1/90000"));
            av1_parameters(codec.payload)
        }
    };
    if !parameters.is_empty() {
        writer.line(format_args!("a=fmtp:{number} {parameters}"));
    }
    for value in known.iter().filter(|value| feedback.iter().any(|offered| offered == *value)) {
        writer.line(format_args!("a=rtcp-fb:{number} {value}"));
    }
    if let Some(rtx) = codec.rtx {
        writer.line(format_args!("a=rtpmap:{} rtx/90000", rtx.number));
        writer.line(format_args!("a=fmtp:{} apt={number}", rtx.number));
    }
}
