//! What all rooms share: configuration, counters, ids, connections, questions to the relay.

use super::bucket::Bucket;
use super::{Config, ConnectionId, Counters, Limit, Now, Outbox};
use livekit_protocol::SignalResponse;
use livekit_protocol::signal_response::Message;
use prost::Message as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use relay_wire::control::{
    Command, ParticipantId, Request, RoomId, SubscriptionId, TrackId, TransportId, TurnService,
};
use relay_wire::medialog::LogId;
use std::collections::HashMap;

/// Characters of a sid after its prefix: 71 random bits.
const SID_CHARS: usize = 12;

/// The publisher's or the subscriber's peer connection of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Publisher,
    Subscriber,
}

/// Whose something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) room: RoomId,
    pub(super) participant: ParticipantId,
}

/// A question that the relay has not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Participant(Place),
    Open(TransportId),
    Publish(TrackId),
    Subscribe(Place, TrackId, SubscriptionId),
    Record(RoomId, LogId),
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) place: Place,
    pub(super) bucket: Bucket,
    pub(super) malformed: u32,
}

/// What all rooms share.
pub(super) struct Desk {
    pub(super) config: Config,
    /// The relay's TURN service, as it last said.
    pub(super) turn: TurnService,
    pub(super) counters: Counters,
    pub(super) connections: HashMap<ConnectionId, Connection>,
    pub(super) transports: HashMap<TransportId, (Place, Side)>,
    pub(super) tracks: HashMap<TrackId, Place>,
    /// WHIP and WHEP sessions by the ids of their resources.
    pub(super) sessions: HashMap<String, Place>,
    pub(super) questions: HashMap<u64, Question>,
    rng: StdRng,
    next_id: u64,
}

impl Desk {
    pub(super) fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut rng = StdRng::from_seed(seed);
        // The relay may outlive us: our successor's ids must not meet ours.
        let next_id = rng.random::<u64>() >> 1;
        Self {
            config,
            turn: TurnService::default(),
            counters: Counters::default(),
            connections: HashMap::new(),
            transports: HashMap::new(),
            tracks: HashMap::new(),
            sessions: HashMap::new(),
            questions: HashMap::new(),
            rng,
            next_id,
        }
    }

    /// A number that was never given before.
    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// An unguessable sid.
    pub(super) fn sid(&mut self, prefix: &str) -> String {
        const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut sid = String::with_capacity(prefix.len() + SID_CHARS);
        sid.push_str(prefix);
        for _ in 0..SID_CHARS {
            sid.push(char::from(BASE62[self.rng.random_range(0..BASE62.len())]));
        }
        sid
    }

    /// A random SSRC, never 0.
    pub(super) fn ssrc(&mut self) -> u32 {
        self.rng.random_range(1..=u32::MAX)
    }

    /// A random session id for `o=` lines.
    pub(super) fn session(&mut self) -> u64 {
        self.rng.random::<u64>() >> 2
    }
}

/// One call's surroundings: the moment, what rooms share, where results go.
pub(super) struct Context<'a> {
    pub(super) now: Now,
    pub(super) desk: &'a mut Desk,
    pub(super) out: &'a mut Outbox,
}

impl Context<'_> {
    /// Tells the relay something; a refusal is only counted.
    pub(super) fn tell(&mut self, room: RoomId, command: Command) {
        let id = self.desk.next_id();
        self.out.requests.push(Request { id, room, command });
    }

    /// Tells the relay something whose answer matters.
    pub(super) fn ask(&mut self, room: RoomId, command: Command, question: Question) {
        let id = self.desk.next_id();
        if self.desk.questions.len() < self.desk.config.limits.relay_questions {
            self.desk.questions.insert(id, question);
        } else {
            self.hit(Limit::RelayQuestions);
        }
        self.out.requests.push(Request { id, room, command });
    }

    /// Sends a message to a client that is connected at the moment.
    pub(super) fn send(&mut self, to: Option<ConnectionId>, message: Message) {
        if let Some(to) = to {
            self.send_encoded(to, encode(message));
        }
    }

    pub(super) fn send_encoded(&mut self, to: ConnectionId, encoded: Vec<u8>) {
        self.desk.counters.messages_out += 1;
        self.out.messages.push((to, encoded));
    }

    /// Closes a connection after its messages, and forgets it.
    pub(super) fn close(&mut self, connection: ConnectionId) {
        self.desk.connections.remove(&connection);
        self.out.closes.push(connection);
    }

    pub(super) fn hit(&mut self, limit: Limit) {
        self.desk.counters.hit(limit);
    }

    /// Counts a malformed message of a participant.
    pub(super) fn malformed(&mut self, connection: Option<ConnectionId>) {
        self.desk.counters.malformed += 1;
        let connection = connection.and_then(|id| self.desk.connections.get_mut(&id));
        if let Some(connection) = connection {
            connection.malformed += 1;
        }
    }
}

pub(super) fn encode(message: Message) -> Vec<u8> {
    SignalResponse { message: Some(message) }.encode_to_vec()
}
