//! What the directory and the operator have said, and what follows.

use super::Exchange;
use super::requests::away;
use super::timers::Due;
use crate::calls::call::{Call, missed_call};
use crate::calls::envelope::{Ask, Changed, Envelope, News, Party, User};
use crate::calls::event::{Code, Fault, Notice, Settings};
use crate::calls::frame::Act;
use crate::calls::interface::{Answer, CallsOutbox, Decided, Deed, Facts, Question};
use crate::calls::policy::decide;
use crate::calls::session::Part;
use crate::rooms::Now;
use serde_json::{Map, Value, json};

/// Who waits for an answer, and for what.
pub(super) enum Pending {
    Reach {
        session: String,
        re: u64,
        callee: User,
        reach: Reach,
    },
    Watch {
        session: String,
        re: u64,
        all: bool,
    },
    Look {
        tenant: String,
    },
    Settings {
        session: String,
        re: u64,
        changed: bool,
    },
    /// The settings of a person, for all their devices.
    Devices(User),
    Welcome {
        session: String,
        resumed: bool,
    },
    Seen {
        session: String,
        re: u64,
        notice: String,
    },
}

/// What somebody is to be reached for.
pub(super) enum Reach {
    Call { video: bool },
    Add { call: String },
}

impl Exchange {
    pub(super) fn question(&mut self, question: Question, pending: Pending, out: &mut CallsOutbox) {
        self.last_question += 1;
        self.pending.insert(self.last_question, pending);
        out.questions.push((self.last_question, question));
    }

    /// Goes on where the answer was awaited.
    pub(super) fn answered(
        &mut self,
        now: Now,
        pending: Pending,
        answer: Answer,
        out: &mut CallsOutbox,
    ) {
        match (pending, answer) {
            (Pending::Reach { session, re, callee, reach }, Answer::Reach(facts)) => {
                self.reached(now, (&session, re), callee, reach, facts, out);
            }
            (Pending::Watch { session, re, all }, Answer::Look { seen, truncated }) => {
                let people = self.watch(&session, all, seen);
                let mut members = members(json!({ "presence": people }));
                if truncated {
                    members.insert("truncated".into(), true.into());
                }
                self.reply(&session, re, Ok(members), out);
            }
            (Pending::Look { tenant }, Answer::Look { seen, .. }) => {
                self.seen(now, &tenant, &seen, out);
            }
            (Pending::Settings { session, re, changed }, Answer::Settings(settings)) => {
                let user = self.sessions.get(&session).map(|known| known.party.user.clone());
                if let (Some(user), true) = (user, changed) {
                    let news = |what| Deed::Publish(News { user: user.clone(), what });
                    out.deeds.extend([news(Changed::Settings), news(Changed::Presence)]);
                }
                self.reply(&session, re, Ok(members(json!(settings))), out);
            }
            (Pending::Devices(user), Answer::Settings(settings)) => {
                self.tell_settings(now, &user, &settings, out);
            }
            (Pending::Welcome { session, resumed }, Answer::Welcome(settings, notices)) => {
                self.welcome(now, &session, resumed, (settings, notices), out);
            }
            // Calls among those who are here go on without the directory.
            (Pending::Welcome { session, resumed }, _) => {
                let nothing = (Settings::default(), Vec::<Notice>::new());
                self.welcome(now, &session, resumed, nothing, out);
            }
            (Pending::Seen { session, re, notice }, Answer::Seen) => {
                if let Some(known) = self.sessions.get(&session) {
                    let user = known.party.user.clone();
                    let what = Changed::NoticeGone(notice);
                    out.deeds.push(Deed::Publish(News { user, what }));
                }
                self.reply(&session, re, Ok(Map::new()), out);
            }
            (Pending::Look { .. } | Pending::Devices(_), _) => {}
            (Pending::Settings { session, re, .. }, Answer::Full) => {
                let fault = Fault::new(Code::Full, "no more people can be blocked");
                self.reply(&session, re, Err(fault), out);
            }
            (
                Pending::Reach { session, re, .. }
                | Pending::Watch { session, re, .. }
                | Pending::Settings { session, re, .. }
                | Pending::Seen { session, re, .. },
                _,
            ) => self.reply(&session, re, Err(away()), out),
        }
    }

    /// Somebody was looked for: the call is made, or it is said that it cannot be.
    fn reached(
        &mut self,
        now: Now,
        (session, re): (&str, u64),
        callee: User,
        reach: Reach,
        facts: Facts,
        out: &mut CallsOutbox,
    ) {
        let known = self.sessions.get(session).filter(|known| known.is_waiting(re));
        let Some(known) = known else { return };
        let party = known.party.clone();
        let decision = decide(&party.user, &facts);
        *self.counters.decisions.entry(decision.word()).or_default() += 1;
        let (caller, to) = (party.user.clone(), callee.identity.clone());
        out.decisions.push(Decided { caller, callee: to, outcome: decision.word() });
        if !decision.is_allowed() {
            if decision.is_missed() {
                self.leave_word(now, &party, &callee, out);
            }
            let fault = Fault::new(Code::Unavailable, "this person cannot be called now");
            return self.reply(session, re, Err(fault), out);
        }
        match reach {
            Reach::Call { video } => {
                self.start_call(now, &party, re, &callee, video, facts.places, out);
            }
            Reach::Add { call } => {
                self.ask(call, party, re, Ask::Add(callee, facts.places), out);
            }
        }
    }

    /// Has somebody know later that they were called.
    fn leave_word(&mut self, now: Now, party: &Party, callee: &User, out: &mut CallsOutbox) {
        let call = self.call_id();
        let person = party.person();
        let notice = self.with_cx(now, |cx| missed_call(cx, &call, person));
        self.hold(callee.clone(), notice, out);
    }

    pub(super) fn hold(&self, user: User, notice: Notice, out: &mut CallsOutbox) {
        out.deeds.push(Deed::Hold(user.clone(), notice.clone()));
        let what = Changed::Notice(notice);
        out.deeds.push(Deed::Publish(News { user, what }));
    }

    fn call_id(&mut self) -> String {
        let id = self.id("CA_");

        format!("{id}.{}", self.config.node)
    }

    #[allow(clippy::too_many_arguments, reason = "a call is made of this many things")]
    fn start_call(
        &mut self,
        now: Now,
        party: &Party,
        re: u64,
        callee: &User,
        video: bool,
        places: Vec<Party>,
        out: &mut CallsOutbox,
    ) {
        let session = party.session.clone();
        let Some(known) = self.sessions.get_mut(&session) else { return };
        let from_callee = Part::Incoming(callee.identity.clone());
        // The other calls already: to call back is to accept.
        let glare = known.calls.iter().find(|(_, part)| **part == from_callee);
        if let Some(call) = glare.map(|(call, _)| call.clone()) {
            known.calls.insert(call.clone(), Part::In);
            self.reply(&session, re, Ok(members(json!({ "call": call }))), out);
            self.mark_busy(&session, out);
            return self.join_other(now, party, &call, &callee.identity, out);
        }
        if self.calls.len() >= self.config.limits.calls {
            let fault = Fault::new(Code::TooMany, "no more calls fit into this node");
            return self.reply(&session, re, Err(fault), out);
        }
        let id = self.call_id();
        known_outgoing(self, &session, &id, &callee.identity);
        self.counters.set_ups += 1;
        self.reply(&session, re, Ok(members(json!({ "call": id }))), out);
        let call = self.with_cx_out(now, out, |cx| Call::new(cx, id.clone(), party, video));
        self.calls.insert(id.clone(), call);
        let callee = callee.clone();
        self.with_call(now, &id, out, |call, cx| {
            // The caller is alone in it: there is room, and nobody else.
            let _ = call.ask(cx, party, Ask::Add(callee, places));
        });
        self.mark_busy(&session, out);
    }

    /// Accepts the call that goes on when two have called each other.
    pub(super) fn join_other(
        &mut self,
        now: Now,
        party: &Party,
        call: &str,
        other: &str,
        out: &mut CallsOutbox,
    ) {
        let node = super::requests::node_of(call).to_owned();
        let (from, ask) = (party.clone(), Ask::Act(Act::Accept));
        self.post(&node, Envelope::Ask { call: call.to_owned(), from, re: 0, ask }, out);
        let accepted = crate::calls::CallEvent::Accepted {
            call: call.to_owned(),
            identity: other.to_owned(),
            name: other.to_owned(),
            device: String::new(),
        };
        self.tell(now, &party.session, &crate::calls::event::Event::Call(accepted), out);
    }

    /// Arms the timer of a call.
    pub(super) fn arm_call(&mut self, id: &str) {
        if let Some(at) = self.calls.get(id).and_then(|call| call.next_timeout(&self.config)) {
            self.timers.arm(Due::Call(id.to_owned()), at);
        }
    }
}

fn known_outgoing(exchange: &mut Exchange, session: &str, call: &str, callee: &str) {
    if let Some(known) = exchange.sessions.get_mut(session) {
        known.calls.insert(call.to_owned(), Part::Outgoing(callee.to_owned()));
    }
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
