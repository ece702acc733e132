//! Rooms are recorded: when it begins and ends, who is told, and what the log is told of people.

use super::Now;
use super::admin::{AdminError, AdminResponse, ErrorCode};
use super::desk::{Context, Question};
use super::participant::Participant;
use super::room::Room;
use super::track::Track;
use crate::token::Claims;
use livekit_protocol as proto;
use livekit_protocol::encryption::Type as Encryption;
use livekit_protocol::signal_response::Message;
use relay_wire::control::{Command, ParticipantId, RecordingNews, RecordingSpec, TrackId};
use relay_wire::medialog::LogId;
use serde::Serialize;
use serde_json::{Value, json};

/// A room's recording.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    log: LogId,
    name: String,
    started: Now,
    lost: u64,
    failure: Option<String>,
}

/// What administrators do about a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingAct {
    /// Begin it.
    Start,
    /// Show it.
    Show,
    /// End it.
    Stop,
}

/// A room's recording, as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingInfo {
    /// The room's name.
    pub room: String,
    /// The room's id.
    pub room_sid: String,
    /// Name of the log's directory.
    pub log: String,
    /// When it began: milliseconds since the Unix epoch.
    pub started_at_ms: u64,
    /// Records that the disk did not take.
    pub lost_records: u64,
    /// What the system said when the disk last refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Whether a token permits recording this room.
pub(super) fn permits(claims: &Claims, room: &str) -> Result<(), AdminError> {
    let grants = &claims.video;
    if grants.room_record && (grants.room.is_empty() || grants.room == room) {
        return Ok(());
    }
    let msg = "permissions denied: the token lacks video.roomRecord for this room";

    Err(AdminError::new(ErrorCode::Unauthenticated, msg))
}

impl Room {
    /// Does what an administrator asks.
    pub(super) fn recording_act(
        &mut self,
        cx: &mut Context<'_>,
        act: RecordingAct,
    ) -> Result<AdminResponse, AdminError> {
        match act {
            RecordingAct::Start => self.start_recording(cx),
            RecordingAct::Show => self.show_recording(),
            RecordingAct::Stop => self.stop_recording(cx),
        }
    }

    fn start_recording(&mut self, cx: &mut Context<'_>) -> Result<AdminResponse, AdminError> {
        if self.recording.is_some() {
            let msg = "the room is recorded already";
            return Err(AdminError::new(ErrorCode::AlreadyExists, msg));
        }
        if self.participants.is_empty() {
            let msg = "nobody is in the room";
            return Err(AdminError::new(ErrorCode::FailedPrecondition, msg));
        }
        self.record(cx);
        self.tell_recording(cx);

        self.show_recording()
    }

    fn stop_recording(&mut self, cx: &mut Context<'_>) -> Result<AdminResponse, AdminError> {
        let shown = self.show_recording()?;
        self.recording = None;
        cx.tell(self.id, Command::StopRecording);
        self.tell_recording(cx);

        Ok(shown)
    }

    fn show_recording(&self) -> Result<AdminResponse, AdminError> {
        let msg = "the room is not recorded";
        let not_recorded = || AdminError::new(ErrorCode::NotFound, msg);
        let recording = self.recording.as_ref().ok_or_else(not_recorded)?;

        Ok(AdminResponse::Recording(RecordingInfo {
            room: self.name.clone(),
            room_sid: self.sid.clone(),
            log: recording.name.clone(),
            started_at_ms: recording.started.unix_ms,
            lost_records: recording.lost,
            failure: recording.failure.clone(),
        }))
    }

    /// Begins to record where every room is recorded, once somebody is there.
    pub(super) fn record_if_due(&mut self, cx: &mut Context<'_>) {
        if cx.desk.config.record_rooms && self.recording.is_none() {
            self.record(cx);
        }
    }

    /// The relay does not record, or not any more.
    pub(super) fn not_recorded(&mut self, cx: &mut Context<'_>, log: LogId) {
        if self.recording.as_ref().is_some_and(|recording| recording.log == log) {
            self.recording = None;
            self.tell_recording(cx);
        }
    }

    /// Handles what the relay tells of a recording.
    pub(super) fn recording_news(&mut self, cx: &mut Context<'_>, log: LogId, news: RecordingNews) {
        let Some(recording) = self.recording.as_mut().filter(|own| own.log == log) else { return };
        match news {
            RecordingNews::Lost { records, .. } => recording.lost += records,
            RecordingNews::Failed { reason } => recording.failure = Some(reason),
            RecordingNews::Ended => self.not_recorded(cx, log),
        }
    }

    /// Notes who a participant is.
    pub(super) fn note_participant(&self, cx: &mut Context<'_>, participant: &Participant) {
        if !participant.grants.hidden {
            self.note(cx, || {
                json!({
                    "fact": "participant",
                    "participant": participant.id.0,
                    "sid": participant.sid,
                    "identity": participant.identity,
                    "name": participant.name,
                })
            });
        }
    }

    /// Notes that a participant leaves, while the relay still has the room.
    pub(super) fn note_left(&self, cx: &mut Context<'_>, who: ParticipantId) {
        self.note(cx, || json!({ "fact": "left", "participant": who.0 }));
    }

    /// Notes what a track is.
    pub(super) fn note_track(&self, cx: &mut Context<'_>, who: ParticipantId, track: TrackId) {
        let participant = self.participants.get(&who);
        let Some(track) = participant.and_then(|p| p.tracks.get(&track)) else { return };
        self.note(cx, || fact_of(who, track));
    }

    /// Notes that a track ended.
    pub(super) fn note_unpublished(&self, cx: &mut Context<'_>, track: TrackId) {
        self.note(cx, || json!({ "fact": "unpublished", "track": track.0 }));
    }

    fn record(&mut self, cx: &mut Context<'_>) {
        let log = LogId(cx.desk.session());
        let name = format!("{}-{}", self.sid, cx.now.unix_ms);
        let spec = RecordingSpec { log, name: name.clone() };
        cx.ask(self.id, Command::Record(spec), Question::Record(self.id, log));
        self.recording = Some(Recording { log, name, started: cx.now, lost: 0, failure: None });
        self.note(cx, || json!({ "fact": "room", "name": self.name, "sid": self.sid }));
        for participant in self.participants.values() {
            self.note_participant(cx, participant);
            let bound = participant.tracks.values().filter(|track| track.bound.is_some());
            bound.for_each(|track| self.note(cx, || fact_of(participant.id, track)));
        }
    }

    fn note(&self, cx: &mut Context<'_>, fact: impl FnOnce() -> Value) {
        if self.recording.is_some() {
            cx.tell(self.id, Command::Note(fact().to_string().into_bytes()));
        }
    }

    /// Tells everybody whether they are recorded.
    fn tell_recording(&self, cx: &mut Context<'_>) {
        let room = Some(self.info(cx));
        self.spread(cx, Message::RoomUpdate(proto::RoomUpdate { room }));
    }
}

fn fact_of(who: ParticipantId, track: &Track) -> Value {
    json!({
        "fact": "track",
        "track": track.id.0,
        "participant": who.0,
        "sid": track.info.sid,
        "name": track.info.name,
        "source": track.info.source().as_str_name().to_ascii_lowercase(),
        "mime": track.info.mime_type,
        "encrypted": track.info.encryption() != Encryption::None,
    })
}
