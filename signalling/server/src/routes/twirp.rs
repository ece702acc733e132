//! `POST /twirp/livekit.RoomService/METHOD`: rooms and participants administered by back ends.

use super::{Server, access};
use crate::hub::Input;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use signalling_switchboard::token::Claims;
use signalling_switchboard::{AdminError, AdminRequest, AdminResponse, Encoding, ErrorCode};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The only service there is.
const SERVICE: &str = "livekit.RoomService";

/// Answers one call, in the encoding of the request; errors are always JSON.
pub(super) async fn call(
    State(server): State<Arc<Server>>,
    Path(path): Path<String>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answered = async {
        let (name, encoding) = encoding(&path, &method, &headers)?;
        let response = answer(&server, name, encoding, &headers, body).await?;
        Ok((encoding, response))
    };
    match answered.await {
        Ok((encoding, response)) => respond(Ok(response), encoding),
        Err(error) => respond(Err(error), Encoding::Json),
    }
}

/// The HTTP response.
pub(super) fn respond(outcome: Result<AdminResponse, AdminError>, encoding: Encoding) -> Response {
    match outcome {
        Ok(response) => typed(StatusCode::OK, encoding.content_type(), response.encode(encoding)),
        Err(error) => refuse(&error),
    }
}

/// The claims of who asks.
pub(super) fn claims(server: &Server, headers: &HeaderMap) -> Result<Claims, AdminError> {
    access::claims(server, headers, &HashMap::new())
        .map_err(|refused| AdminError::new(ErrorCode::Unauthenticated, refused.reason))
}

/// Has the hub do what is asked for.
pub(super) async fn administer(
    server: &Server,
    claims: Claims,
    request: AdminRequest,
) -> Result<AdminResponse, AdminError> {
    let (reply, outcome) = oneshot::channel();
    let claims = Box::new(claims);
    server.hub.send(Input::Administer { claims, request, reply }).await;

    let stopping = || AdminError::new(ErrorCode::Unavailable, "the server is stopping");
    outcome.await.unwrap_or_else(|_| Err(stopping()))
}

/// The method that is called, and the encoding of its request.
fn encoding<'a>(
    path: &'a str,
    method: &Method,
    headers: &HeaderMap,
) -> Result<(&'a str, Encoding), AdminError> {
    let name = path.strip_prefix(SERVICE).and_then(|rest| rest.strip_prefix('/'));
    let Some(name) = name else {
        return Err(bad_route(&format!("expected /twirp/{SERVICE}/METHOD")));
    };
    if method != Method::POST {
        return Err(bad_route(&format!("{method} {name}: only POST is allowed")));
    }
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = given.unwrap_or_default();

    let encoding = Encoding::of(given).ok_or_else(|| {
        let msg = format!(
            "unexpected Content-Type {given:?}: use application/protobuf or application/json"
        );
        bad_route(&msg)
    })?;

    Ok((name, encoding))
}

async fn answer(
    server: &Server,
    name: &str,
    encoding: Encoding,
    headers: &HeaderMap,
    body: Body,
) -> Result<AdminResponse, AdminError> {
    let claims = claims(server, headers)?;
    let malformed = |msg| AdminError::new(ErrorCode::Malformed, msg);
    let limits = &server.config.limits;
    let read = to_bytes(body, limits.admin_body_bytes);
    let body = match timeout(limits.request_timeout, read).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            server.metrics.limit("admin_body_bytes");
            return Err(malformed("the body is too long or broken off"));
        }
        Err(_) => {
            server.metrics.limit("request_timeout");
            return Err(malformed("the body took too long"));
        }
    };
    let request = AdminRequest::decode(name, encoding, &body)?;

    administer(server, claims, request).await
}

fn bad_route(msg: &str) -> AdminError {
    AdminError::new(ErrorCode::BadRoute, msg)
}

fn refuse(error: &AdminError) -> Response {
    let status = StatusCode::from_u16(error.code.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);

    typed(status, Encoding::Json.content_type(), error.body())
}

fn typed(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    let content_type = HeaderValue::from_static(content_type);
    (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
}
