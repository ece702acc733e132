//! What the web server is told at its start.

use crate::{Network, StunConfig, Webhook};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Addresses, certificate, keys and bounds of the web server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where HTTP and WebSockets are served (`http.listen`).
    pub listen: SocketAddr,
    /// The same with TLS (`http.tls_listen`); `None`: no TLS.
    pub tls_listen: Option<SocketAddr>,
    /// Whether a taken `tls_listen` is only worth a warning.
    pub tls_optional: bool,
    /// Where the same is served for monitoring only (`metrics.listen`).
    pub metrics_listen: Option<SocketAddr>,
    /// Certificate chain and private key, PEM files; `None`: self-signed, kept in `data`.
    pub certificate: Option<CertificateFiles>,
    /// API secrets by key name.
    pub keys: BTreeMap<String, String>,
    /// Whether no API key is configured: `POST /token` gives tokens to anybody.
    pub development: bool,
    /// Whether `POST /token` gives tokens to anybody (`page.guests`).
    pub guests: bool,
    /// Whether those tokens moderate their room: only where the API secret is public anyway.
    pub guests_moderate: bool,
    /// Whose key signs the tokens of `POST /token`.
    pub guest_key: String,
    /// Who is told what happens in rooms (`webhook.url`).
    pub webhook: Option<Webhook>,
    /// Directory of what is kept between starts.
    pub data: PathBuf,
    /// Who may read `/metrics`, loopback besides (`metrics.allow`).
    pub metrics_allow: Vec<Network>,
    /// The STUN service.
    pub stun: StunConfig,
    /// What the rooms are told.
    pub switchboard: signalling_switchboard::Config,
    /// Bounds.
    pub limits: Limits,
}

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, PEM, leaf first (`tls.cert`).
    pub certificate: PathBuf,
    /// The private key, PEM (`tls.key`).
    pub key: PathBuf,
}

/// Bounds of the web server; full means refuse and count.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// TCP connections at once, WebSockets included.
    pub connections: usize,
    /// Bytes of a request's head.
    pub request_head_bytes: usize,
    /// Header lines of a request.
    pub request_headers: usize,
    /// Bytes of a request's body.
    pub request_body_bytes: usize,
    /// Bytes of the body of an administrator's request: data messages are in it, in base64.
    pub admin_body_bytes: usize,
    /// Time for a request's head, its body, a TLS handshake each.
    pub request_timeout: Duration,
    /// Bytes of one WebSocket message.
    pub message_bytes: usize,
    /// Messages of one client that wait for the hub; then it is not read from.
    pub client_pending: usize,
    /// Messages a second of one client; then it is not read from.
    pub client_messages_per_second: u32,
    /// Messages that wait to be written to one client; then it is disconnected.
    pub client_queue: usize,
    /// Bytes that wait to be written to one client; then it is disconnected.
    pub client_queue_bytes: usize,
    /// Time in which one message must be written.
    pub client_write_timeout: Duration,
    /// Time without any frame from a client, pongs included, after which it is disconnected.
    pub client_silence: Duration,
    /// Inputs that wait for the hub.
    pub hub_queue: usize,
    /// Time that a graceful stop may take.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            request_head_bytes: 32 << 10,
            request_headers: 100,
            request_body_bytes: 16 << 10,
            admin_body_bytes: 256 << 10,
            request_timeout: Duration::from_secs(10),
            message_bytes: 512 << 10,
            client_pending: 16,
            client_messages_per_second: 200,
            client_queue: 512,
            client_queue_bytes: 4 << 20,
            client_write_timeout: Duration::from_secs(10),
            client_silence: Duration::from_secs(30),
            hub_queue: 8_192,
            shutdown: Duration::from_secs(3),
        }
    }
}
