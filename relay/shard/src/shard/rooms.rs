//! The rooms of a shard, when each must be woken, and which transports each has.

use crate::hash::{Map, map};
use crate::room::Room;
use crate::timers::Timers;
use crate::transport::Transports;
use crate::{Counters, Limits, Outbox};
use relay_wire::control::{ParticipantId, Refusal, RoomId, TransportId};
use std::time::{Duration, Instant};

/// A deadline is at least this far away: whatever a room says, a turn ends.
const TIMER_STEP: Duration = Duration::from_millis(1);

/// Every room of one shard.
pub(super) struct Rooms {
    limits: Limits,
    seed: u64,
    by_id: Map<RoomId, Room>,
    /// What the wall clock said, since the Unix epoch, and when.
    wall: (Instant, Duration),
    timers: Timers<RoomId>,
    /// What rooms that are no more counted.
    past: Counters,
}

impl Rooms {
    /// No rooms yet. `wall`: what the wall clock says, since the Unix epoch, and when.
    pub(super) fn new(
        limits: Limits,
        wall: (Instant, Duration),
        seed: u64,
        hash_seed: u64,
    ) -> Self {
        Self {
            limits,
            seed,
            by_id: map(hash_seed),
            wall,
            timers: Timers::new(hash_seed),
            past: Counters::default(),
        }
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
        self.by_id.insert(id, room);

        Ok(())
    }

    /// Lets a room do something, if it is there, and notes when it wants to be woken.
    pub(super) fn with<T>(&mut self, id: RoomId, work: impl FnOnce(&mut Room) -> T) -> Option<T> {
        let room = self.by_id.get_mut(&id)?;
        let done = work(room);
        self.timers.set(id, room.next_timeout());

        Some(done)
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, now: Instant, egress: &mut Transports, out: &mut Outbox) {
        while let Some(id) = self.timers.pop(now) {
            let Some(room) = self.by_id.get_mut(&id) else { continue };
            room.advance(now, egress, out);
            let next = room.next_timeout();
            self.timers.set(id, next.map(|next| next.max(now + TIMER_STEP)));
        }
    }

    /// When `advance` is next needed.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Gauges of the rooms that are, counters of all that ever were.
    pub(super) fn counters(&self) -> Counters {
        let mut counters = Counters { rooms: self.by_id.len() as u64, ..self.past };
        for room in self.by_id.values() {
            room.counters(&mut counters);
        }

        counters
    }

    /// Transports of a room, or of one participant in it.
    pub(super) fn transports(&self, id: RoomId, of: Option<ParticipantId>) -> Vec<TransportId> {
        match (self.by_id.get(&id), of) {
            (Some(room), Some(participant)) => room.transports_of(participant),
            (Some(room), None) => room.transports(),
            (None, _) => Vec::new(),
        }
    }

    /// Whether the room is there.
    pub(super) fn contains(&self, id: RoomId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Learns what the wall clock says.
    pub(super) fn set_clock(&mut self, now: Instant, unix: Duration) {
        self.wall = (now, unix);
    }

    /// Prepares a room's recording.
    pub(super) fn record(&mut self, id: RoomId) -> Result<(), Refusal> {
        let recorded = self.by_id.values().filter(|room| room.is_recorded()).count();
        if recorded >= self.limits.recordings {
            return Err(Refusal::Full);
        }
        if let Some(room) = self.by_id.get_mut(&id) {
            let (now, unix) = self.wall;
            room.set_clock(now, unix);
        }

        Ok(())
    }

    /// Ends all recordings.
    pub(super) fn stop_recordings(&mut self, now: Instant, out: &mut Outbox) {
        self.by_id.values_mut().for_each(|room| {
            room.stop_recording(now, out);
        });
    }

    /// Forgets a room with nobody in it.
    pub(super) fn remove_if_empty(&mut self, now: Instant, id: RoomId, out: &mut Outbox) {
        if self.by_id.get(&id).is_some_and(Room::is_empty) {
            self.remove(now, id, out);
        }
    }

    /// Forgets a room.
    pub(super) fn remove(&mut self, now: Instant, id: RoomId, out: &mut Outbox) {
        let Some(mut room) = self.by_id.remove(&id) else { return };
        room.stop_recording(now, out);
        room.totals(&mut self.past);
        self.timers.set(id, None);
    }
}
