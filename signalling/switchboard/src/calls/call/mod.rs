//! One call: who is in it, whom it rings, which way its media goes. It is told what devices ask
//! and what time it is, and says by [`Cx`] what follows.

mod members;
mod ringing;
mod route;

use super::envelope::{Ask, Party, User};
use super::event::{CallEvent, Code, Fault, Ice, Notice, Person, Reason};
use super::frame::{Act, Signal};
use super::interface::CallsConfig;
use crate::rooms::Now;
use members::{Member, Standing};
pub(super) use ringing::missed_call;
use route::Route;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Instant;

/// What a call works with, and what it causes.
pub(super) struct Cx<'a> {
    pub(super) now: Now,
    pub(super) config: &'a CallsConfig,
    /// STUN and TURN for somebody.
    pub(super) ice: &'a dyn Fn(&str) -> Vec<Ice>,
    /// News for devices, in order.
    pub(super) tells: Vec<(Party, CallEvent)>,
    /// What people missed.
    pub(super) missed: Vec<(User, Notice)>,
    /// News for the operator's back end.
    pub(super) happenings: Vec<Happening>,
}

/// Something that happened in a call, for back end and counters.
#[derive(Clone, Debug)]
pub(super) struct Happening {
    pub(super) name: &'static str,
    pub(super) call: String,
    pub(super) tenant: String,
    /// Who it is about, if it is about one.
    pub(super) identity: Option<String>,
    pub(super) reason: Option<Reason>,
    /// How long it rang, until somebody accepted.
    pub(super) rang_ms: Option<u64>,
}

/// A call on this node.
pub(super) struct Call {
    id: String,
    tenant: String,
    video: bool,
    /// In the order in which they came; the first one makes offers.
    members: Vec<Member>,
    route: Route,
    /// The newest route of which each session was told.
    told: BTreeMap<String, u64>,
    /// Whether anybody ever accepted.
    accepted: bool,
    /// Why it ended; set once.
    ended: Option<Reason>,
}

impl Call {
    /// A call of somebody who is alone in it.
    pub(super) fn new(cx: &mut Cx<'_>, id: String, caller: &Party, video: bool) -> Self {
        let call = Self {
            id,
            tenant: caller.user.tenant.clone(),
            video,
            members: vec![Member::inside(caller, cx.now.instant)],
            route: Route::default(),
            told: BTreeMap::new(),
            accepted: false,
            ended: None,
        };
        call.report(cx, "call_started", Some(&caller.user.identity), None);

        call
    }

    /// Whether it is over: then nothing of it is left.
    pub(super) fn is_over(&self) -> bool {
        self.members.is_empty()
    }

    /// The way that media takes now, for counting; empty: none yet.
    pub(super) fn via(&self) -> &'static str {
        self.route.via()
    }

    /// Does what a device asks.
    pub(super) fn ask(&mut self, cx: &mut Cx<'_>, from: &Party, ask: Ask) -> Result<(), Fault> {
        if from.user.tenant != self.tenant {
            return Err(unknown_call());
        }
        let outcome = match ask {
            Ask::Act(act) => self.act(cx, from, act),
            Ask::Add(user, devices) => self.add(cx, from, &user, &devices),
            Ask::Still => self.still(cx, from),
            Ask::Gone => {
                self.gone(cx, from);
                Ok(())
            }
            Ask::Merge(into) => {
                self.merge(cx, from, into);
                Ok(())
            }
        };
        self.settle(cx);

        outcome
    }

    fn act(&mut self, cx: &mut Cx<'_>, from: &Party, act: Act) -> Result<(), Fault> {
        match act {
            Act::Ringing => self.rings(cx, from),
            Act::Accept => self.accept(cx, from),
            Act::Decline => self.decline(cx, from, Reason::Declined),
            Act::Busy => self.busy(cx, from),
            Act::Cancel => self.cancel(cx, from),
            Act::Hangup => self.hangup(cx, from),
            Act::P2p { epoch, to, signal } => self.p2p(cx, from, epoch, &to, signal),
            Act::Ready { epoch } => self.ready(cx, from, epoch),
            Act::Failed { epoch, reason } => self.failed(cx, from, epoch, &reason),
            Act::Wanted { server, reason } => self.wanted(cx, from, server, reason),
        }
    }

    fn p2p(
        &self,
        cx: &mut Cx<'_>,
        from: &Party,
        epoch: u64,
        to: &str,
        signal: Signal,
    ) -> Result<(), Fault> {
        self.inside(from)?;
        if !self.route.is_direct(epoch) {
            return Err(wrong_state("the route of this epoch is not direct, or over"));
        }
        let other = self.in_call().find(|(party, _)| {
            party.user.identity == to && party.user.identity != from.user.identity
        });
        let (other, _) = other.ok_or_else(|| wrong_state("the other is not in the call"))?;
        let from = from.user.identity.clone();
        let event = CallEvent::P2p { call: self.id.clone(), epoch, from, signal };
        cx.tells.push((other.clone(), event));

        Ok(())
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, cx: &mut Cx<'_>) {
        self.ring_out(cx);
        self.drop_lost(cx);
        self.settle(cx);
        self.advance_route(cx);
        self.settle(cx);
    }

    /// When something is next due.
    pub(super) fn next_timeout(&self, config: &CallsConfig) -> Option<Instant> {
        let members = self.members.iter().map(|member| member.due(config.times.still));

        members.chain(self.route.next_timeout()).min()
    }

    /// Ends the call when there is nobody to talk to; after every change of members.
    fn settle(&mut self, cx: &mut Cx<'_>) {
        let inside = self.in_call().count();
        let ringing = self.members.len() - inside;
        if self.members.is_empty() || (inside > 0 && inside + ringing > 1) {
            return self.reroute(cx);
        }
        let fallback = if self.accepted { Reason::Hangup } else { Reason::Cancelled };
        let reason = self.ended.unwrap_or(fallback);
        for at in (0..self.members.len()).rev() {
            let member = self.members.remove(at);
            if matches!(member.standing, Standing::Ringing { .. }) {
                self.missed(cx, &member);
            }
            self.end_for(cx, &member, reason);
        }
        self.report(cx, "call_ended", None, Some(reason));
    }

    /// Ends the call at all devices of somebody.
    fn end_for(&self, cx: &mut Cx<'_>, member: &Member, reason: Reason) {
        for party in member.parties() {
            self.end(cx, party, reason, None);
        }
    }

    fn end(&self, cx: &mut Cx<'_>, party: &Party, reason: Reason, into: Option<String>) {
        let event = CallEvent::Ended { call: self.id.clone(), reason, into };
        cx.tells.push((party.clone(), event));
    }

    /// Tells everybody who is in, but for one.
    fn tell_inside(&self, cx: &mut Cx<'_>, but: &str, event: &CallEvent) {
        for (party, _) in self.in_call().filter(|(party, _)| party.user.identity != but) {
            cx.tells.push((party.clone(), event.clone()));
        }
    }

    fn report(
        &self,
        cx: &mut Cx<'_>,
        name: &'static str,
        identity: Option<&str>,
        reason: Option<Reason>,
    ) {
        cx.happenings.push(Happening {
            name,
            call: self.id.clone(),
            tenant: self.tenant.clone(),
            identity: identity.map(str::to_owned),
            reason,
            rang_ms: None,
        });
    }

    fn people(&self) -> Vec<Person> {
        self.members.iter().map(|member| member.person.clone()).collect()
    }

    /// How the call stands for a device, as a new session is told; `None`: it has no part in it.
    pub(super) fn standing(&self, cx: &Cx<'_>, party: &Party) -> Option<Value> {
        let me = self.member(&party.user.identity)?;
        let me = me.parties().any(|known| known.session == party.session).then_some(me)?;
        let people: Vec<Value> = self
            .members
            .iter()
            .map(|member| {
                let state = if member.is_inside() { "in" } else { "ringing" };
                let Person { identity, name } = &member.person;
                json!({ "identity": identity, "name": name, "state": state })
            })
            .collect();
        let state = match (me.is_inside(), self.accepted) {
            (false, _) => "incoming",
            (true, true) => "active",
            (true, false) => "ringing",
        };
        let mut value = json!({
            "call": self.id, "state": state, "video": self.video,
            "participants": people, "device_in": me.is_inside(),
        });
        if me.is_inside()
            && let Some(route) = self.route_of(cx, party)
        {
            value["route"] = route;
        }
        if let Standing::Ringing { expires_ms, .. } = &me.standing {
            value["expires_ms"] = (*expires_ms).into();
        }

        Some(value)
    }
}

pub(super) fn unknown_call() -> Fault {
    Fault::new(Code::UnknownCall, "there is no such call for this device")
}

pub(super) fn wrong_state(message: &str) -> Fault {
    Fault::new(Code::WrongState, message)
}
