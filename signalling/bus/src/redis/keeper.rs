//! The task that keeps a node in Redis: connects, says that it lives, puts back what Redis lost.

use super::connect::Line;
use super::keys;
use super::link::told;
use super::member::{Entry, Shared, lock};
use super::messages::INBOX_LIFE;
use crate::Error;
use crate::bus::Event;
use ::redis::{RedisResult, Script, pipe};
use futures_util::{StreamExt, stream};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior};

/// Entries that are written at once.
const WRITES_MAX: usize = 128;
/// A node that has said nothing for so long is not listed any more, milliseconds.
const FORGET_MS: u64 = 3_600_000;

/// What the task knows.
struct Keeper {
    shared: Arc<Shared>,
    /// Nodes that were alive at the last look, with their incarnations.
    known: HashMap<String, String>,
    joined: bool,
    /// Entries to write again, by and by, how many they were, and when that began.
    refreshing: Vec<Entry>,
    all: usize,
    refreshed: Instant,
}

/// Runs until it is aborted, or another has the node's name. Says when it has tried once.
pub(super) async fn run(shared: Arc<Shared>, url: String, tried: oneshot::Sender<()>) {
    let mut keeper = Keeper {
        shared: shared.clone(),
        known: HashMap::new(),
        joined: false,
        refreshing: Vec::new(),
        all: 0,
        refreshed: Instant::now(),
    };
    let (shortest, longest) = shared.timings.reconnect;
    let (mut tried, mut pause, mut said) = (Some(tried), shortest, false);
    while !shared.gone.load(Ordering::Relaxed) {
        let established = keeper.establish().await;
        tried.take().map(|tried| tried.send(()));
        match established {
            Ok(()) => {
                tracing::info!(redis = %url, "Redis is there");
                (pause, said) = (shortest, false);
                let error = keeper.tend().await;
                tracing::warn!(redis = %url, %error, "Redis is away; local calls go on");
            }
            Err(error) if !std::mem::replace(&mut said, true) => {
                tracing::warn!(redis = %url, %error, "Redis cannot be used; trying again");
            }
            Err(_) => {}
        }
        shared.line.take();
        shared.metrics.up.set(0);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
    tracing::error!(node = %shared.name, "another process has this node.name: this one is out");
}

impl Keeper {
    /// Connects, joins or goes on, and makes Redis say what is so here.
    async fn establish(&mut self) -> Result<(), Error> {
        let shared = self.shared.clone();
        let connecting = shared.connector.connect(shared.timings.deadline);
        let line = tokio::time::timeout(shared.timings.deadline * 2, connecting).await;
        let line = line.map_err(|_| Error::Away)?.map_err(|error| {
            tracing::debug!(%error, "no connection");
            told(&error)
        })?;
        let rejoins = self.joined;
        shared.announce(line.clone(), rejoins).await?;
        self.joined = true;
        shared.line.put(line);
        let mut entries = shared.entries();
        entries.extend(shared.take_dirty());
        shared.write_all(entries).await?;
        shared.beat().await?;
        self.look().await?;
        (self.refreshing, self.refreshed) = (Vec::new(), Instant::now());
        shared.metrics.up.set(1);
        shared.line.up();
        if rejoins {
            shared.tell(Event::Gap);
        }

        Ok(())
    }

    /// Says that the node lives, again and again, until that fails.
    async fn tend(&mut self) -> Error {
        let mut ticks = tokio::time::interval(self.shared.timings.lease / 3);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shared = self.shared.clone();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = shared.line.broken() => return Error::Away,
            }
            if let Err(error) = self.tick().await {
                return error;
            }
        }
    }

    async fn tick(&mut self) -> Result<(), Error> {
        self.shared.beat().await?;
        self.look().await?;
        let mut entries: Vec<Entry> = self.shared.take_dirty().into_iter().collect();
        entries.extend(self.refresh_share());

        self.shared.write_all(entries).await
    }

    /// Looks which nodes have come and gone.
    async fn look(&mut self) -> Result<(), Error> {
        let alive = self.shared.all_alive().await?;
        let now: HashMap<String, String> = alive
            .into_iter()
            .map(|(name, (incarnation, _))| (name, incarnation))
            .filter(|(name, _)| *name != self.shared.name)
            .collect();
        for (name, incarnation) in &self.known {
            if now.get(name) != Some(incarnation) {
                self.shared.tell(Event::NodeDown(name.clone()));
            }
        }
        for (name, incarnation) in &now {
            if self.known.get(name) != Some(incarnation) {
                self.shared.tell(Event::NodeUp(name.clone()));
            }
        }
        self.known = now;

        Ok(())
    }

    /// This tick's share of the entries: each is written again once per `refresh`.
    fn refresh_share(&mut self) -> Vec<Entry> {
        let timings = &self.shared.timings;
        if self.refreshed.elapsed() >= timings.refresh {
            self.refreshed = Instant::now();
            self.refreshing = self.shared.entries();
            self.all = self.refreshing.len();
        }
        let ticks = timings.refresh.as_millis() / (timings.lease / 3).as_millis().max(1);
        let share = self.all.div_ceil((ticks as usize).max(1));
        let rest = self.refreshing.len().saturating_sub(share);

        self.refreshing.split_off(rest)
    }
}

impl Shared {
    /// The first word of the node on a new line.
    async fn announce(&self, line: Line, rejoins: bool) -> Result<(), Error> {
        let script = if rejoins { &self.scripts.beat } else { &self.scripts.join };
        let node = self.description()?;
        let said = self.line.run_on(line, async |line| self.say(line, script, node).await).await?;

        self.is_still_us(said)
    }

    /// Says that the node lives, and what it is like.
    pub(super) async fn beat(&self) -> Result<(), Error> {
        let node = self.description()?;
        let beat = &self.scripts.beat;
        let said = self.line.run(async |line| self.say(line, beat, node).await).await?;
        if said == 0 {
            // Redis lost us, and with us whatever else was there.
            for entry in self.entries() {
                self.mark(entry);
            }
            self.tell(Event::Gap);
        }

        self.is_still_us(said)
    }

    /// Carries out `join` or `beat`, and has the node listed.
    async fn say(&self, mut line: Line, script: &Script, node: String) -> RedisResult<i64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = now.as_millis() as u64;
        let mut say = script.key(keys::node(&self.name));
        say.arg(&self.incarnation).arg(node).arg(self.timings.lease.as_millis() as u64);
        let said = say.arg(INBOX_LIFE.as_millis() as u64).invoke_async(&mut line).await?;
        let mut list = pipe();
        list.zadd(keys::NODES, &self.name, now_ms).ignore();
        list.zrembyscore(keys::NODES, 0, now_ms.saturating_sub(FORGET_MS)).ignore();
        list.pexpire(keys::NODES, FORGET_MS as i64).ignore();
        list.query_async::<()>(&mut line).await?;

        Ok(said)
    }

    fn description(&self) -> Result<String, Error> {
        let node = lock(&self.node);

        serde_json::to_string(&*node).map_err(|_| Error::Garbled("the node's description"))
    }

    fn is_still_us(&self, said: i64) -> Result<(), Error> {
        if said >= 0 {
            return Ok(());
        }
        self.gone.store(true, Ordering::Relaxed);

        Err(Error::NodeAway(self.name.clone()))
    }

    /// Writes entries, many at a time; stops when Redis is away.
    async fn write_all(&self, entries: Vec<Entry>) -> Result<(), Error> {
        let mut written = stream::iter(entries)
            .map(|entry| async move { self.sync(&entry).await })
            .buffer_unordered(WRITES_MAX);
        let mut result = Ok(());
        while let Some(one) = written.next().await {
            if one == Err(Error::Away) {
                result = Err(Error::Away);
            }
        }

        result
    }
}
