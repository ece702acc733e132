//! What a room keeps of one transport: the streams that come on it, and how well it does.

use super::arrivals::Arrivals;
use super::estimate::Estimate;
use super::quality::Meter;
use super::rewrite::Tail;
use crate::hash::{Map, map};
use relay_wire::control::{DataRole, Extensions, ParticipantId, SubscriptionId, TransportId};
use std::time::Duration;

/// Round trip to a publisher before one was measured.
const ROUND_TRIP: Duration = Duration::from_millis(80);
/// SSRCs of ended subscriptions whose numbers are remembered.
const RETIRED_MAX: usize = 64;
/// Publisher clocks are followed when they are off by more than this.
const CLOCK_STEP: i64 = 2 << 32;

/// Which track and layer an SSRC belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The track's place.
    pub(super) track: usize,
    pub(super) layer: u8,
}

/// The part of a link that each packet sent on it touches.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outlet {
    /// Transport-wide sequence number of the next packet.
    pub(super) sequence: u16,
    /// Whether packets can leave.
    pub(super) connected: bool,
}

/// Numbers that an SSRC used on this transport: with the same key they must not be used again, and
/// a receiver that knows the SSRC takes what comes next for more of the same stream.
#[derive(Clone, Copy)]
struct Retired {
    ssrc: u32,
    tail: Tail,
}

/// A transport, as its room knows it.
pub(super) struct Link {
    pub(super) transport: TransportId,
    pub(super) participant: ParticipantId,
    pub(super) data: DataRole,
    /// Places of the tracks that come on it.
    pub(super) tracks: Vec<usize>,
    /// By the SSRC with which a subscription leaves.
    pub(super) subscriptions: Map<u32, SubscriptionId>,
    /// Extension ids of what comes on it.
    pub(super) extensions: Extensions,
    pub(super) arrivals: Arrivals,
    pub(super) feedback_count: u8,
    /// The SSRC with which we send RTCP as a receiver.
    pub(super) ssrc: u32,
    /// Smoothed time from a NACK of ours to the repair.
    pub(super) round_trip: Duration,
    /// What to add to the publisher's NTP time to get ours.
    clock: Option<i64>,
    pub(super) meter: Meter,
    pub(super) estimate: Estimate,
    sources: Map<u32, Source>,
    sources_max: usize,
    retired: Vec<Retired>,
}

impl Link {
    pub(super) fn new(
        transport: TransportId,
        participant: ParticipantId,
        data: DataRole,
        ssrc: u32,
        seed: u64,
        sources_max: usize,
    ) -> Self {
        Self {
            transport,
            participant,
            data,
            tracks: Vec::new(),
            subscriptions: map(seed),
            extensions: Extensions::default(),
            arrivals: Arrivals::new(),
            feedback_count: 0,
            ssrc,
            round_trip: ROUND_TRIP,
            clock: None,
            meter: Meter::default(),
            estimate: Estimate::default(),
            sources: map(seed),
            sources_max,
            retired: Vec::new(),
        }
    }

    /// Takes over a track's extension ids: on a bundled transport an id means the same on every
    /// m-line (RFC 8843, section 9.1), but each m-line names only those that it uses.
    pub(super) fn know(&mut self, track: &Extensions) {
        let all = &mut self.extensions;
        all.mid = track.mid.or(all.mid);
        all.rid = track.rid.or(all.rid);
        all.repaired_rid = track.repaired_rid.or(all.repaired_rid);
        all.abs_send_time = track.abs_send_time.or(all.abs_send_time);
        all.transport_cc = track.transport_cc.or(all.transport_cc);
        all.audio_level = track.audio_level.or(all.audio_level);
        all.video_orientation = track.video_orientation.or(all.video_orientation);
        all.playout_delay = track.playout_delay.or(all.playout_delay);
        all.dependency_descriptor = track.dependency_descriptor.or(all.dependency_descriptor);
    }

    /// Where packets of this SSRC belong.
    pub(super) fn source(&self, ssrc: u32) -> Option<Source> {
        self.sources.get(&ssrc).copied()
    }

    /// Learns an SSRC; false when the table is full.
    pub(super) fn learn(&mut self, ssrc: u32, source: Source) -> bool {
        if self.sources.len() >= self.sources_max && !self.sources.contains_key(&ssrc) {
            return false;
        }
        self.sources.insert(ssrc, source);

        true
    }

    /// Forgets an SSRC.
    pub(super) fn unlearn(&mut self, ssrc: u32) {
        self.sources.remove(&ssrc);
    }

    /// Forgets a track's SSRCs.
    pub(super) fn forget(&mut self, track: usize) {
        self.tracks.retain(|place| *place != track);
        self.sources.retain(|_, source| source.track != track);
    }

    /// Takes one measurement of the time from a NACK of ours to the repair.
    pub(super) fn measure(&mut self, round_trip: Duration) {
        self.round_trip = (self.round_trip * 7 + round_trip) / 8;
    }

    /// Our NTP time of a publisher's; all its streams share one difference, so that they stay in
    /// step. `arrived` is our time at the report's arrival.
    pub(super) fn follow_clock(&mut self, ntp: u64, arrived: u64) {
        let difference = arrived.wrapping_sub(ntp) as i64;
        let stale =
            |clock: i64| (difference.wrapping_sub(clock)).unsigned_abs() > CLOCK_STEP as u64;
        if self.clock.is_none_or(stale) {
            self.clock = Some(difference);
        }
    }

    /// A publisher's NTP time in ours.
    pub(super) fn our_ntp(&self, ntp: u64) -> Option<u64> {
        Some(ntp.wrapping_add_signed(self.clock?))
    }

    /// Remembers where an SSRC's numbers ended.
    pub(super) fn retire(&mut self, ssrc: u32, tail: Tail) {
        self.retired.retain(|retired| retired.ssrc != ssrc);
        if self.retired.len() == RETIRED_MAX {
            self.retired.remove(0);
        }
        self.retired.push(Retired { ssrc, tail });
    }

    /// Where an SSRC must go on, if it was used before.
    pub(super) fn resume(&self, ssrc: u32) -> Option<Tail> {
        self.retired.iter().find(|retired| retired.ssrc == ssrc).map(|retired| retired.tail)
    }
}
