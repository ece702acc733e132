//! The exchange: one node's sessions and calls as one value.

mod answers;
mod clients;
mod counters;
mod hello;
mod mail;
mod requests;
mod timers;
mod watching;

use super::call::Call;
use super::envelope::User;
use super::interface::{CallsConfig, CallsOutbox, Close};
use super::policy::Pace;
use super::session::Session;
use super::{Answer, Envelope};
use crate::rooms::{ConnectionId, Now};
use answers::Pending;
use clients::Connection;
pub use counters::CallsCounters;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use relay_wire::control::TurnService;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;
use timers::Timers;

/// Characters of an id after its prefix.
const ID_CHARS: usize = 12;

/// All sessions and calls of this node; owns their state outright.
pub struct Exchange {
    config: CallsConfig,
    rng: StdRng,
    turn: TurnService,
    connections: HashMap<ConnectionId, Connection>,
    sessions: HashMap<String, Session>,
    by_user: BTreeMap<User, BTreeSet<String>>,
    /// Sessions of each tenant.
    tenants: BTreeMap<String, usize>,
    calls: HashMap<String, Call>,
    /// Questions that wait for their answer.
    pending: HashMap<u64, Pending>,
    last_question: u64,
    /// Messages to this node itself.
    inbox: VecDeque<Envelope>,
    pace: Pace,
    timers: Timers,
    /// People whose presence has changed; told together.
    changed: BTreeSet<User>,
    changed_due: Option<Instant>,
    still_due: Option<Instant>,
    counters: CallsCounters,
}

impl Exchange {
    /// An empty exchange; `seed` makes all of its ids.
    pub fn new(config: CallsConfig, seed: [u8; 32]) -> Self {
        Self {
            config,
            rng: StdRng::from_seed(seed),
            turn: TurnService::default(),
            connections: HashMap::new(),
            sessions: HashMap::new(),
            by_user: BTreeMap::new(),
            tenants: BTreeMap::new(),
            calls: HashMap::new(),
            pending: HashMap::new(),
            last_question: 0,
            inbox: VecDeque::new(),
            pace: Pace::default(),
            timers: Timers::default(),
            changed: BTreeSet::new(),
            changed_due: None,
            still_due: None,
            counters: CallsCounters::default(),
        }
    }

    /// Takes the relay's TURN service; credentials for it are made from now on.
    pub fn turn(&mut self, turn: TurnService) {
        self.turn = turn;
    }

    /// What has been counted.
    pub fn counters(&self) -> CallsCounters {
        let mut counters = self.counters.clone();
        counters.sessions = self.sessions.len() as u64;
        for call in self.calls.values() {
            *counters.active.entry(call.via()).or_default() += 1;
        }

        counters
    }

    /// Takes a new connection, whose first frame is to be `hello`.
    pub fn connect(&mut self, now: Now, id: ConnectionId) {
        self.connections.insert(id, Connection::new(now.instant, &self.config));
        self.timers.arm(timers::Due::Connection(id), now.instant + self.config.times.hello);
    }

    /// Handles one text frame.
    pub fn receive(&mut self, now: Now, id: ConnectionId, frame: &str, out: &mut CallsOutbox) {
        self.frame(now, id, frame, out);
        self.settle(now, out);
    }

    /// A connection is gone; its session is kept for a while.
    pub fn disconnected(&mut self, now: Now, id: ConnectionId, out: &mut CallsOutbox) {
        let session = self.connections.remove(&id).and_then(|connection| connection.session);
        if let Some(session) = session.and_then(|id| self.sessions.get_mut(&id))
            && session.connection == Some(id)
        {
            session.connection = None;
            let ends_at = now.instant + self.config.times.grace;
            session.ends_at = Some(ends_at);
            let due = timers::Due::Session(session.party.session.clone());
            self.timers.arm(due, ends_at);
        }
        self.settle(now, out);
    }

    /// Takes the answer to a question.
    pub fn answer(&mut self, now: Now, number: u64, answer: Answer, out: &mut CallsOutbox) {
        if let Some(pending) = self.pending.remove(&number) {
            self.answered(now, pending, answer, out);
        }
        self.settle(now, out);
    }

    /// Takes a message of another node, or news that this node has published itself.
    pub fn envelope(&mut self, now: Now, envelope: Envelope, out: &mut CallsOutbox) {
        self.inbox.push_back(envelope);
        self.settle(now, out);
    }

    /// A message to another node could not be delivered.
    pub fn undelivered(&mut self, now: Now, envelope: Envelope, out: &mut CallsOutbox) {
        self.returned(now, envelope, out);
        self.settle(now, out);
    }

    /// A node is dead: so are its sessions and its calls.
    pub fn node_down(&mut self, now: Now, node: &str, out: &mut CallsOutbox) {
        self.lose_node(now, node, out);
        self.settle(now, out);
    }

    /// Messages between nodes may have been lost: devices say which calls they are in.
    pub fn gap(&mut self, now: Now, out: &mut CallsOutbox) {
        self.still(now, out);
        self.settle(now, out);
    }

    /// Says good-bye to everybody.
    pub fn shutdown(&mut self, out: &mut CallsOutbox) {
        let connections: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for id in connections {
            self.bye(id, "shutdown", "the server stops: connect again", true, Close::Away, out);
        }
    }

    /// Ends a connection with a reason; its session is kept.
    fn bye(
        &mut self,
        id: ConnectionId,
        reason: &str,
        message: &str,
        reconnect: bool,
        close: Close,
        out: &mut CallsOutbox,
    ) {
        if self.connections.remove(&id).is_none() {
            return;
        }
        let bye = json!({
            "type": "bye", "reason": reason, "message": message, "reconnect": reconnect,
        });
        out.frames.push((id, bye.to_string()));
        out.closes.push((id, close));
        *self.counters.byes.entry(reason.to_owned()).or_default() += 1;
    }

    /// An id that nobody guesses.
    fn id(&mut self, prefix: &str) -> String {
        const LETTERS: &[u8; 62] =
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let letters = (0..ID_CHARS).map(|_| char::from(LETTERS[self.rng.random_range(0..62)]));
        let letters: String = letters.collect();

        format!("{prefix}{letters}")
    }
}
