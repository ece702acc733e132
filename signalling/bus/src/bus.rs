//! One node's handle: every operation there is, counted, and carried out by the backend.

use crate::config::Node;
use crate::embedded;
use crate::metrics::Metrics;
use crate::names;
use crate::queue::{DeadJob, Job};
use crate::redis;
use crate::users::{Change, Notice, Place, Presence, Present, Session, Settings, User};
use crate::{Error, Placement};
use prometheus::core::Collector;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What a node is told; dropped, nothing more is delivered to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message of another node, or of this one; messages of one node come in order.
    Message {
        /// The node that sent it.
        from: String,
        /// What it sent.
        payload: Vec<u8>,
    },
    /// News of a tenant that this node follows.
    Published {
        /// The tenant.
        tenant: String,
        /// The node that told it.
        from: String,
        /// What it told.
        payload: Vec<u8>,
    },
    /// A node is there that was not, or has started anew.
    NodeUp(String),
    /// A node has gone, or is dead; so are its connections.
    NodeDown(String),
    /// A room that this node kept is on another: it was placed there while this node was taken for
    /// dead.
    RoomTaken {
        /// The room.
        room: String,
        /// The node that has it.
        by: String,
    },
    /// Messages and news may have been lost: what was learnt from them must be asked for again.
    Gap,
}

/// Whether Redis is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// It is, or none is needed.
    Up,
    /// It is not: operations end with `Error::Away`.
    Down,
}

/// One node's handle; cheap to clone. When the last clone is dropped, the node is gone without
/// a goodbye.
///
/// Every operation ends within `Timings::deadline`. All of them may end with [`Error::Away`], and
/// what takes a name or a text with [`Error::Length`].
#[derive(Clone)]
pub struct Bus {
    backend: Backend,
    metrics: Metrics,
}

#[derive(Clone)]
enum Backend {
    Embedded(Arc<embedded::Member>),
    Redis(Arc<redis::Member>),
}

/// Calls a method of whichever backend there is.
macro_rules! backend {
    ($bus:expr, $method:ident ( $($argument:expr),* )) => {
        match &$bus.backend {
            Backend::Embedded(member) => {
                $bus.counted(stringify!($method), member.$method($($argument),*)).await
            }
            Backend::Redis(member) => {
                $bus.counted(stringify!($method), member.$method($($argument),*)).await
            }
        }
    };
}

impl Bus {
    pub(crate) fn embedded(member: embedded::Member) -> Self {
        let metrics = Metrics::new();
        metrics.up.set(1);

        Self { backend: Backend::Embedded(Arc::new(member)), metrics }
    }

    pub(crate) fn redis(member: redis::Member, metrics: Metrics) -> Self {
        Self { backend: Backend::Redis(Arc::new(member)), metrics }
    }

    async fn counted<T>(
        &self,
        operation: &'static str,
        future: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let result = future.await;
        self.metrics.count(operation, began.elapsed(), &result);

        result
    }

    /// The name of this node.
    pub fn node(&self) -> &str {
        match &self.backend {
            Backend::Embedded(member) => member.name(),
            Backend::Redis(member) => member.name(),
        }
    }

    /// Whether Redis is reached, now and as it changes.
    pub fn link(&self) -> watch::Receiver<Link> {
        match &self.backend {
            Backend::Embedded(member) => member.link(),
            Backend::Redis(member) => member.link(),
        }
    }

    /// What `/metrics` is to show.
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        self.metrics.collectors()
    }

    /// Says what this node is like now; its name stays.
    pub async fn describe(&self, node: Node) -> Result<(), Error> {
        names::node(&node)?;
        backend!(self, describe(node))
    }

    /// The nodes that are there, by name, with what they say of themselves.
    pub async fn nodes(&self) -> Result<Vec<Node>, Error> {
        backend!(self, nodes())
    }

    /// Says goodbye: connections, rooms and the inbox of this node are gone at once.
    pub async fn leave(&self) -> Result<(), Error> {
        backend!(self, leave())
    }

    /// Notes a connection of this node, or what has changed about it. With `Error::Away` it is
    /// noted here, and will be there when Redis is back.
    pub async fn register(&self, user: &User, session: Session) -> Result<(), Error> {
        names::user(user)?;
        names::session(&session)?;
        backend!(self, register(user, session))
    }

    /// Notes that a connection of this node has ended; the same holds for `Error::Away`.
    pub async fn remove(&self, user: &User, session: &str) -> Result<(), Error> {
        backend!(self, remove(user, session))
    }

    /// Where a user is connected.
    pub async fn whereis(&self, user: &User) -> Result<Vec<Place>, Error> {
        names::user(user)?;
        backend!(self, whereis(user))
    }

    /// How these identities of a tenant appear, in their order.
    pub async fn presence(
        &self,
        tenant: &str,
        identities: &[String],
    ) -> Result<Vec<Presence>, Error> {
        names::name("the tenant's name", tenant)?;
        backend!(self, presence(tenant, identities))
    }

    /// Who of a tenant is connected, at most `max` of them.
    pub async fn present(&self, tenant: &str, max: usize) -> Result<Present, Error> {
        names::name("the tenant's name", tenant)?;
        backend!(self, present(tenant, max))
    }

    /// What a user has set.
    pub async fn settings(&self, user: &User) -> Result<Settings, Error> {
        names::user(user)?;
        backend!(self, settings(user))
    }

    /// Changes what a user has set, and gives what holds then.
    pub async fn change(&self, user: &User, change: Change) -> Result<Settings, Error> {
        names::user(user)?;
        backend!(self, change(user, change))
    }

    /// Holds a notice until it is taken back or expires; the fifty newest are held.
    pub async fn hold(&self, user: &User, notice: Notice) -> Result<(), Error> {
        names::user(user)?;
        names::notice(&notice)?;
        backend!(self, hold(user, notice))
    }

    /// The notices that are held for a user, oldest first.
    pub async fn notices(&self, user: &User) -> Result<Vec<Notice>, Error> {
        names::user(user)?;
        backend!(self, notices(user))
    }

    /// Takes a notice back, or says that it was not held.
    pub async fn take_back(&self, user: &User, notice: &str) -> Result<bool, Error> {
        names::user(user)?;
        backend!(self, take_back(user, notice))
    }

    /// Which node has a room, or is to have it from now on: a node in the region (empty: in any),
    /// little loaded. That node then says `keep`; a room that nobody keeps is placed anew after
    /// a while.
    pub async fn place(&self, room: &str, region: &str) -> Result<Placement, Error> {
        names::name("the room's name", room)?;
        backend!(self, place(room, region))
    }

    /// The node that has a room.
    pub async fn find(&self, room: &str) -> Result<Option<Node>, Error> {
        names::name("the room's name", room)?;
        backend!(self, find(room))
    }

    /// Holds a room on this node, or says who else does (`Error::Taken`).
    pub async fn keep(&self, room: &str) -> Result<(), Error> {
        names::name("the room's name", room)?;
        backend!(self, keep(room))
    }

    /// Lets a room of this node go.
    pub async fn release(&self, room: &str) -> Result<(), Error> {
        names::name("the room's name", room)?;
        backend!(self, release(room))
    }

    /// Sends to a node: at most once, and in order when one message is awaited before the next.
    /// A node that is away is [`Error::NodeAway`], one that does not keep up [`Error::Full`].
    pub async fn send(&self, node: &str, payload: Vec<u8>) -> Result<(), Error> {
        names::payload(&payload)?;
        backend!(self, send(node, payload))
    }

    /// Has news of a tenant delivered to this node.
    pub async fn follow(&self, tenant: &str) -> Result<(), Error> {
        names::name("the tenant's name", tenant)?;
        backend!(self, follow(tenant))
    }

    /// Has them delivered no more.
    pub async fn unfollow(&self, tenant: &str) -> Result<(), Error> {
        backend!(self, unfollow(tenant))
    }

    /// Tells the other nodes that follow a tenant; who does not keep up, hears a gap later.
    pub async fn publish(&self, tenant: &str, payload: Vec<u8>) -> Result<(), Error> {
        names::name("the tenant's name", tenant)?;
        names::payload(&payload)?;
        backend!(self, publish(tenant, payload))
    }

    /// Adds a job that is kept until it is done; false when one of this key is there already.
    pub async fn push(&self, queue: &str, key: &str, payload: Vec<u8>) -> Result<bool, Error> {
        names::name("the queue's name", queue)?;
        names::name("the job's key", key)?;
        names::payload(&payload)?;
        backend!(self, push(queue, key, payload))
    }

    /// Takes the oldest job that nobody holds. It is held for `lease`, which all consumers of a
    /// queue give alike, and then given to others.
    pub async fn claim(
        &self,
        queue: &str,
        consumer: &str,
        lease: Duration,
    ) -> Result<Option<Job>, Error> {
        names::name("the queue's name", queue)?;
        names::name("the consumer's name", consumer)?;
        backend!(self, claim(queue, consumer, lease))
    }

    /// Holds a job for a further `lease`, or says that it is lost (`Error::Lost`).
    pub async fn renew(&self, job: &Job, lease: Duration) -> Result<(), Error> {
        backend!(self, renew(job, lease))
    }

    /// Ends a job.
    pub async fn done(&self, job: &Job) -> Result<(), Error> {
        backend!(self, done(job))
    }

    /// Gives a job back, to be tried after a pause, or to be dead after too many attempts.
    pub async fn fail(&self, job: &Job, reason: &str) -> Result<(), Error> {
        backend!(self, fail(job, &names::reason(reason)))
    }

    /// The dead jobs of a queue, at most a hundred, by key.
    pub async fn dead(&self, queue: &str) -> Result<Vec<DeadJob>, Error> {
        names::name("the queue's name", queue)?;
        backend!(self, dead(queue))
    }

    /// Has a dead job tried again, as if it were new; false when there is none of this key.
    pub async fn retry(&self, queue: &str, key: &str) -> Result<bool, Error> {
        names::name("the queue's name", queue)?;
        backend!(self, retry(queue, key))
    }
}
