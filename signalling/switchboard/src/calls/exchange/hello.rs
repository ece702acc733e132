//! How sessions begin, go on, and end.

use super::Exchange;
use super::answers::Pending;
use crate::calls::call::Cx;
use crate::calls::envelope::{Ask, Changed, News, Party, User};
use crate::calls::event::{Ice, Notice, Settings};
use crate::calls::frame::{Hello, NAME_BYTES_MAX, VERSION};
use crate::calls::interface::{CallsOutbox, Close, Deed, Question};
use crate::calls::session::Session;
use crate::rooms::turn::ice_server;
use crate::rooms::{ConnectionId, Now};
use crate::token::{Claims, verify};
use relay_wire::control::TurnService;
use serde_json::{Value, json};
use std::time::Duration;

impl Exchange {
    pub(super) fn hello(
        &mut self,
        now: Now,
        id: ConnectionId,
        hello: Hello,
        out: &mut CallsOutbox,
    ) {
        let claims = match self.admitted(now, &hello.token) {
            Ok(claims) => claims,
            Err(message) => return self.bye(id, "token", &message, false, Close::Policy, out),
        };
        let user = User { tenant: claims.iss, identity: claims.sub };
        let name = if claims.name.is_empty() { user.identity.clone() } else { claims.name };
        if let Some(resume) = &hello.resume
            && let Some(session) = self.sessions.get_mut(&resume.session)
            && session.party.user == user
            && session.acknowledge(resume.received)
        {
            let session = resume.session.clone();
            return self.resume(id, &session, out);
        }
        let sessions = self.by_user.get(&user).map_or(0, std::collections::BTreeSet::len);
        let older = self.session_of_device(&user, &hello.device);
        let is_full = self.sessions.len() >= self.config.limits.sessions
            || sessions >= self.config.limits.user_sessions && older.is_none();
        if is_full {
            let message = "too many are connected: try again later";
            return self.bye(id, "too_many", message, true, Close::Policy, out);
        }
        let (node, session) = (self.config.node.clone(), self.id("CS_"));
        let party = Party { node, session, device: hello.device, user, name };
        self.begin(now, id, party, older, out);
    }

    fn admitted(&self, now: Now, token: &str) -> Result<Claims, String> {
        let claims = verify(token, |key| self.config.keys.get(key), now.unix_ms / 1000)
            .map_err(|error| error.to_string())?;
        if claims.sub.is_empty() {
            return Err("the token has no identity (sub)".to_owned());
        }
        if claims.sub.len().max(claims.name.len()) > NAME_BYTES_MAX {
            return Err(format!("identity and name have at most {NAME_BYTES_MAX} bytes"));
        }

        Ok(claims)
    }

    fn session_of_device(&self, user: &User, device: &str) -> Option<String> {
        let sessions = self.by_user.get(user)?;

        sessions.iter().find(|id| self.sessions[*id].party.device == device).cloned()
    }

    fn resume(&mut self, id: ConnectionId, session: &str, out: &mut CallsOutbox) {
        self.counters.resumes += 1;
        let Some(known) = self.sessions.get_mut(session) else { return };
        let older = known.connection.replace(id);
        known.ends_at = None;
        known.welcomed = false;
        let user = known.party.user.clone();
        if let Some(older) = older {
            let message = "the session goes on over another connection";
            self.bye(older, "replaced", message, false, Close::Normal, out);
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.session = Some(session.to_owned());
        }
        self.ask_welcome(session, user, true, out);
    }

    /// Begins a session; an earlier one of the same device ends, and leaves it its calls.
    fn begin(
        &mut self,
        now: Now,
        id: ConnectionId,
        party: Party,
        older: Option<String>,
        out: &mut CallsOutbox,
    ) {
        let (session, user) = (party.session.clone(), party.user.clone());
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.session = Some(session.clone());
        }
        self.sessions.insert(session.clone(), Session::new(party.clone(), id));
        self.by_user.entry(user.clone()).or_default().insert(session.clone());
        let count = self.tenants.entry(user.tenant.clone()).or_default();
        *count += 1;
        if *count == 1 {
            out.deeds.push(Deed::Follow(user.tenant.clone()));
        }
        self.still_due.get_or_insert(now.instant + self.config.times.still);
        out.deeds.push(Deed::Register { party: party.clone(), busy: false });
        if let Some(older) = older {
            self.hand_over(now, &older, &party, out);
        }
        let what = Changed::Arrived(party);
        out.deeds.push(Deed::Publish(News { user: user.clone(), what }));
        self.ask_welcome(&session, user, false, out);
    }

    /// The calls of a session that is replaced go on with the one that replaces it.
    fn hand_over(&mut self, now: Now, older: &str, party: &Party, out: &mut CallsOutbox) {
        let Some(known) = self.sessions.get_mut(older) else { return };
        let connection = known.connection;
        let calls = std::mem::take(&mut known.calls);
        if let Some(id) = connection {
            let message = "this device has connected anew";
            self.bye(id, "replaced", message, false, Close::Normal, out);
        }
        let old_party = self.sessions[older].party.clone();
        for (call, part) in calls {
            if !self.calls.contains_key(&call) {
                let ask = Ask::Gone;
                self.ask(call, old_party.clone(), 0, ask, out);
                continue;
            }
            if let Some(session) = self.sessions.get_mut(&party.session) {
                session.calls.insert(call.clone(), part);
            }
            self.with_call(now, &call, out, |call, cx| call.replace(cx, &old_party, party));
        }
        self.end_session(now, older, out);
        self.mark_busy(&party.session, out);
    }

    fn ask_welcome(&mut self, session: &str, user: User, resumed: bool, out: &mut CallsOutbox) {
        let pending = Pending::Welcome { session: session.to_owned(), resumed };
        self.question(Question::Welcome(user), pending, out);
    }

    /// Says welcome, and what was told meanwhile.
    pub(super) fn welcome(
        &mut self,
        now: Now,
        id: &str,
        resumed: bool,
        known: (Settings, Vec<Notice>),
        out: &mut CallsOutbox,
    ) {
        let Some(session) = self.sessions.get(id) else { return };
        let Some(connection) = session.connection else { return };
        let party = session.party.clone();
        let (settings, notices) = known;
        let ice_servers = ice_servers(&self.turn, now, &party.user.identity, &self.config.times);
        let times = &self.config.times;
        let welcome = json!({
            "type": "welcome", "version": VERSION, "session": id, "resumed": resumed,
            "identity": party.user.identity, "name": party.name,
            "grace_s": times.grace.as_secs(), "ring_s": times.ring.as_secs(),
            "node": self.config.node, "ice_servers": ice_servers,
            "calls": self.standing(now, &party), "notices": notices, "settings": settings,
        });
        out.frames.push((connection, welcome.to_string()));
        if let Some(session) = self.sessions.get_mut(id) {
            session.welcomed = true;
            let texts = session.unacknowledged().map(|text| (connection, text.clone()));
            out.frames.extend(texts);
        }
    }

    /// How the calls of this node stand that a device has to do with.
    fn standing(&mut self, now: Now, party: &Party) -> Vec<Value> {
        let Some(session) = self.sessions.get(&party.session) else { return Vec::new() };
        let calls = session.calls.keys().filter_map(|id| self.calls.get(id));
        let (turn, times) = (&self.turn, &self.config.times);
        let ice = |identity: &str| ice_servers(turn, now, identity, times);
        let cx = Cx {
            now,
            config: &self.config,
            ice: &ice,
            tells: Vec::new(),
            missed: Vec::new(),
            happenings: Vec::new(),
        };

        calls.filter_map(|call| call.standing(&cx, party)).collect()
    }

    /// Ends a session: its calls lose it, and the directory forgets it.
    pub(super) fn end_session(&mut self, now: Now, id: &str, out: &mut CallsOutbox) {
        let Some(session) = self.sessions.remove(id) else { return };
        let party = session.party;
        if let Some(connection) = session.connection
            && let Some(connection) = self.connections.get_mut(&connection)
        {
            connection.session = None;
        }
        for call in session.calls.into_keys() {
            self.ask(call, party.clone(), 0, Ask::Gone, out);
        }
        if let Some(sessions) = self.by_user.get_mut(&party.user) {
            sessions.remove(id);
            if sessions.is_empty() {
                self.by_user.remove(&party.user);
            }
        }
        let (user, tenant) = (party.user.clone(), party.user.tenant.clone());
        out.deeds.push(Deed::Remove(party));
        out.deeds.push(Deed::Publish(News { user, what: Changed::Presence }));
        if let Some(count) = self.tenants.get_mut(&tenant) {
            *count -= 1;
            if *count == 0 {
                self.tenants.remove(&tenant);
                out.deeds.push(Deed::Unfollow(tenant));
            }
        }
        self.changed_due.get_or_insert(now.instant + self.config.times.gather);
    }

    /// Has the directory know whether a session is in a call.
    pub(super) fn mark_busy(&mut self, id: &str, out: &mut CallsOutbox) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let busy = session.is_busy();
        if session.told_busy == busy {
            return;
        }
        session.told_busy = busy;
        let party = session.party.clone();
        let news = News { user: party.user.clone(), what: Changed::Presence };
        out.deeds.push(Deed::Register { party, busy });
        out.deeds.push(Deed::Publish(news));
    }
}

/// STUN and TURN for a peer connection between two: over UDP as well, unlike those for rooms.
pub(super) fn ice_servers(
    turn: &TurnService,
    now: Now,
    identity: &str,
    times: &crate::calls::CallsTimes,
) -> Vec<Ice> {
    let lifetime: Duration = times.turn_credential;
    let Some(mut server) = ice_server(turn, now.unix_ms / 1000, lifetime, identity) else {
        return Vec::new();
    };
    let plain = server.urls.iter().filter_map(|url| url.strip_prefix("turn:"));
    let hosts: Vec<String> = plain
        .map(|rest| rest.split('?').next().unwrap_or(rest).to_owned())
        .fold(Vec::new(), |mut hosts, host| {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
            hosts
        });
    let over_udp = hosts.iter().map(|host| format!("turn:{host}?transport=udp"));
    let mut urls: Vec<String> = over_udp.collect();
    for url in server.urls.drain(..) {
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    server.urls = urls;
    let stun = hosts.iter().map(|host| format!("stun:{host}")).collect::<Vec<_>>();
    let no_name = String::new;
    let stun = Ice { urls: stun, username: no_name(), credential: no_name() };

    [(!hosts.is_empty()).then_some(stun), Some(server.into())].into_iter().flatten().collect()
}
