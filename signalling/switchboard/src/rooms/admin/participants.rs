//! Participants changed from outside: muted, renamed, permitted other things.

use super::{AdminError, AdminResponse, ErrorCode, Outcome};
use crate::rooms::Limit;
use crate::rooms::desk::Context;
use crate::rooms::messages::update;
use crate::rooms::participant::Participant;
use crate::rooms::room::Room;
use livekit_protocol as proto;
use livekit_protocol::participant_info::State;
use livekit_protocol::signal_response::Message;
use relay_wire::control::{Command, ParticipantId, TrackId};

impl Room {
    pub(super) fn list_participants(&self) -> AdminResponse {
        let participants = self.participants.values().map(Participant::info).collect();

        AdminResponse::Participants(proto::ListParticipantsResponse { participants })
    }

    pub(super) fn show(&self, who: ParticipantId) -> Option<AdminResponse> {
        Some(AdminResponse::Participant(Box::new(self.participants.get(&who)?.info())))
    }

    /// Mutes a track, and tells its publisher to. Nobody's microphone is opened from outside.
    pub(super) fn mute_from_outside(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        asked: &proto::MuteRoomTrackRequest,
    ) -> Outcome {
        let participant = self.participants.get_mut(&who).ok_or_else(AdminError::no_participant)?;
        let connection = participant.connection;
        let track =
            participant.track_by_sid_mut(&asked.track_sid).ok_or_else(AdminError::no_track)?;
        if track.info.muted && !asked.muted {
            let msg = "remote unmute not enabled";
            return Err(AdminError::new(ErrorCode::FailedPrecondition, msg));
        }
        let mute = proto::MuteTrackRequest { sid: asked.track_sid.clone(), muted: asked.muted };
        if track.info.muted != asked.muted {
            cx.send(connection, Message::Mute(mute.clone()));
            self.mute(cx, who, &mute);
        }
        let participant = self.participants.get_mut(&who);
        let track = participant.and_then(|p| p.track_by_sid_mut(&asked.track_sid));
        let track = track.map(|track| track.info.clone());

        Ok(AdminResponse::Track(Box::new(proto::MuteRoomTrackResponse { track })))
    }

    /// Changes name, metadata, attributes and permissions.
    pub(super) fn update_from_outside(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        asked: proto::UpdateParticipantRequest,
    ) -> Outcome {
        let participant = self.participants.get_mut(&who).ok_or_else(AdminError::no_participant)?;
        let attributes = asked.attributes.into_iter().collect();
        let limits = &cx.desk.config.limits;
        if !participant.rename(limits, &asked.name, &asked.metadata, attributes) {
            cx.hit(Limit::MetadataBytes);
            let msg = "metadata, name or attributes are too long";
            return Err(AdminError::invalid(msg));
        }
        if let Some(permission) = asked.permission {
            self.permit_from_outside(cx, who, &permission);
        }
        self.announce(cx, who);
        self.refresh(cx, who);

        self.show(who).ok_or_else(AdminError::no_participant)
    }

    /// Enforces other permissions at once: tracks, subscriptions and data messages that they do
    /// not allow end.
    fn permit_from_outside(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        permission: &proto::ParticipantPermission,
    ) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        let was_hidden = participant.grants.hidden;
        participant.set_permission(permission);
        let is_hidden = participant.grants.hidden;
        let forbidden =
            |track: &&crate::rooms::track::Track| !participant.may_publish(track.info.source());
        let ending: Vec<TrackId> =
            participant.tracks.values().filter(forbidden).map(|track| track.id).collect();

        cx.tell(self.id, Command::Participant(participant.relay_spec()));
        for track in ending {
            self.revoke(cx, track);
        }
        if was_hidden != is_hidden {
            self.show_or_hide(cx, who, is_hidden);
        }
        self.reconsider(cx, who);
    }

    /// Whoever hides leaves, as the others see it; whoever stops hiding is announced with its
    /// tracks.
    fn show_or_hide(&mut self, cx: &mut Context<'_>, who: ParticipantId, hides: bool) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        participant.version += 1;
        let tracks: Vec<TrackId> = participant.tracks.keys().copied().collect();
        let mut info = participant.info();
        if hides {
            info.state = State::Disconnected as i32;
            info.tracks.clear();
        }
        let message = crate::rooms::desk::encode(update(vec![info]));
        let others = self.participants.values().filter(|other| other.id != who);
        for connection in others.filter_map(|other| other.connection) {
            cx.send_encoded(connection, message.clone());
        }
        for track in tracks {
            self.reconsider_track(cx, track);
        }
    }
}
