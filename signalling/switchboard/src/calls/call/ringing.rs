//! From the wish to speak with somebody to their yes or no.

use super::members::{Member, Standing};
use super::{Call, Cx, unknown_call, wrong_state};
use crate::calls::envelope::{Party, User};
use crate::calls::event::{CallEvent, Code, Fault, Notice, Person, Reason};

/// The kind of notice that a call leaves which nobody answered.
const MISSED_CALL: &str = "missed_call";

impl Call {
    /// Rings one more person.
    pub(in crate::calls) fn add(
        &mut self,
        cx: &mut Cx<'_>,
        from: &Party,
        who: &User,
        devices: &[Party],
    ) -> Result<(), Fault> {
        self.inside(from)?;
        if self.member(&who.identity).is_some() {
            return Err(wrong_state("this person is in the call, or rings"));
        }
        if self.members.len() >= cx.config.limits.participants {
            return Err(Fault::new(Code::Full, "no more people fit into the call"));
        }
        let ring = cx.config.times.ring;
        let expires_ms = expires_ms(cx, ring);
        let name = devices.first().map(|party| party.name.clone()).unwrap_or_default();
        let person = Person { identity: who.identity.clone(), name };
        let by = from.person();
        let standing = Standing::Ringing {
            devices: devices.to_vec(),
            until: cx.now.instant + ring,
            expires_ms,
            since: cx.now.instant,
            by: by.clone(),
            rang: false,
        };
        self.members.push(Member { person, standing });
        for party in devices {
            self.announce(cx, party, &by, expires_ms);
        }

        Ok(())
    }

    /// Has a device ring.
    pub(super) fn announce(&self, cx: &mut Cx<'_>, party: &Party, by: &Person, expires_ms: u64) {
        let event = CallEvent::Incoming {
            call: self.id.clone(),
            from: by.clone(),
            video: self.video,
            participants: self.people(),
            expires_ms,
        };
        cx.tells.push((party.clone(), event));
    }

    pub(super) fn rings(&mut self, cx: &mut Cx<'_>, from: &Party) -> Result<(), Fault> {
        let at = self.ringing(from)?;
        let Standing::Ringing { rang, .. } = &mut self.members[at].standing else {
            return Err(unknown_call());
        };
        if std::mem::replace(rang, true) {
            return Ok(());
        }
        let (call, identity) = (self.id.clone(), from.user.identity.clone());
        self.report(cx, "call_ringing", Some(&identity), None);
        self.tell_inside(cx, &from.user.identity, &CallEvent::Ringing { call, identity });

        Ok(())
    }

    pub(super) fn accept(&mut self, cx: &mut Cx<'_>, from: &Party) -> Result<(), Fault> {
        let at = self.place(from).ok_or_else(unknown_call)?;
        if self.members[at].is_inside() {
            return Ok(());
        }
        let inside = Member::inside(from, cx.now.instant);
        let before = std::mem::replace(&mut self.members[at], inside);
        let elsewhere = before.parties().filter(|party| party.session != from.session);
        for party in elsewhere {
            self.end(cx, party, Reason::AnsweredElsewhere, None);
        }
        self.accepted = true;
        let identity = from.user.identity.clone();
        self.report(cx, "call_accepted", Some(&identity), None);
        if let (Standing::Ringing { since, .. }, Some(last)) =
            (&before.standing, cx.happenings.last_mut())
        {
            let rang = cx.now.instant.saturating_duration_since(*since);
            last.rang_ms = Some(u64::try_from(rang.as_millis()).unwrap_or(u64::MAX));
        }
        let event = CallEvent::Accepted {
            call: self.id.clone(),
            identity: identity.clone(),
            name: from.name.clone(),
            device: from.device.clone(),
        };
        self.tell_inside(cx, &identity, &event);

        Ok(())
    }

    pub(super) fn decline(
        &mut self,
        cx: &mut Cx<'_>,
        from: &Party,
        reason: Reason,
    ) -> Result<(), Fault> {
        let at = self.ringing(from)?;
        self.refuse(cx, at, reason);

        Ok(())
    }

    pub(super) fn busy(&mut self, cx: &mut Cx<'_>, from: &Party) -> Result<(), Fault> {
        let at = self.ringing(from)?;
        self.silence(cx, at, from, Reason::Busy);

        Ok(())
    }

    /// One device rings no more; the last one ends the ringing.
    pub(super) fn silence(&mut self, cx: &mut Cx<'_>, at: usize, from: &Party, reason: Reason) {
        let Standing::Ringing { devices, .. } = &mut self.members[at].standing else { return };
        if devices.len() == 1 {
            return self.refuse(cx, at, reason);
        }
        devices.retain(|party| party.session != from.session);
        self.end(cx, from, reason, None);
    }

    pub(super) fn cancel(&mut self, cx: &mut Cx<'_>, from: &Party) -> Result<(), Fault> {
        let at = self.inside(from)?;
        if self.accepted {
            return Err(wrong_state("somebody has accepted: hang up"));
        }
        self.ended.get_or_insert(Reason::Cancelled);
        self.leave(cx, at, Reason::Cancelled);

        Ok(())
    }

    /// Both called each other, and the other call goes on: this one ends.
    pub(super) fn merge(&mut self, cx: &mut Cx<'_>, from: &Party, into: String) {
        let Ok(at) = self.inside(from) else { return };
        if self.accepted {
            return;
        }
        self.members.remove(at);
        self.end(cx, from, Reason::Merged, Some(into));
        for member in std::mem::take(&mut self.members) {
            self.end_for(cx, &member, Reason::AnsweredElsewhere);
        }
        self.report(cx, "call_ended", None, Some(Reason::Merged));
    }

    /// Ends ringing that nobody answered.
    pub(super) fn ring_out(&mut self, cx: &mut Cx<'_>) {
        let (still, now) = (cx.config.times.still, cx.now.instant);
        let over = |m: &Member| !m.is_inside() && m.due(still) <= now;
        while let Some(at) = self.members.iter().position(over) {
            self.refuse(cx, at, Reason::Timeout);
        }
    }

    /// Somebody who was called does not come.
    fn refuse(&mut self, cx: &mut Cx<'_>, at: usize, reason: Reason) {
        let member = self.members.remove(at);
        self.end_for(cx, &member, reason);
        let identity = member.person.identity.clone();
        match reason {
            Reason::Declined => self.report(cx, "call_declined", Some(&identity), Some(reason)),
            _ => self.missed(cx, &member),
        }
        if self.members.len() > 1 {
            let event = CallEvent::Declined { call: self.id.clone(), identity, reason };
            return self.tell_inside(cx, "", &event);
        }
        self.ended.get_or_insert(reason);
    }

    /// Leaves word with somebody who did not answer.
    pub(super) fn missed(&self, cx: &mut Cx<'_>, member: &Member) {
        let Standing::Ringing { by, .. } = &member.standing else { return };
        let user = User { tenant: self.tenant.clone(), identity: member.person.identity.clone() };
        self.report(cx, "call_missed", Some(&user.identity), None);
        let notice = missed_call(cx, &self.id, by.clone());
        cx.missed.push((user, notice));
    }

    /// The place of the member whose device rings.
    fn ringing(&self, from: &Party) -> Result<usize, Fault> {
        let at = self.place(from).ok_or_else(unknown_call)?;
        let rings = !self.members[at].is_inside();
        rings.then_some(at).ok_or_else(|| wrong_state("this device is in the call already"))
    }
}

/// The notice of a call that nobody answered.
pub(in crate::calls) fn missed_call(cx: &Cx<'_>, call: &str, from: Person) -> Notice {
    Notice {
        notice: call.replacen("CA_", "NO_", 1),
        kind: MISSED_CALL.to_owned(),
        from,
        call: call.to_owned(),
        at_ms: cx.now.unix_ms,
        expires_ms: expires_ms(cx, cx.config.times.notice),
    }
}

fn expires_ms(cx: &Cx<'_>, after: std::time::Duration) -> u64 {
    let after = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    cx.now.unix_ms.saturating_add(after)
}
