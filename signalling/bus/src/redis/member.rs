//! One node on Redis: what it registers, kept here too, and put back whenever Redis lost it.

use super::connect::Connector;
use super::inbox;
use super::keeper;
use super::keys;
use super::link::LineSlot;
use super::scripts::Scripts;
use crate::bus::{Event, Link};
use crate::local::Local;
use crate::metrics::Metrics;
use crate::users::{Session, User};
use crate::{Error, Node, Redis, Timings};
use ::redis::pipe;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// Entries that Redis still has to be told of; those beyond are told at the next refresh.
const DIRTY_MAX: usize = 100_000;
/// Locks that writes of one entry take turns by.
const STRIPES: usize = 256;

/// A node's part; dropped, it is gone without a goodbye.
pub(crate) struct Member {
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

/// What the node's tasks share.
pub(crate) struct Shared {
    pub(super) name: String,
    /// Tells this process from earlier and later ones of the name.
    pub(super) incarnation: String,
    pub(super) node: Mutex<Node>,
    pub(super) timings: Timings,
    pub(super) scripts: Scripts,
    pub(super) connector: Arc<Connector>,
    pub(super) line: LineSlot,
    pub(super) local: Mutex<Local>,
    dirty: Mutex<HashSet<Entry>>,
    stripes: Vec<tokio::sync::Mutex<()>>,
    /// The number of the last message to each node.
    pub(super) lanes: Mutex<HashMap<String, Arc<tokio::sync::Mutex<u64>>>>,
    pub(super) events: mpsc::Sender<Event>,
    /// Whether an event was lost since the last one that was delivered.
    missed: AtomicBool,
    /// Whether the node has left, or another has its name.
    pub(super) gone: AtomicBool,
    pub(super) metrics: Metrics,
}

/// Something of this node that stands in Redis.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Entry {
    /// A user's sessions here.
    User(User),
    /// That a tenant is followed.
    Tenant(String),
    /// That a room is here.
    Room(String),
}

impl Member {
    pub(super) async fn start(
        redis: &Redis,
        node: Node,
        events: mpsc::Sender<Event>,
    ) -> (Self, Metrics) {
        let metrics = Metrics::new();
        let shared = Arc::new(Shared {
            name: node.name.clone(),
            incarnation: format!("{:016x}", StdRng::from_os_rng().next_u64()),
            node: Mutex::new(node),
            timings: redis.timings,
            scripts: Scripts::new(),
            connector: redis.connector.clone(),
            line: LineSlot::new(redis.timings.deadline),
            local: Mutex::default(),
            dirty: Mutex::default(),
            stripes: (0..STRIPES).map(|_| tokio::sync::Mutex::default()).collect(),
            lanes: Mutex::default(),
            events,
            missed: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            metrics: metrics.clone(),
        });
        let (tried, first_try) = oneshot::channel();
        let keeper = tokio::spawn(keeper::run(shared.clone(), redis.url.to_string(), tried));
        let reader = tokio::spawn(inbox::run(shared.clone()));
        // Gone only with the runtime.
        let _ = first_try.await;

        (Self { shared, tasks: [keeper, reader] }, metrics)
    }

    pub(crate) async fn leave(&self) -> Result<(), Error> {
        self.gone.store(true, Ordering::Relaxed);
        for task in &self.tasks {
            task.abort();
        }
        let left = self.line.run(async |mut line| {
            let mut leave = self.scripts.leave.key(keys::node(&self.name));
            leave.arg(&self.incarnation).invoke_async::<()>(&mut line).await
        });
        let left = left.await;
        self.line.take();

        left
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Deref for Member {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Shared {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn link(&self) -> watch::Receiver<Link> {
        self.line.link()
    }

    pub(crate) async fn register(&self, user: &User, session: Session) -> Result<(), Error> {
        lock(&self.local).register(user, session)?;
        self.sync(&Entry::User(user.clone())).await
    }

    pub(crate) async fn remove(&self, user: &User, session: &str) -> Result<(), Error> {
        lock(&self.local).remove(user, session);
        self.sync(&Entry::User(user.clone())).await
    }

    pub(crate) async fn follow(&self, tenant: &str) -> Result<(), Error> {
        lock(&self.local).follow(tenant)?;
        self.sync(&Entry::Tenant(tenant.to_owned())).await
    }

    pub(crate) async fn unfollow(&self, tenant: &str) -> Result<(), Error> {
        lock(&self.local).follows.remove(tenant);
        self.sync(&Entry::Tenant(tenant.to_owned())).await
    }

    pub(crate) async fn release(&self, room: &str) -> Result<(), Error> {
        lock(&self.local).rooms.remove(room);
        self.sync(&Entry::Room(room.to_owned())).await
    }

    /// Makes Redis say what is so here; if it cannot be told now, it will be.
    pub(super) async fn sync(&self, entry: &Entry) -> Result<(), Error> {
        if self.gone.load(Ordering::Relaxed) {
            return Err(Error::NodeAway(self.name.clone()));
        }
        let written = tokio::time::timeout(self.timings.deadline, self.write(entry)).await;
        let written = written.unwrap_or(Err(Error::Away));
        if written.as_ref().is_err_and(|error| *error == Error::Away) {
            self.mark(entry.clone());
        }

        written
    }

    async fn write(&self, entry: &Entry) -> Result<(), Error> {
        // One at a time: else the older of two states might be written last.
        let _turn = self.stripe(entry).lock().await;
        match entry {
            Entry::User(user) => self.write_user(user).await,
            Entry::Tenant(tenant) => self.write_follower(tenant).await,
            Entry::Room(room) => self.write_room(room).await,
        }
    }

    fn stripe(&self, entry: &Entry) -> &tokio::sync::Mutex<()> {
        let mut hasher = DefaultHasher::new();
        entry.hash(&mut hasher);

        &self.stripes[hasher.finish() as usize % STRIPES]
    }

    async fn write_user(&self, user: &User) -> Result<(), Error> {
        let sessions = lock(&self.local).sessions(user).to_vec();
        let place = keys::sessions(user);
        let listed = keys::present(&user.tenant, &self.name, &self.incarnation);
        let (mut known, mut list) = (pipe(), pipe());
        if sessions.is_empty() {
            known.hdel(place, &self.name).ignore();
            list.srem(listed, &user.identity).ignore();
        } else {
            let value = serde_json::to_string(&(&self.incarnation, &sessions))
                .map_err(|_| Error::Garbled("sessions"))?;
            known.hset(&place, &self.name, value).ignore();
            known.pexpire(place, self.life_ms()).ignore();
            list.sadd(&listed, &user.identity).ignore();
            list.pexpire(listed, self.life_ms()).ignore();
        }

        self.line
            .run(async |line| {
                let (mut one, mut other) = (line.clone(), line);
                tokio::try_join!(
                    known.query_async::<()>(&mut one),
                    list.query_async::<()>(&mut other)
                )?;
                Ok(())
            })
            .await
    }

    async fn write_follower(&self, tenant: &str) -> Result<(), Error> {
        let follows = lock(&self.local).follows.contains(tenant);
        let place = keys::followers(tenant);
        let mut commands = pipe();
        if follows {
            commands.hset(&place, &self.name, &self.incarnation).ignore();
            commands.pexpire(place, self.life_ms()).ignore();
        } else {
            commands.hdel(place, &self.name).ignore();
        }

        self.line.run(async |mut line| commands.query_async::<()>(&mut line).await).await
    }

    /// How long an entry stands that nobody writes again, milliseconds.
    pub(super) fn life_ms(&self) -> i64 {
        3 * self.timings.refresh.as_millis() as i64
    }

    pub(super) fn mark(&self, entry: Entry) {
        let mut dirty = lock(&self.dirty);
        if dirty.len() < DIRTY_MAX {
            dirty.insert(entry);
        }
    }

    /// What Redis has not been told, which is thereby taken.
    pub(super) fn take_dirty(&self) -> HashSet<Entry> {
        std::mem::take(&mut *lock(&self.dirty))
    }

    /// Everything of this node.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let local = lock(&self.local);
        let users = local.users.keys().cloned().map(Entry::User);
        let tenants = local.follows.iter().cloned().map(Entry::Tenant);
        let rooms = local.rooms.iter().cloned().map(Entry::Room);

        users.chain(tenants).chain(rooms).collect()
    }

    /// Tells the node something, unless it does not listen: then it hears of the gap later.
    pub(super) fn tell(&self, event: Event) {
        if self.missed.load(Ordering::Relaxed) && self.events.try_send(Event::Gap).is_ok() {
            self.missed.store(false, Ordering::Relaxed);
        }
        if event == Event::Gap {
            self.metrics.gaps.inc();
        }
        if self.events.try_send(event).is_err() {
            self.missed.store(true, Ordering::Relaxed);
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
