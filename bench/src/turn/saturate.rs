//! The highest rate with little loss: doubled until it fails, then halved in between.

use super::args::Scenario;
use super::load::Load;
use super::run::{self, Stretch};
use super::subject::Running;
use crate::figures::{Metric, Sample, Unit};
use anyhow::{Result, bail};
use std::time::Duration;

/// Loss from which a rate is too high.
const LOSS_MAX: f64 = 0.001;
/// Where the search begins, in packets a second.
const FIRST: f64 = 16_000.0;
/// Where it ends, whatever the server can.
const LAST: f64 = 8e6;
/// The search is done when what works and what does not are this close.
const CLOSE: f64 = 1.05;
/// Share of a rate that must have been relayed for the search to go on upwards.
const REACHED_MIN: f64 = 0.97;
/// Time of load before it.
const SETTLE: Duration = Duration::from_millis(300);
/// Time of one step.
const STEP: Duration = Duration::from_secs(2);
/// How often a rate must fail: a machine that others use loses some packets now and then.
const FAILURES: u32 = 2;

static HIGHEST: Metric =
    Metric::compared("saturation_per_second", "highest rate under 0.1 % loss", Unit::PerSecond);
static CORES: Metric =
    Metric::plain("server_cores_at_saturation", "server's processors", Unit::Cores);
static HALF: Metric = Metric::plain("loss_at_half", "loss at half of it", Unit::Share);

/// Searches, and then measures at half of what was found.
pub(super) fn measure(
    server: &mut Running,
    scenario: &Scenario,
    time: Duration,
) -> (Sample, Result<()>) {
    let mut sample = Sample::default();
    let result = Load::open(&server.target, scenario)
        .and_then(|mut load| search(server, &mut load, time, &mut sample));

    (sample, result)
}

fn search(
    server: &mut Running,
    load: &mut Load,
    time: Duration,
    sample: &mut Sample,
) -> Result<()> {
    let (mut good, mut bad) = (None::<(f64, Stretch)>, None::<f64>);
    let mut is_limited_by_client = false;
    let mut rate = FIRST;
    while (FIRST / 64.0..=LAST).contains(&rate) {
        let (stretch, passed) = step(server, load, rate)?;
        let reached = stretch.relayed_per_second();
        if !passed || reached < REACHED_MIN * rate {
            bad = Some(rate);
            is_limited_by_client = stretch.is_client_the_limit();
        }
        if passed && good.as_ref().is_none_or(|(good, _)| reached > *good) {
            good = Some((reached, stretch));
        }
        rate = match (&good, bad) {
            (Some((good, _)), Some(bad)) if bad / good < CLOSE => break,
            (Some((good, _)), Some(bad)) => (good * bad).sqrt(),
            (Some(_), None) => rate * 2.0,
            (None, _) => rate / 2.0,
        };
    }
    let Some((highest, stretch)) = good else {
        bail!("more than 0.1 % is lost at any rate from {FIRST} packets/s down");
    };
    sample.push(&HIGHEST, highest);
    stretch.server_cores().into_iter().for_each(|cores| sample.push(&CORES, cores));
    if is_limited_by_client {
        sample.notes.push(
            "the client was the limit of the search: the server's own is higher, by its share of \
             a processor that was idle"
                .to_owned(),
        );
    }
    let (half, result) = run::stretch(server, load, highest / 2.0, time);
    half.iter().for_each(|half| sample.push(&HALF, half.tally.loss()));

    result
}

/// Loads at a rate, and again if it failed or was not reached.
fn step(server: &mut Running, load: &mut Load, rate: f64) -> Result<(Stretch, bool)> {
    for failure in 1.. {
        run::settle(server, load, rate, SETTLE)?;
        let (stretch, result) = run::stretch(server, load, rate, STEP);
        result?;
        let Some(stretch) = stretch else { continue };
        let loss = stretch.tally.loss();
        let passed = loss < LOSS_MAX;
        let reached = stretch.relayed_per_second();
        eprintln!("    {rate:>9.0}/s: {reached:.0} relayed, {:.3} % lost", 100.0 * loss);
        if passed && reached >= REACHED_MIN * rate || failure == FAILURES {
            return Ok((stretch, passed));
        }
    }

    unreachable!("the loop returns at its last failure")
}
