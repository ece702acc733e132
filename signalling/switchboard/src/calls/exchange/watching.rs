//! Who sees whom: presence told to those who watch, settings and notices to a person's devices.

use super::Exchange;
use super::answers::Pending;
use crate::calls::envelope::User;
use crate::calls::event::{Event, Other, Presence, Settings, State};
use crate::calls::interface::{CallsOutbox, Question, Seen};
use crate::calls::session::Watch;
use crate::rooms::Now;
use std::collections::{BTreeMap, BTreeSet};

/// People whom one session is told of.
const WATCHED_MAX: usize = 500;

impl Exchange {
    /// Replaces what a session watches, and gives how everybody appears now.
    pub(super) fn watch(&mut self, session: &str, all: bool, seen: Vec<Seen>) -> Vec<Presence> {
        let Some(known) = self.sessions.get_mut(session) else { return Vec::new() };
        let me = known.party.user.identity.clone();
        let people: Vec<Presence> = seen.into_iter().map(|seen| as_seen_by(&me, &seen)).collect();
        let told = people.iter().map(|person| (person.identity.clone(), person.state)).collect();
        known.watch = Some(Watch { all, told });

        // Who is not to be seen does not stand in a list of those who are connected.
        let hidden = |person: &Presence| all && person.state == State::Offline;
        people.into_iter().filter(|person| !hidden(person)).collect()
    }

    /// Notes that somebody appears otherwise now.
    pub(super) fn change(&mut self, now: Now, user: User) {
        if self.tenants.contains_key(&user.tenant) {
            self.changed.insert(user);
            self.changed_due.get_or_insert(now.instant + self.config.times.gather);
        }
    }

    /// Asks how those appear whose presence has changed.
    pub(super) fn tell_changes(&mut self, _now: Now, out: &mut CallsOutbox) {
        self.changed_due = None;
        let mut by_tenant: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for user in std::mem::take(&mut self.changed) {
            by_tenant.entry(user.tenant).or_default().push(user.identity);
        }
        for (tenant, identities) in by_tenant {
            let question = Question::Look { tenant: tenant.clone(), identities: Some(identities) };
            self.question(question, Pending::Look { tenant }, out);
        }
    }

    /// Tells those who watch what is new to them.
    pub(super) fn seen(&mut self, now: Now, tenant: &str, seen: &[Seen], out: &mut CallsOutbox) {
        let mut news: Vec<(String, Presence)> = Vec::new();
        for session in self.sessions.values_mut().filter(|s| s.party.user.tenant == tenant) {
            let me = &session.party.user.identity;
            let Some(watch) = &mut session.watch else { continue };
            for person in seen {
                let presence = as_seen_by(me, person);
                let told = watch.told.get(&presence.identity).copied();
                let is_watched = told.is_some() || watch.all && watch.told.len() < WATCHED_MAX;
                if is_watched && told.unwrap_or(State::Offline) != presence.state {
                    watch.told.insert(presence.identity.clone(), presence.state);
                    news.push((session.party.session.clone(), presence));
                }
            }
        }
        for (session, presence) in news {
            self.tell(now, &session, &Event::Other(Other::Presence(presence)), out);
        }
    }

    pub(super) fn tell_settings(
        &mut self,
        now: Now,
        user: &User,
        settings: &Settings,
        out: &mut CallsOutbox,
    ) {
        self.tell_all(now, user, &Other::Settings(settings.clone()), out);
    }

    /// Tells all devices of somebody that are connected to this node.
    pub(super) fn tell_all(&mut self, now: Now, user: &User, event: &Other, out: &mut CallsOutbox) {
        let sessions: BTreeSet<String> = self.by_user.get(user).cloned().unwrap_or_default();
        for session in sessions {
            self.tell(now, &session, &Event::Other(event.clone()), out);
        }
    }
}

/// How somebody appears to another: who has blocked them is not there.
fn as_seen_by(me: &str, seen: &Seen) -> Presence {
    if seen.blocked.contains(me) {
        let identity = seen.presence.identity.clone();
        return Presence { identity, name: String::new(), state: State::Offline };
    }

    seen.presence.clone()
}
