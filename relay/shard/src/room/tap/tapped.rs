//! One track on its way into the log: the highest layer that is there, as one unbroken stream.

use super::super::clock::ticks;
use super::super::exit::front;
use super::super::follower::{Arrived, Follower};
use super::super::layer::SenderReport;
use super::super::media::{Body, Media};
use super::super::rewrite::{Numbers, Passage, Tail};
use super::Tap;
use crate::Outbox;
use relay_wire::control::{Choice, TrackId};
use relay_wire::medialog::{Mute, PAYLOAD_MAX, Packet, Record, Report};
use relay_wire::rtcp::ntp;
use std::time::Instant;

/// A recorded track.
pub(in super::super) struct Tapped {
    track: TrackId,
    pub(in super::super) follower: Follower,
    /// The log does not know yet how this stream's clock and its sender's wall clock relate.
    unreported: bool,
    muted: bool,
    /// Where payloads are put together.
    scratch: Box<[u8; PAYLOAD_MAX]>,
}

impl Tapped {
    pub(in super::super) fn new(track: TrackId) -> Self {
        let mut follower = Follower::new(Tail::fresh(0));
        follower.choice = Choice::High;

        let scratch = Box::new([0; PAYLOAD_MAX]);

        Self { track, follower, unreported: true, muted: false, scratch }
    }

    /// Logs a packet, if it is of the stream that is recorded. `report` is the last sender report
    /// of its layer, `rate` its clock in Hz.
    pub(in super::super) fn forward(
        &mut self,
        (now, rate): (Instant, u32),
        arrived: &Arrived<'_>,
        report: Option<&SenderReport>,
        tap: &mut Tap,
        out: &mut Outbox,
    ) {
        let before = self.follower.current();
        let passage = self.follower.pass(now, arrived);
        if self.follower.current() != before {
            self.unreported = true;
        }
        match passage {
            Passage::Send(numbers) => {
                self.log(now, arrived, (arrived.media, &arrived.body), &numbers, tap, out);
            }
            Passage::Fill(numbers) => {
                let empty = (&arrived.media.emptied(), &Body::default());
                self.log(now, arrived, empty, &numbers, tap, out);
            }
            Passage::Nothing => return,
        }
        if let Some(report) = report.filter(|_| self.unreported) {
            self.report((now, rate), arrived.layer, report, tap, out);
        }
    }

    /// Leaves out a packet without payload, due at this time.
    pub(in super::super) fn skip(&mut self, layer: u8, media: &Media, due: Instant) {
        // Had its number been passed before, nobody would miss it: it has no payload.
        self.follower.skip(layer, media, due);
    }

    /// Logs a sender report of a layer, moved to this moment and onto the recorded stream.
    pub(in super::super) fn report(
        &mut self,
        (now, rate): (Instant, u32),
        layer: u8,
        report: &SenderReport,
        tap: &mut Tap,
        out: &mut Outbox,
    ) {
        if self.follower.current() != Some(layer) {
            return;
        }
        self.unreported = false;
        let since = ntp::from_duration(now.saturating_duration_since(report.at));
        let timestamp = report.rtp.wrapping_add(ticks(since as i64, rate) as u32);
        let record = Record::Report(Report {
            at_us: tap.at_us(now),
            track: self.track,
            layer,
            ntp: report.ntp.wrapping_add(since),
            timestamp: timestamp.wrapping_add(self.follower.timestamp_offset()),
        });
        tap.push(now, &record, out);
    }

    /// Logs whether the track is muted, if the log does not know.
    pub(in super::super) fn mute(
        &mut self,
        now: Instant,
        muted: bool,
        tap: &mut Tap,
        out: &mut Outbox,
    ) {
        if self.muted != muted {
            self.muted = muted;
            let record = Mute { at_us: tap.at_us(now), track: self.track, muted };
            tap.push(now, &Record::Mute(record), out);
        }
    }

    fn log(
        &mut self,
        now: Instant,
        arrived: &Arrived<'_>,
        (media, body): (&Media, &Body<'_>),
        numbers: &Numbers,
        tap: &mut Tap,
        out: &mut Outbox,
    ) {
        let payload = match &media.front {
            Some(_) => joined(media, numbers, body, &mut self.scratch),
            None => Some(body.payload),
        };
        let record = Record::Packet(Packet {
            at_us: tap.at_us(now),
            track: self.track,
            layer: arrived.layer,
            codec: media.codec,
            sequence: numbers.sequence,
            timestamp: numbers.timestamp,
            marker: numbers.marker,
            repair: arrived.repair,
            audio_level: media.copied.audio_level.map(|level| level & 0x7f),
            orientation: media.copied.video_orientation,
            // What is longer than media is does not fit, and is counted.
            payload: payload.unwrap_or(&[0; PAYLOAD_MAX + 1]),
        });
        tap.push(now, &record, out);
    }
}

/// The payload with its rewritten descriptor in front; `None` if it is too long.
fn joined<'a>(
    media: &Media,
    numbers: &Numbers,
    body: &Body<'_>,
    scratch: &'a mut [u8; PAYLOAD_MAX],
) -> Option<&'a [u8]> {
    let (front, len) = front(media, numbers);
    let end = len + body.payload.len();
    scratch.get_mut(..len)?.copy_from_slice(&front[..len]);
    scratch.get_mut(len..end)?.copy_from_slice(body.payload);

    scratch.get(..end)
}
