//! The nodes there are, and the rooms they have.

use super::keys;
use super::member::{Shared, lock};
use crate::bus::Event;
use crate::{Error, Node, Placement, rooms};
use ::redis::AsyncCommands;
use futures_util::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

/// Nodes that are known at once.
const NODES_MAX: isize = 1_000;
/// How long a room waits for the node that it was placed on, milliseconds.
const UNKEPT_MS: i64 = 60_000;
/// How often somebody else may be quicker.
const TRIES_MAX: usize = 64;

/// Nodes that are alive, by name, with their incarnations.
pub(super) type Alive = BTreeMap<String, (String, Node)>;

impl Shared {
    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, Error> {
        Ok(self.all_alive().await?.into_values().map(|(_, node)| node).collect())
    }

    pub(crate) async fn describe(&self, node: Node) -> Result<(), Error> {
        *lock(&self.node) = Node { name: self.name.clone(), ..node };
        self.beat().await
    }

    /// All nodes that are alive.
    pub(super) async fn all_alive(&self) -> Result<Alive, Error> {
        let names: BTreeSet<String> = self
            .line
            .run(async |mut line| line.zrevrange(keys::NODES, 0, NODES_MAX - 1).await)
            .await?;

        self.alive(names).await
    }

    /// Those of these nodes that are alive.
    pub(super) async fn alive(&self, names: BTreeSet<String>) -> Result<Alive, Error> {
        let found = self.line.run(async |line| {
            try_join_all(names.into_iter().map(|name| {
                let mut line = line.clone();
                async move {
                    let found: Option<String> = line.get(keys::node(&name)).await?;
                    Ok(found.map(|found| (name, found)))
                }
            }))
            .await
        });
        let read = |(name, found): (String, String)| {
            let (incarnation, node) = found.split_once(' ')?;
            let node = serde_json::from_str(node).ok()?;
            Some((name, (incarnation.to_owned(), node)))
        };

        Ok(found.await?.into_iter().flatten().filter_map(read).collect())
    }

    pub(crate) async fn place(&self, room: &str, region: &str) -> Result<Placement, Error> {
        for _ in 0..TRIES_MAX {
            let (before, holder) = self.holder(room).await?;
            if let Some((_, node)) = holder {
                return Ok(Placement { node, fresh: false });
            }
            let alive = self.all_alive().await?;
            let nodes: Vec<Node> = alive.values().map(|(_, node)| node.clone()).collect();
            let node = rooms::choose(&nodes, room, region)?.clone();
            let incarnation = alive.get(&node.name).map(|(incarnation, _)| incarnation);
            let claim = claim(&node.name, incarnation.map(String::as_str).unwrap_or_default());
            if self.swap(&keys::room(room), &before, &claim, UNKEPT_MS).await? {
                return Ok(Placement { node, fresh: true });
            }
        }

        Err(Error::Away)
    }

    pub(crate) async fn find(&self, room: &str) -> Result<Option<Node>, Error> {
        let (_, holder) = self.holder(room).await?;

        Ok(holder.map(|(_, node)| node))
    }

    pub(crate) async fn keep(&self, room: &str) -> Result<(), Error> {
        let kept = self.claim_room(room).await;
        if matches!(kept, Ok(()) | Err(Error::Away)) {
            lock(&self.local).keep(room)?;
        }
        if kept == Err(Error::Away) {
            self.mark(super::member::Entry::Room(room.to_owned()));
        }

        kept
    }

    /// Writes a room that is here, or takes out one that is not any more.
    pub(super) async fn write_room(&self, room: &str) -> Result<(), Error> {
        if !lock(&self.local).rooms.contains(room) {
            let mine = claim(&self.name, &self.incarnation);
            return self.swap(&keys::room(room), &mine, "", 0).await.map(drop);
        }
        match self.claim_room(room).await {
            Err(Error::Taken(by)) => {
                lock(&self.local).rooms.remove(room);
                self.tell(Event::RoomTaken { room: room.to_owned(), by });
                Ok(())
            }
            claimed => claimed,
        }
    }

    async fn claim_room(&self, room: &str) -> Result<(), Error> {
        let mine = claim(&self.name, &self.incarnation);
        for _ in 0..TRIES_MAX {
            let (before, holder) = self.holder(room).await?;
            if let Some((_, node)) = holder.filter(|_| before != mine) {
                return Err(Error::Taken(node.name));
            }
            if self.swap(&keys::room(room), &before, &mine, self.life_ms()).await? {
                return Ok(());
            }
        }

        Err(Error::Away)
    }

    /// What stands in a room's place (empty: nothing), and the node that it means, if alive.
    async fn holder(&self, room: &str) -> Result<(String, Option<(String, Node)>), Error> {
        let found: Option<String> =
            self.line.run(async |mut line| line.get(keys::room(room)).await).await?;
        let Some(found) = found else { return Ok((String::new(), None)) };
        let Ok((name, incarnation)) = serde_json::from_str::<(String, String)>(&found) else {
            return Err(Error::Garbled("a room's node"));
        };
        let holder = self.alive(BTreeSet::from([name.clone()])).await?.remove(&name);

        Ok((found, holder.filter(|(current, _)| *current == incarnation)))
    }

    /// Puts a text in the place of another; false when another stands there.
    pub(super) async fn swap(
        &self,
        key: &str,
        before: &str,
        after: &str,
        life_ms: i64,
    ) -> Result<bool, Error> {
        self.line
            .run(async |mut line| {
                let mut swap = self.scripts.swap.key(key);
                swap.arg(before).arg(after).arg(life_ms).invoke_async(&mut line).await
            })
            .await
    }
}

fn claim(node: &str, incarnation: &str) -> String {
    serde_json::json!([node, incarnation]).to_string()
}
