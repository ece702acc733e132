//! When what is next due: one entry for each connection, session and call.

use super::Exchange;
use crate::calls::call::Call;
use crate::calls::interface::{CallsOutbox, Close};
use crate::rooms::{ConnectionId, Now};
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// What can be due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Due {
    Connection(ConnectionId),
    Session(String),
    Call(String),
}

/// Entries in the order of time; one that has become later fires early and is set anew.
#[derive(Default)]
pub(super) struct Timers {
    queue: BTreeSet<(Instant, Due)>,
    armed: HashMap<Due, Instant>,
}

impl Timers {
    pub(super) fn arm(&mut self, due: Due, at: Instant) {
        if let Some(known) = self.armed.get(&due).copied() {
            if known <= at {
                return;
            }
            self.queue.remove(&(known, due.clone()));
        }
        self.queue.insert((at, due.clone()));
        self.armed.insert(due, at);
    }

    fn pop(&mut self, now: Instant) -> Option<Due> {
        if self.queue.first()?.0 > now {
            return None;
        }
        let (_, due) = self.queue.pop_first()?;
        self.armed.remove(&due);

        Some(due)
    }
}

impl Exchange {
    /// When `advance` is next needed; ask again after every input.
    pub fn next_timeout(&self) -> Option<Instant> {
        let first = self.timers.queue.first().map(|(at, _)| *at);

        [first, self.changed_due, self.still_due].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn advance(&mut self, now: Now, out: &mut CallsOutbox) {
        while let Some(due) = self.timers.pop(now.instant) {
            match due {
                Due::Connection(id) => self.silent(id, out),
                Due::Session(id) => self.advance_session(now, &id, out),
                Due::Call(id) => {
                    self.with_call(now, &id, out, Call::advance);
                }
            }
            self.settle(now, out);
        }
        if self.changed_due.is_some_and(|at| at <= now.instant) {
            self.tell_changes(now, out);
        }
        if self.still_due.is_some_and(|at| at <= now.instant) {
            self.pace.sweep(now.instant);
            self.still(now, out);
        }
        self.settle(now, out);
    }

    /// A connection that has not said hello in time.
    fn silent(&mut self, id: ConnectionId, out: &mut CallsOutbox) {
        if self.connections.get(&id).is_some_and(|connection| connection.session.is_none()) {
            let message = "hello was expected within 10 s";
            self.bye(id, "protocol", message, false, Close::Policy, out);
        }
    }

    fn advance_session(&mut self, now: Now, id: &str, out: &mut CallsOutbox) {
        let Some(session) = self.sessions.get(id) else { return };
        if session.ends_at.is_some_and(|at| at <= now.instant) {
            return self.end_session(now, id, out);
        }
        for re in session.overdue(now.instant) {
            self.reply(id, re, Err(super::requests::away()), out);
        }
        self.arm_session(id);
    }

    pub(super) fn arm_session(&mut self, id: &str) {
        if let Some(at) =
            self.sessions.get(id).and_then(crate::calls::session::Session::next_timeout)
        {
            self.timers.arm(Due::Session(id.to_owned()), at);
        }
    }
}
