//! The switchboard: signalling's state as one value.

use super::desk::{Context, Desk, encode};
use super::lifetime::SWEEP;
use super::messages::leave;
use super::participant::{is_dependent, kind_of};
use super::room::Room;
use super::{Config, ConnectionId, Counters, Join, JoinError, LeaveReason, Limit, Now, Outbox};
use crate::token::Claims;
use livekit_protocol::leave_request::Action;
use livekit_protocol::{DisconnectReason, RoomEndReason, SignalRequest};
use prost::Message as _;
use relay_wire::control::{Event, Message, ParticipantId, RoomId};
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

/// All rooms of this node with their participants; owns their state outright.
pub struct Switchboard {
    pub(super) desk: Desk,
    pub(super) rooms: BTreeMap<RoomId, Room>,
    pub(super) by_name: HashMap<String, RoomId>,
    /// When timeouts are next looked at, while there are rooms.
    pub(super) sweep_at: Option<Instant>,
}

impl Switchboard {
    /// An empty switchboard; `seed` makes all of its ids.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            desk: Desk::new(config, seed),
            rooms: BTreeMap::new(),
            by_name: HashMap::new(),
            sweep_at: None,
        }
    }

    /// Whether somebody with these claims may join now.
    pub fn admissible(&self, claims: &Claims) -> Result<(), JoinError> {
        let limits = &self.desk.config.limits;
        if !claims.video.room_join {
            return Err(JoinError::NotPermitted);
        }
        if claims.sub.is_empty() {
            return Err(JoinError::NoIdentity);
        }
        if claims.video.room.is_empty() {
            return Err(JoinError::NoRoom);
        }
        let names = [&claims.sub, &claims.video.room, &claims.name];
        let attributes: usize =
            claims.attributes.iter().map(|(key, value)| key.len() + value.len()).sum();
        let room_metadata = claims.room_config.as_ref().map_or(0, |config| config.metadata.len());
        if names.iter().any(|name| name.len() > limits.name_bytes)
            || claims.metadata.len().max(room_metadata) > limits.metadata_bytes
            || attributes > limits.metadata_bytes
        {
            return Err(JoinError::TooLong);
        }
        let is_dependent = is_dependent(kind_of(&claims.kind, claims.video.agent), &claims.video);
        match self.room(&claims.video.room) {
            None if self.rooms.len() >= limits.rooms => Err(JoinError::TooManyRooms),
            Some(room)
                if room.is_full(limits.room_participants, is_dependent)
                    && room.by_identity(&claims.sub).is_none() =>
            {
                Err(JoinError::RoomFull)
            }
            None | Some(_) => Ok(()),
        }
    }

    /// Counts a refusal by `admissible` that the driver has told a client.
    pub fn refused(&mut self, error: JoinError) {
        match error {
            JoinError::TooManyRooms => self.desk.counters.hit(Limit::Rooms),
            JoinError::RoomFull => self.desk.counters.hit(Limit::RoomParticipants),
            JoinError::TooLong => self.desk.counters.hit(Limit::NameBytes),
            JoinError::NotPermitted | JoinError::NoIdentity | JoinError::NoRoom => {
                self.desk.counters.denied += 1;
            }
        }
    }

    /// Takes a new connection; the first message to the client is in `out`.
    pub fn connect(&mut self, now: Now, id: ConnectionId, join: Join, out: &mut Outbox) {
        if join.reconnect && join.claims.video.room_join {
            return self.resume(now, id, &join, out);
        }
        if let Err(error) = self.admissible(&join.claims) {
            self.refused(error);
            return self.turn_away(id, DisconnectReason::JoinFailure, Action::Disconnect, out);
        }

        let room = self.room_of_token(now, &join.claims, out);
        self.with_room(now, room, out, |room, cx| {
            if let Some(older) = room.by_identity(&join.claims.sub) {
                room.expel(cx, older, LeaveReason::DuplicateIdentity);
            }
            room.join(cx, id, join);
        });
    }

    /// Handles one binary frame: a `SignalRequest`.
    pub fn receive(&mut self, now: Now, id: ConnectionId, frame: &[u8], out: &mut Outbox) {
        let Some(connection) = self.desk.connections.get_mut(&id) else { return };
        let place = connection.place;
        self.desk.counters.messages_in += 1;
        if !connection.bucket.take(now.instant) {
            self.desk.counters.hit(Limit::MessageRate);
            // The client resumes on a new connection, and loses nothing but time.
            out.closes.push(id);
            return self.disconnected(now, id, out);
        }
        if frame.len() > self.desk.config.limits.message_bytes {
            self.desk.counters.hit(Limit::MessageBytes);
        }
        let fits = frame.len() <= self.desk.config.limits.message_bytes;
        let request = fits.then(|| SignalRequest::decode(frame).ok()).flatten();

        self.with_room(now, place.room, out, |room, cx| {
            if let Some(participant) = room.participants.get_mut(&place.participant) {
                participant.heard = cx.now.instant;
            }
            match request {
                Some(request) => room.receive(cx, place.participant, request),
                None => cx.malformed(Some(id)),
            }
            let bad = cx.desk.connections.get(&id).map_or(0, |connection| connection.malformed);
            if bad >= cx.desk.config.limits.malformed_messages {
                cx.hit(Limit::MalformedMessages);
                room.expel(cx, place.participant, LeaveReason::Malformed);
            }
        });
    }

    /// Takes note that a connection is lost; its participant is kept for a while.
    pub fn disconnected(&mut self, now: Now, id: ConnectionId, out: &mut Outbox) {
        let Some(connection) = self.desk.connections.remove(&id) else { return };
        let place = connection.place;
        self.with_room(now, place.room, out, |room, cx| {
            let Some(participant) = room.participants.get_mut(&place.participant) else { return };
            if participant.connection == Some(id) {
                participant.connection = None;
                participant.heard = cx.now.instant;
            }
        });
    }

    /// Handles a message of the relay.
    pub fn relay(&mut self, now: Now, message: Message, out: &mut Outbox) {
        match message {
            Message::Answer { id, answer } => {
                let Some(question) = self.desk.questions.remove(&id) else {
                    return self.desk.counters.refused +=
                        u64::from(super::events::refuses(&answer));
                };
                let Some(room) = self.room_of(question) else { return };
                self.with_room(now, room, out, |room, cx| room.answered(cx, question, answer));
            }
            Message::Event(Event::Reset) => {
                self.desk.questions.clear();
                self.dissolve(now, LeaveReason::RelayReset, out);
            }
            Message::Event(Event::Turn(turn)) => self.desk.turn = turn,
            Message::Event(event) => {
                let Some(room) = super::events::room_of(&self.desk, &event) else { return };
                self.with_room(now, room, out, |room, cx| room.event(cx, event));
            }
        }
    }

    /// Does what is due.
    pub fn advance(&mut self, now: Now, out: &mut Outbox) {
        if self.sweep_at.is_none_or(|at| now.instant < at) {
            return;
        }
        self.sweep_at = Some(now.instant + SWEEP);
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for room in rooms {
            self.with_room(now, room, out, Room::sweep);
            if self.rooms.get(&room).is_some_and(|room| room.is_over(now.instant)) {
                self.close_room(now, room, out);
            }
        }
    }

    /// When `advance` is next needed; ask again after every call.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.sweep_at
    }

    /// Says good-bye to everybody and ends every room.
    pub fn shutdown(&mut self, now: Now, out: &mut Outbox) {
        self.dissolve(now, LeaveReason::ServerShutdown, out);
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for room in rooms {
            self.end_room(now, room, RoomEndReason::RoomEndServerShutdown, out);
        }
    }

    /// Gauges and counters.
    pub fn counters(&self) -> Counters {
        let participants = || self.rooms.values().flat_map(|room| room.participants.values());
        let subscriptions = participants().flat_map(|p| p.subscriptions.values());
        let active = subscriptions.filter(|subscription| subscription.is_active()).count();
        let players = participants().filter(|p| p.is_player()).count();
        let sessions = participants().filter(|p| p.session.is_some()).count();
        Counters {
            rooms: self.rooms.len() as u64,
            participants: participants().count() as u64,
            connections: self.desk.connections.len() as u64,
            tracks: participants().map(|p| p.tracks.len() as u64).sum(),
            subscriptions: active as u64,
            requests_pending: self.desk.questions.len() as u64,
            publishers: (sessions - players) as u64,
            players: players as u64,
            ..self.desk.counters
        }
    }

    fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.get(self.by_name.get(name)?)
    }

    fn room_of(&self, question: super::desk::Question) -> Option<RoomId> {
        super::events::room_asked(&self.desk, question)
    }

    /// The rooms, and the surroundings of a call that is not about one of them.
    pub(super) fn context<'a>(
        &'a mut self,
        now: Now,
        out: &'a mut Outbox,
    ) -> (&'a BTreeMap<RoomId, Room>, Context<'a>) {
        (&self.rooms, Context { now, desk: &mut self.desk, out })
    }

    fn resume(&mut self, now: Now, id: ConnectionId, join: &Join, out: &mut Outbox) {
        let Some((room, who)) = self.known(join) else {
            self.desk.counters.resumes_refused += 1;
            return self.turn_away(id, DisconnectReason::StateMismatch, Action::Reconnect, out);
        };
        self.with_room(now, room, out, |room, cx| room.resume(cx, id, who));
    }

    /// The participant that a resume names, if the token is its own. A WHIP or WHEP session has no
    /// connection that could come back.
    fn known(&self, join: &Join) -> Option<(RoomId, ParticipantId)> {
        let room = self.room(&join.claims.video.room)?;
        let who = room.by_identity(&join.claims.sub)?;
        let participant = room.participants.get(&who)?;
        let same = Some(&participant.sid) == join.sid.as_ref() && participant.session.is_none();
        same.then_some((room.id, who))
    }

    fn turn_away(
        &mut self,
        id: ConnectionId,
        reason: DisconnectReason,
        action: Action,
        out: &mut Outbox,
    ) {
        self.desk.counters.messages_out += 1;
        out.messages.push((id, encode(leave(reason, action))));
        out.closes.push(id);
    }
}
