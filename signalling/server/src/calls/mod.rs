//! The driver of calls: `/calls`, the directory, messages between nodes.

mod directory;
mod hub;

use crate::metrics::Metrics;
use crate::webhook::Webhooks;
use crate::{Config, ServeError};
pub(crate) use hub::CallsHandle;
use hub::CallsHub;
use relay_wire::control::TurnService;
use signalling_bus::{Embedded, Node, Timings};
use signalling_switchboard::calls::{CallsConfig, CallsLimits, CallsTimes, Exchange};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Bytes of a WebSocket message; what is longer than a frame may be is refused with a reason, what
/// is longer than this ends the connection.
pub(crate) const MESSAGE_BYTES_MAX: usize = 256 << 10;
/// Frames are small and connections many: 15,000 of them wait for hours.
pub(crate) const READ_BUFFER_BYTES: usize = 2 << 10;
/// What a node is called that has no name.
const NODE: &str = "here";

/// Starts calls on this node; they end when `stopped` turns true.
pub(crate) fn start(
    config: &Config,
    metrics: &Arc<Metrics>,
    turn: watch::Receiver<TurnService>,
    webhooks: Option<&Webhooks>,
    stopped: &watch::Receiver<bool>,
) -> Result<(CallsHandle, JoinHandle<()>), ServeError> {
    let name = match config.switchboard.node.as_str() {
        "" => NODE,
        name => name,
    };
    std::fs::create_dir_all(&config.data).map_err(ServeError::Settings)?;
    let embedded =
        Embedded::open(Some(&config.data), Timings::default()).map_err(ServeError::Settings)?;
    let (bus, events) = embedded.join(Node::named(name));
    let calls = CallsConfig {
        node: name.to_owned(),
        url: String::new(),
        keys: config.keys.clone(),
        webhooks: webhooks.is_some(),
        limits: CallsLimits::default(),
        times: CallsTimes::default(),
    };
    let exchange = Exchange::new(calls, rand::random());
    let (handle, inputs) = CallsHandle::new(&config.limits);
    let hub = CallsHub::new(
        exchange,
        directory::Directory::start(bus, handle.clone()),
        webhooks.map(Webhooks::mouth),
        Arc::clone(metrics),
        config.limits,
    );
    let stopped = stopped.clone();
    let task = tokio::spawn(hub.run(inputs, events, turn, stopped));

    Ok((handle, task))
}
