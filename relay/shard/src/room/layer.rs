//! One encoding of a track as its publisher sends it: order, losses, repairs, keyframes.

use super::keyframe::Keyframes;
use super::missing::Missing;
use super::scaling::Scaling;
use super::sequence::{Arrival, Interval, Sequence};
use super::store::Store;
use super::timetable::Timetable;
use relay_wire::rtcp::ntp;
use std::time::{Duration, Instant};

/// What a publisher's sender report said last (RFC 3550, section 6.4.1).
#[derive(Clone, Copy)]
pub(super) struct SenderReport {
    /// The publisher's NTP time.
    pub(super) ntp: u64,
    /// The same moment in RTP time.
    pub(super) rtp: u32,
    /// When it arrived.
    pub(super) at: Instant,
}

/// A packet's place in its layer.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Extended sequence number.
    pub(super) sequence: u64,
    /// It came as a retransmission.
    pub(super) repair: bool,
    /// Newer packets came before it.
    pub(super) late: bool,
    /// What came before is not related to it.
    pub(super) restart: bool,
    /// First that came of its picture.
    pub(super) fresh: bool,
    /// First of its picture, and the packet before it is here.
    pub(super) boundary: bool,
    /// Too much is missing in front of it: a keyframe must help.
    pub(super) torn: bool,
    /// Time from the request for it until now.
    pub(super) round_trip: Option<Duration>,
    /// When it would have come had the network not delayed it.
    pub(super) due: Instant,
}

/// Why a packet has no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unplaced {
    Duplicate,
    TooOld,
}

/// One layer.
pub(super) struct Layer {
    /// The SSRC it comes with now.
    pub(super) ssrc: Option<u32>,
    /// The SSRC of its retransmissions.
    pub(super) rtx_ssrc: Option<u32>,
    /// When its newest packet came.
    pub(super) last: Option<Instant>,
    pub(super) missing: Missing,
    pub(super) keyframes: Keyframes,
    pub(super) sender_report: Option<SenderReport>,
    /// Packets kept for retransmission: of video only, from the first packet on.
    pub(super) store: Option<Store>,
    /// The layers within it.
    pub(super) scaling: Scaling,
    sequence: Sequence,
    timetable: Timetable,
    timestamp: u32,
    picture: u16,
    first: Option<Instant>,
    transit: Option<u32>,
    jitter: u32,
}

impl Layer {
    pub(super) fn new() -> Self {
        Self {
            ssrc: None,
            rtx_ssrc: None,
            last: None,
            missing: Missing::new(),
            keyframes: Keyframes::default(),
            sender_report: None,
            store: None,
            scaling: Scaling::new(),
            sequence: Sequence::new(),
            timetable: Timetable::default(),
            timestamp: 0,
            picture: 0,
            first: None,
            transit: None,
            jitter: 0,
        }
    }

    /// Another SSRC sends this layer from now on.
    pub(super) fn adopt(&mut self, ssrc: u32) {
        if self.ssrc == Some(ssrc) {
            return;
        }
        if self.ssrc.is_some() {
            self.sequence.expect_restart();
            self.missing.clear();
            self.timetable.forget();
        }
        self.ssrc = Some(ssrc);
        self.sender_report = None;
        self.transit = None;
    }

    /// Whether something came within `silence` before `at`.
    pub(super) fn is_alive(&self, at: Instant, silence: Duration) -> bool {
        self.last.is_some_and(|last| at.saturating_duration_since(last) <= silence)
    }

    /// Finds a packet's place. `repair`: it came as a retransmission. `rate` is the media clock
    /// in Hz; losses are noted when `chase` is set.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        (number, timestamp): (u16, u32),
        repair: bool,
        rate: u32,
        chase: bool,
    ) -> Result<Place, Unplaced> {
        let previous = (self.sequence.highest(), self.timestamp);
        let arrival = self.sequence.receive(number, repair);
        let mut place = Place {
            sequence: 0,
            repair,
            late: false,
            restart: false,
            fresh: false,
            boundary: false,
            torn: false,
            round_trip: None,
            due: now,
        };
        match arrival {
            Arrival::Duplicate => return Err(Unplaced::Duplicate),
            Arrival::TooOld => return Err(Unplaced::TooOld),
            Arrival::Late { sequence } => {
                place.late = true;
                place.sequence = sequence;
                place.round_trip = self.missing.arrived(now, sequence);
            }
            Arrival::Restart { sequence } => {
                place.restart = true;
                place.fresh = true;
                place.sequence = sequence;
                self.missing.clear();
                self.timetable.forget();
                self.timestamp = timestamp;
            }
            Arrival::Next { sequence, skipped } => {
                place.sequence = sequence;
                place.fresh = timestamp != previous.1;
                place.boundary = place.fresh && sequence == previous.0 + 1;
                place.torn = chase && !self.missing.note(now, sequence, skipped);
                self.timestamp = timestamp;
            }
        }
        place.due = self.timetable.due(now, timestamp, rate, !repair && !place.late);
        if !repair {
            self.measure_jitter(now, timestamp, rate);
        }

        Ok(place)
    }

    /// Extends a picture id of 7 bits (15 if `wide`) to 16 bits, close to the newest one.
    pub(super) fn extend_picture(&mut self, picture: u16, wide: bool, late: bool) -> u16 {
        let unused = if wide { 1 } else { 9 };
        let ahead = (picture.wrapping_sub(self.picture) << unused) as i16 >> unused;
        let extended = self.picture.wrapping_add_signed(ahead);
        self.picture = if late { self.picture } else { extended };

        extended
    }

    /// Closes an interval of receiver reports.
    pub(super) fn report(&mut self) -> Interval {
        self.sequence.report()
    }

    /// Interarrival jitter in units of the media clock (RFC 3550, section 6.4.1).
    pub(super) fn jitter(&self) -> u32 {
        self.jitter >> 4
    }

    /// Middle bits of the last sender report and the time since (RFC 3550, section 6.4.1).
    pub(super) fn last_report(&self, now: Instant) -> (u32, u32) {
        let Some(report) = self.sender_report else { return (0, 0) };
        let delay = now.saturating_duration_since(report.at);

        (ntp::middle(report.ntp), ntp::short(delay))
    }

    /// RFC 3550, appendix A.8: `jitter` is scaled by 16.
    fn measure_jitter(&mut self, now: Instant, timestamp: u32, rate: u32) {
        let origin = *self.first.get_or_insert(now);
        let arrival = (now.saturating_duration_since(origin).as_micros() * u128::from(rate)
            / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some(last) = self.transit {
            let distance = (transit.wrapping_sub(last) as i32).unsigned_abs().min(rate);
            self.jitter += distance;
            self.jitter -= (self.jitter.saturating_sub(distance) + 8) >> 4;
        }
        self.transit = Some(transit);
    }
}
