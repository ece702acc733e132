//! Which shard a room is on: requests from any thread to the shard that they are about.

use crate::mailbox::{Letter, Mailbox};
use crate::snapshot::Snapshots;
use relay_wire::control::{Answer, Command, Message, ParticipantId, Refusal, Request, RoomId};
use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Takes the relay's messages. It is called on the shards' threads, where media waits for it: it
/// must not block.
pub type Events = Arc<dyn Fn(Message) + Send + Sync>;

struct Room {
    shard: u16,
    participants: HashSet<ParticipantId>,
}

/// The rooms and where they are.
pub(crate) struct Router {
    mailboxes: Vec<Arc<Mailbox>>,
    snapshots: Arc<Snapshots>,
    events: Events,
    rooms_max: usize,
    participants_max: usize,
    rooms: Mutex<HashMap<RoomId, Room>>,
}

impl Router {
    pub(crate) fn new(
        mailboxes: Vec<Arc<Mailbox>>,
        snapshots: Arc<Snapshots>,
        events: Events,
        limits: &relay_shard::Limits,
    ) -> Self {
        Self {
            rooms_max: limits.rooms.saturating_mul(mailboxes.len()),
            participants_max: limits.room_participants,
            mailboxes,
            snapshots,
            events,
            rooms: Mutex::default(),
        }
    }

    /// Sends a request to its room's shard, or refuses it at once.
    pub(crate) fn request(&self, request: Request) {
        let id = request.id;
        if let Err(refusal) = self.route(request) {
            (self.events)(Message::Answer { id, answer: Answer::Refused(refusal) });
        }
    }

    /// Ends all rooms and tells nobody; the receiver is disconnected when that is done.
    pub(crate) fn close_rooms(&self) -> Receiver<()> {
        let (done, receiver) = channel();
        let mut by_shard = vec![Vec::new(); self.mailboxes.len()];
        for (id, room) in self.rooms().drain() {
            by_shard[usize::from(room.shard)].push(id);
        }
        for (mailbox, rooms) in self.mailboxes.iter().zip(by_shard) {
            if !mailbox.post(Letter::CloseRooms { rooms, done: done.clone() }) {
                tracing::error!("a shard does not read its letters: its rooms stay open");
            }
        }

        receiver
    }

    /// Forgets a participant who left a room, or never got in; the last one takes the room along.
    pub(crate) fn left(&self, room: RoomId, participant: ParticipantId) {
        let mut rooms = self.rooms();
        let Some(entry) = rooms.get_mut(&room) else { return };
        entry.participants.remove(&participant);
        if entry.participants.is_empty() {
            rooms.remove(&room);
        }
    }

    /// Forgets a room that was closed.
    pub(crate) fn closed(&self, room: RoomId) {
        self.rooms().remove(&room);
    }

    fn route(&self, request: Request) -> Result<(), Refusal> {
        let room = request.room;
        let mut rooms = self.rooms();
        let (shard, joined) = match &request.command {
            Command::Participant(spec) => self.place(&mut rooms, room, spec.participant)?,
            _ => (rooms.get(&room).ok_or(Refusal::Unknown)?.shard, None),
        };
        let letter = Letter::Request { request, joins: joined.is_some() };
        // Posted under the lock, so that one room's requests keep their order.
        let posted = self.mailboxes[usize::from(shard)].post(letter);
        drop(rooms);
        if !posted {
            joined.into_iter().for_each(|participant| self.left(room, participant));
            return Err(Refusal::Full);
        }

        Ok(())
    }

    /// The shard of a room, which is made on the least loaded one; and the participant, if new.
    fn place(
        &self,
        rooms: &mut HashMap<RoomId, Room>,
        id: RoomId,
        participant: ParticipantId,
    ) -> Result<(u16, Option<ParticipantId>), Refusal> {
        if !rooms.contains_key(&id) {
            if rooms.len() >= self.rooms_max {
                return Err(Refusal::Full);
            }
            let shard = self.least_loaded(rooms);
            rooms.insert(id, Room { shard, participants: HashSet::new() });
        }
        let room = rooms.get_mut(&id).ok_or(Refusal::Unknown)?;
        if room.participants.contains(&participant) {
            return Ok((room.shard, None));
        }
        if room.participants.len() >= self.participants_max {
            return Err(Refusal::Full);
        }
        room.participants.insert(participant);

        Ok((room.shard, Some(participant)))
    }

    /// Forwarding costs by subscription; rooms just placed have none yet and count by themselves.
    fn least_loaded(&self, rooms: &HashMap<RoomId, Room>) -> u16 {
        let mut loads: Vec<u64> =
            self.snapshots.iter().map(|snapshot| snapshot.counters.subscriptions).collect();
        for room in rooms.values() {
            loads[usize::from(room.shard)] += 1 + room.participants.len() as u64;
        }
        let least = (0u16..).zip(&loads).min_by_key(|(_, load)| **load);

        least.map_or(0, |(shard, _)| shard)
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
