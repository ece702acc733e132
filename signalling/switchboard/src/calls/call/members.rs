//! Who belongs to a call, on which devices, and how they leave it.

use super::{Call, Cx, unknown_call, wrong_state};
use crate::calls::envelope::Party;
use crate::calls::event::{CallEvent, Fault, Person, Reason};
use std::time::{Duration, Instant};

/// Somebody who is in, or is called.
pub(super) struct Member {
    pub(super) person: Person,
    pub(super) standing: Standing,
}

/// How far somebody is.
pub(super) enum Standing {
    /// It rings.
    Ringing {
        /// Where.
        devices: Vec<Party>,
        /// Until when.
        until: Instant,
        /// The same for people.
        expires_ms: u64,
        /// Since when.
        since: Instant,
        /// Who called.
        by: Person,
        /// Whether a device has said that it rings.
        rang: bool,
    },
    /// In, on one device.
    In {
        /// Which.
        party: Party,
        /// When it last said that it is there.
        heard: Instant,
    },
}

impl Member {
    pub(super) fn inside(party: &Party, heard: Instant) -> Self {
        let standing = Standing::In { party: party.clone(), heard };
        Self { person: party.person(), standing }
    }

    pub(super) fn is_inside(&self) -> bool {
        matches!(self.standing, Standing::In { .. })
    }

    /// The devices that have to do with the call.
    pub(super) fn parties(&self) -> impl Iterator<Item = &Party> {
        match &self.standing {
            Standing::Ringing { devices, .. } => devices.iter(),
            Standing::In { party, .. } => std::slice::from_ref(party).iter(),
        }
    }

    /// When it rings no more, or the device counts as lost.
    pub(super) fn due(&self, still: Duration) -> Instant {
        match &self.standing {
            Standing::Ringing { until, .. } => *until,
            Standing::In { heard, .. } => *heard + still * 3,
        }
    }
}

impl Call {
    pub(super) fn member(&self, identity: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.person.identity == identity)
    }

    /// Devices that are in, with their people, in the order in which these came.
    pub(super) fn in_call(&self) -> impl Iterator<Item = (&Party, &Person)> {
        self.members.iter().filter_map(|member| match &member.standing {
            Standing::In { party, .. } => Some((party, &member.person)),
            Standing::Ringing { .. } => None,
        })
    }

    /// Where the member stands whose device this is.
    pub(super) fn place(&self, party: &Party) -> Option<usize> {
        let mut members = self.members.iter();
        members.position(|m| m.parties().any(|known| known.session == party.session))
    }

    /// Whether the device is in.
    pub(super) fn inside(&self, party: &Party) -> Result<usize, Fault> {
        let at = self.place(party).ok_or_else(unknown_call)?;
        let is_inside = self.members[at].is_inside();
        is_inside.then_some(at).ok_or_else(|| wrong_state("this device is not in the call yet"))
    }

    pub(super) fn hangup(&mut self, cx: &mut Cx<'_>, from: &Party) -> Result<(), Fault> {
        let at = self.inside(from)?;
        self.leave(cx, at, Reason::Hangup);

        Ok(())
    }

    /// Takes somebody who is in out of the call.
    pub(super) fn leave(&mut self, cx: &mut Cx<'_>, at: usize, reason: Reason) {
        let member = self.members.remove(at);
        self.forget_route(&member.person.identity);
        self.end_for(cx, &member, reason);
        self.report(cx, "call_left", Some(&member.person.identity), Some(reason));
        if self.members.len() > 1 && self.in_call().next().is_some() {
            let call = self.id.clone();
            let identity = member.person.identity;
            let event = CallEvent::Left { call, identity, reason };
            return self.tell_inside(cx, "", &event);
        }
        if self.accepted {
            self.ended.get_or_insert(reason);
        }
    }

    /// Notes that a device is there; who is not known, hears that the call is over for it.
    pub(super) fn still(&mut self, cx: &mut Cx<'_>, from: &Party) -> Result<(), Fault> {
        let Some(at) = self.place(from) else {
            self.end(cx, from, Reason::Lost, None);
            return Ok(());
        };
        if let Standing::In { heard, .. } = &mut self.members[at].standing {
            *heard = cx.now.instant;
        }

        Ok(())
    }

    /// A session has ended.
    pub(super) fn gone(&mut self, cx: &mut Cx<'_>, from: &Party) {
        let Some(at) = self.place(from) else { return };
        if self.members[at].is_inside() {
            return self.leave(cx, at, Reason::Lost);
        }
        self.silence(cx, at, from, Reason::Unavailable);
    }

    /// Devices that said nothing for too long are lost.
    pub(super) fn drop_lost(&mut self, cx: &mut Cx<'_>) {
        let (still, now) = (cx.config.times.still, cx.now.instant);
        let lost = |m: &Member| m.is_inside() && m.due(still) <= now;
        while let Some(at) = self.members.iter().position(lost) {
            self.leave(cx, at, Reason::Lost);
        }
    }

    /// A node is dead, and its sessions with it.
    pub(in crate::calls) fn node_down(&mut self, cx: &mut Cx<'_>, node: &str) {
        let there = |party: &&Party| party.node == node;
        let gone: Vec<Party> =
            self.members.iter().flat_map(|m| m.parties().filter(there).cloned()).collect();
        for party in gone {
            self.gone(cx, &party);
        }
        self.settle(cx);
    }

    /// A device has come: it rings with the others of the person.
    pub(in crate::calls) fn arrived(&mut self, cx: &mut Cx<'_>, party: &Party) {
        if party.user.tenant != self.tenant || self.place(party).is_some() {
            return;
        }
        let identity = &party.user.identity;
        let Some(at) = self.members.iter().position(|m| &m.person.identity == identity) else {
            return;
        };
        let (caller, expires) = match &mut self.members[at].standing {
            Standing::Ringing { devices, by, expires_ms, .. } => {
                devices.push(party.clone());
                (by.clone(), *expires_ms)
            }
            Standing::In { .. } => return,
        };
        self.announce(cx, party, &caller, expires);
    }

    /// A device goes on with a new session; its media, if it had any, begins anew.
    pub(in crate::calls) fn replace(&mut self, cx: &mut Cx<'_>, old: &Party, new: &Party) {
        let Some(at) = self.place(old) else { return };
        match &mut self.members[at].standing {
            Standing::Ringing { devices, .. } => {
                devices.retain(|party| party.session != old.session);
                devices.push(new.clone());
            }
            Standing::In { party, heard } => {
                *party = new.clone();
                *heard = cx.now.instant;
                self.start_over(cx);
            }
        }
    }
}
