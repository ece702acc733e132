//! Rooms made, listed, changed and ended from outside; data messages into them.

use super::{AdminError, AdminResponse, ErrorCode, Outcome};
use crate::rooms::desk::Context;
use crate::rooms::room::Room;
use crate::rooms::{LeaveReason, Limit, Now, Outbox, Switchboard};
use livekit_protocol as proto;
use livekit_protocol::data_packet::{Kind, Value};
use livekit_protocol::signal_response::Message;
use prost::Message as _;
use relay_wire::control::{Channel, Command, ParticipantId};

/// Receivers that one message may name.
const DESTINATIONS_MAX: usize = 1_000;

impl Switchboard {
    pub(super) fn create_room(
        &mut self,
        now: Now,
        asked: &proto::CreateRoomRequest,
        out: &mut Outbox,
    ) -> Outcome {
        let limits = self.desk.config.limits;
        if asked.name.is_empty() {
            return Err(AdminError::invalid("the room has no name"));
        }
        if asked.name.len() > limits.name_bytes {
            self.desk.counters.hit(Limit::NameBytes);
            return Err(AdminError::invalid("the room's name is too long"));
        }
        if asked.metadata.len() > limits.metadata_bytes {
            self.desk.counters.hit(Limit::MetadataBytes);
            return Err(AdminError::invalid("the metadata is too long"));
        }
        if !self.by_name.contains_key(&asked.name) && self.rooms.len() >= limits.rooms {
            self.desk.counters.hit(Limit::Rooms);
            let msg = "the server has reached its limit of rooms";
            return Err(AdminError::new(ErrorCode::ResourceExhausted, msg));
        }

        let id = self.room_for(now, &asked.name, out, |room, cx| {
            room.terms.change(asked.empty_timeout, asked.departure_timeout, asked.max_participants);
            if !asked.metadata.is_empty() {
                room.change_metadata(cx, &asked.metadata);
            }
        });
        let cx = Context { now, desk: &mut self.desk, out };
        let room = self.rooms.get(&id).ok_or_else(AdminError::no_room)?;

        Ok(AdminResponse::Room(Box::new(room.info(&cx))))
    }

    pub(super) fn list_rooms(
        &mut self,
        now: Now,
        asked: &proto::ListRoomsRequest,
        out: &mut Outbox,
    ) -> AdminResponse {
        let cx = Context { now, desk: &mut self.desk, out };
        let rooms = if asked.names.is_empty() {
            self.rooms.values().map(|room| room.info(&cx)).collect()
        } else {
            let named = asked.names.iter().filter_map(|name| self.by_name.get(name));
            // A name that stands there twice is still one room.
            let named: std::collections::BTreeSet<_> = named.collect();
            named.iter().filter_map(|id| Some(self.rooms.get(id)?.info(&cx))).collect()
        };

        AdminResponse::Rooms(proto::ListRoomsResponse { rooms })
    }

    pub(super) fn delete_room(&mut self, now: Now, name: &str, out: &mut Outbox) -> Outcome {
        let id = self.by_name.get(name).copied().ok_or_else(AdminError::no_room)?;
        self.with_room(now, id, out, |room, cx| room.expel_all(cx, LeaveReason::RoomDeleted));
        self.end_room(now, id, proto::RoomEndReason::RoomEndApiDelete, out);

        Ok(AdminResponse::Done)
    }
}

impl Room {
    /// Changes the metadata and tells everybody.
    pub(super) fn change_metadata(&mut self, cx: &mut Context<'_>, metadata: &str) {
        if self.metadata == metadata {
            return;
        }
        metadata.clone_into(&mut self.metadata);
        let room = Some(self.info(cx));
        self.spread(cx, Message::RoomUpdate(proto::RoomUpdate { room }));
    }

    /// Sends a data message of the server's own.
    pub(super) fn send_from_outside(
        &self,
        cx: &mut Context<'_>,
        asked: proto::SendDataRequest,
    ) -> Outcome {
        let to = self.receivers(&asked)?;
        let channel = match asked.kind() {
            Kind::Reliable => Channel::Reliable,
            Kind::Lossy => Channel::Lossy,
        };
        let payload = packet(asked).encode_to_vec();
        if payload.len() > cx.desk.config.limits.data_message_bytes as usize {
            return Err(AdminError::invalid("the data is too long for one message"));
        }
        if !to.is_empty() {
            cx.tell(self.id, Command::SendData { channel, to, payload });
        }

        Ok(AdminResponse::Done)
    }

    #[expect(deprecated, reason = "older back ends name receivers by sid")]
    fn receivers(&self, asked: &proto::SendDataRequest) -> Result<Vec<ParticipantId>, AdminError> {
        let (sids, identities) = (&asked.destination_sids, &asked.destination_identities);
        if sids.len() + identities.len() > DESTINATIONS_MAX {
            return Err(AdminError::invalid("too many destinations"));
        }
        let everybody = sids.is_empty() && identities.is_empty();
        let receivers = self.participants.values().filter(|p| {
            let named = || sids.contains(&p.sid) || identities.contains(&p.identity);
            everybody || named()
        });

        Ok(receivers.map(|p| p.id).collect())
    }
}

/// Whether a room's metadata is not too long.
pub(super) fn fits(cx: &mut Context<'_>, metadata: &str) -> Result<(), AdminError> {
    if metadata.len() <= cx.desk.config.limits.metadata_bytes {
        return Ok(());
    }
    cx.hit(Limit::MetadataBytes);

    Err(AdminError::invalid("the metadata is too long"))
}

#[expect(deprecated, reason = "older SDKs read `kind`")]
fn packet(asked: proto::SendDataRequest) -> proto::DataPacket {
    proto::DataPacket {
        kind: asked.kind,
        destination_identities: asked.destination_identities,
        value: Some(Value::User(proto::UserPacket {
            payload: asked.data,
            topic: asked.topic,
            nonce: asked.nonce,
            ..Default::default()
        })),
        ..Default::default()
    }
}
