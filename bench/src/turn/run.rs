//! One measurement of a load: settle, measure, wait for what is on the way, work out figures.

use super::args::Scenario;
use super::load::Load;
use super::subject::Running;
use crate::cost::{Cost, Meter};
use crate::figures::{Metric, Sample, Unit};
use crate::stamp;
use crate::tally::Tally;
use anyhow::Result;
use std::time::Duration;

/// Time without a packet after which none is on the way any more.
const GRACE: Duration = Duration::from_millis(300);
/// Share of its processor from which the client, not the server, may have been the limit.
const CLIENT_BUSY: f64 = 0.9;
/// Share of the packets that were due and must have been sent.
const SENT_MIN: f64 = 0.98;

static RELAYED: Metric = Metric::plain("relayed_per_second", "relayed", Unit::PerSecond);
static SENT: Metric = Metric::plain("sent", "sent", Unit::Count);
static RECEIVED: Metric = Metric::plain("received", "received", Unit::Count);
static LOST: Metric = Metric::plain("lost", "lost", Unit::Count);
static LOSS: Metric = Metric::plain("loss", "loss", Unit::Share);
static DUPLICATES: Metric = Metric::plain("duplicates", "duplicates", Unit::Count);
static REORDERED: Metric = Metric::plain("reordered", "reordered", Unit::Count);
static CORRUPTED: Metric = Metric::plain("corrupted", "corrupted", Unit::Count);
static P50: Metric = Metric::compared("latency_p50_us", "latency p50", Unit::Us);
static P99: Metric = Metric::compared("latency_p99_us", "latency p99", Unit::Us);
static P999: Metric = Metric::compared("latency_p99_9_us", "latency p99.9", Unit::Us);
static HELD: Metric = Metric::plain("client_held_back", "not sent by the client", Unit::Count);
static DROPS: Metric = Metric::plain("client_receive_drops", "dropped by the client", Unit::Count);

/// What one stretch of load brought.
pub(super) struct Stretch {
    /// Packets by their stamps.
    pub(super) tally: Tally,
    cost: Cost,
    arrived: u64,
    held_back: u64,
    drops: u64,
}

/// Measures a load at a rate. What was measured until an error comes with it.
pub(super) fn measure(
    server: &mut Running,
    scenario: &Scenario,
    rate: f64,
    (settling, time): (Duration, Duration),
) -> (Sample, Result<()>) {
    let mut sample = Sample::default();
    let result = Load::open(&server.target, scenario).and_then(|mut load| {
        settle(server, &mut load, rate, settling)?;
        let (stretch, result) = stretch(server, &mut load, rate, time);
        if let Some(stretch) = stretch {
            sample = stretch.sample();
        }
        result
    });

    (sample, result)
}

/// Loads without measuring: queues, caches and the server's own gathering settle.
pub(super) fn settle(
    server: &mut Running,
    load: &mut Load,
    rate: f64,
    time: Duration,
) -> Result<()> {
    let mut unmeasured = Tally::new(load.flows(), stamp::now());
    load.drive(rate, time, &mut unmeasured, &mut |_| Ok(()))?;

    server.check()
}

/// Loads and measures.
pub(super) fn stretch(
    server: &mut Running,
    load: &mut Load,
    rate: f64,
    time: Duration,
) -> (Option<Stretch>, Result<()>) {
    let drops = load.receive_drops();
    let meter = Meter::new(server.pid, server.napi.clone());
    let before = match meter.read() {
        Ok(reading) => reading,
        Err(error) => return (None, Err(error)),
    };
    let (arrived, held_back) = (load.arrived, load.held_back);
    let mut last = None;
    let mut tally = Tally::new(load.flows(), stamp::now());
    let driven = load.drive(rate, time, &mut tally, &mut |_| {
        // The processor time of a server that dies can be read no more.
        last = meter.server()?;
        server.check()
    });
    let (after, result) = match (meter.read(), meter.read_with(last)) {
        (Ok(after), _) => (after, driven),
        (Err(error), Ok(after)) => (after, server.check().and(driven).and(Err(error))),
        (Err(error), Err(_)) => return (None, Err(error)),
    };
    tally.close(stamp::now());
    // After an error there is nobody to wait for, and no second error worth telling.
    let result = result.and_then(|()| load.drain(GRACE + server.longest, &mut tally));

    let stretch = Stretch {
        tally,
        cost: after.since(before),
        arrived: load.arrived - arrived,
        held_back: load.held_back - held_back,
        drops: load.receive_drops().saturating_sub(drops),
    };

    (Some(stretch), result)
}

impl Stretch {
    /// Packets relayed a second.
    pub(super) fn relayed_per_second(&self) -> f64 {
        self.arrived as f64 / self.cost.elapsed.as_secs_f64()
    }

    /// The server's processors, if its process is known.
    pub(super) fn server_cores(&self) -> Option<f64> {
        self.cost.server_cores()
    }

    /// Whether the client could not send what was due, or not receive what came.
    pub(super) fn is_client_the_limit(&self) -> bool {
        self.cost.client_cores() > CLIENT_BUSY || self.drops > 0 || self.is_held_back()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.cost.client_cores() > CLIENT_BUSY {
            notes.push(
                "the client was the limit, its processor full: rate and latency are its own; CPU \
                 per packet holds",
            );
        }
        if self.drops > 0 {
            notes.push("the client's buffers ran over: loss is its own, not the server's");
        }
        if self.is_held_back() {
            notes.push(
                "the client did not get its processor when packets were due, and left them out: \
                 the machine has other work, or the rate is too high for the client",
            );
        }

        notes.into_iter().map(str::to_owned).collect()
    }

    fn is_held_back(&self) -> bool {
        let due = (self.tally.sent + self.held_back) as f64;

        (self.tally.sent as f64) < SENT_MIN * due
    }

    /// The figures.
    pub(super) fn sample(&self) -> Sample {
        let Self { tally, .. } = self;
        let mut sample = Sample::default();
        self.cost.push(&mut sample, self.arrived);
        sample.push(&RELAYED, self.relayed_per_second());
        for (metric, value) in [
            (&SENT, tally.sent),
            (&RECEIVED, tally.received),
            (&LOST, tally.lost()),
            (&DUPLICATES, tally.duplicates),
            (&REORDERED, tally.reordered),
            (&CORRUPTED, tally.corrupted),
        ] {
            sample.push(metric, value as f64);
        }
        sample.push(&LOSS, tally.loss());
        for (metric, quantile) in [(&P50, 0.5), (&P99, 0.99), (&P999, 0.999)] {
            sample.push(metric, tally.latency.value_at_quantile(quantile) as f64 / 1e3);
        }
        sample.push(&HELD, self.held_back as f64);
        sample.push(&DROPS, self.drops as f64);
        sample.latency = Some(tally.latency.clone());
        sample.notes = self.notes();

        sample
    }
}
