//! `/whip/ROOM` (RFC 9725) and `/whep/ROOM` (draft-ietf-wish-whep): publishing and playing by HTTP.

mod answers;
mod rate;

use super::access::{self, Parameters};
use super::{Refused, Server};
use crate::accept::Peer;
use answers::{created, refused};
use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{MatchedPath, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, patch, post};
use axum::{Extension, Router};
pub(crate) use rate::Offers;
use signalling_switchboard::sdp::{FRAGMENT_BYTES_MAX, SDP_BYTES_MAX};
use signalling_switchboard::token::Claims;
use signalling_switchboard::{
    Credentials, SessionOffer, SessionReply, SessionRequest, SessionRole,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// What pages of other origins may read of an answer.
pub(super) const EXPOSED_HEADERS: &str =
    "Location, Link, ETag, Accept-Post, Accept-Patch, Allow, Retry-After";

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
/// Time for the relay's part of an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

type Segments = Result<Path<HashMap<String, String>>, PathRejection>;
type Asked = Result<Query<Parameters>, QueryRejection>;

/// The routes of WHIP and WHEP.
pub(super) fn routes() -> Router<Arc<Server>> {
    let endpoint = |role| {
        post(move |State(server), Extension(peer), path, query, headers, body| {
            answer(offer(role, server, peer, path, query, headers, body))
        })
        .fallback(not_on_endpoint)
    };
    Router::new()
        .route("/whip/{room}", endpoint(SessionRole::Publish))
        .route("/whep/{room}", endpoint(SessionRole::Play))
        .route("/whip/{room}/{resource}", session(SessionRole::Publish))
        .route("/whep/{room}/{resource}", session(SessionRole::Play))
}

fn session(role: SessionRole) -> MethodRouter<Arc<Server>> {
    patch(move |State(server), path, headers, body| {
        answer(change(role, server, path, headers, body))
    })
    .delete(move |State(server), path, headers| answer(end(role, server, path, headers)))
    .fallback(not_on_session)
}

/// What an answer to OPTIONS says besides (RFC 9725, section 4.2).
pub(super) fn options(path: Option<&MatchedPath>, headers: &mut HeaderMap) {
    match path.map(MatchedPath::as_str) {
        Some("/whip/{room}" | "/whep/{room}") => {
            headers.insert(ACCEPT_POST, HeaderValue::from_static(SDP));
        }
        Some("/whip/{room}/{resource}" | "/whep/{room}/{resource}") => {
            headers.insert(ACCEPT_PATCH, HeaderValue::from_static(FRAGMENT));
        }
        Some(_) | None => {}
    }
}

async fn not_on_endpoint() -> Response {
    let reason = "only POST with an offer, and OPTIONS, are served here";
    let refused = Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method", reason);
    ([(header::ALLOW, "POST, OPTIONS")], refused).into_response()
}

async fn not_on_session() -> Response {
    let reason = "only PATCH, DELETE and OPTIONS are served here";
    let refused = Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method", reason);
    ([(header::ALLOW, "PATCH, DELETE, OPTIONS")], refused).into_response()
}

async fn answer(result: impl Future<Output = Result<Response, Refused>>) -> Response {
    result.await.unwrap_or_else(answers::refuse)
}

/// `POST`: a new session.
async fn offer(
    role: SessionRole,
    server: Arc<Server>,
    peer: Peer,
    path: Segments,
    query: Asked,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let room = segment(&path, "room")?;
    let Query(mut query) = query.map_err(|_| malformed("the query is malformed"))?;
    let claims = claims(&server, &headers, &query, &room)?;
    if !server.offers.take(peer.address, Instant::now()) {
        server.metrics.limit("session_offers");
        let reason = "too many offers from this address; try again in a moment";
        return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, "too_fast", reason));
    }
    expect(&headers, SDP)?;
    let sdp = text(&server, body, SDP_BYTES_MAX).await?;

    let participant = query.remove("participant").filter(|identity| !identity.is_empty());
    let participant = participant.filter(|_| role == SessionRole::Play);
    let offer = Box::new(SessionOffer { role, claims, participant, sdp });
    match ask(&server, SessionRequest::Offer(offer)).await? {
        SessionReply::Created { resource, etag, sdp, ice_servers } => {
            tracing::info!(address = %peer.address, ?role, ?room, "session opened");
            created(role, &room, &resource, &etag, sdp, &ice_servers)
        }
        reply => Err(refused(&reply)),
    }
}

/// `PATCH`: candidates of the client, or an ICE restart.
async fn change(
    role: SessionRole,
    server: Arc<Server>,
    path: Segments,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    let session = credentials(role, &server, &path, &headers)?;
    expect(&headers, FRAGMENT)?;
    let if_match: Vec<&str> =
        headers.get_all(header::IF_MATCH).iter().filter_map(|value| value.to_str().ok()).collect();
    let if_match = (!if_match.is_empty()).then(|| if_match.join(","));
    let fragment = text(&server, body, FRAGMENT_BYTES_MAX).await?;

    match ask(&server, SessionRequest::Patch { session, if_match, fragment }).await? {
        SessionReply::Trickled => Ok(StatusCode::NO_CONTENT.into_response()),
        SessionReply::Restarted { etag, fragment } => {
            let headers = [
                (header::CONTENT_TYPE, FRAGMENT.to_owned()),
                (header::ETAG, format!("\"{etag}\"")),
            ];
            Ok((headers, fragment).into_response())
        }
        reply => Err(refused(&reply)),
    }
}

/// `DELETE`: the end.
async fn end(
    role: SessionRole,
    server: Arc<Server>,
    path: Segments,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let session = credentials(role, &server, &path, &headers)?;
    match ask(&server, SessionRequest::Delete(session)).await? {
        SessionReply::Deleted => Ok("the session has ended\n".into_response()),
        reply => Err(refused(&reply)),
    }
}

fn credentials(
    role: SessionRole,
    server: &Server,
    path: &Segments,
    headers: &HeaderMap,
) -> Result<Box<Credentials>, Refused> {
    let (room, resource) = (segment(path, "room")?, segment(path, "resource")?);
    let claims = claims(server, headers, &Parameters::new(), &room)?;

    Ok(Box::new(Credentials { role, resource, claims }))
}

/// The verified claims of a request; they must be of the room in its path.
fn claims(
    server: &Server,
    headers: &HeaderMap,
    query: &Parameters,
    room: &str,
) -> Result<Claims, Refused> {
    let claims = access::claims(server, headers, query)?;
    if claims.video.room != room {
        let reason = "the token is for another room (video.room) than the path";
        return Err(Refused::new(StatusCode::FORBIDDEN, "wrong_room", reason));
    }

    Ok(claims)
}

fn segment(path: &Segments, name: &str) -> Result<String, Refused> {
    let segments = path.as_ref().map_err(|_| malformed("the path is not UTF-8"))?;
    segments.get(name).cloned().ok_or_else(|| malformed("the path is malformed"))
}

fn malformed(reason: &str) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "malformed", reason)
}

/// Refuses every other Content-Type than `expected`.
fn expect(headers: &HeaderMap, expected: &str) -> Result<(), Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let reason = format!("the Content-Type must be {expected}");

    Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", reason))
}

async fn text(server: &Server, body: Body, bytes_max: usize) -> Result<String, Refused> {
    match timeout(server.config.limits.request_timeout, to_bytes(body, bytes_max)).await {
        Ok(Ok(body)) => String::from_utf8(body.into())
            .map_err(|_| malformed("the body is not UTF-8, so it is no session description")),
        Ok(Err(_)) => {
            server.metrics.limit("session_body_bytes");
            let reason = "the body is too long or broken off";
            Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too_long", reason))
        }
        Err(_) => {
            server.metrics.limit("request_timeout");
            let reason = "the body took too long";
            Err(Refused::new(StatusCode::REQUEST_TIMEOUT, "timeout", reason))
        }
    }
}

async fn ask(server: &Server, request: SessionRequest) -> Result<SessionReply, Refused> {
    let unavailable = |label, reason| Refused::new(StatusCode::SERVICE_UNAVAILABLE, label, reason);
    if !server.hub.relay_up() {
        return Err(unavailable("relay_away", "the media relay is not connected; try again"));
    }
    match timeout(ANSWER_TIMEOUT, server.hub.session(request)).await {
        Ok(Some(reply)) => Ok(reply),
        Ok(None) => Err(unavailable("shutdown", "the server is stopping; try again")),
        Err(_) => {
            let reason = "the media relay did not answer in time";
            Err(Refused::new(StatusCode::GATEWAY_TIMEOUT, "relay_timeout", reason))
        }
    }
}
