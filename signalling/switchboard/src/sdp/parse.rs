//! Reads session descriptions: `sdp-types` for the lines, what they mean here.

use super::model::{Description, Direction, MediaKind, Payload, Section, SectionKind, Setup};
use super::{EXTENSIONS_MAX, FEEDBACK_MAX, MID_BYTES_MAX, PAYLOADS_MAX, RID_BYTES_MAX};
use super::{RIDS_MAX, SDP_BYTES_MAX, SECTIONS_MAX, SSRCS_MAX};
use relay_wire::control::{Fingerprint, Hash};
use sdp_types::Attribute;
use std::collections::BTreeSet;

/// Bytes of ICE user name fragments and passwords (RFC 8839, section 5.4).
const ICE_BYTES_MAX: usize = 256;

/// What is wrong with a session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// More bytes or m-lines than are read.
    #[error("the session description is too large")]
    TooLarge,
    /// Its lines are no session description.
    #[error("the session description is malformed")]
    Malformed,
    /// An m-line has no mid, a strange one, or that of another m-line.
    #[error("the session description has a missing, strange or repeated mid")]
    Mid,
    /// No m-line has ICE credentials and a fingerprint that is understood.
    #[error("the session description has no ICE credentials or no fingerprint")]
    Transport,
    /// It insists on being the DTLS server, which only we can be.
    #[error("the session description insists on setup:passive")]
    Setup,
}

impl Description {
    /// Reads a session description.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > SDP_BYTES_MAX {
            return Err(SdpError::TooLarge);
        }
        let session =
            sdp_types::Session::parse(text.as_bytes()).map_err(|_| SdpError::Malformed)?;
        if session.medias.len() > SECTIONS_MAX {
            return Err(SdpError::TooLarge);
        }

        let shared = Transport::of(&session.attributes);
        let mut mids = BTreeSet::new();
        let mut sections = Vec::with_capacity(session.medias.len());
        for media in &session.medias {
            let section = read_section(media, &shared)?;
            if !mids.insert(section.mid.clone()) {
                return Err(SdpError::Mid);
            }
            sections.push(section);
        }
        let mixed_extensions = session.has_attribute("extmap-allow-mixed");
        Ok(Self { sections, mixed_extensions })
    }
}

fn read_section(media: &sdp_types::Media, session: &Transport) -> Result<Section, SdpError> {
    let own = Transport::of(&media.attributes);
    let mut section = Section {
        kind: kind_of(media),
        media: media.media.clone(),
        proto: media.proto.clone(),
        formats: media.fmt.clone(),
        port: media.port,
        bundle_only: false,
        mid: String::new(),
        direction: own.direction.or(session.direction).unwrap_or(Direction::SendRecv),
        setup: own.setup.or(session.setup),
        ufrag: own.ufrag.unwrap_or_else(|| session.ufrag.clone().flatten()),
        pwd: own.pwd.unwrap_or_else(|| session.pwd.clone().flatten()),
        fingerprint: own.fingerprint.or_else(|| session.fingerprint.clone()),
        payloads: Vec::new(),
        extensions: Vec::new(),
        ssrcs: Vec::new(),
        retransmissions: Vec::new(),
        msid: None,
        rids: Vec::new(),
        reduced_size: false,
    };
    if matches!(section.kind, SectionKind::Media(_)) {
        section.payloads = payloads_of(&media.fmt);
    }
    for attribute in &media.attributes {
        read_media(&mut section, attribute);
    }

    let repairs: BTreeSet<u32> = section.retransmissions.iter().map(|(_, rtx)| *rtx).collect();
    section.ssrcs.retain(|ssrc| !repairs.contains(ssrc));
    if !is_token(&section.mid, MID_BYTES_MAX) {
        return Err(SdpError::Mid);
    }
    Ok(section)
}

fn kind_of(media: &sdp_types::Media) -> SectionKind {
    let rtp = media.proto.eq_ignore_ascii_case("UDP/TLS/RTP/SAVPF");
    let sctp = media.proto.to_ascii_uppercase().ends_with("/DTLS/SCTP");
    match media.media.as_str() {
        "audio" if rtp => SectionKind::Media(MediaKind::Audio),
        "video" if rtp => SectionKind::Media(MediaKind::Video),
        "application" if sctp && media.fmt.trim() == "webrtc-datachannel" => SectionKind::Data,
        _ => SectionKind::Other,
    }
}

fn payloads_of(formats: &str) -> Vec<Payload> {
    let mut payloads: Vec<Payload> = Vec::new();
    for number in formats.split_ascii_whitespace().filter_map(|format| format.parse().ok()) {
        let known = payloads.iter().any(|payload| payload.number == number);
        if number < 128 && !known && payloads.len() < PAYLOADS_MAX {
            payloads.push(Payload { number, ..Payload::default() });
        }
    }
    payloads
}

/// Attributes that may stand at session level too; what an m-line says replaces the session's. They
/// are read once: a client may write thousands of them above hundreds of m-lines.
#[derive(Default)]
struct Transport {
    direction: Option<Direction>,
    setup: Option<Setup>,
    /// `Some(None)`: there, and of no use.
    ufrag: Option<Option<String>>,
    pwd: Option<Option<String>>,
    fingerprint: Option<Fingerprint>,
}

impl Transport {
    fn of(attributes: &[Attribute]) -> Self {
        let mut transport = Self::default();
        for attribute in attributes {
            transport.read(attribute);
        }
        transport
    }

    fn read(&mut self, attribute: &Attribute) {
        let value = attribute.value.as_deref().map_or("", str::trim);
        match attribute.attribute.as_str() {
            "ice-ufrag" => self.ufrag = Some(ice_ufrag(value)),
            "ice-pwd" => self.pwd = Some(ice_pwd(value)),
            "fingerprint" => {
                let found = fingerprint(value);
                let stronger = strength(found.as_ref()) > strength(self.fingerprint.as_ref());
                self.fingerprint = if stronger { found } else { self.fingerprint.take() };
            }
            "setup" => self.setup = setup(value).or(self.setup),
            name => self.direction = Direction::of(name).or(self.direction),
        }
    }
}

fn read_media(section: &mut Section, attribute: &Attribute) {
    let value = attribute.value.as_deref().map_or("", str::trim);
    match attribute.attribute.as_str() {
        "mid" => section.mid = value.into(),
        "bundle-only" => section.bundle_only = true,
        "rtcp-rsize" => section.reduced_size = true,
        "rtpmap" => read_rtpmap(section, value),
        "fmtp" => read_parameters(section, value),
        "rtcp-fb" => read_feedback(section, value),
        "extmap" => read_extension(section, value),
        "ssrc" => read_ssrc(section, value),
        "ssrc-group" => read_ssrc_group(section, value),
        "msid" => section.msid = msid(value),
        "simulcast" => section.rids = simulcast(value),
        _ => {}
    }
}

fn setup(value: &str) -> Option<Setup> {
    match value {
        "actpass" => Some(Setup::ActPass),
        "active" => Some(Setup::Active),
        "passive" => Some(Setup::Passive),
        _ => None,
    }
}

/// A user name fragment, if it can be one (RFC 8839, section 5.4).
pub(super) fn ice_ufrag(value: &str) -> Option<String> {
    ice_text(value, 4)
}

/// A password, if it can be one (RFC 8839, section 5.4).
pub(super) fn ice_pwd(value: &str) -> Option<String> {
    ice_text(value, 22)
}

fn ice_text(value: &str, least: usize) -> Option<String> {
    let plain = value.bytes().all(|byte| byte.is_ascii_graphic());
    (plain && (least..=ICE_BYTES_MAX).contains(&value.len())).then(|| value.into())
}

fn strength(fingerprint: Option<&Fingerprint>) -> usize {
    fingerprint.map_or(0, |fingerprint| fingerprint.digest.len())
}

fn fingerprint(value: &str) -> Option<Fingerprint> {
    let (name, digest) = value.split_once(' ')?;
    let (hash, length) = match name.to_ascii_lowercase().as_str() {
        "sha-256" => (Hash::Sha256, 32),
        "sha-384" => (Hash::Sha384, 48),
        "sha-512" => (Hash::Sha512, 64),
        _ => return None,
    };
    let digest: Option<Vec<u8>> =
        digest.trim().split(':').map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
    let digest = digest.filter(|digest| digest.len() == length)?;

    Some(Fingerprint { hash, digest })
}

/// `111 opus/48000/2`
fn read_rtpmap(section: &mut Section, value: &str) {
    let Some((payload, encoding)) = payload_and_rest(section, value) else { return };
    let mut parts = encoding.split('/');
    payload.name = parts.next().unwrap_or_default().into();
    payload.clock = parts.next().and_then(|clock| clock.parse().ok()).unwrap_or_default();
}

/// `96 profile-level-id=42e01f;packetization-mode=1`
fn read_parameters(section: &mut Section, value: &str) {
    let Some((payload, parameters)) = payload_and_rest(section, value) else { return };
    payload.parameters = parameters.into();
}

/// `96 nack pli`, or `* nack pli` for every payload type
fn read_feedback(section: &mut Section, value: &str) {
    let Some((number, feedback)) = value.split_once(' ') else { return };
    let number: Option<u8> = number.parse().ok();
    for payload in &mut section.payloads {
        let meant = number.is_none_or(|number| number == payload.number);
        if meant && payload.feedback.len() < FEEDBACK_MAX {
            payload.feedback.push(feedback.trim().into());
        }
    }
}

fn payload_and_rest<'a, 'b>(
    section: &'a mut Section,
    value: &'b str,
) -> Option<(&'a mut Payload, &'b str)> {
    let (number, rest) = value.split_once(' ')?;
    let number: u8 = number.parse().ok()?;
    let payload = section.payloads.iter_mut().find(|payload| payload.number == number)?;
    Some((payload, rest.trim()))
}

/// `4 urn:ietf:params:rtp-hdrext:sdes:mid`, perhaps `4/sendonly urn:...`
fn read_extension(section: &mut Section, value: &str) {
    let Some((id, rest)) = value.split_once(' ') else { return };
    let id = id.split('/').next().and_then(|id| id.parse().ok());
    let uri = rest.split_ascii_whitespace().next();
    if let (Some(id), Some(uri)) = (id, uri)
        && section.extensions.len() < EXTENSIONS_MAX
    {
        section.extensions.push((id, uri.into()));
    }
}

/// `12345 cname:x`; Plan B's `12345 msid:stream track` stands in for a missing `a=msid`.
fn read_ssrc(section: &mut Section, value: &str) {
    let mut parts = value.splitn(2, ' ');
    let Some(ssrc) = parts.next().and_then(|ssrc| ssrc.parse().ok()) else { return };
    if !section.ssrcs.contains(&ssrc) && section.ssrcs.len() < SSRCS_MAX {
        section.ssrcs.push(ssrc);
    }
    let named = parts.next().and_then(|rest| rest.strip_prefix("msid:")).and_then(msid);
    section.msid = section.msid.take().or(named);
}

/// `FID 12345 67890`
fn read_ssrc_group(section: &mut Section, value: &str) {
    let mut parts = value.split_ascii_whitespace();
    if parts.next() != Some("FID") || section.retransmissions.len() >= SSRCS_MAX {
        return;
    }
    let mut numbers = parts.map(str::parse);
    if let (Some(Ok(media)), Some(Ok(rtx))) = (numbers.next(), numbers.next()) {
        section.retransmissions.push((media, rtx));
    }
}

fn msid(value: &str) -> Option<(String, String)> {
    let mut parts = value.split_ascii_whitespace();
    let stream = parts.next()?;
    Some((stream.into(), parts.next().unwrap_or_default().into()))
}

/// `send q;h;f`, a layer perhaps paused (`~q`) or with alternatives (`q,r`): the first counts
/// (RFC 8853, section 5.1).
fn simulcast(value: &str) -> Vec<String> {
    let words: Vec<&str> = value.split_ascii_whitespace().take(4).collect();
    let sent = words.chunks(2).find(|pair| pair[0] == "send").and_then(|pair| pair.get(1));
    let layers = sent.into_iter().flat_map(|list| list.split(';')).filter_map(|layer| {
        let rid = layer.split(',').next()?.trim_start_matches('~');
        is_token(rid, RID_BYTES_MAX).then(|| rid.to_owned())
    });
    layers.take(RIDS_MAX).collect()
}

/// A short token that can be written into a description again as it is.
fn is_token(text: &str, bytes_max: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+{}~!#$&'*^`|%".contains(&byte);
    !text.is_empty() && text.len() <= bytes_max && text.bytes().all(plain)
}
