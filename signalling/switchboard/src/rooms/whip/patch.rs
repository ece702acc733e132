//! Requests about sessions: offers, trickled candidates, ICE restarts, the end.

use super::session::{Pending, Session};
use super::{
    Credentials, RequestId, SessionError, SessionOffer, SessionReply, SessionRequest, SessionRole,
    play, publish,
};
use crate::rooms::desk::{Context, Question};
use crate::rooms::publisher::Held;
use crate::rooms::room::Room;
use crate::rooms::{LeaveReason, Limit, Now, Outbox, Switchboard};
use crate::sdp::Fragment;
use relay_wire::control::{Command, ParticipantId, Remote, RoomId};

impl Switchboard {
    /// Handles a WHIP or WHEP request; the reply is in `out` now, or once the relay has answered.
    pub fn session(&mut self, now: Now, id: RequestId, request: SessionRequest, out: &mut Outbox) {
        let refused = match request {
            SessionRequest::Offer(offer) => self.open_session(now, id, *offer, out),
            SessionRequest::Patch { session, if_match, fragment } => {
                self.on_session(now, &session, out, |room, cx, who| {
                    room.patch(cx, who, id, if_match.as_deref(), &fragment)
                })
            }
            SessionRequest::Delete(session) => {
                self.on_session(now, &session, out, |room, cx, who| {
                    room.remove(cx, who, LeaveReason::Client);
                    cx.reply(id, SessionReply::Deleted);
                    Ok(())
                })
            }
        };
        if let Err(error) = refused {
            let (_, mut cx) = self.context(now, out);
            cx.reply(id, SessionReply::Refused(error));
        }
    }

    fn open_session(
        &mut self,
        now: Now,
        id: RequestId,
        mut offer: SessionOffer,
        out: &mut Outbox,
    ) -> Result<(), SessionError> {
        let owner = offer.claims.sub.clone();
        let (_, mut cx) = self.context(now, out);
        offer.claims = match offer.role {
            SessionRole::Publish => publish::prepare(offer.claims),
            SessionRole::Play => play::prepare(&mut cx, offer.claims),
        }
        .inspect_err(|_| cx.desk.counters.denied += 1)?;
        if cx.desk.sessions.len() >= cx.desk.config.limits.sessions {
            cx.hit(Limit::Sessions);
            return Err(SessionError::Full);
        }
        let held = Held::read(0, &offer.sdp).inspect_err(|_| cx.desk.counters.malformed += 1)?;
        let playable = match offer.role {
            SessionRole::Publish => {
                publish::check(&held.description, &offer.claims, &cx.desk.config)
                    .map(|()| Vec::new())
            }
            SessionRole::Play => play::check(&held.description, &cx.desk.config),
        }?;
        if let Err(error) = self.admissible(&offer.claims) {
            self.refused(error);
            return Err(error.into());
        }

        let room = self.room_of_token(now, &offer.claims, out);
        self.with_room(now, room, out, |room, cx| {
            if let Some(older) = room.by_identity(&offer.claims.sub) {
                room.expel(cx, older, LeaveReason::DuplicateIdentity);
            }
            match offer.role {
                SessionRole::Publish => room.join_publisher(cx, id, offer, held),
                SessionRole::Play => room.join_player(cx, id, (&owner, offer), held, playable),
            }
        });
        Ok(())
    }

    /// Does something to the session that is named, if the token is its own.
    fn on_session(
        &mut self,
        now: Now,
        named: &Credentials,
        out: &mut Outbox,
        act: impl FnOnce(&mut Room, &mut Context<'_>, ParticipantId) -> Result<(), SessionError>,
    ) -> Result<(), SessionError> {
        let (rooms, cx) = self.context(now, out);
        let place = cx.desk.sessions.get(&named.resource).copied();
        let place = place.ok_or(SessionError::Unknown)?;
        let room = rooms.get(&place.room).ok_or(SessionError::Unknown)?;
        let participant = room.participants.get(&place.participant);
        let session = participant.and_then(|p| p.session.as_deref());
        let session = session.filter(|session| session.role == named.role);
        let session = session.ok_or(SessionError::Unknown)?;
        if room.name != named.claims.video.room || !session.is_of(&named.claims) {
            cx.desk.counters.denied += 1;
            return Err(SessionError::NotYours);
        }

        let mut result = Ok(());
        let room: RoomId = place.room;
        self.with_room(now, room, out, |room, cx| result = act(room, cx, place.participant));
        result
    }
}

impl Room {
    fn patch(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        id: RequestId,
        if_match: Option<&str>,
        fragment: &str,
    ) -> Result<(), SessionError> {
        let session = self.participants.get_mut(&who).and_then(|p| p.session.as_deref_mut());
        let session = session.ok_or(SessionError::Unknown)?;
        if !session.patches.take(cx.now.instant) {
            return Err(SessionError::TooFast);
        }
        let fragment =
            Fragment::parse(fragment).inspect_err(|_| cx.desk.counters.malformed += 1)?;
        let if_match = if_match.ok_or(SessionError::NoPrecondition)?;
        if !matches(if_match, &session.etag) {
            return Err(SessionError::Precondition);
        }
        let Some(remote) = restarts(session, fragment) else {
            cx.reply(id, SessionReply::Trickled);
            return Ok(());
        };
        if session.pending.is_some() {
            return Err(SessionError::Busy);
        }
        session.pending = Some(Pending::Restart(id, remote));
        let transport = session.transport;
        cx.ask(self.id, Command::RestartIce(transport), Question::Open(transport));
        Ok(())
    }
}

/// The client's side after the restart that a fragment asks for, if it asks for one: other
/// credentials than those that stand (RFC 8839, section 4.4.1.1.1).
fn restarts(session: &Session, fragment: Fragment) -> Option<Remote> {
    let (ufrag, pwd) = fragment.credentials?;
    let known = &session.remote;
    let same = known.ufrag == ufrag && known.pwd == pwd;

    (!same).then(|| Remote { ufrag, pwd, fingerprint: known.fingerprint.clone() })
}

/// Whether `If-Match` names this entity tag, by the strong comparison (RFC 9110, section 13.1.1).
fn matches(if_match: &str, etag: &str) -> bool {
    let named = |tag: &str| {
        tag == "*" || tag.strip_prefix('"').and_then(|t| t.strip_suffix('"')) == Some(etag)
    };
    if_match.split(',').map(str::trim).any(named)
}
