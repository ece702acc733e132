//! What clients ask for, carried out or passed on.

use super::Exchange;
use super::answers::{Pending, Reach};
use super::clients::wrong;
use crate::calls::call::{unknown_call, wrong_state};
use crate::calls::envelope::{Ask, Envelope, Party, User};
use crate::calls::event::{Code, Fault};
use crate::calls::frame::{Act, Request};
use crate::calls::interface::{CallsOutbox, Change, Question};
use crate::calls::session::Part;
use crate::rooms::Now;
use serde_json::Map;

impl Exchange {
    pub(super) fn request(
        &mut self,
        now: Now,
        session: &str,
        re: u64,
        request: Request,
        out: &mut CallsOutbox,
    ) {
        let Some(known) = self.sessions.get(session) else { return };
        let party = known.party.clone();
        let session_id = session.to_owned();
        match request {
            Request::Ping => self.reply(session, re, Ok(Map::new()), out),
            Request::Watch(identities) => {
                let all = identities.is_none();
                let tenant = party.user.tenant;
                let pending = Pending::Watch { session: session_id, re, all };
                self.question(Question::Look { tenant, identities }, pending, out);
            }
            Request::Settings { do_not_disturb, block, unblock } => {
                let change = Change { do_not_disturb, block, unblock };
                let changed = change != Change::default();
                let pending = Pending::Settings { session: session_id, re, changed };
                self.question(Question::Settings { user: party.user, change }, pending, out);
            }
            Request::Seen { notice } => {
                let question = Question::Seen(party.user, notice.clone());
                self.question(question, Pending::Seen { session: session_id, re, notice }, out);
            }
            Request::Call { to, video } => {
                self.reach(now, &party, re, &to, Reach::Call { video }, out);
            }
            Request::Add { call, to } => {
                if known.calls.get(&call) == Some(&Part::In) {
                    self.reach(now, &party, re, &to, Reach::Add { call }, out);
                } else {
                    self.reply(session, re, Err(unknown_call()), out);
                }
            }
            Request::Act { call, act } => self.act(&party, re, call, act, out),
        }
    }

    /// Asks whether somebody may call another, and where the other is.
    fn reach(
        &mut self,
        now: Now,
        party: &Party,
        re: u64,
        to: &str,
        reach: Reach,
        out: &mut CallsOutbox,
    ) {
        if to == party.user.identity {
            let fault = wrong("/to", "nobody calls themselves");
            return self.reply(&party.session, re, Err(fault), out);
        }
        let (limits, times) = (self.config.limits, self.config.times);
        let calls = self.sessions.get(&party.session).map_or(0, |known| known.calls.len());
        let paced = self.pace.take(now.instant, &party.user, &limits, &times);
        let has_room = calls < limits.session_calls;
        let fits = if has_room { Ok(()) } else { Err(times.call_pause) };
        if let Err(wait) = paced.and(fits) {
            *self.counters.decisions.entry("too_many").or_default() += 1;
            let mut fault = Fault::new(Code::TooMany, "too many calls in a short time");
            fault.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
            return self.reply(&party.session, re, Err(fault), out);
        }
        let callee = User { tenant: party.user.tenant.clone(), identity: to.to_owned() };
        let video = matches!(reach, Reach::Call { video: true });
        let question =
            Question::Reach { caller: party.user.clone(), callee: callee.clone(), video };
        let session = party.session.clone();
        self.question(question, Pending::Reach { session, re, callee, reach }, out);
    }

    fn act(&mut self, party: &Party, re: u64, call: String, act: Act, out: &mut CallsOutbox) {
        let Some(known) = self.sessions.get_mut(&party.session) else { return };
        let Some(part) = known.calls.get_mut(&call).filter(|part| **part != Part::Hidden) else {
            return self.reply(&party.session, re, Err(unknown_call()), out);
        };
        let answers = matches!(act, Act::Ringing | Act::Accept | Act::Decline | Act::Busy);
        if answers && matches!(part, Part::Outgoing(_)) {
            let fault = wrong_state("this device has made the call itself");
            return self.reply(&party.session, re, Err(fault), out);
        }
        if act == Act::Accept {
            *part = Part::In;
            self.mark_busy(&party.session, out);
        }
        self.ask(call, party.clone(), re, Ask::Act(act), out);
    }

    /// Asks a call, wherever it is.
    pub(super) fn ask(
        &mut self,
        call: String,
        from: Party,
        re: u64,
        ask: Ask,
        out: &mut CallsOutbox,
    ) {
        let node = node_of(&call).to_owned();
        self.post(&node, Envelope::Ask { call, from, re, ask }, out);
    }
}

/// The node that holds a call: its id carries the name.
pub(super) fn node_of(call: &str) -> &str {
    call.split_once('.').map_or("", |(_, node)| node)
}

/// What is asked needs something that does not answer.
pub(super) fn away() -> Fault {
    Fault::new(Code::Away, "what this needs does not answer at the moment: try again")
}
