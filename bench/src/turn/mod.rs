//! `millrace-bench turn`: what it costs a TURN server to relay packets and to keep allocations.

mod allocations;
mod args;
pub(crate) mod bare;
mod client;
mod coturn;
mod exchange;
mod flood;
mod flow;
mod limits;
mod load;
mod run;
mod saturate;
mod stream;
mod stun;
mod subject;

pub(crate) use args::Args;

use crate::figures::{Findings, Sample, Unit};
use crate::report::Circumstances;
use anyhow::{Context, Result};
use args::Scenario;
use client::Transport;
use limits::Cpus;
use std::time::Duration;
use subject::{Running, Subject};

/// One thing that is measured.
enum Experiment {
    Load(Scenario),
    Saturation(Scenario),
    Allocations(Transport, usize),
    Flood(usize),
}

/// Runs the whole measurement and shows what came of it, also of one that ended early.
pub(crate) fn run(args: &Args) -> Result<()> {
    let experiments = experiments(args);
    let subjects = subjects(args);
    let ours = subjects.contains(&Subject::Millrace);
    let needed = experiments.iter().map(|e| e.descriptors(ours)).max().unwrap_or(0);
    limits::provide_descriptors(needed)?;
    let coturn = subjects.contains(&Subject::Coturn).then(coturn::version).transpose()?;
    let cpus = Cpus::divide(!args.no_pin)?;
    let pinned = if cpus.are_divided() { "server first, client last" } else { "no" };
    let mut more = vec![("pinned", pinned.to_owned())];
    more.extend(coturn.map(|version| ("coturn", version)));
    let circumstances = Circumstances::read(args.seconds, args.repeat, more);

    let mut all = Vec::new();
    let result = experiments.iter().enumerate().try_for_each(|(index, experiment)| {
        eprintln!("[{}/{}] {}", index + 1, experiments.len(), experiment.title(args));
        let subjects: Vec<_> = subjects.iter().copied().filter(|s| experiment.suits(*s)).collect();
        let names = subjects.iter().map(|subject| subject.name().to_owned()).collect();
        let mut findings = Findings::new(experiment.title(args), names);
        let result = repeat(args, &cpus, experiment, &subjects, &mut findings);
        if !findings.is_empty() {
            all.push(findings);
        }
        result
    });
    if !all.is_empty() {
        args.output.show("TURN", &all, &circumstances)?;
    }

    result
}

fn experiments(args: &Args) -> Vec<Experiment> {
    let load = if args.saturate { Experiment::Saturation } else { Experiment::Load };
    let mut experiments: Vec<_> = args.scenarios().into_iter().map(load).collect();
    if let Some(count) = args.allocations {
        let kept = |transport| Experiment::Allocations(transport, count as usize);
        experiments.extend(args.transport.iter().copied().map(kept));
    }
    experiments.extend(args.flood.map(|sources| Experiment::Flood(sources as usize)));

    experiments
}

fn subjects(args: &Args) -> Vec<Subject> {
    if args.server.is_some() {
        return vec![Subject::Remote];
    }
    let mut subjects = Vec::new();
    if !args.without_millrace {
        subjects.push(Subject::Millrace);
    }
    if !args.compare.is_empty() {
        subjects.extend([Subject::Coturn, Subject::Bare, Subject::BareTrains]);
    }

    subjects
}

/// Measures the servers in turn, in the other order every second time.
fn repeat(
    args: &Args,
    cpus: &Cpus,
    experiment: &Experiment,
    subjects: &[Subject],
    findings: &mut Findings,
) -> Result<()> {
    for repetition in 0..args.repeat {
        let mut order = subjects.to_vec();
        if repetition % 2 == 1 {
            order.reverse();
        }
        for subject in order {
            let name = subject.name();
            let mut running = subject.start(args, cpus, experiment.transport())?;
            let (sample, result) = experiment.measure(args, &mut running);
            if !sample.values.is_empty() {
                eprintln!("  {}/{} {name}: {}", repetition + 1, args.repeat, sample.summary());
            }
            findings.add(name, repetition, sample);
            let ended = running.check();
            ended.and(result).with_context(|| name.to_owned())?;
        }
    }

    Ok(())
}

impl Experiment {
    fn title(&self, args: &Args) -> String {
        match self {
            Self::Load(scenario) => {
                let rate = Unit::PerSecond.show(args.rate.into());
                format!("{}, {rate}, {} clients", scenario.title(), scenario.clients)
            }
            Self::Saturation(scenario) => {
                format!("Saturation: {}, {} clients", scenario.title(), scenario.clients)
            }
            Self::Allocations(transport, count) => {
                format!("{count} idle allocations, {}", transport.name())
            }
            Self::Flood(sources) => format!("Requests of {sources} strangers"),
        }
    }

    fn transport(&self) -> Transport {
        match self {
            Self::Load(scenario) | Self::Saturation(scenario) => scenario.transport,
            Self::Allocations(transport, _) => *transport,
            Self::Flood(_) => Transport::Udp,
        }
    }

    fn suits(&self, subject: Subject) -> bool {
        match self {
            Self::Load(scenario) | Self::Saturation(scenario) => subject.carries(scenario),
            Self::Allocations(..) | Self::Flood(_) => subject.is_turn(),
        }
    }

    /// Descriptors that it takes, in the process of the clients or in that of the server: `ours`
    /// has three quarters of its own for relayed addresses, the others for connections and files.
    fn descriptors(&self, ours: bool) -> u64 {
        match self {
            Self::Load(scenario) | Self::Saturation(scenario) => 2 * scenario.allocations() as u64,
            Self::Allocations(Transport::Udp, count) if ours => *count as u64 * 4 / 3 + 256,
            Self::Allocations(Transport::Udp, count) => *count as u64 + 256,
            // The server has a connection and a relayed address for each.
            Self::Allocations(_, count) => 2 * *count as u64 + 256,
            Self::Flood(_) => 1_000,
        }
    }

    fn measure(&self, args: &Args, server: &mut Running) -> (Sample, Result<()>) {
        let time = Duration::from_secs(args.seconds);
        match self {
            Self::Load(scenario) => {
                let times = (Duration::from_millis(args.settle_ms), time);
                run::measure(server, scenario, args.rate.into(), times)
            }
            Self::Saturation(scenario) => saturate::measure(server, scenario, time),
            Self::Allocations(_, count) => allocations::measure(server, *count),
            Self::Flood(sources) => flood::measure(server, *sources),
        }
    }
}
