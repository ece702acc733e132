//! The rooms of a shard, when each must be woken, and which transports each has.

use crate::hash::{Map, map};
use crate::room::Room;
use crate::timers::Timers;
use crate::transport::Transports;
use crate::{Counters, Limits, Outbox};
use relay_wire::control::{DataRole, ParticipantId, Refusal, RoomId, TransportId};
use std::time::{Duration, Instant};

/// A deadline is at least this far away: whatever a room says, a turn ends.
const TIMER_STEP: Duration = Duration::from_millis(1);

struct Entry {
    room: Room,
    transports: Vec<(TransportId, ParticipantId)>,
}

/// Every room of one shard.
pub(super) struct Rooms {
    limits: Limits,
    seed: u64,
    by_id: Map<RoomId, Entry>,
    timers: Timers<RoomId>,
}

impl Rooms {
    /// No rooms yet.
    pub(super) fn new(limits: Limits, seed: u64, hash_seed: u64) -> Self {
        Self { limits, seed, by_id: map(hash_seed), timers: Timers::new(hash_seed) }
    }

    /// Makes a room, unless it is there.
    pub(super) fn create(&mut self, now: Instant, id: RoomId) -> Result<(), Refusal> {
        if self.by_id.contains_key(&id) {
            return Ok(());
        }
        if self.by_id.len() >= self.limits.rooms {
            return Err(Refusal::Full);
        }
        let room = Room::new(id, self.limits, self.seed ^ id.0, now);
        self.by_id.insert(id, Entry { room, transports: Vec::new() });

        Ok(())
    }

    /// Lets a room do something, if it is there, and notes when it wants to be woken.
    pub(super) fn with<T>(&mut self, id: RoomId, work: impl FnOnce(&mut Room) -> T) -> Option<T> {
        let entry = self.by_id.get_mut(&id)?;
        let done = work(&mut entry.room);
        self.timers.set(id, entry.room.next_timeout());

        Some(done)
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, now: Instant, egress: &mut Transports, out: &mut Outbox) {
        while let Some(id) = self.timers.pop(now) {
            let Some(entry) = self.by_id.get_mut(&id) else { continue };
            entry.room.advance(now, egress, out);
            let next = entry.room.next_timeout();
            self.timers.set(id, next.map(|next| next.max(now + TIMER_STEP)));
        }
    }

    /// When `advance` is next needed.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Adds gauges and counters.
    pub(super) fn counters(&self, counters: &mut Counters) {
        counters.rooms = self.by_id.len() as u64;
        for entry in self.by_id.values() {
            entry.room.counters(counters);
        }
    }

    /// Tells a room of a new transport.
    pub(super) fn open_transport(
        &mut self,
        id: RoomId,
        transport: TransportId,
        participant: ParticipantId,
        role: DataRole,
    ) -> Result<(), Refusal> {
        let entry = self.by_id.get_mut(&id).ok_or(Refusal::Unknown)?;
        entry.room.opened(transport, participant, role)?;
        entry.transports.push((transport, participant));

        Ok(())
    }

    /// Tells a room that a transport is gone.
    pub(super) fn close_transport(
        &mut self,
        now: Instant,
        id: RoomId,
        transport: TransportId,
        out: &mut Outbox,
    ) {
        let Some(entry) = self.by_id.get_mut(&id) else { return };
        entry.transports.retain(|(known, _)| *known != transport);
        self.with(id, |room| room.closed(now, transport, out));
    }

    /// Transports of a room, or of one participant in it.
    pub(super) fn transports(&self, id: RoomId, of: Option<ParticipantId>) -> Vec<TransportId> {
        let all = self.by_id.get(&id).into_iter().flat_map(|entry| &entry.transports);
        let chosen = all.filter(|(_, owner)| of.is_none_or(|of| of == *owner));

        chosen.map(|(transport, _)| *transport).collect()
    }

    /// Whether the room is there.
    pub(super) fn contains(&self, id: RoomId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Forgets a room with nobody in it.
    pub(super) fn remove_if_empty(&mut self, id: RoomId) {
        if self.by_id.get(&id).is_some_and(|entry| entry.room.is_empty()) {
            self.remove(id);
        }
    }

    /// Forgets a room.
    pub(super) fn remove(&mut self, id: RoomId) {
        self.by_id.remove(&id);
        self.timers.set(id, None);
    }
}
