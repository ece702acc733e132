//! Rooms begin and end.

use super::back_end::Happening;
use super::desk::{Context, encode};
use super::messages::{farewell, leave};
use super::room::Room;
use super::{LeaveReason, Now, Outbox, Switchboard};
use crate::token::{Claims, RoomConfig};
use livekit_protocol::RoomEndReason;
use livekit_protocol::participant_info::State;
use relay_wire::control::{Command, RoomId};
use std::time::Duration;

/// How often timeouts are looked at.
pub(super) const SWEEP: Duration = Duration::from_secs(1);

impl Switchboard {
    /// The room of this name, made when it is not there, with its terms set.
    pub(super) fn room_for(
        &mut self,
        now: Now,
        name: &str,
        out: &mut Outbox,
        set: impl FnOnce(&mut Room, &mut Context<'_>),
    ) -> RoomId {
        if let Some(id) = self.by_name.get(name).copied() {
            self.with_room(now, id, out, set);
            return id;
        }
        let id = RoomId(self.desk.next_id());
        let sid = self.desk.sid("RM_");
        let mut cx = Context { now, desk: &mut self.desk, out };
        let mut room = Room::new(id, sid, name.into(), &cx);
        set(&mut room, &mut cx);
        room.report(&mut cx, Happening::RoomStarted);
        self.rooms.insert(id, room);
        self.by_name.insert(name.into(), id);
        self.sweep_at = self.sweep_at.or(Some(now.instant + SWEEP));
        id
    }

    /// The room that a token names; when it is not there, it is made as the token says.
    pub(super) fn room_of_token(&mut self, now: Now, claims: &Claims, out: &mut Outbox) -> RoomId {
        let name = &claims.video.room;
        let config = claims.room_config.as_ref().filter(|_| !self.by_name.contains_key(name));
        self.room_for(now, name, out, |room, _| {
            let Some(config) = config else { return };
            let RoomConfig { empty_timeout, departure_timeout, max_participants, .. } = *config;
            room.terms.change(empty_timeout, departure_timeout, max_participants);
            room.metadata.clone_from(&config.metadata);
        })
    }

    /// Works on a room.
    pub(super) fn with_room(
        &mut self,
        now: Now,
        id: RoomId,
        out: &mut Outbox,
        work: impl FnOnce(&mut Room, &mut Context<'_>),
    ) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        work(room, &mut Context { now, desk: &mut self.desk, out });
    }

    /// Ends a room for which nobody is left, but perhaps those who were there for the others.
    pub(super) fn close_room(&mut self, now: Now, id: RoomId, out: &mut Outbox) {
        self.with_room(now, id, out, |room, cx| room.expel_all(cx, LeaveReason::RoomClosed));
        self.end_room(now, id, RoomEndReason::RoomEndIdleTimeout, out);
    }

    /// Ends a room in which nobody is. The relay forgot it with its last participant.
    pub(super) fn end_room(
        &mut self,
        now: Now,
        id: RoomId,
        reason: RoomEndReason,
        out: &mut Outbox,
    ) {
        let Some(room) = self.rooms.remove(&id) else { return };
        let mut cx = Context { now, desk: &mut self.desk, out };
        room.report(&mut cx, Happening::RoomFinished(reason));
        self.by_name.remove(&room.name);
        if self.rooms.is_empty() {
            self.sweep_at = None;
        }
    }

    /// Sends everybody away. The rooms stay for those who come back, but not at the relay.
    pub(super) fn dissolve(&mut self, now: Now, reason: LeaveReason, out: &mut Outbox) {
        let (told, action) = farewell(reason);
        let farewell = encode(leave(told, action));
        for (id, mut room) in std::mem::take(&mut self.rooms) {
            let mut cx = Context { now, desk: &mut self.desk, out };
            if !room.participants.is_empty() {
                cx.tell(id, Command::CloseRoom);
                room.id = RoomId(cx.desk.next_id());
                room.deserted = Some(now.instant);
            }
            for mut participant in std::mem::take(&mut room.participants).into_values() {
                cx.desk.counters.left(reason);
                let was_active = participant.state == State::Active;
                participant.state = State::Disconnected;
                let mut info = participant.info();
                info.disconnect_reason = told as i32;
                room.report_gone(&mut cx, &participant, was_active, info);
                if let Some(session) = participant.session.take() {
                    session.end(&mut cx, reason);
                }
                if let Some(connection) = participant.connection {
                    cx.send_encoded(connection, farewell.clone());
                    cx.close(connection);
                }
            }
            room.recording = None;
            room.tracks.clear();
            room.speakers.clear();
            self.by_name.insert(room.name.clone(), room.id);
            self.rooms.insert(room.id, room);
        }
        self.desk.transports.clear();
        self.desk.tracks.clear();
    }
}
