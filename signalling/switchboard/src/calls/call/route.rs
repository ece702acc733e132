//! Which way media goes: directly between two, or through the SFU. A new way stands before the
//! old one ends.

use super::{Call, Cx, wrong_state};
use crate::calls::envelope::Party;
use crate::calls::event::{CallEvent, Fault, Ice, Reason, RouteState, Way};
use crate::calls::interface::CallsConfig;
use crate::token::{Claims, Grants, mint};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Where a call's media goes, and where it is to go.
#[derive(Default)]
pub(super) struct Route {
    /// Of the newest proposal.
    epoch: u64,
    /// The way that all take now.
    current: Option<(u64, Via)>,
    proposal: Option<Proposal>,
    /// Between whom the direct way is, or was last.
    pair: BTreeSet<String>,
    /// Who wants the server, and why.
    wanted: BTreeMap<String, String>,
    /// People who came when the current way, through the server, stood already.
    joining: BTreeMap<String, Instant>,
    /// Since when two could speak directly.
    calm_since: Option<Instant>,
    /// When a direct way may be tried after it has failed.
    not_before: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    Direct,
    Server,
}

struct Proposal {
    via: Via,
    reason: String,
    until: Instant,
    ready: BTreeSet<String>,
}

impl Route {
    /// The way as a metric's label; empty: none stands.
    pub(super) fn via(&self) -> &'static str {
        match self.current {
            None => "",
            Some((_, Via::Direct)) => "direct",
            Some((_, Via::Server)) => "server",
        }
    }

    /// Whether the route of an epoch is direct, and stands or is proposed.
    pub(super) fn is_direct(&self, epoch: u64) -> bool {
        let proposed = self.proposal.as_ref().map(|proposal| (self.epoch, proposal.via));
        [self.current, proposed].contains(&Some((epoch, Via::Direct)))
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let proposed = self.proposal.as_ref().map(|proposal| proposal.until);
        let joining = self.joining.values().min().copied();
        let direct = self.calm_since.map(|at| self.not_before.map_or(at, |then| at.max(then)));

        [proposed, joining, direct].into_iter().flatten().min()
    }
}

impl Call {
    /// Proposes what the number of people and their wishes ask for; after every change of either.
    pub(super) fn reroute(&mut self, cx: &mut Cx<'_>) {
        let people: Vec<String> = self.in_call().map(|(_, p)| p.identity.clone()).collect();
        if people.len() < 2 {
            self.route.proposal = None;
            self.route.calm_since = None;
            return;
        }
        let reason = match self.route.wanted.values().next() {
            Some(reason) => Some(reason.clone()),
            None if people.len() > 2 => Some("third".to_owned()),
            None => None,
        };
        let goal = self.route.proposal.as_ref().map(|p| p.via);
        let via = goal.or(self.route.current.map(|(_, via)| via));
        match (reason, via) {
            (Some(reason), None | Some(Via::Direct)) => self.propose(cx, Via::Server, &reason),
            (Some(_), Some(Via::Server)) => self.route.calm_since = None,
            (None, None) => self.propose(cx, Via::Direct, "start"),
            (None, Some(Via::Direct)) => {}
            (None, Some(Via::Server)) => {
                let calm = cx.now.instant + cx.config.times.calm;
                self.route.calm_since.get_or_insert(calm);
            }
        }
        self.let_in(cx, &people);
        self.switch_if_ready(cx);
    }

    /// Offers the way that stands to those who came later, and drops who left.
    fn let_in(&mut self, cx: &mut Cx<'_>, people: &[String]) {
        self.route.joining.retain(|identity, _| people.contains(identity));
        let newcomers: Vec<Party> = match &self.route.proposal {
            // Who comes while a way is being tried, gets it proposed as well.
            Some(proposal) => {
                let told = &proposal.ready;
                let known = |party: &&Party| !told.contains(&party.user.identity);
                let parties = self.in_call().map(|(party, _)| party);
                parties.filter(known).filter(|party| !self.knows(party)).cloned().collect()
            }
            None => match self.route.current {
                Some((_, Via::Server)) => {
                    let parties = self.in_call().map(|(party, _)| party);
                    parties.filter(|party| !self.knows(party)).cloned().collect()
                }
                _ => return,
            },
        };
        let (epoch, via, reason) = match (&self.route.proposal, self.route.current) {
            (Some(proposal), _) => (self.route.epoch, proposal.via, proposal.reason.clone()),
            (None, Some((epoch, via))) => (epoch, via, "joined".to_owned()),
            (None, None) => return,
        };
        for party in newcomers {
            if self.route.proposal.is_none() {
                let until = cx.now.instant + cx.config.times.server;
                self.route.joining.insert(party.user.identity.clone(), until);
            }
            self.informed(&party);
            self.tell_way(cx, &party, epoch, via, &reason);
        }
    }

    /// Whether a device was told of the newest epoch.
    fn knows(&self, party: &Party) -> bool {
        self.told.get(&party.session) == Some(&self.route.epoch)
    }

    fn informed(&mut self, party: &Party) {
        self.told.insert(party.session.clone(), self.route.epoch);
    }

    fn propose(&mut self, cx: &mut Cx<'_>, via: Via, reason: &str) {
        self.route.epoch += 1;
        self.route.calm_since = None;
        self.route.joining.clear();
        self.told.clear();
        let time = match via {
            Via::Direct => cx.config.times.direct,
            Via::Server => cx.config.times.server,
        };
        self.route.proposal = Some(Proposal {
            via,
            reason: reason.to_owned(),
            until: cx.now.instant + time,
            ready: BTreeSet::new(),
        });
        let parties: Vec<Party> = self.in_call().map(|(party, _)| party.clone()).collect();
        if via == Via::Direct {
            self.route.pair = parties.iter().map(|party| party.user.identity.clone()).collect();
        }
        for party in parties {
            self.informed(&party);
            self.tell_way(cx, &party, self.route.epoch, via, reason);
        }
    }

    fn tell_way(&self, cx: &mut Cx<'_>, party: &Party, epoch: u64, via: Via, reason: &str) {
        let Some(way) = self.way(cx, party, via) else { return };
        let state = RouteState::Proposed { way, reason: reason.to_owned() };
        cx.tells.push((party.clone(), CallEvent::Route { call: self.id.clone(), epoch, state }));
    }

    /// What a device needs for a way.
    fn way(&self, cx: &Cx<'_>, party: &Party, via: Via) -> Option<Way> {
        let identity = &party.user.identity;
        if via == Via::Server {
            let room = format!("call-{}", self.id);
            let (url, token) = (cx.config.url.clone(), room_token(cx, party, &room)?);
            return Some(Way::Server { room, url, token });
        }
        let peer = self.in_call().find(|(_, person)| &person.identity != identity)?.1.clone();
        let first = self.in_call().next()?.1;
        let ice_servers: Vec<Ice> = (cx.ice)(identity);

        Some(Way::Direct { peer, offerer: &first.identity == identity, ice_servers })
    }

    /// The newest route as a new session is told.
    pub(super) fn route_of(&self, cx: &Cx<'_>, party: &Party) -> Option<Value> {
        let (epoch, via, state) = match (&self.route.proposal, self.route.current) {
            (Some(proposal), _) => (self.route.epoch, proposal.via, "proposed"),
            (None, Some((epoch, via))) => (epoch, via, "switched"),
            (None, None) => return None,
        };
        let mut value = serde_json::to_value(self.way(cx, party, via)?).ok()?;
        value["epoch"] = epoch.into();
        value["state"] = state.into();

        Some(value)
    }

    pub(super) fn ready(&mut self, cx: &mut Cx<'_>, from: &Party, epoch: u64) -> Result<(), Fault> {
        self.inside(from)?;
        let identity = from.user.identity.clone();
        if self.route.joining.contains_key(&identity) && epoch == self.route.epoch {
            self.route.joining.remove(&identity);
            self.tell_route(cx, from, epoch, RouteState::Switched { reason: "joined".into() });
            return Ok(());
        }
        match &mut self.route.proposal {
            Some(proposal) if epoch == self.route.epoch => {
                proposal.ready.insert(identity);
                self.switch_if_ready(cx);
                Ok(())
            }
            _ if self.route.current.is_some_and(|(current, _)| current == epoch) => Ok(()),
            _ => Err(wrong_state("the route of this epoch is not proposed (any more)")),
        }
    }

    fn switch_if_ready(&mut self, cx: &mut Cx<'_>) {
        let Some(proposal) = &self.route.proposal else { return };
        if self.in_call().all(|(_, person)| proposal.ready.contains(&person.identity)) {
            self.switch(cx);
        }
    }

    /// The proposed way stands for those who are ready.
    fn switch(&mut self, cx: &mut Cx<'_>) {
        let Some(Proposal { via, reason, ready, .. }) = self.route.proposal.take() else { return };
        let epoch = self.route.epoch;
        self.route.current = Some((epoch, via));
        self.route.calm_since = None;
        let parties: Vec<Party> = self.in_call().map(|(party, _)| party.clone()).collect();
        for party in parties {
            let state = if ready.contains(&party.user.identity) {
                RouteState::Switched { reason: reason.clone() }
            } else {
                // Not there in time: a while is left to come after the others.
                let until = cx.now.instant + cx.config.times.grace;
                self.route.joining.insert(party.user.identity.clone(), until);
                RouteState::Failed { reason: "timeout".into() }
            };
            self.tell_route(cx, &party, epoch, state);
        }
        self.report_route(cx, via);
        self.reroute(cx);
    }

    fn report_route(&self, cx: &mut Cx<'_>, via: Via) {
        let name = match via {
            Via::Direct => "route_direct",
            Via::Server => "route_server",
        };
        self.report(cx, name, None, None);
    }

    fn tell_route(&self, cx: &mut Cx<'_>, party: &Party, epoch: u64, state: RouteState) {
        cx.tells.push((party.clone(), CallEvent::Route { call: self.id.clone(), epoch, state }));
    }

    pub(super) fn failed(
        &mut self,
        cx: &mut Cx<'_>,
        from: &Party,
        epoch: u64,
        reason: &str,
    ) -> Result<(), Fault> {
        self.inside(from)?;
        let reason = if reason.is_empty() { "failed" } else { reason };
        if self.route.proposal.is_some() && epoch == self.route.epoch {
            self.give_up(cx, reason);
            return Ok(());
        }
        match self.route.current {
            Some((current, Via::Direct)) if current == epoch => {
                if self.route.proposal.is_none() {
                    self.route.not_before = Some(cx.now.instant + cx.config.times.retry);
                    self.propose(cx, Via::Server, reason);
                }
                Ok(())
            }
            Some((current, Via::Server)) if current == epoch => {
                if let Ok(at) = self.inside(from) {
                    self.leave(cx, at, Reason::Failed);
                }
                Ok(())
            }
            _ => Err(wrong_state("the route of this epoch is over")),
        }
    }

    /// The proposed way does not come about: the old one stays, or another is tried.
    fn give_up(&mut self, cx: &mut Cx<'_>, reason: &str) {
        let Some(proposal) = self.route.proposal.take() else { return };
        let epoch = self.route.epoch;
        let parties: Vec<Party> = self.in_call().map(|(party, _)| party.clone()).collect();
        for party in &parties {
            let state = RouteState::Failed { reason: reason.to_owned() };
            self.tell_route(cx, party, epoch, state);
        }
        self.route.not_before = Some(cx.now.instant + cx.config.times.retry);
        match (proposal.via, self.route.current) {
            (Via::Direct, None) => self.propose(cx, Via::Server, reason),
            // Two who speak directly stay with that, whatever they wished for.
            (Via::Server, Some((_, Via::Direct))) if parties.len() == 2 => {
                self.route.wanted.clear();
            }
            (Via::Direct, Some(_)) => {}
            (Via::Server, _) => self.fail(cx),
        }
    }

    /// Nothing carries media: the call is over.
    fn fail(&mut self, cx: &mut Cx<'_>) {
        self.ended = Some(Reason::Failed);
        while let Some(at) = self.members.iter().position(super::Member::is_inside) {
            self.leave(cx, at, Reason::Failed);
        }
    }

    pub(super) fn wanted(
        &mut self,
        cx: &mut Cx<'_>,
        from: &Party,
        server: bool,
        reason: String,
    ) -> Result<(), Fault> {
        self.inside(from)?;
        let identity = from.user.identity.clone();
        if server {
            let reason = if reason.is_empty() { "wanted".to_owned() } else { reason };
            self.route.wanted.insert(identity, reason);
        } else {
            self.route.wanted.remove(&identity);
        }
        self.reroute(cx);

        Ok(())
    }

    /// Somebody has left: what was wanted or awaited of them is not any more.
    pub(super) fn forget_route(&mut self, identity: &str) {
        self.route.wanted.remove(identity);
        self.route.joining.remove(identity);
        let ends = self.route.pair.contains(identity);
        if let Some(proposal) = &mut self.route.proposal {
            proposal.ready.remove(identity);
            if proposal.via == Via::Direct && ends {
                self.route.proposal = None;
            }
        }
        // A direct way ends with either of its two.
        if matches!(self.route.current, Some((_, Via::Direct))) && ends {
            self.route.current = None;
        }
    }

    /// A device has lost its media and begins anew: so does the way, for all.
    pub(super) fn start_over(&mut self, cx: &mut Cx<'_>) {
        let via = match (&self.route.proposal, self.route.current) {
            (Some(proposal), _) => proposal.via,
            (None, Some((_, via))) => via,
            (None, None) => return,
        };
        if via == Via::Direct {
            self.route.current = None;
            self.propose(cx, via, "restart");
        } else {
            self.reroute(cx);
        }
    }

    pub(super) fn advance_route(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.instant;
        let late: Vec<String> = {
            let joining = self.route.joining.iter();
            joining.filter(|(_, until)| **until <= now).map(|(who, _)| who.clone()).collect()
        };
        for identity in late {
            let at = self.members.iter().position(|m| m.person.identity == identity);
            if let Some(at) = at {
                self.leave(cx, at, Reason::Failed);
            }
        }
        if let Some(proposal) = &self.route.proposal
            && proposal.until <= now
        {
            let enough = proposal.via == Via::Server && proposal.ready.len() >= 2;
            if enough { self.switch(cx) } else { self.give_up(cx, "timeout") }
        }
        let calm = self.route.calm_since.is_some_and(|at| at <= now)
            && self.route.not_before.is_none_or(|at| at <= now);
        if calm && self.in_call().count() == 2 && self.route.proposal.is_none() {
            self.propose(cx, Via::Direct, "two");
        }
    }
}

/// A LiveKit token for the room of a call; `None`: the tenant's key is gone.
fn room_token(cx: &Cx<'_>, party: &Party, room: &str) -> Option<String> {
    let CallsConfig { keys, times, .. } = cx.config;
    let secret = keys.get(&party.user.tenant)?;
    let claims = Claims {
        sub: party.user.identity.clone(),
        name: party.name.clone(),
        video: Grants { room_join: true, room: room.to_owned(), ..Grants::default() },
        ..Claims::default()
    };
    let seconds = cx.now.unix_ms / 1000;

    Some(mint(&claims, &party.user.tenant, secret.as_bytes(), seconds, times.room_token.as_secs()))
}
