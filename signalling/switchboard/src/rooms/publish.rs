//! Publishing: tracks announced, offered, taken back.

use super::Limit;
use super::back_end::Happening;
use super::desk::{Context, Place, Question, Side};
use super::messages::response;
use super::participant::Participant;
use super::publisher::Held;
use super::room::Room;
use super::track::Track;
use crate::sdp::{self, Description, Facts, Local, Receive, Section, SectionKind};
use livekit_protocol as proto;
use livekit_protocol::TrackType;
use livekit_protocol::request_response::{Reason, Request};
use livekit_protocol::signal_response::Message;
use relay_wire::control::{
    Command, DataRole, Kind, ParticipantId, TrackId, TrackSpec, TransportId,
};
use std::collections::BTreeSet;

/// Names under which one track may appear.
const CIDS_MAX: usize = 16;

impl Room {
    /// Announces a track that will come with a later offer.
    pub(super) fn add_track(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        add: proto::AddTrackRequest,
    ) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        let connection = participant.connection;
        let known = participant.tracks.values_mut().find(|track| is_same(track, &add));
        if let Some(track) = known {
            if !track.cids.contains(&add.cid) && track.cids.len() < CIDS_MAX {
                track.cids.push(add.cid.clone());
            }
            return cx.send(connection, published(add.cid, track));
        }
        let kind = match check(cx, participant, &add) {
            Ok(kind) => kind,
            Err((reason, text)) => {
                let request = Some(Request::AddTrack(add));
                return cx.send(connection, response(0, reason, text, request));
            }
        };

        let id = TrackId(cx.desk.next_id());
        let track = Track::new(id, cx.desk.sid("TR_"), kind, &add);
        cx.desk.tracks.insert(id, Place { room: self.id, participant: who });
        self.tracks.insert(track.info.sid.clone(), (who, id));
        cx.send(connection, published(add.cid, &track));
        participant.tracks.insert(id, track);
    }

    /// Takes the client's offer; it is answered as soon as our side of the transport is there.
    pub(super) fn offer(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        offer: &proto::SessionDescription,
    ) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        let Ok(held) = Held::read(offer.id, &offer.sdp) else {
            return cx.malformed(participant.connection);
        };
        let publisher = &mut participant.publisher;
        let restart = publisher.is_restart(&held);
        publisher.held = Some(held);
        let Some(transport) = publisher.transport else {
            let transport = TransportId(cx.desk.next_id());
            publisher.transport = Some(transport);
            let place = Place { room: self.id, participant: who };
            cx.desk.transports.insert(transport, (place, Side::Publisher));
            let open = Command::Open { participant: who, transport, data: DataRole::Accept };
            return cx.ask(self.id, open, Question::Open(transport));
        };
        if publisher.local.is_none() {
            return;
        }
        if restart {
            publisher.local = None;
            return cx.ask(self.id, Command::RestartIce(transport), Question::Open(transport));
        }
        self.answer_offer(cx, who);
    }

    /// Answers the offer that waits, if one does.
    pub(super) fn answer_offer(&mut self, cx: &mut Context<'_>, who: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        let Some(transport) = participant.publisher.transport else { return };
        let Some(local) = participant.publisher.local.clone() else { return };
        let Some(held) = participant.publisher.held.take() else { return };
        let bindings = bind(participant, &held.description);
        let terms = |id: &TrackId| {
            let track = participant.tracks.get(id)?;
            Some(Receive { preferred: track.preferred, stereo: track.stereo })
        };
        let receive: Vec<_> = bindings.iter().map(|id| id.as_ref().and_then(terms)).collect();
        participant.publisher.version += 1;
        let local = Local {
            transport: &local,
            session: participant.publisher.session,
            version: participant.publisher.version,
            data_message_bytes: cx.desk.config.limits.data_message_bytes,
        };
        let answered = sdp::answer(&held.description, local, &cx.desk.config.codecs, &receive);
        let told = proto::SessionDescription {
            r#type: "answer".into(),
            sdp: answered.sdp,
            id: held.id,
            ..Default::default()
        };
        match participant.session {
            None => cx.send(participant.connection, Message::Answer(told)),
            Some(_) => self.created(cx, who, told.sdp),
        }
        let Some(participant) = self.participants.get_mut(&who) else { return };
        if participant.publisher.remote.as_ref() != Some(&held.remote) {
            let admit = Command::Admit { transport, remote: held.remote.clone() };
            cx.tell(self.id, admit);
            participant.publisher.remote = Some(held.remote);
        }
        self.publish(cx, who, transport, bindings.into_iter().zip(answered.facts));
    }

    /// Tells the relay which tracks come, and ends those that come no more.
    fn publish(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        transport: TransportId,
        bindings: impl Iterator<Item = (Option<TrackId>, Option<Facts>)>,
    ) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        let mut coming = BTreeSet::new();
        let (mut refused, mut news) = (Vec::new(), Vec::new());
        for (id, facts) in bindings {
            let Some(track) = id.and_then(|id| participant.tracks.get_mut(&id)) else { continue };
            let Some(facts) = facts else {
                refused.push(track.id);
                continue;
            };
            coming.insert(track.id);
            if track.bound.as_ref() != Some(&facts) {
                let publish = Command::Publish(spec(track, &facts, who, transport));
                cx.ask(self.id, publish, Question::Publish(track.id));
                track.bind(facts);
                news.push(track.id);
            }
        }
        let bound = participant.tracks.values().filter(|track| track.bound.is_some());
        let gone: Vec<TrackId> =
            bound.map(|track| track.id).filter(|id| !coming.contains(id)).collect();
        news.into_iter().for_each(|track| self.note_track(cx, who, track));
        for track in gone.into_iter().filter(|id| !refused.contains(id)) {
            self.unpublish(cx, who, track);
        }
        for track in refused {
            self.revoke(cx, track);
        }
    }

    /// Ends a track because we must, and tells its publisher so.
    pub(super) fn revoke(&mut self, cx: &mut Context<'_>, track: TrackId) {
        let Some(place) = cx.desk.tracks.get(&track).copied() else { return };
        let Some(participant) = self.participants.get(&place.participant) else { return };
        if let Some(known) = participant.tracks.get(&track) {
            let unpublished = proto::TrackUnpublishedResponse { track_sid: known.info.sid.clone() };
            cx.send(participant.connection, Message::TrackUnpublished(unpublished));
        }
        self.unpublish(cx, place.participant, track);
    }

    /// Ends a track and its subscriptions.
    fn unpublish(&mut self, cx: &mut Context<'_>, who: ParticipantId, track: TrackId) {
        let participant = self.participants.get_mut(&who);
        let Some(gone) = participant.and_then(|p| p.tracks.remove(&track)) else { return };
        if gone.bound.is_some() {
            cx.tell(self.id, Command::Unpublish(track));
            self.note_unpublished(cx, track);
        }
        self.forget_track(cx, &gone.info.sid, track);
        if gone.is_live() {
            if let Some(owner) = self.participants.get(&who) {
                self.report_track(cx, Happening::TrackUnpublished, owner, &gone.info);
            }
            self.announce(cx, who);
        }
        self.negotiate_all(cx);
    }
}

/// A further codec of a known track, or the same announcement again.
fn is_same(track: &Track, add: &proto::AddTrackRequest) -> bool {
    let pending = track.bound.is_none() && track.cids.first() == Some(&add.cid);
    let kind = match add.r#type() {
        TrackType::Audio => Some(Kind::Audio),
        TrackType::Video => Some(Kind::Video),
        TrackType::Data => None,
    };
    (pending && kind == Some(track.kind)) || (!add.sid.is_empty() && track.info.sid == add.sid)
}

/// Whether a track may be announced.
fn check(
    cx: &mut Context<'_>,
    participant: &Participant,
    add: &proto::AddTrackRequest,
) -> Result<Kind, (Reason, &'static str)> {
    let kind = match add.r#type() {
        TrackType::Audio => Kind::Audio,
        TrackType::Video => Kind::Video,
        TrackType::Data => return Err((Reason::UnsupportedType, "only audio and video")),
    };
    if !participant.may_publish(add.source()) {
        cx.desk.counters.denied += 1;
        let text = "the token does not permit it (video.canPublish, video.canPublishSources)";
        return Err((Reason::NotAllowed, text));
    }
    let limits = cx.desk.config.limits;
    let codecs = add.simulcast_codecs.iter().flat_map(|codec| [&codec.cid, &codec.codec]);
    let mut names = [&add.cid, &add.name, &add.stream].into_iter().chain(codecs);
    if names.any(|name| name.len() > limits.name_bytes) {
        cx.hit(Limit::NameBytes);
        return Err((Reason::LimitExceeded, "a name is too long"));
    }
    if participant.tracks.len() >= limits.participant_tracks {
        cx.hit(Limit::ParticipantTracks);
        return Err((Reason::LimitExceeded, "too many tracks"));
    }
    let pending = participant.tracks.values().filter(|track| track.bound.is_none()).count();
    if pending >= limits.pending_tracks {
        cx.hit(Limit::PendingTracks);
        return Err((Reason::LimitExceeded, "too many tracks that were never offered"));
    }
    Ok(kind)
}

/// Which track comes on which m-line of an offer.
fn bind(participant: &Participant, offer: &Description) -> Vec<Option<TrackId>> {
    let mut taken = BTreeSet::new();
    let mut bindings = vec![None; offer.sections.len()];
    // First what is certain, so that a guess never takes a track that another m-line names.
    for guess in [false, true] {
        for (section, binding) in offer.sections.iter().zip(&mut bindings) {
            let SectionKind::Media(kind) = section.kind else { continue };
            if binding.is_some() || section.rejected_in_offer() || !section.sends() {
                continue;
            }
            let tracks = participant.tracks.values();
            let free: Vec<&Track> =
                tracks.filter(|track| track.kind == kind && !taken.contains(&track.id)).collect();
            let found = if guess {
                oldest_pending(participant, section, &free)
            } else {
                named(section, &free)
            };
            *binding = found.map(|track| track.id);
            taken.extend(*binding);
        }
    }
    bindings
}

/// A pending track that the m-line names, else the one that came on it before.
fn named<'a>(section: &Section, tracks: &[&'a Track]) -> Option<&'a Track> {
    let cid = section.msid.as_ref().map(|(_, cid)| cid);
    let is_named =
        |track: &&&Track| track.bound.is_none() && cid.is_some_and(|cid| track.cids.contains(cid));
    let on_it = |track: &&&Track| track.bound.as_ref().is_some_and(|f| f.mid == section.mid);
    let found = tracks.iter().find(is_named).or_else(|| tracks.iter().find(on_it));
    found.copied()
}

/// Firefox and replaced tracks use names that were never announced. A further codec of a known
/// track is no guess: it is not taken at all.
fn oldest_pending<'a>(
    participant: &Participant,
    section: &Section,
    tracks: &[&'a Track],
) -> Option<&'a Track> {
    let cid = section.msid.as_ref().map(|(_, cid)| cid);
    let mut bound = participant.tracks.values().filter(|track| track.bound.is_some());
    if cid.is_some_and(|cid| bound.any(|track| track.cids.contains(cid))) {
        return None;
    }
    tracks.iter().find(|track| track.bound.is_none()).copied()
}

fn spec(track: &Track, facts: &Facts, who: ParticipantId, transport: TransportId) -> TrackSpec {
    TrackSpec {
        track: track.id,
        participant: who,
        transport,
        kind: facts.kind,
        mid: facts.mid.clone(),
        codecs: facts.codecs.clone(),
        ssrcs: facts.ssrcs.clone(),
        rids: track.low_to_high(&facts.rids),
        extensions: facts.extensions,
        muted: track.info.muted,
    }
}

fn published(cid: String, track: &Track) -> Message {
    Message::TrackPublished(proto::TrackPublishedResponse { cid, track: Some(track.info.clone()) })
}
