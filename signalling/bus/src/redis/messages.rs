//! Messages on their way to other nodes.

use super::keys;
use super::member::{Shared, lock};
use crate::Error;
use ::redis::AsyncCommands;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Messages that wait in Redis for one node.
const INBOX_MAX: usize = 4_096;
/// How long an inbox stands that nobody reads or fills.
pub(super) const INBOX_LIFE: Duration = Duration::from_secs(60);
/// Nodes that messages were ever sent to.
const LANES_MAX: usize = 10_000;

/// A message as it is in Redis.
#[derive(Serialize, Deserialize)]
pub(super) struct Envelope {
    pub(super) from: String,
    /// Which process of that name sent it.
    pub(super) incarnation: String,
    /// Counts its messages to this node from 1: none is taken twice, and a gap is seen.
    pub(super) number: u64,
    /// The tenant, if these are news.
    pub(super) tenant: Option<String>,
    pub(super) payload: Vec<u8>,
}

impl Shared {
    pub(crate) async fn send(&self, node: &str, payload: Vec<u8>) -> Result<(), Error> {
        self.deliver(node, None, payload).await
    }

    pub(crate) async fn publish(&self, tenant: &str, payload: Vec<u8>) -> Result<(), Error> {
        let followers: HashMap<String, String> =
            self.line.run(async |mut line| line.hgetall(keys::followers(tenant)).await).await?;
        let others = followers.keys().filter(|name| **name != self.name);
        let told = others.map(|name| self.deliver(name, Some(tenant), payload.clone()));
        let away = |result: &Result<(), Error>| *result == Err(Error::Away);
        // Dead followers and full inboxes are no trouble of this node's.
        if join_all(told).await.iter().any(away) { Err(Error::Away) } else { Ok(()) }
    }

    async fn deliver(
        &self,
        node: &str,
        tenant: Option<&str>,
        payload: Vec<u8>,
    ) -> Result<(), Error> {
        let lane = self.lane(node)?;
        let sent = async {
            // Messages to one node take turns, in the order in which they were asked for.
            let mut number = lane.lock().await;
            *number += 1;
            let envelope = Envelope {
                from: self.name.clone(),
                incarnation: self.incarnation.clone(),
                number: *number,
                tenant: tenant.map(str::to_owned),
                payload,
            };
            let outcome = self.put_into_inbox(node, &envelope).await?;
            if outcome == 1 {
                return Ok(());
            }
            // It is certainly not there, and who sent it knows: no gap. With news nobody does.
            if tenant.is_none() || outcome == -1 {
                *number -= 1;
            }
            Err(match outcome {
                -1 => Error::NodeAway(node.to_owned()),
                _ => Error::Full("the node's inbox"),
            })
        };

        tokio::time::timeout(self.timings.deadline, sent).await.unwrap_or(Err(Error::Away))
    }

    async fn put_into_inbox(&self, node: &str, envelope: &Envelope) -> Result<i64, Error> {
        let encoded = postcard::to_allocvec(envelope).map_err(|_| Error::Garbled("a message"))?;
        self.line
            .run(async |mut line| {
                let mut send = self.scripts.send.key(keys::node(node));
                send.arg(INBOX_MAX).arg(encoded).arg(INBOX_LIFE.as_millis() as u64);
                send.invoke_async(&mut line).await
            })
            .await
    }

    fn lane(&self, node: &str) -> Result<Arc<Mutex<u64>>, Error> {
        let mut lanes = lock(&self.lanes);
        if lanes.len() >= LANES_MAX && !lanes.contains_key(node) {
            return Err(Error::Full("the nodes that messages go to"));
        }

        Ok(lanes.entry(node.to_owned()).or_default().clone())
    }
}
