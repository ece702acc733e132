//! A room: its participants, and what all of them are told.

use super::desk::{Context, Place, encode};
use super::messages::{farewell, leave, update};
use super::participant::Participant;
use super::recording::Recording;
use super::{LeaveReason, Now, Timeouts};
use livekit_protocol as proto;
use livekit_protocol::participant_info::State;
use livekit_protocol::signal_response::Message;
use relay_wire::control::{Command, ParticipantId, RoomId, TrackId};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

/// Participants that left and are remembered for those who resume.
const DEPARTED_MAX: usize = 256;

/// On what terms a room goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// How long it is kept while nobody has come yet.
    pub(super) empty: Duration,
    /// How long it is kept after everybody has left.
    pub(super) departure: Duration,
    /// Participants at once; 0: no limit but the server's.
    pub(super) max_participants: u32,
}

impl Terms {
    pub(super) fn new(timeouts: &Timeouts) -> Self {
        let Timeouts { empty, departure, .. } = *timeouts;
        Self { empty, departure, max_participants: 0 }
    }

    /// Takes other terms; what is 0 stays as it is.
    pub(super) fn change(&mut self, empty_seconds: u32, departure_seconds: u32, max: u32) {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        if empty_seconds > 0 {
            self.empty = seconds(empty_seconds);
        }
        if departure_seconds > 0 {
            self.departure = seconds(departure_seconds);
        }
        if max > 0 {
            self.max_participants = max;
        }
    }
}

pub(super) struct Room {
    pub(super) id: RoomId,
    pub(super) sid: String,
    pub(super) name: String,
    pub(super) metadata: String,
    pub(super) terms: Terms,
    pub(super) created: Now,
    /// When the last participant left; `None` while nobody has.
    pub(super) deserted: Option<Instant>,
    pub(super) participants: BTreeMap<ParticipantId, Participant>,
    /// Whose track a sid is; changes only where `Participant::tracks` does.
    pub(super) tracks: HashMap<String, (ParticipantId, TrackId)>,
    /// Who left, and when, oldest first.
    pub(super) departed: VecDeque<(Instant, proto::ParticipantInfo)>,
    /// Who speaks, as clients were told.
    pub(super) speakers: BTreeMap<ParticipantId, f32>,
    pub(super) quality_at: Instant,
    /// The recording, while the relay has the room.
    pub(super) recording: Option<Recording>,
    /// Participants and publishers as clients were told.
    pub(super) numbers: (u32, u32),
}

impl Room {
    pub(super) fn new(id: RoomId, sid: String, name: String, cx: &Context<'_>) -> Self {
        Self {
            id,
            sid,
            name,
            metadata: String::new(),
            terms: Terms::new(&cx.desk.config.timeouts),
            created: cx.now,
            deserted: None,
            participants: BTreeMap::new(),
            tracks: HashMap::new(),
            departed: VecDeque::new(),
            speakers: BTreeMap::new(),
            quality_at: cx.now.instant + cx.desk.config.timeouts.quality,
            recording: None,
            numbers: (0, 0),
        }
    }

    /// Whether nobody has been here for as long as a room is kept.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let (since, kept) = match self.deserted {
            Some(left) => (left, self.terms.departure),
            None => (self.created.instant, self.terms.empty),
        };
        let deserted = self.participants.values().all(Participant::is_dependent);
        deserted && now.saturating_duration_since(since) >= kept
    }

    /// Whether one participant more would be one too many. What the room itself permits does not
    /// count those who are there for the others only.
    pub(super) fn is_full(&self, server_max: usize, dependent: bool) -> bool {
        let own = usize::try_from(self.terms.max_participants).unwrap_or(usize::MAX);
        let counted = || self.participants.values().filter(|p| !p.is_dependent()).count();
        let own_full = own > 0 && !dependent && counted() >= own;
        self.participants.len() >= server_max || own_full
    }

    pub(super) fn place(&self, participant: ParticipantId) -> Place {
        Place { room: self.id, participant }
    }

    pub(super) fn by_identity(&self, identity: &str) -> Option<ParticipantId> {
        let same = |p: &&Participant| p.identity == identity;
        self.participants.values().find(same).map(|p| p.id)
    }

    pub(super) fn visible(&self) -> impl Iterator<Item = &Participant> {
        self.participants.values().filter(|p| !p.grants.hidden)
    }

    /// Visible participants, and those of them that publish.
    pub(super) fn count(&self) -> (u32, u32) {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let publishers = self.visible().filter(|p| p.is_publisher()).count();
        (count(self.visible().count()), count(publishers))
    }

    pub(super) fn info(&self, cx: &Context<'_>) -> proto::Room {
        let created_ms = i64::try_from(self.created.unix_ms).unwrap_or(i64::MAX);
        let (num_participants, num_publishers) = self.count();
        proto::Room {
            sid: self.sid.clone(),
            name: self.name.clone(),
            creation_time: created_ms / 1000,
            creation_time_ms: created_ms,
            metadata: self.metadata.clone(),
            empty_timeout: whole_seconds(self.terms.empty),
            departure_timeout: whole_seconds(self.terms.departure),
            max_participants: self.terms.max_participants,
            enabled_codecs: super::messages::codecs(&cx.desk.config),
            num_participants,
            num_publishers,
            active_recording: self.recording.is_some(),
            ..Default::default()
        }
    }

    /// Sends one message to everybody who is connected.
    pub(super) fn spread(&self, cx: &mut Context<'_>, message: Message) {
        let encoded = encode(message);
        for connection in self.participants.values().filter_map(|p| p.connection) {
            cx.send_encoded(connection, encoded.clone());
        }
    }

    /// Tells everybody how a participant is now; of a hidden one only itself is told.
    pub(super) fn announce(&mut self, cx: &mut Context<'_>, who: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        participant.version += 1;
        let message = update(vec![participant.info()]);
        if participant.grants.hidden {
            cx.send(participant.connection, message);
        } else {
            self.spread(cx, message);
        }
    }

    /// Removes everybody and says good-bye to them.
    pub(super) fn expel_all(&mut self, cx: &mut Context<'_>, reason: LeaveReason) {
        let everybody: Vec<ParticipantId> = self.participants.keys().copied().collect();
        for participant in everybody {
            self.expel(cx, participant, reason);
        }
    }

    /// Removes a participant and says good-bye to it.
    pub(super) fn expel(&mut self, cx: &mut Context<'_>, who: ParticipantId, reason: LeaveReason) {
        let Some(participant) = self.participants.get(&who) else { return };
        let (told, action) = farewell(reason);
        cx.send(participant.connection, leave(told, action));
        self.remove(cx, who, reason);
    }

    /// Removes a participant with all that is its own, and tells the others.
    pub(super) fn remove(&mut self, cx: &mut Context<'_>, who: ParticipantId, reason: LeaveReason) {
        let Some(mut gone) = self.participants.remove(&who) else { return };
        cx.desk.counters.left(reason);
        self.deserted = Some(cx.now.instant);
        if let Some(connection) = gone.connection {
            cx.close(connection);
        }
        cx.desk.transports.remove(&gone.subscriber.transport);
        if let Some(transport) = gone.publisher.transport {
            cx.desk.transports.remove(&transport);
        }
        if let Some(session) = gone.session.take() {
            session.end(cx, reason);
        }
        self.note_left(cx, who);
        cx.tell(self.id, Command::RemoveParticipant(who));
        if self.participants.is_empty() {
            // The relay forgets the room with its last participant, and ends the log.
            self.recording = None;
        }
        self.speakers.remove(&who);

        let was_active = gone.state == State::Active;
        gone.state = State::Disconnected;
        gone.version += 1;
        let mut info = gone.info();
        info.tracks.clear();
        info.disconnect_reason = farewell(reason).0 as i32;
        self.report_gone(cx, &gone, was_active, info.clone());
        for track in std::mem::take(&mut gone.tracks).into_values() {
            self.forget_track(cx, &track.info.sid, track.id);
        }
        if !gone.grants.hidden {
            self.spread(cx, update(vec![info.clone()]));
            self.departed.push_back((cx.now.instant, info));
            if self.departed.len() > DEPARTED_MAX {
                self.departed.pop_front();
            }
        }
        self.negotiate_all(cx);
    }

    /// Forgets a track that its participant has no more; the relay ends its subscriptions itself.
    pub(super) fn forget_track(&mut self, cx: &mut Context<'_>, sid: &str, track: TrackId) {
        self.tracks.remove(sid);
        cx.desk.tracks.remove(&track);
        for participant in self.participants.values_mut() {
            participant.exceptions.remove(&track);
            if let Some(subscription) = participant.subscriptions.remove(&track) {
                participant.subscriber.leave(&subscription.mid);
            }
        }
    }
}

fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}
