//! Commands of signalling: each is answered exactly once.

use super::Shard;
use crate::{Event, Outbox};
use relay_wire::control::{
    Answer, Command, DataRole, Message, ParticipantId, Refusal, Request, RoomId, TransportId,
};
use std::time::Instant;

impl Shard {
    /// Carries out a command; the answer stands in `out` behind the events that it caused.
    pub fn command(&mut self, now: Instant, request: Request, out: &mut Outbox) {
        self.now = now;
        let Request { id, room, command } = request;
        let answer = self.obey(now, room, command, out).unwrap_or_else(Answer::Refused);
        self.settle(now, out);
        self.deliver(now, out);
        out.events.push(Event::Control(Message::Answer { id, answer }));
    }

    fn obey(
        &mut self,
        now: Instant,
        room: RoomId,
        command: Command,
        out: &mut Outbox,
    ) -> Result<Answer, Refusal> {
        match command {
            Command::Participant(_) => self.rooms.create(now, room)?,
            _ if !self.rooms.contains(room) => return Err(Refusal::Unknown),
            _ => {}
        }
        match command {
            Command::Open { participant, transport, data } => {
                self.open(now, room, participant, transport, data)
            }
            Command::Admit { transport, remote } => {
                self.transports.admit(now, room, transport, remote, out).map(|()| Answer::Done)
            }
            Command::RestartIce(transport) => {
                self.transports.restart(now, room, transport).map(Answer::Opened)
            }
            Command::Close(transport) => self.close(now, room, transport, out),
            Command::RemoveParticipant(participant) => {
                self.close_all(now, room, Some(participant), out);
                let answer = self.pass_on(now, room, &command, out);
                self.rooms.remove_if_empty(now, room, out);
                answer
            }
            Command::CloseRoom => {
                self.close_all(now, room, None, out);
                let answer = self.pass_on(now, room, &command, out);
                self.rooms.remove(now, room, out);
                answer
            }
            Command::Participant(_) => {
                let answer = self.pass_on(now, room, &command, out);
                self.rooms.remove_if_empty(now, room, out);
                answer
            }
            Command::Record(_) => {
                self.rooms.record(room)?;
                self.pass_on(now, room, &command, out)
            }
            Command::Publish(_)
            | Command::Unpublish(_)
            | Command::Mute { .. }
            | Command::Subscribe(_)
            | Command::Choose { .. }
            | Command::Unsubscribe(_)
            | Command::SendData { .. }
            | Command::StopRecording
            | Command::Note(_) => self.pass_on(now, room, &command, out),
        }
    }

    fn open(
        &mut self,
        now: Instant,
        room: RoomId,
        participant: ParticipantId,
        transport: TransportId,
        role: DataRole,
    ) -> Result<Answer, Refusal> {
        self.transports.vacancy(transport)?;
        self.rooms
            .with(room, |room| room.opened(now, transport, participant, role))
            .ok_or(Refusal::Unknown)??;

        self.transports.open(now, room, transport, role).map(Answer::Opened)
    }

    fn close(
        &mut self,
        now: Instant,
        room: RoomId,
        transport: TransportId,
        out: &mut Outbox,
    ) -> Result<Answer, Refusal> {
        if !self.transports.contains(room, transport) {
            return Err(Refusal::Unknown);
        }
        self.transports.close(transport, out);
        self.rooms.with(room, |room| room.closed(now, transport, out));

        Ok(Answer::Done)
    }

    fn close_all(
        &mut self,
        now: Instant,
        room: RoomId,
        of: Option<ParticipantId>,
        out: &mut Outbox,
    ) {
        for transport in self.rooms.transports(room, of) {
            self.transports.close(transport, out);
            self.rooms.with(room, |room| room.closed(now, transport, out));
        }
    }

    fn pass_on(
        &mut self,
        now: Instant,
        room: RoomId,
        command: &Command,
        out: &mut Outbox,
    ) -> Result<Answer, Refusal> {
        let transports = &mut self.transports;
        let answer = self.rooms.with(room, |room| room.command(now, command, transports, out));

        answer.ok_or(Refusal::Unknown)
    }
}
