//! A room: tracks of participants forwarded to other participants, on plain packets.

mod arrivals;
mod clock;
mod commands;
mod data;
mod estimate;
mod exit;
mod feedback;
mod follower;
mod header;
mod ingress;
mod keyframe;
mod layer;
mod link;
mod media;
mod members;
mod missing;
mod participant;
mod quality;
mod reports;
mod rewrite;
mod rtcp;
mod scaling;
mod sent;
mod sequence;
mod slab;
mod speakers;
mod store;
mod subscription;
mod tap;
mod timetable;
mod track;

use crate::hash::{Map, map};
use crate::{Counters, Egress, Event, Limits, Outbox};
use arrivals::ARRIVALS;
use clock::Clock;
use link::{Link, Outlet};
use participant::Participant;
use rand::SeedableRng;
use rand::rngs::StdRng;
use relay_wire::control::{
    self, Kind, Message, ParticipantId, RoomId, SubscriptionId, TrackId, TransportId,
};
use slab::Slab;
use speakers::Speakers;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tap::Tap;
use track::Track;

/// How often layers, keyframe requests, reports and levels are looked after.
const TICK: Duration = Duration::from_millis(100);
/// Reports of one second are spread over this many ticks.
const PHASES: usize = 10;

/// Participants and what they send one another. Deals in plain packets only.
pub struct Room {
    id: RoomId,
    limits: Limits,
    seed: u64,
    random: StdRng,
    clock: Clock,
    /// What the wall clock said, since the Unix epoch, and when.
    wall: (Instant, Duration),
    /// The media log, if the room is recorded.
    tap: Option<Tap>,
    participants: BTreeMap<ParticipantId, Participant>,
    links: Slab<Link>,
    /// The hot part of each link, at the same place.
    outlets: Vec<Outlet>,
    tracks: Slab<Track>,
    by_transport: Map<TransportId, usize>,
    by_track: Map<TrackId, usize>,
    /// Places of track and of subscription in the track.
    by_subscription: Map<SubscriptionId, (usize, usize)>,
    speakers: Speakers,
    counters: Counters,
    timers: Timers,
    scratch: Scratch,
}

/// When the room has to do something.
#[derive(Default)]
struct Timers {
    nack: Option<Instant>,
    feedback: Option<Instant>,
    tick: Option<Instant>,
    ticks: usize,
}

/// Memory that is used within one call, and kept for the next.
struct Scratch {
    message: Vec<u8>,
    arrivals: Vec<(u16, Duration)>,
    numbers: Vec<u16>,
}

impl Room {
    /// An empty room. All that is random in it comes from `seed`.
    pub fn new(id: RoomId, limits: Limits, seed: u64, now: Instant) -> Self {
        Self {
            id,
            limits,
            seed,
            random: StdRng::seed_from_u64(seed),
            clock: Clock::new(now),
            wall: (now, Duration::ZERO),
            tap: None,
            participants: BTreeMap::new(),
            links: Slab::new(),
            outlets: Vec::new(),
            tracks: Slab::new(),
            by_transport: map(seed),
            by_track: map(seed),
            by_subscription: map(seed),
            speakers: Speakers::new(now),
            counters: Counters::default(),
            timers: Timers::default(),
            scratch: Scratch {
                message: Vec::new(),
                arrivals: Vec::with_capacity(ARRIVALS),
                numbers: Vec::with_capacity(ARRIVALS),
            },
        }
    }

    /// Whether nobody is in the room.
    pub fn is_empty(&self) -> bool {
        self.participants.is_empty()
    }

    /// Does what is due.
    pub fn advance<E: Egress>(&mut self, now: Instant, egress: &mut E, out: &mut Outbox) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if due(self.timers.nack) {
            self.timers.nack = self.ask_missing(now, egress, out);
        }
        if due(self.timers.feedback) {
            self.timers.feedback = None;
            self.tell_arrivals(egress, out);
        }
        if due(self.timers.tick) {
            self.timers.tick = (!self.links.is_empty()).then_some(now + TICK);
            self.tick(now, egress, out);
        }
        if let Some(tap) = &mut self.tap {
            tap.advance(now, out);
        }
    }

    /// When `advance` is next needed; ask again after every call.
    pub fn next_timeout(&self) -> Option<Instant> {
        let log = self.tap.as_ref().and_then(Tap::due);
        let timers = [self.timers.nack, self.timers.feedback, self.timers.tick, log];

        timers.into_iter().flatten().min()
    }

    /// Adds this room's gauges, and its counters since it was made.
    pub fn counters(&self, total: &mut Counters) {
        total.participants += self.participants.len() as u64;
        total.tracks += self.tracks.len() as u64;
        total.subscriptions += self.by_subscription.len() as u64;
        total.recordings += u64::from(self.tap.is_some());
        self.totals(total);
    }

    /// Adds this room's counters without gauges: what remains of it when it ends.
    pub fn totals(&self, total: &mut Counters) {
        let own = &self.counters;
        total.rtp_in += own.rtp_in;
        total.rtp_in_bytes += own.rtp_in_bytes;
        total.rtp_out += own.rtp_out;
        total.rtp_out_bytes += own.rtp_out_bytes;
        total.nacks_in += own.nacks_in;
        total.nacks_out += own.nacks_out;
        total.retransmitted += own.retransmitted;
        total.plis_in += own.plis_in;
        total.plis_out += own.plis_out;
        total.lost_in += own.lost_in;
        total.data_in += own.data_in;
        total.data_out += own.data_out;
        total.rtt_samples += own.rtt_samples;
        total.rtt_ms += own.rtt_ms;
        total.recorded_records += own.recorded_records;
        total.recorded_bytes += own.recorded_bytes;
        total.recording_lost += own.recording_lost;
        if let Some(tap) = &self.tap {
            tap.count(total);
        }
    }

    fn tick<E: Egress>(&mut self, now: Instant, egress: &mut E, out: &mut Outbox) {
        let phase = self.timers.ticks % PHASES;
        self.timers.ticks += 1;
        for place in 0..self.tracks.places() {
            let Some(track) = self.tracks.get_mut(place) else { continue };
            let (link, requests) = (track.link, track.aim(now, false, &self.outlets));
            self.request_keyframes(link, &requests, egress, out);
        }
        for place in (phase..self.links.places()).step_by(PHASES) {
            self.report_reception(now, place, egress, out);
            self.tell_quality(now, place, out);
        }
        self.report_sending(now, phase, egress, out);
        self.tell_speakers(now, out);
    }

    fn tell_quality(&mut self, now: Instant, place: usize, out: &mut Outbox) {
        let Some(link) = self.links.get_mut(place) else { return };
        if let Some(quality) = link.meter.close(now) {
            notify(control::Event::Quality(link.transport, quality), out);
        }
    }

    fn tell_speakers(&mut self, now: Instant, out: &mut Outbox) {
        let audible = |track: &Track| track.spec.kind == Kind::Audio && !track.muted;
        let levels = self.tracks.iter_mut().filter_map(|(_, track)| {
            audible(track).then(|| (track.spec.participant, track.level.get(now)))
        });
        if let Some(speakers) = self.speakers.update(now, levels) {
            if let Some(tap) = &mut self.tap {
                tap.speakers(now, speakers, out);
            }
            notify(control::Event::Speakers(self.id, speakers.to_vec()), out);
        }
    }
}

fn notify(event: control::Event, out: &mut Outbox) {
    out.events.push(Event::Control(Message::Event(event)));
}
