//! `/rtc`: the WebSocket of LiveKit's client protocol, and the question why it was refused.

use super::access::{self, Parameters};
use super::{Refused, Server};
use crate::accept::Peer;
use crate::client::Connection;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use signalling_switchboard::token::Claims;
use std::sync::Arc;

/// Bytes that are read at a time. The library writes zeros over a buffer of this size for each read
/// and keeps it for the connection: its 128 KiB were more than the rest of a participant.
const READ_BYTES: usize = 4 << 10;

pub(super) type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// `GET /rtc`: joins, or resumes, over a WebSocket.
pub(super) async fn join(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<Peer>,
    query: Result<Query<Parameters>, QueryRejection>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return not_an_upgrade(&server, "/rtc", rejection),
    };
    let (claims, query) = match admitted(&server, &headers, query).await {
        Ok(admitted) => admitted,
        Err(refused) => {
            let reason = refused.label;
            tracing::info!(address = %peer.address, reason, "join refused");
            return refused.into_response();
        }
    };

    server.metrics.joined();
    let limits = server.config.limits;
    let id = server.hub.next_connection();
    tracing::info!(
        connection = id.0,
        address = %peer.address,
        room = ?claims.video.room,
        identity = ?claims.sub,
        "WebSocket opened"
    );
    let join = Box::new(access::join(claims, &query, &headers));
    let connection = Connection {
        id,
        hub: server.hub.clone(),
        limits,
        metrics: Arc::clone(&server.metrics),
        slot: peer.slot,
    };

    upgrade
        .read_buffer_size(READ_BYTES)
        .max_message_size(limits.message_bytes)
        .max_frame_size(limits.message_bytes)
        .on_upgrade(move |socket| connection.run(socket, join))
}

/// `GET /rtc/validate`: would `/rtc` with this token and query be granted, and if not, why?
pub(super) async fn validate(
    State(server): State<Arc<Server>>,
    query: Result<Query<Parameters>, QueryRejection>,
    headers: HeaderMap,
) -> Result<&'static str, Refused> {
    admitted(&server, &headers, query).await?;

    Ok("success")
}

async fn admitted(
    server: &Server,
    headers: &HeaderMap,
    query: Result<Query<Parameters>, QueryRejection>,
) -> Result<(Claims, Parameters), Refused> {
    let admitted = async {
        let Query(query) = query.map_err(|_| {
            Refused::new(StatusCode::BAD_REQUEST, "query_malformed", "the query is malformed")
        })?;
        let claims = access::claims(server, headers, &query)?;
        access::admit(server, &claims).await?;
        Ok((claims, query))
    };
    let result: Result<_, Refused> = admitted.await;

    result.inspect_err(|refused| server.metrics.join_failed(refused.label))
}

/// The answer to a request that does not ask for a WebSocket.
pub(super) fn not_an_upgrade(
    server: &Server,
    route: &str,
    rejection: WebSocketUpgradeRejection,
) -> Response {
    server.metrics.join_failed("not_an_upgrade");
    let reason = rejection.body_text();
    let mut response = rejection.into_response();
    if response.status().is_client_error() {
        let status = StatusCode::UPGRADE_REQUIRED;
        let reason = format!("{route} is a WebSocket: {reason}");
        response = Refused::new(status, "not_an_upgrade", reason).into_response();
        let websocket = axum::http::HeaderValue::from_static("websocket");
        response.headers_mut().insert(axum::http::header::UPGRADE, websocket);
    }

    response
}
