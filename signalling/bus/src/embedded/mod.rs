//! Everything in this process: what is connected in memory, what is to last in a file.

mod clock;
mod jobs;
mod member;
mod store;

use crate::{Bus, Event, Node};
use clock::Clock;
pub(crate) use member::Member;
use member::Nodes;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use store::Store;
use tokio::sync::mpsc;

/// Events that wait for one node.
const EVENTS_MAX: usize = 4_096;

/// What the nodes of this process share: one in production, several in tests.
#[derive(Clone)]
pub struct Embedded {
    nodes: Arc<Mutex<Nodes>>,
    store: Store,
    timings: crate::Timings,
}

impl Embedded {
    /// Keeps what is to last (settings, notices, jobs) in `bus.journal` in `directory`; without
    /// a directory it lasts as long as the process. Inside a tokio runtime only.
    pub fn open(directory: Option<&Path>, timings: crate::Timings) -> io::Result<Self> {
        let store = Store::open(directory, Clock::new())?;

        Ok(Self { nodes: Arc::default(), store, timings })
    }

    /// A node of this process, and what it is told. One of the same name is thereby gone.
    pub fn join(&self, node: Node) -> (Bus, mpsc::Receiver<Event>) {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let member = Member::new(self, node, sender);

        (Bus::embedded(member), events)
    }
}
