//! Answers the offer of a player, which only receives: what we may send on which m-line.

use super::answer::{FEEDBACK, write_codec};
use super::codecs::{Negotiated, negotiate};
use super::extensions;
use super::model::{Description, Direction, MediaKind, Section, SectionKind};
use super::write::{Local, Writer};
use relay_wire::control::{Codec, CodecSpec, Extensions};

/// The streams that we send on an m-line, whatever track they carry at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// SSRC of the media.
    pub ssrc: u32,
    /// SSRC of retransmissions; for codecs with RTX only.
    pub rtx_ssrc: u32,
    /// `a=msid`: stream and track.
    pub msid: (String, String),
    /// Canonical name (RFC 3550, section 6.5.1).
    pub cname: String,
}

/// What may be sent on an m-line, with the numbers of the client.
#[derive(Clone, Debug, PartialEq)]
pub struct Playable {
    /// Sound or pictures.
    pub kind: MediaKind,
    /// The m-line.
    pub mid: String,
    /// Codecs that the client takes.
    pub codecs: Vec<CodecSpec>,
    /// Header extensions that the client takes.
    pub extensions: Extensions,
}

/// What may be sent on an m-line of an offer in one of `codecs`; `None` when the client does not
/// receive sound or pictures on it, no codecs when there is none that both know.
pub fn playable(section: &Section, codecs: &[Codec]) -> Option<Playable> {
    let SectionKind::Media(kind) = section.kind else { return None };
    if section.rejected_in_offer() || !section.receives() {
        return None;
    }
    let codecs = negotiate(section, codecs, None).iter().map(Negotiated::spec).collect();

    Some(Playable { kind, mid: section.mid.clone(), codecs, extensions: offered(section, kind) })
}

/// Answers `offer`: m-lines with an entry in `streams` carry it in any of `codecs`, other m-lines
/// of sound and pictures become inactive, all else is rejected.
pub fn play(
    offer: &Description,
    local: Local<'_>,
    codecs: &[Codec],
    streams: &[Option<Stream>],
) -> String {
    let plans: Vec<Option<Vec<Negotiated<'_>>>> =
        offer.sections.iter().map(|section| plan(section, codecs)).collect();
    let live = offer.sections.iter().zip(&plans).filter(|(_, plan)| plan.is_some());
    let bundle: Vec<&str> = live.map(|(section, _)| section.mid.as_str()).collect();
    let mut writer = Writer::new(local, "passive", &bundle, offer.mixed_extensions);

    for (index, (section, plan)) in offer.sections.iter().zip(&plans).enumerate() {
        match (section.kind, plan) {
            (SectionKind::Media(kind), Some(codecs)) => {
                let stream = streams.get(index).and_then(Option::as_ref);
                write_media(section, kind, codecs, stream, &mut writer);
            }
            _ => writer.rejected(&section.media, &section.proto, &section.formats, &section.mid),
        }
    }
    writer.finish()
}

fn plan<'a>(section: &'a Section, codecs: &[Codec]) -> Option<Vec<Negotiated<'a>>> {
    let is_media = matches!(section.kind, SectionKind::Media(_));
    let codecs = negotiate(section, codecs, None);

    (is_media && !section.rejected_in_offer() && !codecs.is_empty()).then_some(codecs)
}

fn offered(section: &Section, kind: MediaKind) -> Extensions {
    let known = extensions::for_kind(kind, extensions::understood(&section.extensions));
    // One layer at a time leaves us, and nothing is estimated by transport-wide feedback.
    Extensions { rid: None, repaired_rid: None, transport_cc: None, ..known }
}

fn write_media(
    section: &Section,
    kind: MediaKind,
    codecs: &[Negotiated<'_>],
    stream: Option<&Stream>,
    writer: &mut Writer<'_>,
) {
    let payloads = codecs.iter().flat_map(|codec| [Some(codec.payload), codec.rtx]);
    let numbers: Vec<u8> = payloads.flatten().map(|payload| payload.number).collect();
    let direction = if stream.is_some() { Direction::SendOnly } else { Direction::Inactive };
    writer.media(kind, &section.mid, &numbers, direction);
    if section.reduced_size {
        writer.line(format_args!("a=rtcp-rsize"));
    }
    let feedback = FEEDBACK.iter().copied().filter(|value| *value != "transport-cc");
    let feedback: Vec<&str> = feedback.collect();
    for codec in codecs {
        let stereo = codec.payload.parameter("stereo") == Some("1");
        write_codec(codec, stereo, &feedback, writer);
    }
    writer.extensions(&offered(section, kind));
    let Some(Stream { ssrc, rtx_ssrc, msid: (name, track), cname }) = stream else { return };
    writer.line(format_args!("a=msid:{name} {track}"));
    let repaired = codecs.iter().any(|codec| codec.rtx.is_some());
    if repaired {
        writer.line(format_args!("a=ssrc-group:FID {ssrc} {rtx_ssrc}"));
    }
    for ssrc in [Some(ssrc), repaired.then_some(rtx_ssrc)].into_iter().flatten() {
        writer.line(format_args!("a=ssrc:{ssrc} cname:{cname}"));
        writer.line(format_args!("a=ssrc:{ssrc} msid:{name} {track}"));
    }
}
