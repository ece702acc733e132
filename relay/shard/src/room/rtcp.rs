//! RTCP that comes in: reports of both sides, and what subscribers ask for.

use super::Room;
use super::exit::Exit;
use super::layer::SenderReport;
use super::track::Requests;
use crate::{DropReason, Egress, Outbox};
use relay_wire::control::TransportId;
use relay_wire::rtcp::{self, Packet, ReportBlock, ntp};
use std::time::{Duration, Instant};

/// Packets sent again for one compound.
const RESENT_MAX: usize = 256;
/// Round trips from which a report is not believed.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);

impl Room {
    /// Handles one compound RTCP packet in plain that came on a transport.
    pub fn rtcp<E: Egress>(
        &mut self,
        now: Instant,
        from: TransportId,
        compound: &[u8],
        egress: &mut E,
        out: &mut Outbox,
    ) {
        let Some(&link) = self.by_transport.get(&from) else {
            return out.drop(DropReason::UnknownTrack);
        };
        let mut budget = RESENT_MAX;
        for packet in rtcp::packets(compound) {
            match packet {
                Packet::SenderReport { ssrc, ntp, rtp, reports, .. } => {
                    self.sender_reports(now, link, ssrc, (ntp, rtp), out);
                    reports.for_each(|report| self.receiver_reports(now, link, &report));
                }
                Packet::ReceiverReport { reports, .. } => {
                    reports.for_each(|report| self.receiver_reports(now, link, &report));
                }
                Packet::Nack { media, sequences, .. } => {
                    self.resend(now, (link, media), sequences, &mut budget, egress, out);
                }
                Packet::Pli { media, .. } => self.keyframe(now, link, media, egress, out),
                Packet::Fir { entries, .. } => {
                    entries.for_each(|fir| self.keyframe(now, link, fir.ssrc, egress, out));
                }
                // An end is told by signalling; bandwidth estimates are not used yet.
                Packet::Sdes(_)
                | Packet::Bye(_)
                | Packet::TransportCc(_)
                | Packet::Remb(_)
                | Packet::Unknown { .. } => {}
            }
        }
    }

    /// Track and place of the subscription whose media leaves with this SSRC.
    fn subscription(&self, link: usize, ssrc: u32) -> Option<(usize, usize)> {
        let subscription = self.links.get(link)?.subscriptions.get(&ssrc)?;
        let (track, place) = *self.by_subscription.get(subscription)?;
        let terms = &self.tracks.get(track)?.subscriptions.get(place)?.terms;

        (terms.ssrc == ssrc).then_some((track, place))
    }

    fn sender_reports(
        &mut self,
        now: Instant,
        link: usize,
        ssrc: u32,
        (ntp, rtp): (u64, u32),
        out: &mut Outbox,
    ) {
        let arrived = self.clock.ntp(now);
        let Some(link) = self.links.get_mut(link) else { return };
        let Some(source) = link.source(ssrc) else { return };
        let Some(track) = self.tracks.get_mut(source.track) else { return };
        let layer = &mut track.layers[usize::from(source.layer)];
        if layer.ssrc != Some(ssrc) {
            return;
        }
        link.follow_clock(ntp, arrived);
        let report = SenderReport { ntp, rtp, at: now };
        layer.sender_report = Some(report);
        let rate = track.rate();
        if let (Some(tapped), Some(tap)) = (&mut track.tapped, &mut self.tap) {
            tapped.report((now, rate), source.layer, &report, tap, out);
        }
    }

    fn receiver_reports(&mut self, now: Instant, link: usize, report: &ReportBlock) {
        let Some((track, place)) = self.subscription(link, report.ssrc) else { return };
        let Some(track) = self.tracks.get_mut(track) else { return };
        let (Some(link), Some(subscription)) =
            (self.links.get_mut(link), track.subscriptions.get_mut(place))
        else {
            return;
        };
        let told = subscription.sent.report(report.highest, report.fraction_lost);
        if let Some((expected, lost)) = told {
            link.meter.loss(expected.into(), lost);
        }
        let middle = ntp::middle(self.clock.ntp(now));
        let time = ntp::round_trip(middle, report.last_sr, report.delay);
        if let Some(time) = time.filter(|time| *time < ROUND_TRIP_MAX) {
            link.meter.round_trip(time);
            self.counters.rtt_samples += 1;
            self.counters.rtt_ms += time.as_millis() as u64;
        }
    }

    fn resend<E: Egress>(
        &mut self,
        now: Instant,
        (link, ssrc): (usize, u32),
        sequences: impl Iterator<Item = u16>,
        budget: &mut usize,
        egress: &mut E,
        out: &mut Outbox,
    ) {
        let Some((track, place)) = self.subscription(link, ssrc) else { return };
        let Some(track) = self.tracks.get_mut(track) else { return };
        let mut exit = Exit::new(now, &self.clock, egress, out, &mut self.counters);
        track.answer(place, sequences, budget, &mut self.outlets, &mut exit);
    }

    fn keyframe<E: Egress>(
        &mut self,
        now: Instant,
        link: usize,
        ssrc: u32,
        egress: &mut E,
        out: &mut Outbox,
    ) {
        let Some((track, place)) = self.subscription(link, ssrc) else { return };
        let Some(track) = self.tracks.get_mut(track) else { return };
        self.counters.plis_in += 1;
        let Some(request) = track.request(now, place) else { return };
        let publisher = track.link;
        let mut requests = Requests::default();
        requests[0] = Some(request);
        self.request_keyframes(publisher, &requests, egress, out);
    }
}
