//! The control plane's driver: HTTP, WebSocket, tokens, the relay's control socket.
//!
//! [`bind`] takes the ports and reports what is wrong with the configuration; [`Bound::serve`]
//! runs until it is told to stop. One task, the hub, owns the `Switchboard`.

mod accept;
mod assets;
mod bound;
mod calls;
mod client;
mod config;
mod error;
mod hub;
mod link;
mod metrics;
mod monitor;
mod network;
mod routes;
mod socket_link;
mod stun;
mod tls;
mod webhook;

pub use bound::{Bound, bind};
pub use config::{CertificateFiles, Config, Limits};
pub use error::{ServeError, StartError};
pub use link::Link;
pub use monitor::Monitor;
pub use network::local_addresses;
pub use relay_wire::Network;
pub use relay_wire::control;
pub use signalling_switchboard::{Config as SwitchboardConfig, IceServer, token};
pub use stun::StunConfig;
pub use tls::HttpsCertificate;
pub use webhook::{Timing, Webhook, WebhookUrl};
