//! The routes, what they share, and what every answer carries.

mod access;
mod calls;
mod recording;
mod rtc;
pub(crate) mod status;
mod token;
mod twirp;
pub(crate) mod whip;

use crate::accept::Peer;
use crate::calls::CallsHandle;
use crate::hub::HubHandle;
use crate::metrics::Metrics;
use crate::{Config, assets};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use std::sync::Arc;
use tokio::sync::watch;

/// What the routes share.
pub(crate) struct Server {
    pub(crate) config: Config,
    pub(crate) hub: HubHandle,
    pub(crate) calls: CallsHandle,
    pub(crate) metrics: Arc<Metrics>,
    /// How many WHIP and WHEP offers each address may make.
    pub(crate) offers: whip::Offers,
    /// Turns true when the server stops.
    pub(crate) stop: watch::Receiver<bool>,
}

/// The router of the web server.
pub(crate) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/rtc", get(rtc::join))
        .route("/rtc/validate", get(rtc::validate))
        .route("/rtc/v1", get(not_supported))
        .route("/rtc/v1/validate", get(not_supported))
        .route("/calls", get(calls::open))
        .route("/token", post(token::mint))
        .route("/twirp/{*path}", any(twirp::call))
        .merge(recording::routes())
        .merge(whip::routes())
        .route("/metrics", get(status::metrics))
        .route("/healthz", get(status::health))
        .route("/readyz", get(status::ready))
        .fallback(assets::serve)
        .layer(from_fn_with_state(Arc::clone(&server), every_answer))
        .with_state(server)
}

/// The LiveKit SDKs that ask for this take 404 as the sign to use `/rtc`.
async fn not_supported() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "not_found", "not found: use /rtc")
}

/// Counts the answer, and gives it the headers that all have: CORS for pages from anywhere,
/// also on errors (the SDKs must see their status), and what keeps browsers careful.
async fn every_answer(
    State(server): State<Arc<Server>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().clone();
    let mut response = match method {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    cors(response.headers_mut(), &method);
    if method == Method::OPTIONS {
        whip::options(path.as_ref(), response.headers_mut());
    }
    let route = path.as_ref().map_or("page", |path| path.as_str());
    server.metrics.request(route, response.status());

    response
}

/// Headers of every answer.
pub(crate) fn cors(headers: &mut HeaderMap, method: &Method) {
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::ACCESS_CONTROL_EXPOSE_HEADERS, whip::EXPOSED_HEADERS);
    if method == Method::OPTIONS {
        set(header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PATCH, DELETE, OPTIONS");
        // The star does not stand for Authorization (Fetch standard, section 3.2.3).
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, "*, Authorization");
        set(header::ACCESS_CONTROL_MAX_AGE, "86400");
    }
}

/// A request that is not granted: status and a reason for people, plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    /// Metric label.
    pub(crate) label: &'static str,
    pub(crate) reason: String,
}

impl Refused {
    pub(crate) fn new(status: StatusCode, label: &'static str, reason: impl Into<String>) -> Self {
        Self { status, label, reason: reason.into() }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, self.reason).into_response()
    }
}

impl Server {
    /// Whether this peer may read the metrics.
    pub(crate) fn may_read_metrics(&self, peer: &Peer) -> bool {
        status::may_read(&self.config.metrics_allow, peer.address)
    }
}
