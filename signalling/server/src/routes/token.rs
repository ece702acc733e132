//! `POST /token`: tokens for anybody, in development mode or with `page.guests`.

use super::{Refused, Server};
use crate::accept::Peer;
use crate::hub::now;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use signalling_switchboard::token::{Claims, Grants, mint as sign};
use std::sync::Arc;
use tokio::time::timeout;

/// How long a token of the page is good for: it must outlive a call.
const LIFETIME_SECONDS: u64 = 6 * 3_600;
/// Characters of identity, name and room.
const NAME_MAX: usize = 128;

/// What the page asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    identity: String,
    room: String,
    name: Option<String>,
}

/// What it gets.
#[derive(Serialize)]
pub(super) struct Given {
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

/// Answers `{identity, room, name?}` with `{token, url?}`.
pub(super) async fn mint(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Given>, Refused> {
    let config = &server.config;
    if !config.development && !config.guests {
        return Err(Refused::new(
            StatusCode::FORBIDDEN,
            "no_guests",
            "this server gives no tokens to guests: open the page with ?token=..., made by \
             `millrace token create`, or set page.guests = true",
        ));
    }
    let asked = read(&server, body).await?;
    let Some(secret) = config.keys.get(&config.guest_key) else {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        return Err(Refused::new(status, "no_key", "no API key is configured: set keys.NAME"));
    };

    let claims = Claims {
        sub: asked.identity,
        name: asked.name.unwrap_or_default(),
        video: Grants {
            room_join: true,
            room: asked.room,
            room_admin: config.guests_moderate,
            can_publish: Some(true),
            can_subscribe: Some(true),
            can_publish_data: Some(true),
            can_update_own_metadata: Some(true),
            ..Grants::default()
        },
        ..Claims::default()
    };
    let seconds = now().unix_ms / 1000;
    let token = sign(&claims, &config.guest_key, secret.as_bytes(), seconds, LIFETIME_SECONDS);

    Ok(Json(Given { token, url: url(&headers, &peer) }))
}

async fn read(server: &Server, body: Body) -> Result<Asked, Refused> {
    let limits = &server.config.limits;
    let malformed = |reason: String| Refused::new(StatusCode::BAD_REQUEST, "malformed", reason);
    let body = timeout(limits.request_timeout, to_bytes(body, limits.request_body_bytes)).await;
    let body = match body {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            server.metrics.limit("request_body_bytes");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(Refused::new(status, "too_long", "the body is too long or broken off"));
        }
        Err(_) => {
            server.metrics.limit("request_timeout");
            let status = StatusCode::REQUEST_TIMEOUT;
            return Err(Refused::new(status, "timeout", "the body took too long"));
        }
    };
    let asked: Asked = serde_json::from_slice(&body)
        .map_err(|e| malformed(format!("expected {{identity, room, name?}} as JSON: {e}")))?;
    for (what, text) in [("identity", &asked.identity), ("room", &asked.room)] {
        if text.trim().is_empty() {
            return Err(malformed(format!("{what} is empty")));
        }
    }
    let longest = [&asked.identity, &asked.room].into_iter().chain(&asked.name);
    if longest.map(|text| text.chars().count()).max().unwrap_or(0) > NAME_MAX {
        return Err(malformed(format!("identity, room, name: at most {NAME_MAX} characters")));
    }

    Ok(asked)
}

/// The WebSocket URL of this server, as the client reached it.
fn url(headers: &HeaderMap, peer: &Peer) -> Option<String> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let scheme = if peer.secure { "wss" } else { "ws" };

    Some(format!("{scheme}://{host}"))
}
