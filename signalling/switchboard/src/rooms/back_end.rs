//! What an operator's back end is told of rooms: LiveKit's webhook events.

use super::desk::Context;
use super::participant::Participant;
use super::room::Room;
use livekit_protocol as proto;
use relay_wire::control::{ParticipantId, TrackId};

/// An event for the back end, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomEvent {
    /// Its sid, `EV_...`: the same however often it is sent.
    pub id: String,
    /// Name of the room; events of one room keep their order.
    pub room: String,
    /// When it happened, milliseconds since the Unix epoch.
    pub unix_ms: u64,
    /// `WebhookEvent` in proto3's JSON form.
    pub body: Vec<u8>,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    RoomStarted,
    RoomFinished(proto::RoomEndReason),
    ParticipantJoined,
    ParticipantLeft,
    /// It never got as far as media.
    ParticipantConnectionAborted,
    TrackPublished,
    TrackUnpublished,
}

impl Happening {
    fn name(self) -> &'static str {
        match self {
            Self::RoomStarted => "room_started",
            Self::RoomFinished(_) => "room_finished",
            Self::ParticipantJoined => "participant_joined",
            Self::ParticipantLeft => "participant_left",
            Self::ParticipantConnectionAborted => "participant_connection_aborted",
            Self::TrackPublished => "track_published",
            Self::TrackUnpublished => "track_unpublished",
        }
    }
}

impl Room {
    /// Tells of the room itself.
    pub(super) fn report(&self, cx: &mut Context<'_>, what: Happening) {
        let room = self.info(cx);
        push(cx, &self.name, what, event(room));
    }

    /// Tells of a participant.
    pub(super) fn report_participant(
        &self,
        cx: &mut Context<'_>,
        what: Happening,
        participant: proto::ParticipantInfo,
    ) {
        let event = proto::WebhookEvent { participant: Some(participant), ..event(self.info(cx)) };
        push(cx, &self.name, what, event);
    }

    /// Tells of a track; who and where it is, is said in short, as LiveKit does.
    pub(super) fn report_track(
        &self,
        cx: &mut Context<'_>,
        what: Happening,
        owner: &Participant,
        track: &proto::TrackInfo,
    ) {
        let room = proto::Room {
            sid: self.sid.clone(),
            name: self.name.clone(),
            ..proto::Room::default()
        };
        let participant = proto::ParticipantInfo {
            sid: owner.sid.clone(),
            identity: owner.identity.clone(),
            name: owner.name.clone(),
            ..Default::default()
        };
        let event = proto::WebhookEvent {
            participant: Some(participant),
            track: Some(track.clone()),
            ..event(room)
        };
        push(cx, &self.name, what, event);
    }

    /// Tells of a track that has begun.
    pub(super) fn report_published(
        &self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        track: TrackId,
    ) {
        let Some(owner) = self.participants.get(&who) else { return };
        let Some(track) = owner.tracks.get(&track) else { return };
        self.report_track(cx, Happening::TrackPublished, owner, &track.info);
    }

    /// Tells that somebody with all its tracks is gone.
    pub(super) fn report_gone(
        &self,
        cx: &mut Context<'_>,
        gone: &Participant,
        was_active: bool,
        info: proto::ParticipantInfo,
    ) {
        for track in gone.tracks.values().filter(|track| track.is_live()) {
            self.report_track(cx, Happening::TrackUnpublished, gone, &track.info);
        }
        let what = match was_active {
            true => Happening::ParticipantLeft,
            false => Happening::ParticipantConnectionAborted,
        };
        self.report_participant(cx, what, info);
    }
}

fn event(room: proto::Room) -> proto::WebhookEvent {
    proto::WebhookEvent { room: Some(room), ..Default::default() }
}

fn push(cx: &mut Context<'_>, room: &str, what: Happening, event: proto::WebhookEvent) {
    if !cx.desk.config.webhooks {
        return;
    }
    let id = cx.desk.sid("EV_");
    let room_end_reason = match what {
        Happening::RoomFinished(reason) => reason as i32,
        _ => 0,
    };
    let event = proto::WebhookEvent {
        event: what.name().into(),
        id: id.clone(),
        created_at: i64::try_from(cx.now.unix_ms / 1000).unwrap_or(i64::MAX),
        room_end_reason,
        ..event
    };
    // Its enums are ours or checked: they have names. What a client made up has none.
    let Ok(body) = serde_json::to_vec(&event) else { return cx.desk.counters.malformed += 1 };
    cx.out.events.push(RoomEvent { id, room: room.into(), unix_ms: cx.now.unix_ms, body });
}
