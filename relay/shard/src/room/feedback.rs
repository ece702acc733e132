//! RTCP that publishers get: requests for packets and keyframes, arrivals, reports.

use super::Room;
use super::link::Link;
use super::track::{Requests, Track};
use crate::{Counters, Egress, Outbox};
use relay_wire::rtcp::{ReportBlock, Writer};
use std::time::Instant;

/// Bytes of one compound.
const COMPOUND_MAX: usize = 1200;
/// Packets asked for in one NACK.
const NACK_MAX: usize = 128;
/// Report blocks in one report (RFC 3550, section 6.4.1).
const BLOCKS_MAX: usize = 31;

/// Starts a compound with an empty report, as RFC 3550, section 6.1 wants it.
fn compound<'a>(buffer: &'a mut [u8], link: &Link) -> Writer<'a> {
    let mut writer = Writer::new(buffer);
    writer.receiver_report(link.ssrc, &[]);

    writer
}

impl Room {
    /// Asks a publisher for keyframes.
    pub(super) fn request_keyframes<E: Egress>(
        &mut self,
        link: usize,
        requests: &Requests,
        egress: &mut E,
        out: &mut Outbox,
    ) {
        if requests.iter().all(Option::is_none) {
            return;
        }
        let Some(link) = self.links.get(link) else { return };
        let mut buffer = [0; 128];
        let mut writer = compound(&mut buffer, link);
        for ssrc in requests.iter().flatten() {
            writer.pli(link.ssrc, *ssrc);
            self.counters.plis_out += 1;
        }
        egress.rtcp(link.transport, writer.written(), out);
    }

    /// Asks publishers for the packets that are due; says when that is next needed.
    pub(super) fn ask_missing<E: Egress>(
        &mut self,
        now: Instant,
        egress: &mut E,
        out: &mut Outbox,
    ) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for (_, track) in self.tracks.iter_mut() {
            let Some(link) = self.links.get(track.link) else { continue };
            for layer in &mut track.layers {
                let Some(due) = layer.missing.due() else { continue };
                if due <= now {
                    let numbers = &mut self.scratch.numbers;
                    numbers.clear();
                    layer.missing.ask(now, link.round_trip, NACK_MAX, |n| numbers.push(n));
                    send_nack(link, layer.ssrc, numbers, &mut self.counters, egress, out);
                }
                next = [next, layer.missing.due()].into_iter().flatten().min();
            }
        }

        next
    }

    /// Tells publishers when their packets arrived.
    pub(super) fn tell_arrivals<E: Egress>(&mut self, egress: &mut E, out: &mut Outbox) {
        for (_, link) in self.links.iter_mut() {
            let Some((base, times)) = link.arrivals.pending() else { continue };
            let arrivals = &mut self.scratch.arrivals;
            arrivals.clear();
            arrivals.extend(times.enumerate().filter_map(|(index, time)| {
                let number = (base as u16).wrapping_add(index as u16);
                Some((number, self.clock.elapsed(time?)))
            }));
            link.arrivals.take();
            // Browsers ignore feedback that names no SSRC of theirs, and a layer or a muted track
            // may not have begun.
            let tracks = link.tracks.iter().filter_map(|place| self.tracks.get(*place));
            let media = tracks.flat_map(|track| &track.layers).find_map(|layer| layer.ssrc);
            send_arrivals(link, media.unwrap_or(0), base as u16, arrivals, egress, out);
        }
    }

    /// Sends receiver reports to the publisher on one link, about each second.
    pub(super) fn report_reception<E: Egress>(
        &mut self,
        now: Instant,
        place: usize,
        egress: &mut E,
        out: &mut Outbox,
    ) {
        let Some(link) = self.links.get_mut(place) else { return };
        let mut blocks = [ReportBlock::default(); BLOCKS_MAX];
        let mut count = 0;
        let (mut expected, mut lost, mut video) = (0, 0, None);
        for track in &link.tracks {
            let Some(track) = self.tracks.get_mut(*track) else { continue };
            let begun = track.layers.iter().find_map(|layer| layer.ssrc);
            video = video.or(begun.filter(|_| track.is_video()));
            for block in blocks_of(now, track, |e, l| {
                expected += e;
                lost += l;
            }) {
                if count < BLOCKS_MAX {
                    blocks[count] = block;
                    count += 1;
                }
            }
        }
        if count == 0 {
            return;
        }
        self.counters.lost_in += lost;
        link.meter.loss(expected, lost as f32);
        let mut buffer = [0; COMPOUND_MAX];
        let mut writer = Writer::new(&mut buffer);
        writer.receiver_report(link.ssrc, &blocks[..count]);
        if let (None, Some(ssrc)) = (link.extensions.transport_cc, video) {
            let bitrate = link.estimate.update(expected, lost);
            writer.remb(link.ssrc, bitrate, &[ssrc]);
        }
        egress.rtcp(link.transport, writer.written(), out);
    }
}

/// Report blocks of a track's layers that came at all; `count` gets each interval's packets.
fn blocks_of(
    now: Instant,
    track: &mut Track,
    mut count: impl FnMut(u64, u64),
) -> impl Iterator<Item = ReportBlock> {
    track.layers.iter_mut().filter_map(move |layer| {
        let ssrc = layer.ssrc?;
        layer.last?;
        let interval = layer.report();
        count(interval.expected, interval.lost);
        let (last_sr, delay) = layer.last_report(now);

        Some(ReportBlock {
            ssrc,
            fraction_lost: (interval.lost * 256 / interval.expected.max(1)).min(255) as u8,
            lost: interval.lost_total.min(0x7f_ffff) as i32,
            highest: interval.highest as u32,
            jitter: layer.jitter(),
            last_sr,
            delay,
        })
    })
}

fn send_nack<E: Egress>(
    link: &Link,
    ssrc: Option<u32>,
    numbers: &[u16],
    counters: &mut Counters,
    egress: &mut E,
    out: &mut Outbox,
) {
    let Some(ssrc) = ssrc.filter(|_| !numbers.is_empty()) else { return };
    let mut buffer = [0; COMPOUND_MAX];
    let mut writer = compound(&mut buffer, link);
    writer.nack(link.ssrc, ssrc, numbers.iter().copied());
    counters.nacks_out += numbers.len() as u64;
    egress.rtcp(link.transport, writer.written(), out);
}

/// Feedback on arrivals, in as many packets as it takes.
fn send_arrivals<E: Egress>(
    link: &mut Link,
    media: u32,
    mut base: u16,
    mut arrivals: &[(u16, std::time::Duration)],
    egress: &mut E,
    out: &mut Outbox,
) {
    while !arrivals.is_empty() {
        let mut buffer = [0; COMPOUND_MAX];
        let mut writer = compound(&mut buffer, link);
        let told = writer.transport_cc((link.ssrc, media), base, link.feedback_count, arrivals);
        // An arrival that cannot be told, because it is too far from the one before, is left out.
        let told = told.max(1).min(arrivals.len());
        link.feedback_count = link.feedback_count.wrapping_add(1);
        egress.rtcp(link.transport, writer.written(), out);
        base = arrivals[told - 1].0.wrapping_add(1);
        arrivals = &arrivals[told..];
    }
}
