//! `POST`, `GET` and `DELETE /rooms/ROOM/recording`: rooms are recorded.

use super::{Server, twirp};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use signalling_switchboard::{AdminRequest, Encoding, RecordingAct};
use std::sync::Arc;

/// The route.
pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new().route("/rooms/{room}/recording", post(start).get(show).delete(stop))
}

async fn start(
    State(server): State<Arc<Server>>,
    Path(room): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(&server, AdminRequest::Recording(RecordingAct::Start, room), &headers).await
}

async fn show(
    State(server): State<Arc<Server>>,
    Path(room): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(&server, AdminRequest::Recording(RecordingAct::Show, room), &headers).await
}

async fn stop(
    State(server): State<Arc<Server>>,
    Path(room): Path<String>,
    headers: HeaderMap,
) -> Response {
    answer(&server, AdminRequest::Recording(RecordingAct::Stop, room), &headers).await
}

/// Answers in JSON, also when it is refused.
async fn answer(server: &Server, request: AdminRequest, headers: &HeaderMap) -> Response {
    let outcome = match twirp::claims(server, headers) {
        Ok(claims) => twirp::administer(server, claims, request).await,
        Err(error) => Err(error),
    };

    twirp::respond(outcome, Encoding::Json)
}
