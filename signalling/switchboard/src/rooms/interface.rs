//! What goes into a switchboard and what comes out.

use super::{RequestId, RoomEvent, SessionReply};
use crate::token::Claims;
use relay_wire::control::Request;
use std::collections::BTreeMap;
use std::time::Instant;

/// One moment, on both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For durations.
    pub instant: Instant,
    /// For people: milliseconds since the Unix epoch.
    pub unix_ms: u64,
}

/// One signalling connection (a WebSocket), numbered by the driver and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What a client said when it connected: its token and the query of `/rtc`.
#[derive(Clone, Debug)]
pub struct Join {
    /// The verified token.
    pub claims: Claims,
    /// `reconnect`: comes back to the participant `sid`.
    pub reconnect: bool,
    /// `sid` of the participant that comes back.
    pub sid: Option<String>,
    /// `auto_subscribe`: gets every track without asking; absent means true.
    pub auto_subscribe: bool,
    /// `adaptive_stream`: says by itself which sizes it needs.
    pub adaptive_stream: bool,
    /// `protocol`: the client's protocol version.
    pub protocol: u32,
    /// `sdk`: the client's name.
    pub sdk: String,
    /// `version` of the SDK.
    pub version: String,
    /// `browser`: name of the browser, if it is one.
    pub browser: String,
    /// `client_protocol`: version of the client-to-client protocol.
    pub client_protocol: i32,
    /// `attributes`: added to those of the token.
    pub attributes: BTreeMap<String, String>,
}

impl Join {
    /// A join with what the query means when it is empty.
    pub fn new(claims: Claims) -> Self {
        Self {
            claims,
            reconnect: false,
            sid: None,
            auto_subscribe: true,
            adaptive_stream: false,
            protocol: 0,
            sdk: String::new(),
            version: String::new(),
            browser: String::new(),
            client_protocol: 0,
            attributes: BTreeMap::new(),
        }
    }
}

/// Why somebody may not join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The token lacks `video.roomJoin`.
    #[error("the token does not permit joining a room (video.roomJoin)")]
    NotPermitted,
    /// The token names nobody.
    #[error("the token has no identity (sub)")]
    NoIdentity,
    /// The token names no room.
    #[error("the token has no room (video.room)")]
    NoRoom,
    /// Identity, name, room name, metadata or attributes are too long.
    #[error("identity, name, room, metadata or attributes of the token are too long")]
    TooLong,
    /// The server has as many rooms as it may have.
    #[error("the server has reached its limit of rooms; try again later")]
    TooManyRooms,
    /// The room is full.
    #[error("the room is full")]
    RoomFull,
}

impl JoinError {
    /// The HTTP status that says so to LiveKit's SDKs.
    pub fn status(self) -> u16 {
        match self {
            Self::NotPermitted => 401,
            Self::NoIdentity | Self::NoRoom | Self::TooLong => 400,
            Self::TooManyRooms | Self::RoomFull => 503,
        }
    }
}

/// What a call has caused; drained by the driver after each batch.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Encoded `SignalResponse`s, in order.
    pub messages: Vec<(ConnectionId, Vec<u8>)>,
    /// Connections to close, after their messages; they are forgotten here already.
    pub closes: Vec<ConnectionId>,
    /// Requests for the relay, in order.
    pub requests: Vec<Request>,
    /// Events for the operator's back end, in order.
    pub events: Vec<RoomEvent>,
    /// Answers to WHIP and WHEP requests, one for each.
    pub replies: Vec<(RequestId, SessionReply)>,
}
