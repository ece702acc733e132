//! Participants and their transports come and go.

use super::link::{Link, Outlet};
use super::participant::LINKS_MAX;
use super::{Room, TICK};
use crate::{Egress, Outbox};
use rand::Rng;
use relay_wire::control::{DataRole, ParticipantId, Refusal, SubscriptionId, TransportId};
use std::time::Instant;

impl Room {
    /// Learns that a participant's transport was opened.
    ///
    /// # Errors
    /// `Unknown` if the participant is not here, `Invalid` if the transport already is, `Full` if
    /// the participant has too many.
    pub fn opened(
        &mut self,
        now: Instant,
        transport: TransportId,
        participant: ParticipantId,
        data: DataRole,
    ) -> Result<(), Refusal> {
        let owner = self.participants.get_mut(&participant).ok_or(Refusal::Unknown)?;
        if self.by_transport.contains_key(&transport) {
            return Err(Refusal::Invalid);
        }
        if owner.links.len() == LINKS_MAX {
            return Err(Refusal::Full);
        }
        let (ssrc, seed) = (self.random.random(), self.seed);
        let sources_max = self.limits.transport_ssrcs;
        let link = Link::new(transport, participant, data, ssrc, seed, sources_max);
        let place = self.links.insert(link);
        self.outlets.resize(self.links.places(), Outlet::default());
        self.outlets[place] = Outlet { sequence: self.random.random(), connected: false };
        owner.links.push(place);
        self.by_transport.insert(transport, place);
        self.timers.tick.get_or_insert(now + TICK);

        Ok(())
    }

    /// Learns that a transport connected: subscriptions on it start.
    pub fn connected<E: Egress>(
        &mut self,
        now: Instant,
        transport: TransportId,
        egress: &mut E,
        out: &mut Outbox,
    ) {
        let Some(&place) = self.by_transport.get(&transport) else { return };
        self.outlets[place].connected = true;
        for track in 0..self.tracks.places() {
            self.request_awaited(now, track, egress, out);
        }
    }

    /// Learns that a transport is gone: tracks and subscriptions on it end.
    pub fn closed(&mut self, _now: Instant, transport: TransportId, _out: &mut Outbox) {
        self.remove_link(transport);
    }

    /// The transports of a participant.
    pub fn transports_of(&self, participant: ParticipantId) -> Vec<TransportId> {
        let links = self.participants.get(&participant).map(|p| p.links.as_slice());
        let transport = |place: &usize| self.links.get(*place).map(|link| link.transport);

        links.unwrap_or_default().iter().filter_map(transport).collect()
    }

    /// All transports in the room.
    pub fn transports(&self) -> Vec<TransportId> {
        self.links.iter().map(|(_, link)| link.transport).collect()
    }

    pub(super) fn remove_participant(&mut self, participant: ParticipantId) -> bool {
        for transport in self.transports_of(participant) {
            self.remove_link(transport);
        }

        self.participants.remove(&participant).is_some()
    }

    pub(super) fn remove_link(&mut self, transport: TransportId) {
        let Some(place) = self.by_transport.get(&transport).copied() else { return };
        let Some(link) = self.links.get(place) else { return };
        let (tracks, owner) = (link.tracks.clone(), link.participant);
        let subscriptions: Vec<_> = link.subscriptions.values().copied().collect();
        tracks.into_iter().for_each(|track| self.remove_track(track));
        subscriptions.into_iter().for_each(|id| {
            self.remove_subscription(id);
        });
        if let Some(owner) = self.participants.get_mut(&owner) {
            owner.links.retain(|link| *link != place);
        }
        self.outlets[place] = Outlet::default();
        self.links.remove(place);
        self.by_transport.remove(&transport);
    }

    /// Ends a track and its subscriptions.
    pub(super) fn remove_track(&mut self, place: usize) {
        let Some(track) = self.tracks.get(place) else { return };
        let (id, owner, link) = (track.spec.track, track.spec.participant, track.link);
        let subscriptions: Vec<_> = track.subscriptions.iter().map(|s| s.id).collect();
        subscriptions.into_iter().for_each(|id| {
            self.remove_subscription(id);
        });
        if let Some(link) = self.links.get_mut(link) {
            link.forget(place);
        }
        if let Some(owner) = self.participants.get_mut(&owner) {
            owner.tracks -= 1;
        }
        self.tracks.remove(place);
        self.by_track.remove(&id);
    }

    /// Ends a subscription; another one of the track takes its place there.
    pub(super) fn remove_subscription(&mut self, id: SubscriptionId) -> bool {
        let Some((track, place)) = self.by_subscription.remove(&id) else { return false };
        let Some(track_state) = self.tracks.get_mut(track) else { return false };
        let removed = track_state.subscriptions.swap_remove(place);
        if let Some(moved) = track_state.subscriptions.get(place) {
            self.by_subscription.insert(moved.id, (track, place));
        }
        if let Some(link) = self.links.get_mut(removed.link) {
            let (media, rtx) = removed.tails();
            link.subscriptions.remove(&removed.terms.ssrc);
            link.retire(removed.terms.ssrc, media);
            if let Some(ssrc) = removed.terms.rtx_ssrc {
                link.subscriptions.remove(&ssrc);
                link.retire(ssrc, rtx);
            }
        }

        true
    }

    /// Asks for the keyframes that connected subscribers of a track wait for.
    pub(super) fn request_awaited<E: Egress>(
        &mut self,
        now: Instant,
        track: usize,
        egress: &mut E,
        out: &mut Outbox,
    ) {
        let Some(track) = self.tracks.get_mut(track) else { return };
        let (link, requests) = (track.link, track.aim(now, true, &self.outlets));
        self.request_keyframes(link, &requests, egress, out);
    }
}
