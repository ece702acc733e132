//! Requests and responses of `livekit.RoomService` on the wire.

use super::error::{AdminError, ErrorCode};
use crate::rooms::{RecordingAct, RecordingInfo};
use livekit_protocol as proto;
use prost::Message;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/protobuf`.
    Protobuf,
    /// `application/json`: JSON form of proto3.
    Json,
}

impl Encoding {
    /// The encoding that a `Content-Type` names; parameters do not matter.
    pub fn of(content_type: &str) -> Option<Self> {
        let name = content_type.split(';').next().unwrap_or_default().trim();
        match name.to_ascii_lowercase().as_str() {
            "application/protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/protobuf",
            Self::Json => "application/json",
        }
    }

    fn decode<T: Message + Default + DeserializeOwned>(self, body: &[u8]) -> Result<T, AdminError> {
        let malformed = |e: &dyn std::fmt::Display| {
            AdminError::new(ErrorCode::Malformed, format!("the body cannot be read: {e}"))
        };
        match self {
            Self::Protobuf => T::decode(body).map_err(|e| malformed(&e)),
            Self::Json => serde_json::from_slice(body).map_err(|e| malformed(&e)),
        }
    }

    fn encode<T: Message + Serialize>(self, message: &T) -> Vec<u8> {
        match self {
            Self::Protobuf => message.encode_to_vec(),
            // Only an enum number that does not exist has no JSON form; we make none.
            Self::Json => serde_json::to_vec(message).unwrap_or_else(|_| b"{}".to_vec()),
        }
    }
}

/// What an administrator asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum AdminRequest {
    /// Makes a room, or changes its terms.
    CreateRoom(Box<proto::CreateRoomRequest>),
    /// Lists rooms.
    ListRooms(proto::ListRoomsRequest),
    /// Ends a room.
    DeleteRoom(proto::DeleteRoomRequest),
    /// Lists the participants of a room.
    ListParticipants(proto::ListParticipantsRequest),
    /// Shows one participant.
    GetParticipant(proto::RoomParticipantIdentity),
    /// Removes one participant.
    RemoveParticipant(proto::RoomParticipantIdentity),
    /// Mutes a track.
    MutePublishedTrack(proto::MuteRoomTrackRequest),
    /// Changes what a participant is and may do.
    UpdateParticipant(proto::UpdateParticipantRequest),
    /// Begins or ends subscriptions of a participant.
    UpdateSubscriptions(proto::UpdateSubscriptionsRequest),
    /// Sends a data message.
    SendData(proto::SendDataRequest),
    /// Changes the metadata of a room.
    UpdateRoomMetadata(proto::UpdateRoomMetadataRequest),
    /// Does something about the recording of the room of this name.
    Recording(RecordingAct, String),
}

impl AdminRequest {
    /// Reads the request for a method of `livekit.RoomService`.
    pub fn decode(method: &str, encoding: Encoding, body: &[u8]) -> Result<Self, AdminError> {
        Ok(match method {
            "CreateRoom" => Self::CreateRoom(Box::new(encoding.decode(body)?)),
            "ListRooms" => Self::ListRooms(encoding.decode(body)?),
            "DeleteRoom" => Self::DeleteRoom(encoding.decode(body)?),
            "ListParticipants" => Self::ListParticipants(encoding.decode(body)?),
            "GetParticipant" => Self::GetParticipant(encoding.decode(body)?),
            "RemoveParticipant" => Self::RemoveParticipant(encoding.decode(body)?),
            "MutePublishedTrack" => Self::MutePublishedTrack(encoding.decode(body)?),
            "UpdateParticipant" => Self::UpdateParticipant(encoding.decode(body)?),
            "UpdateSubscriptions" => Self::UpdateSubscriptions(encoding.decode(body)?),
            "SendData" => Self::SendData(encoding.decode(body)?),
            "UpdateRoomMetadata" => Self::UpdateRoomMetadata(encoding.decode(body)?),
            _ => {
                let msg = format!("no method {method} in livekit.RoomService");
                return Err(AdminError::new(ErrorCode::BadRoute, msg));
            }
        })
    }

    /// The room that it is about, where the token must name it.
    pub(super) fn administered(&self) -> Option<&str> {
        match self {
            Self::CreateRoom(_) | Self::ListRooms(_) | Self::DeleteRoom(_) => None,
            Self::ListParticipants(asked) => Some(&asked.room),
            Self::GetParticipant(asked) | Self::RemoveParticipant(asked) => Some(&asked.room),
            Self::MutePublishedTrack(asked) => Some(&asked.room),
            Self::UpdateParticipant(asked) => Some(&asked.room),
            Self::UpdateSubscriptions(asked) => Some(&asked.room),
            Self::SendData(asked) => Some(&asked.room),
            Self::UpdateRoomMetadata(asked) => Some(&asked.room),
            Self::Recording(..) => None,
        }
    }
}

/// What an administrator is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum AdminResponse {
    /// It is done, and there is nothing to tell.
    Done,
    /// A room.
    Room(Box<proto::Room>),
    /// Rooms.
    Rooms(proto::ListRoomsResponse),
    /// A participant.
    Participant(Box<proto::ParticipantInfo>),
    /// Participants.
    Participants(proto::ListParticipantsResponse),
    /// A track.
    Track(Box<proto::MuteRoomTrackResponse>),
    /// A room's recording.
    Recording(RecordingInfo),
}

impl AdminResponse {
    /// The body of the HTTP response.
    pub fn encode(&self, encoding: Encoding) -> Vec<u8> {
        match self {
            Self::Done => encoding.encode(&proto::DeleteRoomResponse {}),
            Self::Room(room) => encoding.encode(&**room),
            Self::Rooms(rooms) => encoding.encode(rooms),
            Self::Participant(participant) => encoding.encode(&**participant),
            Self::Participants(participants) => encoding.encode(participants),
            Self::Track(track) => encoding.encode(&**track),
            // LiveKit has no message for it: it is JSON, whatever was asked for.
            Self::Recording(recording) => serde_json::to_vec(recording).unwrap_or_default(),
        }
    }
}
