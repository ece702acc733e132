//! What the parts of calls say to each other, on one node or across nodes.

use super::event::{CallEvent, Fault, Notice, Person};
use super::frame::Act;
use serde::{Deserialize, Serialize};

/// Somebody: an identity of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct User {
    /// The API key whose tokens they use.
    pub tenant: String,
    /// Who they are there.
    pub identity: String,
}

/// A session, and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The node that has it.
    pub node: String,
    /// Its id.
    pub session: String,
    /// The device, as the client calls it.
    pub device: String,
    /// Whose.
    pub user: User,
    /// The name, for people.
    pub name: String,
}

impl Party {
    pub(crate) fn person(&self) -> Person {
        Person { identity: self.user.identity.clone(), name: self.name.clone() }
    }
}

/// One message. Messages from one node to another come in order and at most once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Envelope {
    /// To the node of a call: a device asks something; `re` is its id, 0: no answer is needed.
    Ask {
        /// The call.
        call: String,
        /// Which device.
        from: Party,
        /// The id of the request.
        re: u64,
        /// What.
        ask: Ask,
    },
    /// To the node of a session: what became of a request.
    Answer {
        /// The session.
        session: String,
        /// The id of the request.
        re: u64,
        /// The outcome.
        outcome: Result<(), Fault>,
    },
    /// To the node of a session: news of a call.
    Tell {
        /// The session.
        to: Party,
        /// The node that says so, which has the call.
        from: String,
        /// What.
        event: CallEvent,
    },
    /// To all nodes of a tenant: something about a person has changed.
    News(News),
}

/// What a call is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// What clients can do.
    Act(Act),
    /// Rings one more person, on these devices.
    Add(User, Vec<Party>),
    /// The device is there; who never says so is lost.
    Still,
    /// The session has ended.
    Gone,
    /// Both called each other: this call ends, that one goes on.
    Merge(String),
}

/// What has changed about a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct News {
    /// Who.
    pub user: User,
    /// What.
    pub what: Changed,
}

/// See [`News`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Changed {
    /// How they appear.
    Presence,
    /// A device has come.
    Arrived(Party),
    /// What they have set.
    Settings,
    /// They are told something.
    Notice(Notice),
    /// They have seen it.
    NoticeGone(String),
}
