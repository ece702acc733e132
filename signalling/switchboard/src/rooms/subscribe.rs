//! Receiving: who gets which track, offers and their answers.

use super::Limit;
use super::desk::{Context, Question};
use super::participant::Participant;
use super::permission::Allow;
use super::room::Room;
use super::subscriber::{Stage, Subscription};
use super::track::Track;
use crate::sdp::{self, Accepted, Description, Local, Setup};
use livekit_protocol as proto;
use livekit_protocol::SubscriptionError;
use livekit_protocol::signal_response::Message;
use relay_wire::control::{
    Choice, Command, ParticipantId, SubscriptionId, SubscriptionSpec, TrackId,
};

/// Track sids looked at in one message.
const SIDS_MAX: usize = 2_000;

impl Room {
    /// Gives a participant what it should receive, of everybody.
    pub(super) fn reconsider(&mut self, cx: &mut Context<'_>, subscriber: ParticipantId) {
        if self.participants.get(&subscriber).is_some_and(Participant::is_player) {
            return self.follow(cx, subscriber);
        }
        let mut tracks: Vec<TrackId> = self.tracks.values().map(|(_, track)| *track).collect();
        // The oldest first: the same inputs must give the same offer.
        tracks.sort_unstable();
        for track in tracks {
            self.consider(cx, subscriber, track);
        }
        self.negotiate(cx, subscriber);
    }

    /// Gives a track to whoever should receive it.
    pub(super) fn reconsider_track(&mut self, cx: &mut Context<'_>, track: TrackId) {
        let everybody: Vec<ParticipantId> = self.participants.keys().copied().collect();
        for subscriber in everybody {
            self.consider(cx, subscriber, track);
            self.negotiate(cx, subscriber);
        }
    }

    /// Begins or ends a subscription, as it should be.
    fn consider(&mut self, cx: &mut Context<'_>, subscriber: ParticipantId, track: TrackId) {
        let Some(place) = cx.desk.tracks.get(&track).copied() else { return };
        let Some(publisher) = self.participants.get(&place.participant) else { return };
        let Some(known) = publisher.tracks.get(&track) else { return };
        let Some(receiver) = self.participants.get(&subscriber) else { return };
        if receiver.is_player() {
            return self.follow(cx, subscriber);
        }
        let wanted = wants(receiver, publisher, known);
        match (wanted, receiver.subscriptions.contains_key(&track)) {
            (true, false) => self.begin(cx, subscriber, place.participant, track),
            (false, true) => self.drop_subscription(cx, subscriber, track),
            (true, true) | (false, false) => {}
        }
    }

    fn begin(
        &mut self,
        cx: &mut Context<'_>,
        subscriber: ParticipantId,
        publisher: ParticipantId,
        track: TrackId,
    ) {
        let Some(owner) = self.participants.get(&publisher) else { return };
        let Some(known) = owner.tracks.get(&track) else { return };
        let Some(codec) = known.codec else { return };
        let (sid, stream) = (known.info.sid.clone(), known.stream().to_owned());
        let (kind, stereo, cname) = (known.kind, known.stereo, owner.sid.clone());
        let Some(receiver) = self.participants.get_mut(&subscriber) else { return };
        let sections_max = cx.desk.config.limits.subscriber_sections;
        let Some(mid) = receiver.subscriber.seat(track, kind, sections_max) else {
            return cx.hit(Limit::SubscriberSections);
        };

        // Firefox names received tracks itself, so the stream must name the track.
        let stream = if receiver.is_firefox { sid.clone() } else { stream };
        let subscription = Subscription {
            id: SubscriptionId(cx.desk.next_id()),
            publisher,
            mid,
            codec,
            stage: Stage::New,
            choice: Choice::High,
            fps_max: None,
            ssrc: cx.desk.ssrc(),
            rtx_ssrc: cx.desk.ssrc(),
            stereo,
            msid: (format!("{cname}|{stream}"), sid),
            cname,
        };
        receiver.subscriptions.insert(track, subscription);
    }

    /// Ends a subscription; the next offer rejects its m-line.
    pub(super) fn drop_subscription(
        &mut self,
        cx: &mut Context<'_>,
        subscriber: ParticipantId,
        track: TrackId,
    ) {
        let Some(receiver) = self.participants.get_mut(&subscriber) else { return };
        let Some(gone) = receiver.subscriptions.remove(&track) else { return };
        receiver.subscriber.leave(&gone.mid);
        if gone.is_active() {
            cx.tell(self.id, Command::Unsubscribe(gone.id));
        }
    }

    pub(super) fn negotiate_all(&mut self, cx: &mut Context<'_>) {
        let dirty = self.participants.values().filter(|p| p.subscriber.dirty);
        let dirty: Vec<ParticipantId> = dirty.map(|p| p.id).collect();
        for subscriber in dirty {
            self.negotiate(cx, subscriber);
        }
    }

    /// Offers what has changed, unless an offer is under way.
    pub(super) fn negotiate(&mut self, cx: &mut Context<'_>, who: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        if participant.is_player() && participant.subscriber.dirty {
            return self.follow(cx, who);
        }
        let subscriber = &mut participant.subscriber;
        let Some(opened) = subscriber.local.clone() else { return };
        if !subscriber.dirty || subscriber.in_flight.is_some() || participant.connection.is_none() {
            return;
        }
        subscriber.dirty = false;
        subscriber.in_flight = Some(cx.now.instant);
        subscriber.offer += 1;
        subscriber.version += 1;
        let sections = subscriber.offered(&participant.subscriptions);
        for subscription in participant.subscriptions.values_mut() {
            if subscription.stage == Stage::New {
                subscription.stage = Stage::Offered;
            }
        }
        let local = Local {
            transport: &opened,
            session: subscriber.session,
            version: subscriber.version,
            data_message_bytes: cx.desk.config.limits.data_message_bytes,
        };
        let subscriptions = participant.subscriptions.values();
        let offer = proto::SessionDescription {
            r#type: "offer".into(),
            sdp: sdp::offer(local, &sections),
            id: subscriber.offer,
            // Firefox names received tracks itself: there the SDK finds them by their m-line.
            mid_to_track_id: subscriptions.map(|s| (s.mid.clone(), s.msid.1.clone())).collect(),
        };
        cx.send(participant.connection, Message::Offer(offer));
    }

    /// Takes the answer to our offer.
    pub(super) fn answer(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        answer: &proto::SessionDescription,
    ) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        let subscriber = &mut participant.subscriber;
        // Older SDKs do not number their answers.
        let expected = answer.id == 0 || answer.id == subscriber.offer;
        if subscriber.in_flight.is_none() || !expected {
            return;
        }
        let Ok(description) = Description::parse(&answer.sdp) else {
            return cx.malformed(participant.connection);
        };
        let remote = description.remote();
        let passive = description.sections.iter().any(|m| m.setup == Some(Setup::Passive));
        // Who takes nothing at all has nothing to connect, and need not say with what.
        if passive || remote.is_none() && !description.rejects_all() {
            return cx.malformed(participant.connection);
        }
        subscriber.answered();
        if let Some(remote) = remote.filter(|remote| subscriber.remote.as_ref() != Some(remote)) {
            let transport = subscriber.transport;
            cx.tell(self.id, Command::Admit { transport, remote: remote.clone() });
            subscriber.remote = Some(remote);
        }

        let offered = participant.subscriptions.iter();
        let offered: Vec<TrackId> = offered
            .filter(|(_, subscription)| subscription.stage == Stage::Offered)
            .map(|(track, _)| *track)
            .collect();
        for track in offered {
            self.settle(cx, who, track, &description);
        }
        self.negotiate(cx, who);
    }

    /// Subscribes to an offered track that the client takes.
    fn settle(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        track: TrackId,
        answer: &Description,
    ) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        let Some(subscription) = participant.subscriptions.get_mut(&track) else { return };
        let accepted = sdp::accepted(answer, &subscription.mid, subscription.codec);
        let Some(accepted) = accepted else {
            let (mid, sid) = (subscription.mid.clone(), subscription.msid.1.clone());
            self.drop_subscription(cx, who, track);
            let Some(participant) = self.participants.get_mut(&who) else { return };
            if answer.rejects(&mid) {
                participant.subscriber.rejected(&mid);
            }
            let error = SubscriptionError::SeCodecUnsupported;
            return cx.send(participant.connection, subscription_error(sid, error));
        };
        subscription.stage = Stage::Active;
        let publisher = subscription.publisher;
        let id = subscription.id;
        let spec = subscription_spec(participant, track, &accepted);
        if let Some(spec) = spec {
            let question = Question::Subscribe(self.place(who), track, id);
            cx.ask(self.id, Command::Subscribe(spec), question);
        }
        self.tell_received(cx, publisher, track);
    }

    /// Tells a publisher, once, that somebody receives its track.
    pub(super) fn tell_received(
        &mut self,
        cx: &mut Context<'_>,
        publisher: ParticipantId,
        track: TrackId,
    ) {
        let Some(participant) = self.participants.get_mut(&publisher) else { return };
        let Some(known) = participant.tracks.get_mut(&track) else { return };
        if std::mem::replace(&mut known.received, true) {
            return;
        }
        let subscribed = proto::TrackSubscribed { track_sid: known.info.sid.clone() };
        cx.send(participant.connection, Message::TrackSubscribed(subscribed));
    }

    /// Begins or ends subscriptions by hand.
    pub(super) fn update_subscription(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        wanted: &proto::UpdateSubscription,
    ) {
        let listed = wanted.participant_tracks.iter().flat_map(|entry| &entry.track_sids);
        for sid in wanted.track_sids.iter().chain(listed).take(SIDS_MAX) {
            let Some(participant) = self.participants.get_mut(&who) else { return };
            let Some((_, track)) = self.tracks.get(sid).copied() else {
                if wanted.subscribe {
                    let error = SubscriptionError::SeTrackNotfound;
                    cx.send(participant.connection, subscription_error(sid.clone(), error));
                }
                continue;
            };
            if wanted.subscribe == participant.auto_subscribe {
                participant.exceptions.remove(&track);
            } else {
                participant.exceptions.insert(track);
            }
            self.consider(cx, who, track);
        }
        self.negotiate(cx, who);
    }

    /// Chooses layers of tracks, or pauses them.
    pub(super) fn track_settings(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        settings: &proto::UpdateTrackSettings,
    ) {
        for sid in settings.track_sids.iter().take(SIDS_MAX) {
            let Some((publisher, track)) = self.tracks.get(sid).copied() else { continue };
            let Some(owner) = self.participants.get(&publisher) else { continue };
            let Some(known) = owner.tracks.get(&track) else { continue };
            let (choice, fps_max) = (known.choice(settings), fps_max(settings));
            let receiver = self.participants.get_mut(&who);
            let subscription = receiver.and_then(|p| p.subscriptions.get_mut(&track));
            let Some(subscription) = subscription else { continue };
            if (subscription.choice, subscription.fps_max) == (choice, fps_max) {
                continue;
            }
            (subscription.choice, subscription.fps_max) = (choice, fps_max);
            if subscription.is_active() {
                let subscription = subscription.id;
                cx.tell(self.id, Command::Choose { subscription, choice, fps_max });
            }
        }
    }

    /// Changes who may receive a participant's tracks.
    pub(super) fn permit(
        &mut self,
        cx: &mut Context<'_>,
        publisher: ParticipantId,
        message: proto::SubscriptionPermission,
    ) {
        let Some(owner) = self.participants.get_mut(&publisher) else { return };
        let before = std::mem::replace(&mut owner.allow, Allow::new(message));
        let tracks: Vec<TrackId> = owner.tracks.keys().copied().collect();
        let others: Vec<ParticipantId> =
            self.participants.keys().copied().filter(|id| *id != publisher).collect();
        for subscriber in others {
            for track in &tracks {
                self.tell_permission(cx, subscriber, publisher, *track, &before);
                self.consider(cx, subscriber, *track);
            }
            self.negotiate(cx, subscriber);
        }
    }

    fn tell_permission(
        &self,
        cx: &mut Context<'_>,
        subscriber: ParticipantId,
        publisher: ParticipantId,
        track: TrackId,
        before: &Allow,
    ) {
        let Some(receiver) = self.participants.get(&subscriber) else { return };
        let Some(owner) = self.participants.get(&publisher) else { return };
        let Some(known) = owner.tracks.get(&track).filter(|track| track.is_live()) else { return };
        let allowed = owner.allow.permits(receiver, known);
        if allowed == before.permits(receiver, known) || owner.grants.hidden {
            return;
        }
        let update = proto::SubscriptionPermissionUpdate {
            participant_sid: owner.sid.clone(),
            track_sid: known.info.sid.clone(),
            allowed,
        };
        cx.send(receiver.connection, Message::SubscriptionPermissionUpdate(update));
    }
}

impl Subscription {
    /// Whether the relay forwards it.
    pub(super) fn is_active(&self) -> bool {
        self.stage == Stage::Active
    }
}

/// Whether a participant should receive a track.
fn wants(receiver: &Participant, publisher: &Participant, track: &Track) -> bool {
    let wished = receiver.auto_subscribe != receiver.exceptions.contains(&track.id);
    wished
        && track.is_live()
        && receiver.id != publisher.id
        && receiver.grants.may_subscribe()
        && !publisher.grants.hidden
        && publisher.allow.permits(receiver, track)
}

fn subscription_spec(
    participant: &Participant,
    track: TrackId,
    accepted: &Accepted,
) -> Option<SubscriptionSpec> {
    let subscription = participant.subscriptions.get(&track)?;
    Some(SubscriptionSpec {
        subscription: subscription.id,
        track,
        participant: participant.id,
        transport: participant.subscriber.transport,
        mid: subscription.mid.clone(),
        ssrc: subscription.ssrc,
        rtx_ssrc: accepted.codec.rtx.map(|_| subscription.rtx_ssrc),
        codecs: vec![accepted.codec],
        extensions: accepted.extensions,
        choice: subscription.choice,
        fps_max: subscription.fps_max,
    })
}

/// Frames a second that a subscriber wants at most; 0 says nothing.
fn fps_max(settings: &proto::UpdateTrackSettings) -> Option<u16> {
    (settings.fps > 0).then_some(settings.fps.min(u16::MAX.into()) as u16)
}

fn subscription_error(track_sid: String, err: SubscriptionError) -> Message {
    Message::SubscriptionResponse(proto::SubscriptionResponse { track_sid, err: err as i32 })
}
