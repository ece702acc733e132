//! What participants change about themselves and their tracks.

use super::Limit;
use super::desk::Context;
use super::messages::response;
use super::room::Room;
use livekit_protocol as proto;
use livekit_protocol::request_response::{Reason, Request};
use relay_wire::control::{Command, ParticipantId};

/// Features kept of an audio track.
const FEATURES_MAX: usize = 16;

impl Room {
    /// Mutes or unmutes a track of the participant's own.
    pub(super) fn mute(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        mute: &proto::MuteTrackRequest,
    ) {
        let participant = self.participants.get_mut(&who);
        let Some(track) = participant.and_then(|p| p.track_by_sid_mut(&mute.sid)) else { return };
        if track.info.muted == mute.muted {
            return;
        }
        track.info.muted = mute.muted;
        if track.bound.is_some() {
            cx.tell(self.id, Command::Mute { track: track.id, muted: mute.muted });
        }
        if track.is_live() {
            self.announce(cx, who);
        }
    }

    /// Changes name, metadata and attributes, if the token permits it.
    pub(super) fn update_metadata(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        wanted: proto::UpdateParticipantMetadata,
    ) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        let connection = participant.connection;
        let id = wanted.request_id;
        if !participant.grants.may_update_own_metadata() {
            cx.desk.counters.denied += 1;
            let request = Some(Request::UpdateMetadata(wanted));
            let text = "the token does not permit it (video.canUpdateOwnMetadata)";
            return cx.send(connection, response(id, Reason::NotAllowed, text, request));
        }
        let attributes = wanted.attributes.clone().into_iter().collect();
        let limits = &cx.desk.config.limits;
        if !participant.rename(limits, &wanted.name, &wanted.metadata, attributes) {
            cx.hit(Limit::MetadataBytes);
            let request = Some(Request::UpdateMetadata(wanted));
            let text = "metadata, name or attributes are too long";
            return cx.send(connection, response(id, Reason::LimitExceeded, text, request));
        }

        let request = Some(Request::UpdateMetadata(wanted));
        cx.send(connection, response(id, Reason::Ok, "", request));
        self.announce(cx, who);
    }

    /// Takes note of what processing an audio track goes through.
    pub(super) fn update_audio(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        wanted: &proto::UpdateLocalAudioTrack,
    ) {
        let participant = self.participants.get_mut(&who);
        let track = participant.and_then(|p| p.track_by_sid_mut(&wanted.track_sid));
        let Some(track) = track else { return };
        let features = wanted.features().take(FEATURES_MAX);
        track.info.audio_features = features.map(|feature| feature as i32).collect();
        if track.is_live() {
            self.announce(cx, who);
        }
    }

    /// Takes note of a video track's new size.
    pub(super) fn update_video(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        wanted: &proto::UpdateLocalVideoTrack,
    ) {
        let participant = self.participants.get_mut(&who);
        let track = participant.and_then(|p| p.track_by_sid_mut(&wanted.track_sid));
        let Some(track) = track else { return };
        (track.info.width, track.info.height) = (wanted.width, wanted.height);
        if track.is_live() {
            self.announce(cx, who);
        }
    }
}
