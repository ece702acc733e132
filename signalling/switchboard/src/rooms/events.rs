//! What the relay says: answers to questions, and events.

use super::LeaveReason;
use super::back_end::Happening;
use super::desk::{Context, Desk, Place, Question, Side};
use super::room::Room;
use livekit_protocol as proto;
use livekit_protocol::participant_info::State;
use livekit_protocol::signal_response::Message;
use relay_wire::control::{
    Answer, Codec, Event, Opened, ParticipantId, Quality, Refusal, RoomId, Speaker, TrackId,
    TransportId,
};
use std::collections::BTreeMap;

pub(super) fn refuses(answer: &Answer) -> bool {
    matches!(answer, Answer::Refused(_))
}

/// The room that an event is about.
pub(super) fn room_of(desk: &Desk, event: &Event) -> Option<RoomId> {
    match event {
        Event::Connected(transport)
        | Event::Closed(transport, _)
        | Event::Quality(transport, _) => Some(desk.transports.get(transport)?.0.room),
        Event::Started(track, _) => Some(desk.tracks.get(track)?.room),
        Event::Speakers(room, _) | Event::Recording(room, ..) => Some(*room),
        Event::Reset | Event::Turn(_) => None,
    }
}

/// The room that a question was about.
pub(super) fn room_asked(desk: &Desk, question: Question) -> Option<RoomId> {
    match question {
        Question::Participant(place) | Question::Subscribe(place, ..) => Some(place.room),
        Question::Open(transport) => Some(desk.transports.get(&transport)?.0.room),
        Question::Publish(track) => Some(desk.tracks.get(&track)?.room),
        Question::Record(room, _) => Some(room),
    }
}

impl Room {
    /// Handles the answer to a question.
    pub(super) fn answered(&mut self, cx: &mut Context<'_>, question: Question, answer: Answer) {
        cx.desk.counters.refused += u64::from(refuses(&answer));
        if let Question::Open(transport) = question
            && let Some((place, _)) = cx.desk.transports.get(&transport).copied()
            && self.restart_refused(cx, place.participant, &answer)
        {
            return;
        }
        match (question, answer) {
            (Question::Open(transport), Answer::Opened(opened)) => {
                self.opened(cx, transport, opened);
            }
            (Question::Open(transport), Answer::Refused(refusal)) => {
                let Some((place, _)) = cx.desk.transports.get(&transport).copied() else { return };
                self.expel(cx, place.participant, reason_of(refusal));
            }
            (Question::Participant(place), Answer::Refused(refusal)) => {
                self.expel(cx, place.participant, reason_of(refusal));
            }
            (Question::Publish(track), Answer::Refused(_)) => self.revoke(cx, track),
            (Question::Record(_, log), Answer::Refused(_)) => self.not_recorded(cx, log),
            (Question::Subscribe(place, track, id), Answer::Refused(_)) => {
                let subscriber = self.participants.get(&place.participant);
                let same = subscriber.and_then(|p| p.subscriptions.get(&track));
                if same.is_some_and(|subscription| subscription.id == id) {
                    self.drop_subscription(cx, place.participant, track);
                    self.negotiate(cx, place.participant);
                }
            }
            (_, Answer::Done | Answer::Opened(_)) => {}
        }
    }

    /// Handles an event about this room.
    pub(super) fn event(&mut self, cx: &mut Context<'_>, event: Event) {
        match event {
            Event::Connected(transport) => self.connected(cx, transport),
            Event::Closed(transport, _) => {
                let Some((place, _)) = cx.desk.transports.get(&transport).copied() else { return };
                self.expel(cx, place.participant, LeaveReason::MediaFailure);
            }
            Event::Started(track, codec) => self.started(cx, track, codec),
            Event::Speakers(_, speakers) => self.speak(cx, &speakers),
            Event::Recording(_, log, news) => self.recording_news(cx, log, news),
            Event::Quality(transport, quality) => self.measured(cx, transport, quality),
            Event::Reset | Event::Turn(_) => {}
        }
    }

    fn opened(&mut self, cx: &mut Context<'_>, transport: TransportId, opened: Opened) {
        let Some((Place { participant: who, .. }, side)) =
            cx.desk.transports.get(&transport).copied()
        else {
            return;
        };
        let Some(participant) = self.participants.get_mut(&who) else { return };
        if participant.session.is_some() {
            return self.session_opened(cx, who, opened);
        }
        match side {
            Side::Publisher => {
                participant.publisher.local = Some(opened);
                self.answer_offer(cx, who);
            }
            Side::Subscriber => {
                participant.subscriber.local = Some(opened);
                self.negotiate(cx, who);
            }
        }
    }

    fn connected(&mut self, cx: &mut Context<'_>, transport: TransportId) {
        let Some((place, side)) = cx.desk.transports.get(&transport).copied() else { return };
        let Some(participant) = self.participants.get_mut(&place.participant) else { return };
        let primary = side == Side::Subscriber || participant.session.is_some();
        if !primary || participant.state == State::Active {
            return;
        }
        participant.state = State::Active;
        let took = cx.now.unix_ms.saturating_sub(participant.joined.unix_ms);
        cx.desk.counters.join_times.record(took);
        self.announce(cx, place.participant);
        let Some(participant) = self.participants.get(&place.participant) else { return };
        self.report_participant(cx, Happening::ParticipantJoined, participant.info());
    }

    fn started(&mut self, cx: &mut Context<'_>, track: TrackId, codec: Codec) {
        let Some(place) = cx.desk.tracks.get(&track).copied() else { return };
        let publisher = self.participants.get_mut(&place.participant);
        let Some(known) = publisher.and_then(|p| p.tracks.get_mut(&track)) else { return };
        if known.codec == Some(codec) {
            return;
        }
        // A publisher that changes the codec is received anew, on another m-line.
        let changed = known.codec.is_some();
        known.started(codec);
        if changed {
            let subscribers: Vec<ParticipantId> = self.participants.keys().copied().collect();
            for subscriber in subscribers {
                self.drop_subscription(cx, subscriber, track);
            }
        }
        // SDKs must know the track before the offer that carries it.
        self.announce(cx, place.participant);
        if !changed {
            self.report_published(cx, place.participant, track);
        }
        self.reconsider_track(cx, track);
    }

    fn measured(&mut self, cx: &Context<'_>, transport: TransportId, quality: Quality) {
        let Some((place, side)) = cx.desk.transports.get(&transport).copied() else { return };
        let Some(participant) = self.participants.get_mut(&place.participant) else { return };
        participant.measured.take(cx.now.instant, side, quality);
    }

    /// Tells everybody whose level has changed, and once who has stopped.
    fn speak(&mut self, cx: &mut Context<'_>, speakers: &[Speaker]) {
        let present = |speaker: &&Speaker| {
            self.participants.get(&speaker.participant).is_some_and(|p| !p.grants.hidden)
        };
        let now: BTreeMap<ParticipantId, f32> =
            speakers.iter().filter(present).map(|s| (s.participant, s.level)).collect();
        let changed = now.iter().filter(|(who, level)| self.speakers.get(who) != Some(level));
        let stopped = self.speakers.keys().filter(|who| !now.contains_key(who));
        let told: Vec<_> = changed
            .filter_map(|(who, level)| self.speaker(*who, Some(*level)))
            .chain(stopped.filter_map(|who| self.speaker(*who, None)))
            .collect();
        self.speakers = now;
        if !told.is_empty() {
            self.spread(cx, Message::SpeakersChanged(proto::SpeakersChanged { speakers: told }));
        }
    }

    /// Tells one client, which may have missed something, who speaks and who does not.
    pub(super) fn tell_speakers(&self, cx: &mut Context<'_>, to: super::ConnectionId) {
        let speakers = self
            .visible()
            .filter_map(|p| self.speaker(p.id, self.speakers.get(&p.id).copied()))
            .collect();
        cx.send(Some(to), Message::SpeakersChanged(proto::SpeakersChanged { speakers }));
    }

    fn speaker(&self, who: ParticipantId, level: Option<f32>) -> Option<proto::SpeakerInfo> {
        let sid = self.participants.get(&who)?.sid.clone();
        Some(proto::SpeakerInfo { sid, level: level.unwrap_or(0.0), active: level.is_some() })
    }
}

fn reason_of(refusal: Refusal) -> LeaveReason {
    match refusal {
        Refusal::Full => LeaveReason::RelayFull,
        Refusal::Unknown | Refusal::Invalid => LeaveReason::RelayReset,
    }
}
