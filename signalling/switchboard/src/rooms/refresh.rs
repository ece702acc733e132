//! Fresh tokens: whoever comes back must be let in, as what it is by now.

use super::desk::Context;
use super::participant::Participant;
use super::room::Room;
use crate::token::{Claims, RoomConfig, mint};
use livekit_protocol::signal_response::Message;
use relay_wire::control::ParticipantId;
use std::time::Instant;

/// Of a fresh token's lifetime, the part after which the next one comes: before a half.
const RENEWED_AFTER: f64 = 0.4;

/// The token with which somebody joined.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    /// The API key that signed it; the same signs the fresh ones.
    key: String,
    /// When it ends, Unix seconds.
    expires: u64,
    /// Kind of participant, as it was written.
    kind: String,
    /// What it says of a room that joining creates.
    room_config: Option<RoomConfig>,
    /// When a fresh one is due.
    pub(super) due: Instant,
}

impl Ticket {
    pub(super) fn new(claims: &Claims, now: Instant) -> Self {
        let (key, kind) = (claims.iss.clone(), claims.kind.clone());
        let (expires, room_config) = (claims.exp.unwrap_or(0), claims.room_config.clone());
        Self { key, expires, kind, room_config, due: now }
    }
}

impl Room {
    /// Sends a token that says what its holder is and may do now.
    pub(super) fn refresh(&mut self, cx: &mut Context<'_>, who: ParticipantId) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        let lifetime = cx.desk.config.timeouts.token;
        participant.ticket.due = cx.now.instant + lifetime.mul_f64(RENEWED_AFTER);
        let Some(secret) = cx.desk.config.keys.get(&participant.ticket.key) else { return };
        let seconds = cx.now.unix_ms / 1000;
        // Never shorter than what the client has already.
        let left = participant.ticket.expires.saturating_sub(seconds);
        let key = &participant.ticket.key;
        let claims = claims_of(participant, &self.name);
        let lifetime = left.max(lifetime.as_secs());
        let token = mint(&claims, key, secret.as_bytes(), seconds, lifetime);
        cx.send(participant.connection, Message::RefreshToken(token));
    }

    /// Sends fresh tokens to those who need one.
    pub(super) fn refresh_due(&mut self, cx: &mut Context<'_>) {
        let now = cx.now.instant;
        let due = |p: &&Participant| p.connection.is_some() && p.ticket.due <= now;
        let due: Vec<ParticipantId> =
            self.participants.values().filter(due).map(|p| p.id).collect();
        for who in due {
            self.refresh(cx, who);
        }
    }
}

fn claims_of(participant: &Participant, room: &str) -> Claims {
    let mut video = participant.grants.clone();
    room.clone_into(&mut video.room);
    Claims {
        sub: participant.identity.clone(),
        name: participant.name.clone(),
        metadata: participant.metadata.clone(),
        attributes: participant.attributes.clone(),
        kind: participant.ticket.kind.clone(),
        video,
        room_config: participant.ticket.room_config.clone(),
        ..Claims::default()
    }
}
