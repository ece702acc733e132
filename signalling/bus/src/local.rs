//! What one node has registered: the truth about its connections, wherever else it stands.

use crate::users::{SESSIONS_MAX, Session, User};
use crate::{Error, Place};
use std::collections::{BTreeSet, HashMap};

/// Users connected to one node.
const USERS_MAX: usize = 100_000;
/// Rooms that one node holds, tenants that it follows.
const ROOMS_MAX: usize = 100_000;
const TENANTS_MAX: usize = 10_000;

/// Sessions, followed tenants and rooms of a node.
#[derive(Debug, Default)]
pub(crate) struct Local {
    pub(crate) users: HashMap<User, Vec<Session>>,
    pub(crate) follows: BTreeSet<String>,
    pub(crate) rooms: BTreeSet<String>,
}

impl Local {
    /// Adds a session, or replaces the one of the same id.
    pub(crate) fn register(&mut self, user: &User, session: Session) -> Result<(), Error> {
        if self.users.len() >= USERS_MAX && !self.users.contains_key(user) {
            return Err(Error::Full("the users of a node"));
        }
        let sessions = self.users.entry(user.clone()).or_default();
        if let Some(same) = sessions.iter_mut().find(|known| known.id == session.id) {
            *same = session;
            return Ok(());
        }
        if sessions.len() >= SESSIONS_MAX {
            return Err(Error::Full("the sessions of a user"));
        }
        sessions.push(session);

        Ok(())
    }

    /// Takes a session out; one that is not there is out.
    pub(crate) fn remove(&mut self, user: &User, session: &str) {
        let Some(sessions) = self.users.get_mut(user) else { return };
        sessions.retain(|known| known.id != session);
        if sessions.is_empty() {
            self.users.remove(user);
        }
    }

    /// Follows a tenant's news.
    pub(crate) fn follow(&mut self, tenant: &str) -> Result<(), Error> {
        insert(&mut self.follows, tenant, TENANTS_MAX, "the tenants of a node")
    }

    /// Holds a room.
    pub(crate) fn keep(&mut self, room: &str) -> Result<(), Error> {
        insert(&mut self.rooms, room, ROOMS_MAX, "the rooms of a node")
    }

    /// The sessions of a user here.
    pub(crate) fn sessions(&self, user: &User) -> &[Session] {
        self.users.get(user).map(Vec::as_slice).unwrap_or_default()
    }

    /// Who of a tenant is here.
    pub(crate) fn identities(&self, tenant: &str) -> Vec<String> {
        let here = self.users.keys().filter(|user| user.tenant == tenant);

        here.map(|user| user.identity.clone()).collect()
    }

    /// The user's sessions as places, for those who ask from elsewhere.
    pub(crate) fn places<'a>(
        &'a self,
        node: &'a str,
        user: &User,
    ) -> impl Iterator<Item = Place> + 'a {
        let place = |session: &Session| Place { node: node.to_owned(), session: session.clone() };

        self.sessions(user).iter().map(place)
    }
}

fn insert(
    set: &mut BTreeSet<String>,
    name: &str,
    max: usize,
    what: &'static str,
) -> Result<(), Error> {
    if set.len() >= max && !set.contains(name) {
        return Err(Error::Full(what));
    }
    set.insert(name.to_owned());

    Ok(())
}
