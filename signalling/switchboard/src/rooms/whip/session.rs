//! A session: what stands in for the signalling connection of a participant.

use super::{RequestId, SessionError, SessionReply, SessionRole};
use crate::rooms::bucket::Bucket;
use crate::rooms::desk::{Context, Question, Side};
use crate::rooms::events::refuses;
use crate::rooms::messages::ice_servers;
use crate::rooms::room::Room;
use crate::rooms::{IceServer, LeaveReason, Limit};
use crate::sdp::{self, Description, Playable};
use crate::token::{Claims, Grants};
use relay_wire::control::{Command, DataRole, Opened, ParticipantId, Remote, TransportId};

/// `PATCH`es of one session in a second, sustained and at once.
const PATCHES_A_SECOND: u32 = 5;
const PATCH_BURST: u32 = 50;

/// What a participant without a signalling connection has instead.
#[derive(Debug)]
pub(in crate::rooms) struct Session {
    pub(super) role: SessionRole,
    /// Unguessable id of the HTTP resource.
    pub(super) resource: String,
    /// Entity tag of the ICE generation.
    pub(super) etag: String,
    /// The token's identity.
    pub(super) owner: String,
    /// The participant whose media a player wants; `None`: anybody's.
    pub(super) wanted: Option<String>,
    pub(super) transport: TransportId,
    pub(super) offer: Description,
    /// The client's side.
    pub(super) remote: Remote,
    /// Who waits for the relay.
    pub(super) pending: Option<Pending>,
    /// The m-lines of a player.
    pub(super) slots: Vec<Slot>,
    pub(super) patches: Bucket,
}

/// A request that waits for the relay's side of the transport.
#[derive(Debug)]
pub(super) enum Pending {
    Offer(RequestId),
    Restart(RequestId, Remote),
}

/// An m-line of a player and the streams on it, whatever they carry.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) playable: Playable,
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: u32,
}

impl SessionRole {
    /// Takes what no session of this kind can do or be, whatever a token or an operator permits.
    pub(super) fn confine(self, grants: &mut Grants) {
        match self {
            // Nothing can reach it but answers to what it sends.
            Self::Publish => grants.can_subscribe = Some(false),
            Self::Play => {
                grants.hidden = true;
                (grants.can_publish, grants.can_publish_data) = (Some(false), Some(false));
                grants.can_update_own_metadata = Some(false);
            }
        }
    }
}

impl Session {
    /// Takes permissions that mean nothing here out of those that an operator gives.
    pub(in crate::rooms) fn confine(&self, grants: &mut Grants) {
        self.role.confine(grants);
    }

    pub(in crate::rooms) fn is_player(&self) -> bool {
        self.role == SessionRole::Play
    }

    /// A session that waits for its transport.
    pub(super) fn new(
        cx: &mut Context<'_>,
        role: SessionRole,
        owner: &str,
        (offer, remote): (Description, Remote),
        request: RequestId,
    ) -> Self {
        Self {
            role,
            resource: cx.desk.sid("WS_") + &cx.desk.sid(""),
            etag: cx.desk.sid(""),
            owner: owner.into(),
            wanted: None,
            transport: TransportId(cx.desk.next_id()),
            offer,
            remote,
            pending: Some(Pending::Offer(request)),
            slots: Vec::new(),
            patches: Bucket::new(cx.now.instant, PATCHES_A_SECOND, PATCH_BURST),
        }
    }

    /// Whether the holder of a token may touch it.
    pub(super) fn is_of(&self, claims: &Claims) -> bool {
        self.owner == claims.sub
    }

    /// Forgets a session that ended, and answers whoever still waits.
    pub(in crate::rooms) fn end(self, cx: &mut Context<'_>, reason: LeaveReason) {
        cx.desk.sessions.remove(&self.resource);
        if let Some(Pending::Offer(request) | Pending::Restart(request, _)) = self.pending {
            cx.reply(request, SessionReply::Refused(SessionError::Ended(reason)));
        }
    }
}

impl Room {
    /// Registers a participant's session, opens its transport and shows it to the others.
    pub(super) fn enter(
        &mut self,
        cx: &mut Context<'_>,
        mut participant: crate::rooms::participant::Participant,
        session: Session,
    ) {
        let (who, transport) = (participant.id, session.transport);
        let side = if session.is_player() { Side::Subscriber } else { Side::Publisher };
        let place = self.place(who);
        cx.desk.counters.joins += 1;
        cx.desk.transports.insert(transport, (place, side));
        cx.desk.sessions.insert(session.resource.clone(), place);
        participant.session = Some(Box::new(session));
        self.introduce(cx, &participant);
        self.note_participant(cx, &participant);
        self.participants.insert(who, participant);
        self.record_if_due(cx);
        let open = Command::Open { participant: who, transport, data: DataRole::Accept };
        cx.ask(self.id, open, Question::Open(transport));
        self.announce_to_others(cx, who);
    }

    /// The relay has opened the session's transport, or given it new credentials.
    pub(in crate::rooms) fn session_opened(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        opened: Opened,
    ) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        let Some(session) = participant.session.as_mut() else { return };
        match session.pending.take() {
            Some(Pending::Offer(request)) if session.is_player() => {
                self.play(cx, who, request, opened);
            }
            Some(Pending::Offer(request)) => {
                session.pending = Some(Pending::Offer(request));
                participant.publisher.local = Some(opened);
                self.answer_offer(cx, who);
            }
            Some(Pending::Restart(request, remote)) => {
                let (transport, etag) = (session.transport, cx.desk.sid(""));
                session.etag.clone_from(&etag);
                session.remote = remote.clone();
                let fragment = sdp::restarted(&session.offer, &opened);
                cx.tell(self.id, Command::Admit { transport, remote });
                cx.reply(request, SessionReply::Restarted { etag, fragment });
            }
            None => {}
        }
    }

    /// Answers whoever waits for the session.
    pub(in crate::rooms) fn created(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        sdp: String,
    ) {
        let session = self.participants.get_mut(&who).and_then(|p| p.session.as_mut());
        let Some(session) = session else { return };
        let Some(Pending::Offer(request)) = session.pending.take() else { return };
        let servers = ice_servers(cx.desk, cx.now, &session.owner).into_iter();
        let ice_servers = servers.map(|server| IceServer {
            urls: server.urls,
            username: server.username,
            credential: server.credential,
        });
        let reply = SessionReply::Created {
            resource: session.resource.clone(),
            etag: session.etag.clone(),
            sdp,
            ice_servers: ice_servers.collect(),
        };
        cx.reply(request, reply);
    }

    /// A relay that refuses a restart leaves the session as it was.
    pub(in crate::rooms) fn restart_refused(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        answer: &relay_wire::control::Answer,
    ) -> bool {
        let session = self.participants.get_mut(&who).and_then(|p| p.session.as_mut());
        let Some(session) = session.filter(|_| refuses(answer)) else { return false };
        let Some(Pending::Restart(request, _)) = session.pending else { return false };
        session.pending = None;
        let ended = SessionError::Ended(LeaveReason::RelayReset);
        cx.reply(request, SessionReply::Refused(ended));
        true
    }
}

impl Context<'_> {
    /// Answers an HTTP request.
    pub(super) fn reply(&mut self, request: RequestId, reply: SessionReply) {
        if matches!(reply, SessionReply::Refused(SessionError::TooFast)) {
            self.hit(Limit::SessionRate);
        }
        self.out.replies.push((request, reply));
    }
}
