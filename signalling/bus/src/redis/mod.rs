//! Everything in Redis, for many nodes: one server, one that Sentinels watch, or a Cluster.

mod connect;
mod inbox;
mod jobs;
mod keeper;
mod keys;
mod link;
mod member;
mod messages;
mod nodes;
mod scripts;
mod url;
mod users;

use crate::{Bus, Event, Node, Timings};
use connect::Connector;
pub(crate) use member::Member;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;
pub use url::RedisUrl;

/// Events that wait for one node.
const EVENTS_MAX: usize = 4_096;

/// A Redis, which nobody has connected to yet.
#[derive(Clone)]
pub struct Redis {
    connector: Arc<Connector>,
    url: RedisUrl,
    timings: Timings,
}

impl Redis {
    /// The one at this place. `ca` names a PEM file of certificates that its own is signed by;
    /// without, the system's are taken. An error says what is wrong with that file.
    pub fn new(url: RedisUrl, ca: Option<&Path>, timings: Timings) -> Result<Self, String> {
        let ca = ca.map(std::fs::read).transpose().map_err(|e| e.to_string())?;
        if ca.as_ref().is_some_and(|pem| !is_certificate(pem)) {
            return Err("holds no certificate in PEM".to_owned());
        }
        let connector = Arc::new(Connector::new(url.clone(), ca, timings.deadline));

        Ok(Self { connector, url, timings })
    }

    /// A node on this Redis, and what it is told. One of the same name is thereby gone. With
    /// Redis away, it joins when that is back; `Bus::link` says so. Inside a tokio runtime only.
    pub async fn join(&self, node: Node) -> (Bus, mpsc::Receiver<Event>) {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let (member, metrics) = Member::start(self, node, sender).await;

        (Bus::redis(member, metrics), events)
    }
}

fn is_certificate(pem: &[u8]) -> bool {
    String::from_utf8_lossy(pem).contains("-----BEGIN CERTIFICATE-----")
}
