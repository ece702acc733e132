//! Rooms and their participants, and calls, pure: SDP, messages, what the relay is told.
#![forbid(unsafe_code)]

pub mod calls;
mod rooms;
pub mod sdp;
pub mod token;

pub use rooms::{
    AdminError, AdminRequest, AdminResponse, Config, ConnectionId, Counters, Credentials, Encoding,
    ErrorCode, IceServer, Join, JoinError, JoinTimes, LeaveReason, Limit, Limits, Now, Outbox,
    RecordingAct, RecordingInfo, RequestId, RoomEvent, SessionError, SessionOffer, SessionReply,
    SessionRequest, SessionRole, Switchboard, Timeouts,
};
