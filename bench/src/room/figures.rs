//! What a run measured, as figures.

use super::lean::Outcome;
use super::load::Load;
use super::run::{News, Run};
use crate::cost::Cost;
use crate::figures::{Metric, Sample, Unit};
use crate::impair::Told;
use crate::packets::{self, Clients};
use anyhow::Result;
use std::sync::atomic::Ordering;
use std::time::Duration;

static FORWARDED: Metric = Metric::plain("forwarded_per_second", "forwarded", Unit::PerSecond);
static SENT: Metric = Metric::plain("sent", "sent by publishers", Unit::Count);
static EXPECTED: Metric = Metric::plain("expected", "due at subscribers", Unit::Count);
static LAYERS: [Metric; 3] = [
    Metric::plain("received_large", "received of the largest layer", Unit::Count),
    Metric::plain("received_middle", "received of the middle layer", Unit::Count),
    Metric::plain("received_small", "received of the smallest layer", Unit::Count),
];
static JOIN_P50: Metric = Metric::compared("join_p50_us", "join p50", Unit::Us);
static JOIN_P99: Metric = Metric::compared("join_p99_us", "join p99", Unit::Us);
static FIRST_P50: Metric =
    Metric::compared("first_frame_p50_us", "join to first frame p50", Unit::Us);
static FIRST_P99: Metric =
    Metric::compared("first_frame_p99_us", "join to first frame p99", Unit::Us);
static JOINS: Metric = Metric::plain("joins_per_second", "joins", Unit::PerSecond);
static MEMORY: Metric =
    Metric::compared("pss_bytes_per_participant", "memory per participant", Unit::Bytes);
static CLIENT_COST: Metric =
    Metric::plain("client_us_per_packet", "client's cost per packet", Unit::Us);

const UNKNOWN: &str = "no processor time of the server: it is measured with --pid, or when \
                       millrace-bench starts the server itself";

/// A run's raw results, as far as it came.
#[derive(Default)]
pub(super) struct Measured {
    /// Each participant's time from the first byte to connected media.
    pub(super) joins: Vec<Duration>,
    /// Each receiver's time from the first byte to a packet of every track.
    pub(super) first_frames: Vec<Duration>,
    /// The time that it took all of them.
    pub(super) joined_in: Duration,
    /// Growth of the server's memory by them, in bytes.
    pub(super) memory: Option<u64>,
    /// Processor times of the measured time.
    pub(super) cost: Option<Cost>,
    /// What the impaired network did.
    pub(super) told: Option<Told>,
    profile: Option<&'static str>,
    outcome: Outcome,
    sent: u64,
    held_back: u64,
}

impl Measured {
    /// Takes a participant's news in; an error if it is out.
    pub(super) fn hear(&mut self, news: News) -> Result<()> {
        match news {
            News::Joined(time) => self.joins.push(time),
            News::Receiving(time) => self.first_frames.push(time),
            News::Profile(profile) => self.profile = Some(profile),
            News::Failed(error) => return Err(error),
        }

        Ok(())
    }

    /// Takes in what all clients counted.
    pub(super) fn take(&mut self, run: &Run, mut outcome: Outcome) {
        let sent = run.sent();
        self.sent = sent.iter().sum();
        self.held_back = run.held_back.load(Ordering::Relaxed);
        // Where receivers get one of several layers, gaps in its numbers tell what was lost.
        if !run.cast.is_layered() {
            let due = sent.iter().enumerate().map(|(flow, count)| {
                let (stream, _) = super::cast::Cast::stream(flow as u32);
                count * run.cast.audience(stream)
            });
            outcome.tally.sent = due.sum();
        }
        self.outcome = outcome;
    }

    /// The figures; none if nothing was measured.
    pub(super) fn sample(&mut self, load: &Load) -> Sample {
        let mut sample = Sample::default();
        if let Some(cost) = self.cost {
            self.push_packets(&cost, load, &mut sample);
        }
        self.joins.sort_unstable();
        self.first_frames.sort_unstable();
        for (times, p50, p99) in
            [(&self.joins, &JOIN_P50, &JOIN_P99), (&self.first_frames, &FIRST_P50, &FIRST_P99)]
        {
            if !times.is_empty() {
                sample.push(p50, quantile_us(times, 0.5));
                sample.push(p99, quantile_us(times, 0.99));
            }
        }
        if !self.joined_in.is_zero() {
            sample.push(&JOINS, self.joins.len() as f64 / self.joined_in.as_secs_f64());
        }
        if let Some(memory) = self.memory {
            sample.push(&MEMORY, memory as f64 / self.joins.len().max(1) as f64);
        }
        sample.notes.extend(self.told.map(|told| told.to_string()));
        sample.notes.extend(self.profile.map(|profile| format!("SRTP by {profile}")));

        sample
    }

    fn push_packets(&self, cost: &Cost, load: &Load, sample: &mut Sample) {
        let Outcome { tally, by_layer, drops } = &self.outcome;
        let seconds = cost.elapsed.as_secs_f64();
        cost.push(sample, tally.received);
        let client = cost.client_cores() * seconds * 1e6;
        sample.push(&CLIENT_COST, client / tally.received.max(1) as f64);
        sample.push(&FORWARDED, tally.received as f64 / seconds);
        sample.push(&SENT, self.sent as f64);
        sample.push(&EXPECTED, tally.sent as f64);
        if by_layer[1..].iter().any(|&count| count > 0) {
            for (metric, &count) in LAYERS.iter().zip(by_layer) {
                sample.push(metric, count as f64);
            }
        }
        packets::push_tally(tally, sample);
        let Self { sent, held_back, .. } = *self;
        let threads = load.client_threads;
        Clients { threads, sent, held_back, drops: *drops }.push(cost, sample);
        if cost.server.is_none() {
            sample.notes.push(UNKNOWN.to_owned());
        }
    }
}

fn quantile_us(sorted: &[Duration], quantile: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1) as f64 * quantile).round() as usize;

    sorted.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_join_times_are_taken_from_the_sorted_list() {
        let times: Vec<_> = (1..=101).map(Duration::from_millis).collect();

        assert_eq!(quantile_us(&times, 0.5), 51_000.0);
        assert_eq!(quantile_us(&times, 0.99), 100_000.0);
        assert_eq!(quantile_us(&[], 0.5), 0.0);
    }
}
