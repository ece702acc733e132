//! What becomes due with time: lost connections, unanswered offers, quality, numbers.

use super::LeaveReason;
use super::desk::Context;
use super::participant::Participant;
use super::quality;
use super::room::Room;
use livekit_protocol as proto;
use livekit_protocol::participant_info::State;
use livekit_protocol::signal_response::Message;
use relay_wire::control::ParticipantId;

/// What time has done to a participant.
enum Due {
    /// Its connection is silent: taken for lost, but it may resume.
    Silent,
    /// It must go.
    Gone(LeaveReason),
}

impl Room {
    /// Looks at all timeouts of this room.
    pub(super) fn sweep(&mut self, cx: &mut Context<'_>) {
        let due: Vec<(ParticipantId, Due)> =
            self.participants.values().filter_map(|p| Some((p.id, due(p, cx)?))).collect();
        for (who, due) in due {
            match due {
                Due::Gone(reason) => self.expel(cx, who, reason),
                Due::Silent => self.hang_up(cx, who),
            }
        }
        self.refresh_due(cx);
        let kept = cx.desk.config.timeouts.resume;
        let old = |at| cx.now.instant.duration_since(at) > kept;
        while self.departed.front().is_some_and(|(at, _)| old(*at)) {
            self.departed.pop_front();
        }
        if cx.now.instant >= self.quality_at {
            self.quality_at = cx.now.instant + cx.desk.config.timeouts.quality;
            self.tell_quality(cx);
            self.tell_numbers(cx);
        }
    }

    fn hang_up(&mut self, cx: &mut Context<'_>, who: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        if let Some(connection) = participant.connection.take() {
            cx.close(connection);
        }
        participant.heard = cx.now.instant;
    }

    fn tell_quality(&self, cx: &mut Context<'_>) {
        let now = cx.now.instant;
        let measured = self.visible().filter_map(|p| Some((&p.sid, p.measured.worst(now)?)));
        let updates: Vec<_> = measured.map(|(sid, worst)| quality::told(sid, worst)).collect();
        if !updates.is_empty() {
            let update = proto::ConnectionQualityUpdate { updates };
            self.spread(cx, Message::ConnectionQuality(update));
        }
    }

    fn tell_numbers(&mut self, cx: &mut Context<'_>) {
        let numbers = self.count();
        if numbers == self.numbers {
            return;
        }
        self.numbers = numbers;
        let room = Some(self.info(cx));
        self.spread(cx, Message::RoomUpdate(proto::RoomUpdate { room }));
    }
}

fn due(participant: &Participant, cx: &Context<'_>) -> Option<Due> {
    let times = &cx.desk.config.timeouts;
    let silent = cx.now.instant.duration_since(participant.heard);
    if participant.session.is_some() {
        let waited = cx.now.instant.duration_since(participant.joined.instant);
        let late = participant.state != State::Active && waited >= times.connect;
        return late.then_some(Due::Gone(LeaveReason::ConnectionTimeout));
    }
    if participant.connection.is_none() {
        let stood = participant.state == State::Active;
        let kept = if stood { times.resume } else { times.resume_unconnected };
        return (silent >= kept).then_some(Due::Gone(LeaveReason::ConnectionTimeout));
    }
    let unanswered =
        participant.subscriber.in_flight.map(|sent| cx.now.instant.duration_since(sent));
    if unanswered.is_some_and(|waited| waited >= times.answer) {
        return Some(Due::Gone(LeaveReason::NegotiationTimeout));
    }
    (silent >= times.silence).then_some(Due::Silent)
}
