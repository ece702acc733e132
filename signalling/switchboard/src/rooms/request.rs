//! What clients ask for, sorted.

use super::LeaveReason;
use super::desk::Context;
use super::messages::response;
use super::room::Room;
use livekit_protocol as proto;
use livekit_protocol::request_response::{Reason, Request as Copy};
use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message;
use relay_wire::control::ParticipantId;

impl Room {
    /// Handles a client's message. Kinds that are not known here are ignored.
    pub(super) fn receive(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        request: proto::SignalRequest,
    ) {
        let Some(request) = request.message else { return };
        match request {
            Request::Offer(offer) => self.offer(cx, who, &offer),
            Request::Answer(answer) => self.answer(cx, who, &answer),
            Request::AddTrack(add) => self.add_track(cx, who, add),
            Request::Mute(mute) => self.mute(cx, who, &mute),
            Request::Subscription(wanted) => self.update_subscription(cx, who, &wanted),
            Request::TrackSetting(settings) => self.track_settings(cx, who, &settings),
            Request::Leave(_) => self.remove(cx, who, LeaveReason::Client),
            Request::SubscriptionPermission(allow) => self.permit(cx, who, allow),
            Request::SyncState(state) => self.sync(cx, who, state),
            Request::Ping(_) | Request::PingReq(_) => self.pong(cx, who, &request),
            Request::UpdateMetadata(wanted) => self.update_metadata(cx, who, wanted),
            Request::UpdateAudioTrack(wanted) => self.update_audio(cx, who, &wanted),
            Request::UpdateVideoTrack(wanted) => self.update_video(cx, who, &wanted),
            Request::PublishDataTrackRequest(wanted) => {
                self.unsupported(cx, who, Copy::PublishDataTrack(wanted));
            }
            Request::UnpublishDataTrackRequest(wanted) => {
                self.unsupported(cx, who, Copy::UnpublishDataTrack(wanted));
            }
            // An ICE-lite server learns addresses from checks; the rest is the client's own.
            _ => {}
        }
    }

    fn pong(&self, cx: &mut Context<'_>, who: ParticipantId, ping: &Request) {
        let now = i64::try_from(cx.now.unix_ms).unwrap_or(i64::MAX);
        let pong = match ping {
            Request::PingReq(ping) => Message::PongResp(proto::Pong {
                last_ping_timestamp: ping.timestamp,
                timestamp: now,
            }),
            _ => Message::Pong(now),
        };
        let to = self.participants.get(&who).and_then(|p| p.connection);
        cx.send(to, pong);
    }

    /// Takes what a resumed client believes: only its wishes may have changed meanwhile.
    fn sync(&mut self, cx: &mut Context<'_>, who: ParticipantId, state: proto::SyncState) {
        if let Some(wanted) = state.subscription {
            self.update_subscription(cx, who, &wanted);
        }
        if !state.track_sids_disabled.is_empty() {
            let track_sids = state.track_sids_disabled;
            let off =
                proto::UpdateTrackSettings { track_sids, disabled: true, ..Default::default() };
            self.track_settings(cx, who, &off);
        }
    }

    fn unsupported(&self, cx: &mut Context<'_>, who: ParticipantId, request: Copy) {
        let to = self.participants.get(&who).and_then(|p| p.connection);
        let text = "data tracks are not supported by this server";
        cx.send(to, response(0, Reason::UnsupportedType, text, Some(request)));
    }
}
