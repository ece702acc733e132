//! A room's recording starts, learns facts, and ends.

use super::super::Room;
use super::{Tap, Tapped};
use crate::{Egress, Outbox, Unwritten};
use relay_wire::control::{RecordingSpec, Refusal};
use relay_wire::medialog::{FACT_MAX, Fact, Record};
use std::time::{Duration, Instant};

impl Room {
    /// Tells what the wall clock says: time since the Unix epoch.
    pub fn set_clock(&mut self, now: Instant, unix: Duration) {
        self.wall = (now, unix);
    }

    /// Learns that a block of the log that is being written could not be: it is counted.
    pub fn unwritten(&mut self, refused: &Unwritten) {
        if let Some(tap) = self.tap.as_mut().filter(|tap| tap.log == refused.log) {
            tap.unwritten(refused);
        }
    }

    /// Whether the room is recorded.
    pub fn is_recorded(&self) -> bool {
        self.tap.is_some()
    }

    /// Ends the recording, if there is one.
    pub fn stop_recording(&mut self, now: Instant, out: &mut Outbox) -> bool {
        self.tracks.iter_mut().for_each(|(_, track)| track.tapped = None);
        let Some(tap) = self.tap.take() else { return false };
        let ended = tap.end(now, out);
        self.counters.recorded_records += ended.recorded_records;
        self.counters.recorded_bytes += ended.recorded_bytes;
        self.counters.recording_lost += ended.recording_lost;

        true
    }

    /// Records from now on: all tracks that are there, and those to come.
    pub(in super::super) fn record<E: Egress>(
        &mut self,
        now: Instant,
        spec: &RecordingSpec,
        egress: &mut E,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        if self.tap.is_some() || !spec.is_valid() {
            return Err(Refusal::Invalid);
        }
        let (at, unix) = self.wall;
        let unix = unix + now.saturating_duration_since(at);
        self.tap = Some(Tap::new(now, unix, self.id, spec, out));
        for place in 0..self.tracks.places() {
            self.tap_track(now, place, out);
            self.request_awaited(now, place, egress, out);
        }

        Ok(())
    }

    /// Records a track, if the room is recorded; notes whether it is muted.
    pub(in super::super) fn tap_track(&mut self, now: Instant, place: usize, out: &mut Outbox) {
        let (Some(tap), Some(track)) = (&mut self.tap, self.tracks.get_mut(place)) else { return };
        let muted = track.muted;
        let id = track.spec.track;
        track.tapped.get_or_insert_with(|| Tapped::new(id)).mute(now, muted, tap, out);
    }

    pub(in super::super) fn note(
        &mut self,
        now: Instant,
        json: &[u8],
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let tap = self.tap.as_mut().ok_or(Refusal::Unknown)?;
        if json.len() > FACT_MAX {
            return Err(Refusal::Invalid);
        }
        let fact = Fact { at_us: tap.at_us(now), json };
        tap.push(now, &Record::Fact(fact), out);

        Ok(())
    }
}
