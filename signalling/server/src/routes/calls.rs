//! `/calls`: the WebSocket of presence and calls (docs/calls.md). Who asks is said in its first
//! frame, so anybody may open it.

use super::Server;
use super::rtc::{Upgrade, not_an_upgrade};
use crate::accept::Peer;
use crate::client::Connection;
use crate::{Limits, calls};
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use std::sync::Arc;

/// `GET /calls`: opens the WebSocket.
pub(super) async fn open(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<Peer>,
    upgrade: Upgrade,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return not_an_upgrade(&server, "/calls", rejection),
    };
    let limits = Limits { message_bytes: calls::MESSAGE_BYTES_MAX, ..server.config.limits };
    let connection = Connection {
        id: server.calls.next_connection(),
        hub: server.calls.clone(),
        limits,
        metrics: Arc::clone(&server.metrics),
        slot: peer.slot,
    };

    upgrade
        .max_message_size(limits.message_bytes)
        .max_frame_size(limits.message_bytes)
        .read_buffer_size(calls::READ_BUFFER_BYTES)
        .on_upgrade(move |socket| connection.run(socket, ()))
}
