//! Envelopes: what sessions and calls say to each other, here or on another node.

use super::Exchange;
use super::hello::ice_servers;
use super::requests::{away, node_of};
use crate::calls::call::{Call, Cx, Happening, unknown_call};
use crate::calls::envelope::{Ask, Changed, Envelope, News, Party, User};
use crate::calls::event::{CallEvent, Event, Notice, Other, Reason};
use crate::calls::frame::Act;
use crate::calls::interface::{CallsOutbox, Question};
use crate::calls::session::Part;
use crate::rooms::{Now, RoomEvent};
use serde_json::{Map, json};

/// What a call has caused.
struct Caused {
    tells: Vec<(Party, CallEvent)>,
    missed: Vec<(User, Notice)>,
    happenings: Vec<Happening>,
}

impl Exchange {
    /// Sends to a node, this one included.
    pub(super) fn post(&mut self, node: &str, envelope: Envelope, out: &mut CallsOutbox) {
        if node == self.config.node {
            self.inbox.push_back(envelope);
        } else {
            out.envelopes.push((node.to_owned(), envelope));
        }
    }

    /// Reads what this node has written to itself, until there is no more.
    pub(super) fn settle(&mut self, now: Now, out: &mut CallsOutbox) {
        while let Some(envelope) = self.inbox.pop_front() {
            match envelope {
                Envelope::Ask { call, from, re, ask } => {
                    self.asked(now, &call, &from, re, ask, out);
                }
                Envelope::Answer { session, re, outcome } => {
                    self.reply(&session, re, outcome.map(|()| Map::new()), out);
                }
                Envelope::Tell { to, from, event } => self.told(now, &to, &from, event, out),
                Envelope::News(news) => self.news(now, news, out),
            }
        }
    }

    fn asked(
        &mut self,
        now: Now,
        id: &str,
        from: &Party,
        re: u64,
        ask: Ask,
        out: &mut CallsOutbox,
    ) {
        let is_still = ask == Ask::Still;
        let outcome = self.with_call(now, id, out, |call, cx| call.ask(cx, from, ask));
        if outcome.is_none() && is_still {
            let (call, reason) = (id.to_owned(), Reason::Lost);
            let event = CallEvent::Ended { call, reason, into: None };
            let (to, node) = (from.clone(), self.config.node.clone());
            self.post(&from.node, Envelope::Tell { to, from: node, event }, out);
        }
        if re > 0 {
            let outcome = outcome.unwrap_or_else(|| Err(unknown_call()));
            let session = from.session.clone();
            self.post(&from.node, Envelope::Answer { session, re, outcome }, out);
        }
    }

    /// Something to be told to a session of this node.
    fn told(&mut self, now: Now, to: &Party, from: &str, event: CallEvent, out: &mut CallsOutbox) {
        let call = event.call().to_owned();
        let Some(session) = self.sessions.get_mut(&to.session) else {
            if !matches!(event, CallEvent::Ended { .. }) {
                let ask = Envelope::Ask { call, from: to.clone(), re: 0, ask: Ask::Gone };
                self.post(from, ask, out);
            }
            return;
        };
        let (is_known, most) = (session.calls.contains_key(&call), self.config.limits);
        match &event {
            CallEvent::Incoming { .. } if is_known => return,
            CallEvent::Incoming { .. } if session.calls.len() >= most.session_calls => {
                return self.ask(call, to.clone(), 0, Ask::Act(Act::Busy), out);
            }
            CallEvent::Incoming { from, .. } => {
                let caller = from.identity.clone();
                if self.is_glare(now, to, &call, &caller, out) {
                    return;
                }
            }
            CallEvent::Ended { .. } => {
                let part = session.calls.remove(&call);
                self.mark_busy(&to.session, out);
                if matches!(part, None | Some(Part::Hidden)) {
                    return;
                }
            }
            _ => match session.calls.get_mut(&call) {
                None | Some(Part::Hidden) => return,
                Some(part @ Part::Outgoing(_)) if matches!(event, CallEvent::Accepted { .. }) => {
                    *part = Part::In;
                }
                Some(_) => {}
            },
        }
        self.tell(now, &to.session, &Event::Call(event), out);
    }

    /// Whether a call comes from somebody whom this device is calling: the one with the lower id
    /// goes on. Notes the call in any case.
    fn is_glare(
        &mut self,
        now: Now,
        to: &Party,
        call: &str,
        caller: &str,
        out: &mut CallsOutbox,
    ) -> bool {
        let Some(session) = self.sessions.get_mut(&to.session) else { return true };
        let outgoing = Part::Outgoing(caller.to_owned());
        let own = session.calls.iter().find(|(_, part)| **part == outgoing);
        let Some(own) = own.map(|(own, _)| own.clone()) else {
            session.calls.insert(call.to_owned(), Part::Incoming(caller.to_owned()));
            return false;
        };
        if own.as_str() < call {
            session.calls.insert(call.to_owned(), Part::Hidden);
            return true;
        }
        session.calls.remove(&own);
        session.calls.insert(call.to_owned(), Part::In);
        self.ask(own.clone(), to.clone(), 0, Ask::Merge(call.to_owned()), out);
        let into = Some(call.to_owned());
        let ended = CallEvent::Ended { call: own, reason: Reason::Merged, into };
        self.tell(now, &to.session, &Event::Call(ended), out);
        self.join_other(now, to, call, caller, out);

        true
    }

    fn news(&mut self, now: Now, news: News, out: &mut CallsOutbox) {
        let News { user, what } = news;
        match what {
            Changed::Presence => self.change(now, user),
            Changed::Arrived(party) => {
                self.change(now, user);
                let calls: Vec<String> = self.calls.keys().cloned().collect();
                for id in calls {
                    self.with_call(now, &id, out, |call, cx| call.arrived(cx, &party));
                }
            }
            Changed::Settings => {
                if self.by_user.contains_key(&user) {
                    let change = crate::calls::Change::default();
                    let question = Question::Settings { user: user.clone(), change };
                    self.question(question, super::Pending::Devices(user), out);
                }
            }
            Changed::Notice(notice) => self.tell_all(now, &user, &Other::Notice(notice), out),
            Changed::NoticeGone(notice) => {
                self.tell_all(now, &user, &Other::NoticeGone { notice }, out);
            }
        }
    }

    /// A message did not get to its node: who waits for an answer, is told.
    pub(super) fn returned(&mut self, now: Now, envelope: Envelope, out: &mut CallsOutbox) {
        match envelope {
            Envelope::Ask { from, re, .. } if re > 0 => {
                self.reply(&from.session, re, Err(away()), out);
            }
            // A device that cannot be told anything is lost when it does not say that it is there.
            Envelope::Tell { to, event, .. } if !matches!(event, CallEvent::Ended { .. }) => {
                let call = event.call().to_owned();
                if matches!(event, CallEvent::Incoming { .. }) {
                    self.with_call(now, &call, out, |call, cx| call.ask(cx, &to, Ask::Gone));
                }
            }
            Envelope::Ask { .. }
            | Envelope::Tell { .. }
            | Envelope::Answer { .. }
            | Envelope::News(_) => {}
        }
    }

    /// All that was on a node is lost.
    pub(super) fn lose_node(&mut self, now: Now, node: &str, out: &mut CallsOutbox) {
        let calls: Vec<String> = self.calls.keys().cloned().collect();
        for id in calls {
            self.with_call(now, &id, out, |call, cx| call.node_down(cx, node));
        }
        let lost = |(id, session): (&String, &crate::calls::session::Session)| {
            let there = session.calls.keys().filter(|call| node_of(call) == node);
            there.map(|call| (id.clone(), call.clone())).collect::<Vec<_>>()
        };
        let lost: Vec<_> = self.sessions.iter().flat_map(lost).collect();
        for (id, call) in lost {
            let to = self.sessions[&id].party.clone();
            let event = CallEvent::Ended { call, reason: Reason::Lost, into: None };
            let from = self.config.node.clone();
            self.inbox.push_back(Envelope::Tell { to, from, event });
        }
    }

    /// Has every device say which calls it is in.
    pub(super) fn still(&mut self, now: Now, out: &mut CallsOutbox) {
        let all = self.sessions.values();
        let asks: Vec<(Party, String)> = all
            .flat_map(|session| {
                session.calls.keys().map(|call| (session.party.clone(), call.clone()))
            })
            .collect();
        for (party, call) in asks {
            self.ask(call, party, 0, Ask::Still, out);
        }
        let next = now.instant + self.config.times.still;
        self.still_due = (!self.sessions.is_empty()).then_some(next);
    }

    /// Works on a call of this node and sees to what follows; `None`: there is no such call.
    pub(super) fn with_call<T>(
        &mut self,
        now: Now,
        id: &str,
        out: &mut CallsOutbox,
        work: impl FnOnce(&mut Call, &mut Cx<'_>) -> T,
    ) -> Option<T> {
        let mut call = self.calls.remove(id)?;
        let result = self.with_cx_out(now, out, |cx| work(&mut call, cx));
        if !call.is_over() {
            self.calls.insert(id.to_owned(), call);
            self.arm_call(id);
        }

        Some(result)
    }

    /// Lends what calls work with; what is caused by that is not seen to.
    pub(super) fn with_cx<T>(&self, now: Now, work: impl FnOnce(&mut Cx<'_>) -> T) -> T {
        self.caused(now, work).0
    }

    fn caused<T>(&self, now: Now, work: impl FnOnce(&mut Cx<'_>) -> T) -> (T, Caused) {
        let (turn, times) = (&self.turn, &self.config.times);
        let ice = |identity: &str| ice_servers(turn, now, identity, times);
        let mut cx = Cx {
            now,
            config: &self.config,
            ice: &ice,
            tells: Vec::new(),
            missed: Vec::new(),
            happenings: Vec::new(),
        };
        let result = work(&mut cx);
        let Cx { tells, missed, happenings, .. } = cx;

        (result, Caused { tells, missed, happenings })
    }

    pub(super) fn with_cx_out<T>(
        &mut self,
        now: Now,
        out: &mut CallsOutbox,
        work: impl FnOnce(&mut Cx<'_>) -> T,
    ) -> T {
        let (result, Caused { tells, missed, happenings }) = self.caused(now, work);
        for (to, event) in tells {
            let (node, from) = (to.node.clone(), self.config.node.clone());
            self.post(&node, Envelope::Tell { to, from, event }, out);
        }
        for (user, notice) in missed {
            self.hold(user, notice, out);
        }
        for happening in happenings {
            self.report(now, &happening, out);
        }

        result
    }

    /// Counts what happened, and tells the operator's back end.
    fn report(&mut self, now: Now, happening: &Happening, out: &mut CallsOutbox) {
        match happening.name {
            "route_direct" => return *self.counters.routes.entry("direct").or_default() += 1,
            "route_server" => return *self.counters.routes.entry("server").or_default() += 1,
            "call_ended" => {
                let reason = happening.reason.map_or("", Reason::word);
                *self.counters.outcomes.entry(reason).or_default() += 1;
            }
            _ => {}
        }
        if let Some(ms) = happening.rang_ms {
            self.counters.ring.observe(ms);
        }
        if !self.config.webhooks {
            return;
        }
        let id = self.id("EV_");
        let body = json!({
            "event": happening.name, "id": id, "createdAt": (now.unix_ms / 1000).to_string(),
            "call": {
                "id": happening.call, "tenant": happening.tenant,
                "identity": happening.identity, "reason": happening.reason,
            },
        });
        let (room, body) = (format!("call-{}", happening.call), body.to_string().into_bytes());
        out.events.push(RoomEvent { id, room, unix_ms: now.unix_ms, body });
    }
}
