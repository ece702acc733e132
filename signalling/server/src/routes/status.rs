//! `/metrics`, `/healthz`, `/readyz`.

use super::{Refused, Server};
use crate::Network;
use crate::accept::Peer;
use crate::metrics::{Board, Metrics};
use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;
use std::sync::Arc;

/// Metrics in Prometheus' text format, for loopback and `metrics.allow` only.
pub(super) async fn metrics(
    State(server): State<Arc<Server>>,
    Extension(peer): Extension<Peer>,
) -> Result<Response, Refused> {
    if !server.may_read_metrics(&peer) {
        return Err(not_allowed(peer.address));
    }
    let relay_up = server.hub.relay_up();
    let calls = server.calls.counters().await;
    let board = server.hub.counters().await.map(|counters| Board { counters, relay_up, calls });

    text(&server.metrics, board.as_ref())
}

/// The process answers.
pub(crate) async fn health() -> &'static str {
    "ok\n"
}

/// Calls can be made: the relay is there, and the server is not about to stop.
pub(super) async fn ready(State(server): State<Arc<Server>>) -> Result<&'static str, Refused> {
    let away = |label, reason| Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, label, reason));
    if *server.stop.borrow() {
        return away("shutdown", "the server is stopping\n");
    }
    if !server.hub.relay_up() {
        return away("relay_away", "the media relay is not connected\n");
    }

    Ok("ready\n")
}

/// Whether metrics may be read from this address.
pub(crate) fn may_read(allowed: &[Network], address: IpAddr) -> bool {
    address.to_canonical().is_loopback() || allowed.iter().any(|network| network.contains(address))
}

/// The answer to somebody who may not read the metrics.
pub(crate) fn not_allowed(address: IpAddr) -> Refused {
    let reason = format!("{address} may not read the metrics: add it to metrics.allow\n");
    Refused::new(StatusCode::FORBIDDEN, "metrics_not_allowed", reason)
}

/// The metrics as an answer.
pub(crate) fn text(metrics: &Metrics, board: Option<&Board>) -> Result<Response, Refused> {
    let failed = |e: prometheus::Error| {
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics", e.to_string())
    };
    let text = metrics.encode(board).map_err(failed)?;
    let kind = "text/plain; version=0.0.4; charset=utf-8";

    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_for_loopback_and_the_allowed_ranges_only() {
        let allowed = ["10.9.0.0/16".parse().unwrap()];
        let may = |address: &str| may_read(&allowed, address.parse().unwrap());
        assert!(may("127.0.0.1") && may("::1") && may("::ffff:127.0.0.1"));
        assert!(may("10.9.1.2") && may("::ffff:10.9.1.2"));
        assert!(!may("10.8.1.2") && !may("203.0.113.1") && !may("2001:db8::1"));
    }
}
