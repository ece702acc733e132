//! WHIP: a participant that publishes.

use super::session::Session;
use super::{RequestId, SessionError, SessionOffer, SessionRole};
use crate::rooms::desk::{Context, Place};
use crate::rooms::join::new_participant;
use crate::rooms::participant::{Participant, may_publish};
use crate::rooms::publisher::Held;
use crate::rooms::room::Room;
use crate::rooms::track::Track;
use crate::rooms::{Config, Join};
use crate::sdp::{Description, Section, SectionKind, negotiate};
use crate::token::Claims;
use livekit_protocol as proto;
use livekit_protocol::{TrackSource, TrackType, VideoLayer};
use relay_wire::control::{Kind, TrackId};
use std::cmp::Reverse;

/// What pages call the layers of simulcast, low to high.
const LAYER_NAMES: [[&str; 3]; 4] =
    [["q", "h", "f"], ["l", "m", "h"], ["low", "mid", "high"], ["low", "medium", "high"]];

/// What a publisher's token must permit besides joining.
pub(super) fn prepare(mut claims: Claims) -> Result<Claims, SessionError> {
    if !claims.video.may_publish() {
        return Err(SessionError::MayNotPublish);
    }
    if claims.kind.is_empty() {
        claims.kind = "ingress".into();
    }
    SessionRole::Publish.confine(&mut claims.video);
    Ok(claims)
}

/// The m-lines that are published: all that send must be taken, for an answer in part is none
/// (RFC 9725, section 4.4.3).
pub(super) fn check(
    offer: &Description,
    claims: &Claims,
    config: &Config,
) -> Result<(), SessionError> {
    let mut seen = Vec::new();
    for (section, kind) in published(offer) {
        if seen.contains(&kind) {
            return Err(SessionError::Repeated);
        }
        seen.push(kind);
        if !may_publish(&claims.video, source_of(kind)) {
            return Err(SessionError::MayNotPublish);
        }
        if negotiate(section, &config.codecs, None).is_empty() {
            return Err(SessionError::Codecs(kind));
        }
    }
    if seen.is_empty() { Err(SessionError::NoMedia) } else { Ok(()) }
}

fn source_of(kind: Kind) -> TrackSource {
    match kind {
        Kind::Audio => TrackSource::Microphone,
        Kind::Video => TrackSource::Camera,
    }
}

fn published(offer: &Description) -> impl Iterator<Item = (&Section, Kind)> {
    offer.sections.iter().filter_map(|section| match section.kind {
        SectionKind::Media(kind) if section.sends() && !section.rejected_in_offer() => {
            Some((section, kind))
        }
        SectionKind::Media(_) | SectionKind::Data | SectionKind::Other => None,
    })
}

impl Room {
    /// Lets a WHIP publisher in. Whoever has the identity already must have been removed before.
    pub(super) fn join_publisher(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        offer: SessionOffer,
        held: Held,
    ) {
        let SessionOffer { claims, .. } = offer;
        let read = (held.description.clone(), held.remote.clone());
        let session = Session::new(cx, SessionRole::Publish, &claims.sub, read, request);
        let unused = relay_wire::control::TransportId(cx.desk.next_id());
        let mut participant = new_participant(cx, unused, None, Join::new(claims));
        let wanted = published(&held.description);
        let adds: Vec<_> = wanted.map(|(section, kind)| announcement(section, kind)).collect();
        for (kind, add) in adds {
            self.add_published(cx, &mut participant, kind, &add);
        }
        participant.publisher.transport = Some(session.transport);
        participant.publisher.held = Some(held);
        self.enter(cx, participant, session);
    }

    fn add_published(
        &mut self,
        cx: &mut Context<'_>,
        participant: &mut Participant,
        kind: Kind,
        add: &proto::AddTrackRequest,
    ) {
        let id = TrackId(cx.desk.next_id());
        let track = Track::new(id, cx.desk.sid("TR_"), kind, add);
        let place = Place { room: self.id, participant: participant.id };
        cx.desk.tracks.insert(id, place);
        self.tracks.insert(track.info.sid.clone(), (participant.id, id));
        participant.tracks.insert(id, track);
    }
}

/// The layers of simulcast, low to high. The order of an offer does not say it: OBS numbers its
/// layers from the full picture down, as RFC 8853, section 5.2 has the most preferred one first,
/// and browsers write whatever order their page gave.
fn low_to_high(rids: &[String]) -> Vec<&String> {
    let place = |names: &[&str], rid: &String| names.iter().position(|name| name == rid);
    let names = LAYER_NAMES.iter().find(|names| rids.iter().all(|r| place(*names, r).is_some()));
    let mut ordered: Vec<&String> = rids.iter().collect();
    match names {
        Some(names) => ordered.sort_by_key(|rid| place(names, rid)),
        None if rids.iter().all(|rid| rid.parse::<u32>().is_ok()) => {
            ordered.sort_by_key(|rid| Reverse(rid.parse::<u32>().unwrap_or_default()));
        }
        None => {}
    }
    ordered
}

/// What a LiveKit client would have said of this m-line.
#[expect(deprecated, reason = "`layers` is what clients fill")]
fn announcement(section: &Section, kind: Kind) -> (Kind, proto::AddTrackRequest) {
    let (r#type, name) = match kind {
        Kind::Audio => (TrackType::Audio, "microphone"),
        Kind::Video => (TrackType::Video, "camera"),
    };
    let qualities = 0_i32..;
    let layers = low_to_high(&section.rids).into_iter().zip(qualities);
    let layers =
        layers.map(|(rid, quality)| VideoLayer { quality, rid: rid.clone(), ..Default::default() });
    let stereo = section.payloads.iter().any(|p| p.parameter("stereo") == Some("1"));
    let add = proto::AddTrackRequest {
        cid: section.msid.as_ref().map(|(_, track)| track.clone()).unwrap_or_default(),
        name: name.into(),
        r#type: r#type as i32,
        source: source_of(kind) as i32,
        stereo: stereo && kind == Kind::Audio,
        layers: layers.collect(),
        ..Default::default()
    };
    (kind, add)
}
