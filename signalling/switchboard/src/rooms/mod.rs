//! Rooms: who is in them, what they publish, who receives it.

mod admin;
mod back_end;
pub(crate) mod bucket;
mod config;
mod counters;
mod desk;
mod events;
mod interface;
mod join;
mod lifetime;
mod messages;
mod metadata;
mod participant;
mod permission;
mod publish;
mod publisher;
mod quality;
mod recording;
mod refresh;
mod request;
mod room;
mod subscribe;
mod subscriber;
mod sweep;
mod switchboard;
mod track;
pub(crate) mod turn;
mod whip;

pub use admin::{AdminError, AdminRequest, AdminResponse, Encoding, ErrorCode};
pub use back_end::RoomEvent;
pub use config::{Config, IceServer, Limits, Timeouts};
pub use counters::{Counters, JoinTimes, LeaveReason, Limit};
pub use interface::{ConnectionId, Join, JoinError, Now, Outbox};
pub use recording::{RecordingAct, RecordingInfo};
pub use switchboard::Switchboard;
pub use whip::{
    Credentials, RequestId, SessionError, SessionOffer, SessionReply, SessionRequest, SessionRole,
};
