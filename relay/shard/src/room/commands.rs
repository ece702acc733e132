//! What signalling asks of a room.

use super::Room;
use super::exit::Terms;
use super::header::MID_MAX;
use super::link::Source;
use super::participant::Participant;
use super::rewrite::Tail;
use super::subscription::Subscription;
use super::track::{LAYERS_MAX, Track};
use crate::{Egress, Outbox};
use rand::Rng;
use relay_wire::control::{
    Answer, Choice, Codec, CodecSpec, Command, Extensions, Kind, ParticipantSpec, Refusal,
    SubscriptionId, SubscriptionSpec, TrackId, TrackSpec,
};
use std::time::Instant;

/// Bytes of an identity, and of a stamp.
const IDENTITY_MAX: usize = 1024;
const STAMP_MAX: usize = 4096;
/// Sequence numbers start below: a receiver that misses the first packets must not guess a
/// rollover (RFC 3711, section 3.3.1).
const SEQUENCE_START_MAX: u16 = 0x7fff;
/// Codecs of one track.
const CODECS_MAX: usize = 8;

impl Room {
    /// Does what signalling asks. Commands about transports are the shard's: the room is told of
    /// them by `opened` and `closed`.
    pub fn command<E: Egress>(
        &mut self,
        now: Instant,
        command: &Command,
        egress: &mut E,
        out: &mut Outbox,
    ) -> Answer {
        let done = match command {
            Command::Participant(spec) => self.participant(spec),
            Command::RemoveParticipant(id) => known(self.remove_participant(*id)),
            Command::Publish(spec) => self.publish(now, spec, out),
            Command::Unpublish(id) => self.unpublish(*id),
            Command::Mute { track, muted } => self.mute(now, *track, *muted, egress, out),
            Command::Subscribe(spec) => self.subscribe(now, spec, egress, out),
            Command::Choose { subscription, choice, fps_max } => {
                self.choose(now, *subscription, (*choice, *fps_max), egress, out)
            }
            Command::Unsubscribe(id) => known(self.remove_subscription(*id)),
            Command::SendData { channel, to, payload } => {
                self.send_data(*channel, to, payload, egress, out);
                Ok(())
            }
            Command::Record(spec) => self.record(now, spec, egress, out),
            Command::StopRecording => known(self.stop_recording(now, out)),
            Command::Note(json) => self.note(now, json, out),
            Command::CloseRoom => {
                self.stop_recording(now, out);
                self.clear();
                Ok(())
            }
            Command::Open { .. }
            | Command::Admit { .. }
            | Command::RestartIce(_)
            | Command::Close(_) => Err(Refusal::Invalid),
        };

        done.map_or_else(Answer::Refused, |()| Answer::Done)
    }

    fn participant(&mut self, spec: &ParticipantSpec) -> Result<(), Refusal> {
        if spec.identity.len() > IDENTITY_MAX || spec.stamp.len() > STAMP_MAX {
            return Err(Refusal::Invalid);
        }
        if let Some(known) = self.participants.get_mut(&spec.participant) {
            known.update(spec.clone());
            return Ok(());
        }
        if self.participants.len() >= self.limits.room_participants {
            return Err(Refusal::Full);
        }
        let participant = Participant::new(spec.clone(), self.random.random());
        self.participants.insert(spec.participant, participant);

        Ok(())
    }

    fn publish(&mut self, now: Instant, spec: &TrackSpec, out: &mut Outbox) -> Result<(), Refusal> {
        let link = *self.by_transport.get(&spec.transport).ok_or(Refusal::Unknown)?;
        let owner = self.participants.get_mut(&spec.participant).ok_or(Refusal::Unknown)?;
        let valid = owner.links.contains(&link)
            && spec.rids.len() <= LAYERS_MAX
            && spec.rids.iter().all(|rid| rid.len() <= MID_MAX)
            && are_valid(&spec.mid, &spec.codecs, &spec.extensions)
            && spec.codecs.iter().all(|codec| suits(spec.kind, codec.codec));
        if !valid {
            return Err(Refusal::Invalid);
        }
        let place = match self.by_track.get(&spec.track) {
            Some(place) => *place,
            None if owner.tracks >= self.limits.participant_tracks => return Err(Refusal::Full),
            None => {
                owner.tracks += 1;
                let place = self.tracks.insert(Track::new(spec.clone(), link));
                self.by_track.insert(spec.track, place);
                place
            }
        };
        self.republish(now, place, link, spec)?;
        self.tap_track(now, place, out);

        Ok(())
    }

    /// Takes over what a track's description says.
    fn republish(
        &mut self,
        now: Instant,
        place: usize,
        link: usize,
        spec: &TrackSpec,
    ) -> Result<(), Refusal> {
        let track = self.tracks.get_mut(place).ok_or(Refusal::Unknown)?;
        let same = track.spec.participant == spec.participant && track.spec.kind == spec.kind;
        if !same || track.link != link {
            return Err(Refusal::Invalid);
        }
        track.respecify(now, spec);
        let known: Vec<_> = track.layers.iter().map(|layer| (layer.ssrc, layer.rtx_ssrc)).collect();
        let home = self.links.get_mut(link).ok_or(Refusal::Unknown)?;
        home.forget(place);
        home.tracks.push(place);
        home.know(&spec.extensions);
        for (layer, (ssrc, rtx)) in known.into_iter().enumerate() {
            // With rids the announced SSRCs are in no order that is known.
            let announced = spec.ssrcs.first().filter(|_| spec.rids.is_empty());
            let ssrc = announced.map(|announced| announced.ssrc).or(ssrc);
            let rtx = announced.map_or(rtx, |announced| announced.rtx);
            let source = Source { track: place, layer: layer as u8 };
            for (ssrc, rtx) in [(ssrc, false), (rtx, true)] {
                let Some(ssrc) = ssrc else { continue };
                self.bind(link, source, ssrc, rtx).map_err(|_| Refusal::Full)?;
            }
        }

        Ok(())
    }

    fn unpublish(&mut self, id: TrackId) -> Result<(), Refusal> {
        let place = *self.by_track.get(&id).ok_or(Refusal::Unknown)?;
        self.remove_track(place);

        Ok(())
    }

    fn mute<E: Egress>(
        &mut self,
        now: Instant,
        id: TrackId,
        muted: bool,
        egress: &mut E,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let place = *self.by_track.get(&id).ok_or(Refusal::Unknown)?;
        if let Some(track) = self.tracks.get_mut(place) {
            track.mute(now, muted);
        }
        self.tap_track(now, place, out);
        self.request_awaited(now, place, egress, out);

        Ok(())
    }

    fn subscribe<E: Egress>(
        &mut self,
        now: Instant,
        spec: &SubscriptionSpec,
        egress: &mut E,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let place = *self.by_track.get(&spec.track).ok_or(Refusal::Unknown)?;
        let link = *self.by_transport.get(&spec.transport).ok_or(Refusal::Unknown)?;
        let owner = self.participants.get(&spec.participant).ok_or(Refusal::Unknown)?;
        let valid = owner.links.contains(&link)
            && spec.rtx_ssrc != Some(spec.ssrc)
            && are_valid(&spec.mid, &spec.codecs, &spec.extensions)
            && self.are_free(link, spec);
        if !valid {
            return Err(Refusal::Invalid);
        }
        match self.by_subscription.get(&spec.subscription).copied() {
            None => self.add_subscription(place, link, spec)?,
            Some((track, index)) => self.renew(now, (place, link), (track, index), spec)?,
        }

        self.choose(now, spec.subscription, (spec.choice, spec.fps_max), egress, out)
    }

    /// Whether no other subscription leaves with these SSRCs.
    fn are_free(&self, link: usize, spec: &SubscriptionSpec) -> bool {
        let Some(link) = self.links.get(link) else { return false };
        let free = |ssrc| link.subscriptions.get(&ssrc).is_none_or(|id| *id == spec.subscription);

        free(spec.ssrc) && spec.rtx_ssrc.is_none_or(free)
    }

    fn add_subscription(
        &mut self,
        place: usize,
        link: usize,
        spec: &SubscriptionSpec,
    ) -> Result<(), Refusal> {
        let track = self.tracks.get_mut(place).ok_or(Refusal::Unknown)?;
        let home = self.links.get_mut(link).ok_or(Refusal::Unknown)?;
        if track.subscriptions.len() >= self.limits.room_participants {
            return Err(Refusal::Full);
        }
        let mut start = |ssrc| {
            home.resume(ssrc)
                .unwrap_or_else(|| Tail::fresh(self.random.random::<u16>() & SEQUENCE_START_MAX))
        };
        let tails = (start(spec.ssrc), spec.rtx_ssrc.map_or_else(Tail::default, start));
        home.subscriptions.insert(spec.ssrc, spec.subscription);
        if let Some(ssrc) = spec.rtx_ssrc {
            home.subscriptions.insert(ssrc, spec.subscription);
        }
        let id = spec.subscription;
        self.by_subscription.insert(id, (place, track.subscriptions.len()));
        let terms = Terms::new(spec);
        track.subscriptions.push(Subscription::new(id, link, terms, tails));

        Ok(())
    }

    /// Replaces the terms of a subscription; its SSRCs stay what they are.
    fn renew(
        &mut self,
        now: Instant,
        (place, link): (usize, usize),
        (track, index): (usize, usize),
        spec: &SubscriptionSpec,
    ) -> Result<(), Refusal> {
        let track = self.tracks.get_mut(track).filter(|_| place == track);
        let subscription = track.and_then(|track| track.subscriptions.get_mut(index));
        let subscription = subscription.ok_or(Refusal::Invalid)?;
        let terms = Terms::new(spec);
        let same = subscription.link == link
            && subscription.terms.ssrc == terms.ssrc
            && subscription.terms.rtx_ssrc == terms.rtx_ssrc;
        if !same {
            return Err(Refusal::Invalid);
        }
        subscription.renew(now, terms);

        Ok(())
    }

    fn choose<E: Egress>(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        (choice, fps_max): (Choice, Option<u16>),
        egress: &mut E,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let (track, place) = *self.by_subscription.get(&id).ok_or(Refusal::Unknown)?;
        let state = self.tracks.get_mut(track).ok_or(Refusal::Unknown)?;
        state.subscriptions[place].follower.choice = choice;
        state.subscriptions[place].follower.fps_max = fps_max;
        self.request_awaited(now, track, egress, out);

        Ok(())
    }

    fn clear(&mut self) {
        for participant in self.participants.keys().copied().collect::<Vec<_>>() {
            self.remove_participant(participant);
        }
    }
}

fn known(known: bool) -> Result<(), Refusal> {
    if known { Ok(()) } else { Err(Refusal::Unknown) }
}

fn suits(kind: Kind, codec: Codec) -> bool {
    match codec {
        Codec::Opus => kind == Kind::Audio,
        Codec::Vp8 | Codec::H264 | Codec::Vp9 | Codec::Av1 => kind == Kind::Video,
    }
}

/// Whether a mid, payload types and extension ids can be written.
fn are_valid(mid: &str, codecs: &[CodecSpec], extensions: &Extensions) -> bool {
    let Extensions {
        mid: mid_id,
        rid,
        repaired_rid,
        abs_send_time,
        transport_cc,
        audio_level,
        video_orientation,
        playout_delay,
        dependency_descriptor,
    } = *extensions;
    let ids = [
        mid_id,
        rid,
        repaired_rid,
        abs_send_time,
        transport_cc,
        audio_level,
        video_orientation,
        playout_delay,
        dependency_descriptor,
    ];
    let types = |codec: &CodecSpec| [Some(codec.payload_type), codec.rtx];

    (1..=MID_MAX).contains(&mid.len())
        && (1..=CODECS_MAX).contains(&codecs.len())
        && codecs.iter().flat_map(types).flatten().all(|payload_type| payload_type < 128)
        && ids.iter().flatten().all(|id| (1..=14).contains(id))
}
