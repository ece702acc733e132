//! Messages to clients that need some building.

use super::desk::Desk;
use super::{Config, LeaveReason, Now, turn};
use livekit_protocol as proto;
use livekit_protocol::DisconnectReason;
use livekit_protocol::leave_request::Action;
use livekit_protocol::signal_response::Message;
use relay_wire::control::Kind;
use std::time::Duration;

/// LiveKit protocol that is spoken; from 18 on it would promise pre-negotiated data channels.
const PROTOCOL: i32 = 16;

pub(super) fn update(participants: Vec<proto::ParticipantInfo>) -> Message {
    Message::Update(proto::ParticipantUpdate { participants })
}

pub(super) fn leave(reason: DisconnectReason, action: Action) -> Message {
    Message::Leave(proto::LeaveRequest {
        can_reconnect: action != Action::Disconnect,
        reason: reason as i32,
        action: action as i32,
        regions: None,
    })
}

/// What a participant that we remove is told, and what its client shall do then. Where we are to
/// blame, it joins afresh.
pub(super) fn farewell(reason: LeaveReason) -> (DisconnectReason, Action) {
    match reason {
        LeaveReason::Client => (DisconnectReason::ClientInitiated, Action::Disconnect),
        LeaveReason::DuplicateIdentity => (DisconnectReason::DuplicateIdentity, Action::Disconnect),
        LeaveReason::ServerShutdown => (DisconnectReason::ServerShutdown, Action::Reconnect),
        LeaveReason::ConnectionTimeout => (DisconnectReason::ConnectionTimeout, Action::Reconnect),
        LeaveReason::MediaFailure | LeaveReason::NegotiationTimeout | LeaveReason::RelayReset => {
            (DisconnectReason::MediaFailure, Action::Reconnect)
        }
        LeaveReason::RelayFull => (DisconnectReason::JoinFailure, Action::Disconnect),
        LeaveReason::Malformed | LeaveReason::Removed => {
            (DisconnectReason::ParticipantRemoved, Action::Disconnect)
        }
        LeaveReason::RoomDeleted => (DisconnectReason::RoomDeleted, Action::Disconnect),
        LeaveReason::RoomClosed => (DisconnectReason::RoomClosed, Action::Disconnect),
    }
}

/// Answers a request that names itself by `request_id`, or by a copy of it.
pub(super) fn response(
    request_id: u32,
    reason: proto::request_response::Reason,
    message: &str,
    request: Option<proto::request_response::Request>,
) -> Message {
    Message::RequestResponse(proto::RequestResponse {
        request_id,
        reason: reason as i32,
        message: message.into(),
        request,
    })
}

pub(super) fn server_info(config: &Config) -> proto::ServerInfo {
    proto::ServerInfo {
        edition: proto::server_info::Edition::Standard as i32,
        version: config.version.clone(),
        protocol: PROTOCOL,
        region: config.region.clone(),
        node_id: config.node.clone(),
        ..Default::default()
    }
}

/// The STUN and TURN servers for one participant, with credentials of its own.
pub(super) fn ice_servers(desk: &Desk, now: Now, identity: &str) -> Vec<proto::IceServer> {
    let configured = desk.config.ice_servers.iter().cloned();
    let lifetime = desk.config.timeouts.turn_credential;
    let turn = turn::ice_server(&desk.turn, now.unix_ms / 1_000, lifetime, identity);
    let servers = configured.chain(turn).map(|server| proto::IceServer {
        urls: server.urls,
        username: server.username,
        credential: server.credential,
    });
    servers.collect()
}

/// Codecs that clients may publish, pictures first.
pub(super) fn codecs(config: &Config) -> Vec<proto::Codec> {
    let mut codecs = config.codecs.clone();
    codecs.sort_by_key(|codec| super::track::kind_of(*codec) == Kind::Audio);
    let codec =
        |codec| proto::Codec { mime: super::track::mime(codec).into(), fmtp_line: String::new() };
    codecs.into_iter().map(codec).collect()
}

/// Whole seconds, never 0: a zero stops some SDKs' timers with a panic.
pub(super) fn seconds(time: Duration) -> i32 {
    i32::try_from(time.as_secs()).unwrap_or(i32::MAX).max(1)
}
