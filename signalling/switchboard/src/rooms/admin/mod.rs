//! What administrators do from outside: `livekit.RoomService`.

mod codec;
mod error;
mod participants;
mod rooms;

pub use codec::{AdminRequest, AdminResponse, Encoding};
pub use error::{AdminError, ErrorCode};

use super::desk::Context;
use super::room::Room;
use super::{Now, Outbox, Switchboard};
use crate::token::Claims;
use livekit_protocol as proto;
use relay_wire::control::ParticipantId;

type Outcome = Result<AdminResponse, AdminError>;

impl Switchboard {
    /// Does what the holder of these claims asks for, if they permit it.
    pub fn administer(
        &mut self,
        now: Now,
        claims: &Claims,
        request: AdminRequest,
        out: &mut Outbox,
    ) -> Outcome {
        if let Err(error) = permitted(claims, &request) {
            self.desk.counters.denied += 1;
            return Err(error);
        }
        match request {
            AdminRequest::CreateRoom(asked) => self.create_room(now, &asked, out),
            AdminRequest::ListRooms(asked) => Ok(self.list_rooms(now, &asked, out)),
            AdminRequest::DeleteRoom(asked) => self.delete_room(now, &asked.room, out),
            AdminRequest::ListParticipants(asked) => {
                self.in_room(now, &asked.room, out, |room, _| Ok(room.list_participants()))
            }
            AdminRequest::GetParticipant(asked) => {
                self.of(now, &asked.room, &asked.identity, out, |room, _, who| {
                    room.show(who).ok_or_else(AdminError::no_participant)
                })
            }
            AdminRequest::RemoveParticipant(asked) => {
                self.of(now, &asked.room, &asked.identity, out, |room, cx, who| {
                    room.expel(cx, who, super::LeaveReason::Removed);
                    Ok(AdminResponse::Done)
                })
            }
            AdminRequest::MutePublishedTrack(asked) => {
                self.of(now, &asked.room, &asked.identity, out, |room, cx, who| {
                    room.mute_from_outside(cx, who, &asked)
                })
            }
            AdminRequest::UpdateParticipant(asked) => {
                let (name, identity) = (asked.room.clone(), asked.identity.clone());
                self.of(now, &name, &identity, out, |room, cx, who| {
                    room.update_from_outside(cx, who, asked)
                })
            }
            AdminRequest::UpdateSubscriptions(asked) => {
                self.of(now, &asked.room, &asked.identity, out, |room, cx, who| {
                    let wanted = proto::UpdateSubscription {
                        track_sids: asked.track_sids.clone(),
                        subscribe: asked.subscribe,
                        participant_tracks: asked.participant_tracks.clone(),
                    };
                    room.update_subscription(cx, who, &wanted);
                    Ok(AdminResponse::Done)
                })
            }
            AdminRequest::SendData(asked) => {
                let name = asked.room.clone();
                self.in_room(now, &name, out, |room, cx| room.send_from_outside(cx, asked))
            }
            AdminRequest::Recording(act, name) => {
                self.in_room(now, &name, out, |room, cx| room.recording_act(cx, act))
            }
            AdminRequest::UpdateRoomMetadata(asked) => {
                self.in_room(now, &asked.room, out, |room, cx| {
                    rooms::fits(cx, &asked.metadata)?;
                    room.change_metadata(cx, &asked.metadata);
                    Ok(AdminResponse::Room(Box::new(room.info(cx))))
                })
            }
        }
    }

    /// Works on a room that must be there.
    fn in_room(
        &mut self,
        now: Now,
        name: &str,
        out: &mut Outbox,
        work: impl FnOnce(&mut Room, &mut Context<'_>) -> Outcome,
    ) -> Outcome {
        let id = self.by_name.get(name).copied().ok_or_else(AdminError::no_room)?;
        let mut outcome = Err(AdminError::no_room());
        self.with_room(now, id, out, |room, cx| outcome = work(room, cx));

        outcome
    }

    /// Works on a participant that must be there.
    fn of(
        &mut self,
        now: Now,
        name: &str,
        identity: &str,
        out: &mut Outbox,
        work: impl FnOnce(&mut Room, &mut Context<'_>, ParticipantId) -> Outcome,
    ) -> Outcome {
        self.in_room(now, name, out, |room, cx| {
            let who = room.by_identity(identity).ok_or_else(AdminError::no_participant)?;
            work(room, cx, who)
        })
    }
}

/// Whether a token permits a request (LiveKit answers a missing grant with `unauthenticated`).
fn permitted(claims: &Claims, request: &AdminRequest) -> Result<(), AdminError> {
    let grants = &claims.video;
    let lacks = |what: &str| {
        let msg = format!("permissions denied: the token lacks {what}");
        Err(AdminError::new(ErrorCode::Unauthenticated, msg))
    };
    match (request, request.administered()) {
        (AdminRequest::Recording(_, room), _) => super::recording::permits(claims, room),
        (AdminRequest::ListRooms(_), _) if grants.room_list => Ok(()),
        (AdminRequest::ListRooms(_), _) => lacks("video.roomList"),
        (_, None) if grants.room_create => Ok(()),
        (_, None) => lacks("video.roomCreate"),
        (_, Some(room)) if grants.room_admin && grants.room == room => Ok(()),
        (_, Some(_)) => lacks("video.roomAdmin for this room"),
    }
}
