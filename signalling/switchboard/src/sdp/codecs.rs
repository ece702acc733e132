//! Which codecs of an m-line are taken, and in which order.

use super::model::{Payload, Section};
use relay_wire::control::{Codec, CodecSpec};

/// A codec of an m-line that is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Negotiated<'a> {
    /// The codec.
    pub codec: Codec,
    /// Its payload type.
    pub payload: &'a Payload,
    /// The payload type of its retransmissions.
    pub rtx: Option<&'a Payload>,
}

impl Negotiated<'_> {
    /// The same for the relay.
    pub fn spec(&self) -> CodecSpec {
        CodecSpec {
            codec: self.codec,
            payload_type: self.payload.number,
            rtx: self.rtx.map(|rtx| rtx.number),
        }
    }
}

/// Takes each of the `allowed` codecs once, `preferred` first, else in the order of the m-line.
pub fn negotiate<'a>(
    section: &'a Section,
    allowed: &[Codec],
    preferred: Option<Codec>,
) -> Vec<Negotiated<'a>> {
    let mut taken: Vec<(u8, Negotiated<'a>)> = Vec::new();
    for payload in &section.payloads {
        let Some((codec, rank)) = codec_of(payload) else { continue };
        if !allowed.contains(&codec) {
            continue;
        }
        let found = (rank, Negotiated { codec, payload, rtx: None });
        match taken.iter_mut().find(|(_, known)| known.codec == codec) {
            None => taken.push(found),
            Some(known) if rank < known.0 => *known = found,
            Some(_) => {}
        }
    }
    taken.sort_by_key(|(_, found)| Some(found.codec) != preferred);
    // Only now, for a handful: parameters may be long, and payload types many.
    let rtx = |number| section.payloads.iter().find(|rtx| repairs(rtx, number));
    taken.into_iter().map(|(_, n)| Negotiated { rtx: rtx(n.payload.number), ..n }).collect()
}

/// The codec of a payload type, and how well this variant of it suits: the lower the better.
fn codec_of(payload: &Payload) -> Option<(Codec, u8)> {
    let name = payload.name.to_ascii_lowercase();
    match (name.as_str(), payload.clock) {
        ("opus", 48_000) => Some((Codec::Opus, 0)),
        ("vp8", 90_000) => Some((Codec::Vp8, 0)),
        ("vp9", 90_000) => is_zero(payload, "profile-id").then_some((Codec::Vp9, 0)),
        ("av1", 90_000) => is_zero(payload, "profile").then_some((Codec::Av1, 0)),
        ("h264", 90_000) => h264_rank(payload).map(|rank| (Codec::H264, rank)),
        _ => None,
    }
}

/// A number that is 0 when it is not told: the profiles of VP9 (RFC 9628, section 6.1) and of AV1,
/// whose first one every receiver decodes.
fn is_zero(payload: &Payload, name: &str) -> bool {
    payload.parameter(name).is_none_or(|profile| profile == "0")
}

/// Packetization mode 1 and a baseline profile (RFC 6184, section 8.1), the constrained one first:
/// every receiver decodes it.
fn h264_rank(payload: &Payload) -> Option<u8> {
    if payload.parameter("packetization-mode") != Some("1") {
        return None;
    }
    let profile = payload.parameter("profile-level-id")?;
    let bytes = u32::from_str_radix(profile, 16).ok().filter(|_| profile.len() == 6)?.to_be_bytes();
    let (idc, constraints) = (bytes[1], bytes[2]);

    (idc == 0x42).then_some(u8::from(constraints & 0x40 == 0))
}

fn repairs(rtx: &Payload, number: u8) -> bool {
    let apt = rtx.parameter("apt").and_then(|apt| apt.parse().ok());
    rtx.name.eq_ignore_ascii_case("rtx") && apt == Some(number)
}
