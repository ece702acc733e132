//! One measurement of a load: settle, measure, wait for what is on the way, work out figures.

use super::args::Scenario;
use super::load::Load;
use super::subject::Running;
use crate::cost::{Cost, Meter};
use crate::figures::{Metric, Sample, Unit};
use crate::packets::{self, Clients};
use crate::stamp;
use crate::tally::Tally;
use anyhow::Result;
use std::time::Duration;

/// Time without a packet after which none is on the way any more.
const GRACE: Duration = Duration::from_millis(300);

static RELAYED: Metric = Metric::plain("relayed_per_second", "relayed", Unit::PerSecond);
static SENT: Metric = Metric::plain("sent", "sent", Unit::Count);

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
    let meter = Meter::new(server.pid, server.cards.clone());
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
        self.clients().are_the_limit(&self.cost)
    }

    fn clients(&self) -> Clients {
        let Self { held_back, drops, .. } = *self;

        Clients { threads: 1, sent: self.tally.sent, held_back, drops }
    }

    /// The figures.
    pub(super) fn sample(&self) -> Sample {
        let mut sample = Sample::default();
        self.cost.push(&mut sample, self.arrived);
        sample.push(&RELAYED, self.relayed_per_second());
        sample.push(&SENT, self.tally.sent as f64);
        packets::push_tally(&self.tally, &mut sample);
        self.clients().push(&self.cost, &mut sample);

        sample
    }
}
