//! What `/metrics` shows of signalling: the driver's own counters and the switchboard's.

mod board;

use axum::http::StatusCode;
use prometheus::core::Collector;
use prometheus::{Encoder, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};
use signalling_switchboard::Counters;
use signalling_switchboard::calls::CallsCounters;

/// The switchboard at the moment of a scrape.
pub(crate) struct Board {
    /// Its counters.
    pub(crate) counters: Counters,
    /// Whether the relay is there.
    pub(crate) relay_up: bool,
    /// The counters of calls.
    pub(crate) calls: Option<CallsCounters>,
}

/// Counters of the web server.
pub(crate) struct Metrics {
    registry: Registry,
    /// WebSockets open now.
    pub(crate) websockets: IntGauge,
    /// Messages of clients that reached the switchboard.
    pub(crate) messages_in: IntCounter,
    /// Messages of the switchboard for clients.
    pub(crate) messages_out: IntCounter,
    /// WebSocket messages that are empty or text.
    pub(crate) malformed: IntCounter,
    /// Failed TLS handshakes.
    pub(crate) tls_failures: IntCounter,
    joins: IntCounter,
    join_failures: IntCounterVec,
    limits: IntCounterVec,
    requests: IntCounterVec,
    failures: IntCounterVec,
}

impl Metrics {
    /// Fresh counters whose names start with `prefix`, together with what others collect.
    pub(crate) fn new(prefix: &str, extra: Vec<Box<dyn Collector>>) -> prometheus::Result<Self> {
        let full = |name: &str| format!("{prefix}_{name}");
        let registry = Registry::new();
        for collector in extra {
            registry.register(collector)?;
        }
        let counter = |name: &str, help: &str| -> prometheus::Result<IntCounter> {
            let counter = IntCounter::new(full(name), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(full(name), help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            prometheus::Result::Ok(counters)
        };
        let websockets = IntGauge::new(full("websockets"), "WebSockets open now")?;
        registry.register(Box::new(websockets.clone()))?;

        Ok(Self {
            websockets,
            messages_in: counter("messages_in_total", "Messages from clients")?,
            messages_out: counter("messages_out_total", "Messages to clients")?,
            malformed: counter("frames_malformed_total", "WebSocket messages not binary")?,
            tls_failures: counter("tls_failures_total", "Failed TLS handshakes")?,
            joins: counter("websocket_joins_total", "WebSockets accepted on /rtc")?,
            join_failures: counters(
                "join_failures_total",
                "Refused requests to join, by reason",
                &["reason"],
            )?,
            limits: counters(
                "limit_hits_total",
                "How often a limit of the web server was reached, by its name",
                &["limit"],
            )?,
            requests: counters(
                "http_requests_total",
                "HTTP requests by route and status class",
                &["route", "class"],
            )?,
            failures: counters(
                "http_failures_total",
                "HTTP connections that ended in an error, by its kind",
                &["kind"],
            )?,
            registry,
        })
    }

    /// Counts a limit that was reached.
    pub(crate) fn limit(&self, name: &str) {
        self.limits.with_label_values(&[name]).inc();
    }

    /// Counts an accepted WebSocket.
    pub(crate) fn joined(&self) {
        self.joins.inc();
    }

    /// Counts a refused request to join.
    pub(crate) fn join_failed(&self, reason: &str) {
        self.join_failures.with_label_values(&[reason]).inc();
    }

    /// Counts an answered request.
    pub(crate) fn request(&self, route: &str, status: StatusCode) {
        let class = match status.as_u16() / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.requests.with_label_values(&[route, class]).inc();
    }

    /// Counts a connection that ended in an error.
    pub(crate) fn http_failure(&self, error: &hyper::Error) {
        let kind = if error.is_timeout() {
            "timeout"
        } else if error.is_parse() {
            "malformed"
        } else if error.is_incomplete_message() {
            "incomplete"
        } else {
            "connection"
        };
        self.failures.with_label_values(&[kind]).inc();
    }

    /// Everything in Prometheus' text format, 0.0.4.
    pub(crate) fn encode(&self, board: Option<&Board>) -> prometheus::Result<Vec<u8>> {
        let mut families = self.registry.gather();
        families.extend(board.into_iter().flat_map(board::families));
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;

        Ok(text)
    }
}
