//! WHEP: a hidden participant that receives what there is, on the m-lines it offered.

use super::session::{Session, Slot};
use super::{RequestId, SessionError, SessionOffer, SessionRole};
use crate::rooms::desk::{Context, Question};
use crate::rooms::join::new_participant;
use crate::rooms::participant::Participant;
use crate::rooms::publisher::Held;
use crate::rooms::room::Room;
use crate::rooms::subscriber::{Stage, Subscription};
use crate::rooms::track::Track;
use crate::rooms::{Config, Join};
use crate::sdp::{self, Description, Local, Playable, Stream, playable};
use crate::token::Claims;
use relay_wire::control::{
    Choice, Command, Opened, ParticipantId, SubscriptionId, SubscriptionSpec, TrackId,
};
use std::collections::BTreeSet;

/// What a player's token must permit besides joining, and under which identity it is there:
/// several may play by one token, beside whoever is in the room as that identity.
pub(super) fn prepare(cx: &mut Context<'_>, mut claims: Claims) -> Result<Claims, SessionError> {
    if !claims.video.may_subscribe() {
        return Err(SessionError::MayNotSubscribe);
    }
    if !claims.sub.is_empty() {
        claims.sub = format!("{}#{}", claims.sub, cx.desk.sid("WHEP_"));
    }
    SessionRole::Play.confine(&mut claims.video);
    Ok(claims)
}

/// What may be played: all m-lines that receive must be possible.
pub(super) fn check(offer: &Description, config: &Config) -> Result<Vec<Playable>, SessionError> {
    let mut found: Vec<Playable> = Vec::new();
    for playable in offer.sections.iter().filter_map(|m| playable(m, &config.codecs)) {
        if playable.codecs.is_empty() {
            return Err(SessionError::Codecs(playable.kind));
        }
        if found.iter().any(|known| known.kind == playable.kind) {
            return Err(SessionError::Repeated);
        }
        found.push(playable);
    }
    if found.is_empty() { Err(SessionError::NoMedia) } else { Ok(found) }
}

impl Room {
    /// Lets a player in.
    pub(super) fn join_player(
        &mut self,
        cx: &mut Context<'_>,
        request: RequestId,
        (owner, offer): (&str, SessionOffer),
        held: Held,
        playable: Vec<Playable>,
    ) {
        let read = (held.description, held.remote);
        let mut session = Session::new(cx, SessionRole::Play, owner, read, request);
        session.wanted = offer.participant;
        session.slots = playable
            .into_iter()
            .map(|playable| Slot { playable, ssrc: cx.desk.ssrc(), rtx_ssrc: cx.desk.ssrc() })
            .collect();
        let join = Join::new(offer.claims);
        let participant = new_participant(cx, session.transport, None, join);
        self.enter(cx, participant, session);
    }

    /// Answers the player's offer: its streams stand, even while nobody publishes.
    pub(super) fn play(
        &mut self,
        cx: &mut Context<'_>,
        who: ParticipantId,
        request: RequestId,
        opened: Opened,
    ) {
        let Some(participant) = self.participants.get_mut(&who) else { return };
        let Some(session) = participant.session.as_mut() else { return };
        session.pending = Some(super::session::Pending::Offer(request));
        let sid = &participant.sid;
        let stream = |mid: &str| {
            let slot = session.slots.iter().find(|slot| slot.playable.mid == mid)?;
            let msid = (sid.clone(), format!("{sid}-{mid}"));
            let cname = sid.clone();
            Some(Stream { ssrc: slot.ssrc, rtx_ssrc: slot.rtx_ssrc, msid, cname })
        };
        let streams: Vec<_> = session.offer.sections.iter().map(|m| stream(&m.mid)).collect();
        let local = Local {
            transport: &opened,
            session: participant.subscriber.session,
            version: 1,
            data_message_bytes: cx.desk.config.limits.data_message_bytes,
        };
        let answer = sdp::play(&session.offer, local, &cx.desk.config.codecs, &streams);
        let (transport, remote) = (session.transport, session.remote.clone());
        participant.subscriber.local = Some(opened);
        cx.tell(self.id, Command::Admit { transport, remote });
        self.created(cx, who, answer);
        self.follow(cx, who);
    }

    /// Gives a player what it should get on each of its m-lines, as the room is now. What plays
    /// goes on playing for as long as it may.
    pub(in crate::rooms) fn follow(&mut self, cx: &mut Context<'_>, who: ParticipantId) {
        let Some(player) = self.participants.get_mut(&who) else { return };
        player.subscriber.dirty = false;
        // Before the answer there are no streams to fill.
        if player.subscriber.local.is_none() {
            return;
        }
        let Some(player) = self.participants.get(&who) else { return };
        let Some(session) = player.session.as_ref() else { return };
        let slots = session.slots.clone();
        let over: Vec<TrackId> = player
            .subscriptions
            .keys()
            .copied()
            .filter(|track| !self.may_play(player, &slots, *track))
            .collect();
        for track in over {
            self.drop_subscription(cx, who, track);
        }
        for slot in &slots {
            self.fill(cx, who, slot);
        }
        if let Some(player) = self.participants.get_mut(&who) {
            player.subscriber.dirty = false;
        }
    }

    /// Whether a player may get this track on one of its m-lines.
    fn may_play(&self, player: &Participant, slots: &[Slot], track: TrackId) -> bool {
        self.published_track(track).is_some_and(|(owner, track)| {
            slots.iter().any(|slot| is_playable(player, owner, track, slot))
        })
    }

    fn published_track(&self, id: TrackId) -> Option<(&Participant, &Track)> {
        let found = |owner: &ParticipantId| self.participants.get(owner);
        self.tracks
            .values()
            .find(|(_, track)| *track == id)
            .and_then(|(owner, _)| found(owner))
            .and_then(|owner| Some((owner, owner.tracks.get(&id)?)))
    }

    /// Begins to play on an m-line that is empty: the oldest track, one of whoever plays on
    /// the other m-line if there is one.
    fn fill(&mut self, cx: &mut Context<'_>, who: ParticipantId, slot: &Slot) {
        let Some(player) = self.participants.get(&who) else { return };
        let playing = player.subscriptions.values();
        if playing.clone().any(|subscription| subscription.mid == slot.playable.mid) {
            return;
        }
        let beside: BTreeSet<ParticipantId> = playing.map(|s| s.publisher).collect();
        let tracks = self.participants.values().flat_map(|owner| {
            let tracks = owner.tracks.values().map(move |track| (owner, track));
            tracks.filter(|(owner, track)| is_playable(player, owner, track, slot))
        });
        let first = tracks.min_by_key(|(owner, track)| (!beside.contains(&owner.id), track.id));
        let Some((owner, track)) = first else { return };
        let (Some(codec), stereo) = (track.codec, track.stereo) else { return };

        let (publisher, track) = (owner.id, track.id);
        let (sid, transport) = (player.sid.clone(), player.subscriber.transport);
        let id = SubscriptionId(cx.desk.next_id());
        let (mid, choice) = (slot.playable.mid.clone(), Choice::High);
        let repaired = slot.playable.codecs.iter().any(|codec| codec.rtx.is_some());
        let spec = SubscriptionSpec {
            subscription: id,
            track,
            participant: who,
            transport,
            mid: mid.clone(),
            ssrc: slot.ssrc,
            rtx_ssrc: repaired.then_some(slot.rtx_ssrc),
            codecs: slot.playable.codecs.clone(),
            extensions: sdp::for_codec(codec, slot.playable.extensions),
            choice,
            fps_max: None,
        };
        let subscription = Subscription {
            id,
            publisher,
            codec,
            stage: Stage::Active,
            choice,
            fps_max: None,
            ssrc: slot.ssrc,
            rtx_ssrc: slot.rtx_ssrc,
            stereo,
            msid: (sid.clone(), format!("{sid}-{mid}")),
            cname: sid,
            mid,
        };
        if let Some(player) = self.participants.get_mut(&who) {
            player.subscriptions.insert(track, subscription);
        }
        let question = Question::Subscribe(self.place(who), track, id);
        cx.ask(self.id, Command::Subscribe(spec), question);
        self.tell_received(cx, publisher, track);
    }
}

fn is_playable(player: &Participant, owner: &Participant, track: &Track, slot: &Slot) -> bool {
    let wanted = player.session.as_ref().and_then(|session| session.wanted.as_ref());
    let spoken = |codec| slot.playable.codecs.iter().any(|known| known.codec == codec);

    track.kind == slot.playable.kind
        && track.codec.is_some_and(spoken)
        && owner.id != player.id
        && !owner.grants.hidden
        && wanted.is_none_or(|identity| owner.identity == *identity)
        && owner.allow.permits(player, track)
        && !player.exceptions.contains(&track.id)
        && player.grants.may_subscribe()
}
