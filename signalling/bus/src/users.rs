//! Users: their sessions, how they appear to others, what they have set, what is held for them.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Users that one user may have blocked.
pub(crate) const BLOCKED_MAX: usize = 1_000;
/// Notices that are held for one user; the oldest gives way.
pub(crate) const NOTICES_MAX: usize = 50;
/// Sessions of one user on one node.
pub(crate) const SESSIONS_MAX: usize = 32;

/// Somebody: an identity of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct User {
    /// The API key whose tokens they use.
    pub tenant: String,
    /// Who they are there.
    pub identity: String,
}

impl User {
    /// This identity of this tenant.
    pub fn new(tenant: &str, identity: &str) -> Self {
        Self { tenant: tenant.to_owned(), identity: identity.to_owned() }
    }
}

/// A connection of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id, which no other has.
    pub id: String,
    /// The device, as the client calls it.
    pub device: String,
    /// The user's name, for people.
    pub name: String,
    /// Whether it is in a call.
    pub busy: bool,
}

/// A session, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The node that holds the connection.
    pub node: String,
    /// The session.
    pub session: Session,
}

/// How a user appears to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Connected, and in no call.
    Online,
    /// Connected, and in a call on some device.
    Busy,
    /// Connected, and wants no calls.
    DoNotDisturb,
    /// Not connected.
    Offline,
}

/// A user and how he appears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Who.
    pub identity: String,
    /// The name, for people; empty when offline.
    pub name: String,
    /// How.
    pub state: State,
}

/// Users of a tenant who are connected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// By identity; nobody in it is offline.
    pub users: Vec<Presence>,
    /// Whether there are more than were asked for.
    pub truncated: bool,
}

impl Presence {
    /// What sessions, on whatever nodes, and settings come to.
    pub(crate) fn of(identity: &str, places: &[Place], settings: &Settings) -> Self {
        let busy = places.iter().any(|place| place.session.busy);
        let state = match (places.is_empty(), settings.do_not_disturb, busy) {
            (true, ..) => State::Offline,
            (false, true, _) => State::DoNotDisturb,
            (false, false, true) => State::Busy,
            (false, false, false) => State::Online,
        };
        let name = places.first().map(|place| place.session.name.clone()).unwrap_or_default();

        Self { identity: identity.to_owned(), name, state }
    }
}

/// What a user has set; kept for good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether calls are not wanted now.
    pub do_not_disturb: bool,
    /// Who may not call, nor see the user: at most 1000 identities of the same tenant.
    pub blocked: BTreeSet<String>,
}

/// A change of settings; what is empty stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Whether calls are wanted.
    pub do_not_disturb: Option<bool>,
    /// Identities to block.
    pub block: Vec<String>,
    /// Identities not to block any more.
    pub unblock: Vec<String>,
}

impl Settings {
    /// The settings after a change, or why it cannot be.
    pub(crate) fn changed(mut self, change: &Change) -> Result<Self, Error> {
        for identity in &change.block {
            crate::names::name("the identity to block", identity)?;
        }
        self.do_not_disturb = change.do_not_disturb.unwrap_or(self.do_not_disturb);
        self.blocked.retain(|identity| !change.unblock.contains(identity));
        self.blocked.extend(change.block.iter().cloned());
        if self.blocked.len() > BLOCKED_MAX {
            return Err(Error::Full("the list of blocked users"));
        }

        Ok(self)
    }
}

/// Something a user is told when next connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its id: a second one of the same id replaces it.
    pub id: String,
    /// What it says.
    pub body: String,
    /// When it is worth nothing any more, milliseconds since the Unix epoch.
    pub expires_ms: u64,
}

/// The notices that are still good, with one more.
pub(crate) fn with_notice(notices: &[Notice], notice: Notice, now_ms: u64) -> Vec<Notice> {
    let mut kept = without_notice(notices, &notice.id, now_ms);
    kept.push(notice);
    let surplus = kept.len().saturating_sub(NOTICES_MAX);
    kept.drain(..surplus);

    kept
}

/// The notices that are still good, but for one.
pub(crate) fn without_notice(notices: &[Notice], id: &str, now_ms: u64) -> Vec<Notice> {
    let good = |notice: &&Notice| notice.expires_ms > now_ms && notice.id != id;

    notices.iter().filter(good).cloned().collect()
}
