//! A client's session: what was asked and answered, what it was told and has acknowledged.

use super::envelope::Party;
use super::event::{Code, Event, Fault, State};
use super::interface::CallsLimits;
use crate::rooms::ConnectionId;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// What a session has to do with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Called this person, who is not in yet.
    Outgoing(String),
    /// This person calls.
    Incoming(String),
    /// Rings for a call that its own, which both made, replaces: nothing of it is told.
    Hidden,
    /// Is in it.
    In,
}

/// What is to be done with a request by its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is new.
    New,
    /// Its answer was given and is given again.
    Again(String),
    /// It waits for its answer.
    Waiting,
    /// It is refused, and counts as never sent.
    Refused(Code),
}

/// Whom a session wants to hear of.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// Everybody of the tenant, not only those known.
    pub(super) all: bool,
    /// What was told of whom.
    pub(super) told: BTreeMap<String, State>,
}

/// One session.
pub(super) struct Session {
    pub(super) party: Party,
    pub(super) connection: Option<ConnectionId>,
    /// When it ends, while there is no connection.
    pub(super) ends_at: Option<Instant>,
    /// Calls that it rings for or is in.
    pub(super) calls: BTreeMap<String, Part>,
    pub(super) watch: Option<Watch>,
    /// Whether the directory has it as busy.
    pub(super) told_busy: bool,
    /// Whether the connection has had its welcome: nothing is sent before it.
    pub(super) welcomed: bool,
    /// The greatest id so far.
    last_id: u64,
    /// Requests without an answer, and when they get one anyhow.
    waiting: BTreeMap<u64, Instant>,
    answers: VecDeque<(u64, String)>,
    next_seq: u64,
    /// What was told and not acknowledged.
    events: VecDeque<(u64, String)>,
    events_bytes: usize,
}

#[derive(Serialize)]
struct Numbered<'a> {
    seq: u64,
    #[serde(flatten)]
    event: &'a Event,
}

impl Session {
    pub(super) fn new(party: Party, connection: ConnectionId) -> Self {
        Self {
            party,
            connection: Some(connection),
            ends_at: None,
            calls: BTreeMap::new(),
            watch: None,
            told_busy: false,
            welcomed: false,
            last_id: 0,
            waiting: BTreeMap::new(),
            answers: VecDeque::new(),
            next_seq: 1,
            events: VecDeque::new(),
            events_bytes: 0,
        }
    }

    /// Takes the id of a request; a new one waits for its answer until `until`.
    pub(super) fn take(&mut self, id: u64, until: Instant, limits: &CallsLimits) -> Turn {
        if let Some((_, text)) = self.answers.iter().find(|(known, _)| *known == id) {
            return Turn::Again(text.clone());
        }
        if self.waiting.contains_key(&id) {
            return Turn::Waiting;
        }
        if id <= self.last_id {
            return Turn::Refused(Code::Duplicate);
        }
        if id != self.last_id + 1 {
            return Turn::Refused(Code::OutOfOrder);
        }
        if self.waiting.len() >= limits.waiting {
            return Turn::Refused(Code::TooMany);
        }
        self.last_id = id;
        self.waiting.insert(id, until);

        Turn::New
    }

    /// Keeps the answer to a request, and gives it to be sent; `None` when it had one.
    pub(super) fn answer(
        &mut self,
        id: u64,
        outcome: Result<Map<String, Value>, Fault>,
        limits: &CallsLimits,
    ) -> Option<String> {
        self.waiting.remove(&id)?;
        let text = answer_text(id, outcome);
        if self.answers.len() >= limits.answers {
            self.answers.pop_front();
        }
        self.answers.push_back((id, text.clone()));

        Some(text)
    }

    /// Whether a request still waits for its answer.
    pub(super) fn is_waiting(&self, id: u64) -> bool {
        self.waiting.contains_key(&id)
    }

    /// Requests whose time is over.
    pub(super) fn overdue(&self, now: Instant) -> Vec<u64> {
        self.waiting.iter().filter(|(_, until)| **until <= now).map(|(id, _)| *id).collect()
    }

    /// Keeps an event until it is acknowledged, and gives it to be sent; `None` when the client
    /// does not keep up.
    pub(super) fn tell(&mut self, event: &Event, limits: &CallsLimits) -> Option<String> {
        let numbered = Numbered { seq: self.next_seq, event };
        // Events are texts, numbers, flags and lists of them: they have a JSON form.
        let text = serde_json::to_string(&numbered).expect("an event is JSON");
        let is_full = self.events.len() >= limits.events
            || self.events_bytes + text.len() > limits.events_bytes;
        if is_full {
            return None;
        }
        self.next_seq += 1;
        self.events_bytes += text.len();
        self.events.push_back((numbered.seq, text.clone()));

        Some(text)
    }

    /// Forgets what the client has; false for what was never sent.
    pub(super) fn acknowledge(&mut self, seq: u64) -> bool {
        if seq >= self.next_seq {
            return false;
        }
        while let Some((_, text)) = self.events.pop_front_if(|(known, _)| *known <= seq) {
            self.events_bytes -= text.len();
        }

        true
    }

    /// What the client has not acknowledged, in order.
    pub(super) fn unacknowledged(&self) -> impl Iterator<Item = &String> {
        self.events.iter().map(|(_, text)| text)
    }

    /// When something of it is next due.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.waiting.values().min().copied().into_iter().chain(self.ends_at).min()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.calls.values().any(|part| matches!(part, Part::In | Part::Outgoing(_)))
    }
}

/// The text of an answer.
pub(super) fn answer_text(id: u64, outcome: Result<Map<String, Value>, Fault>) -> String {
    let (kind, members) = match outcome {
        Ok(members) => ("ok", members),
        Err(fault) => match serde_json::to_value(fault) {
            Ok(Value::Object(members)) => ("error", members),
            _ => ("error", Map::new()),
        },
    };
    let mut object = Map::new();
    object.insert("type".into(), kind.into());
    object.insert("re".into(), id.into());
    object.extend(members);

    Value::Object(object).to_string()
}
