//! `millrace-bench turn`: what it costs a TURN server to relay packets and to keep allocations.

mod allocations;
mod args;
pub(crate) mod bare;
mod client;
mod exchange;
mod experiment;
mod flood;
mod flow;
mod inject;
mod load;
mod run;
mod saturate;
mod stream;
mod stun;
mod subject;

pub(crate) use args::Args;

use crate::conduct::{self, Failure, conduct};
use crate::cpus::Cpus;
use crate::interrupt;
use crate::limits;
use crate::network::Side;
use crate::report::Circumstances;
use crate::subject::{Adapter, Kind};
use anyhow::{Result, bail};
use args::Direction;
use client::Transport;
use experiment::{Measured, TurnExperiment};
use std::sync::Arc;
use subject::Subject;

/// Runs the whole measurement and shows what came of it, also of one that ended early.
pub(crate) fn run(args: &Arc<Args>) -> Result<()> {
    args.output.check()?;
    let adapters = Adapter::all(&args.adapter)?;
    let cpus = Arc::new(Cpus::divide(!args.no_pin)?.inside(args.network())?);
    let experiments = experiments(args, &adapters, &cpus)?;
    if args.impair.is_some() && args.transport.iter().any(|t| *t != Transport::Udp) {
        bail!("--impair changes datagrams: leave --transport at udp");
    }
    let pinned = if cpus.are_divided() { "server first, client last" } else { "no" };
    let mut more = vec![("pinned".to_owned(), pinned.to_owned())];
    if args.server.is_none() {
        more.push(("network".to_owned(), args.network().describe()));
    }
    for name in &args.compare {
        more.push((name.clone(), Kind::Turn.find(&adapters, name)?.version()?));
    }
    let circumstances = Circumstances::read(args.seconds, args.repeat, more);

    interrupt::note();
    let (findings, result) = conduct(&experiments, Failure::Ends);
    if !findings.is_empty() {
        args.output.show("TURN", &findings, &circumstances)?;
    }

    result
}

/// What is to be measured.
pub(crate) fn experiments(
    args: &Arc<Args>,
    adapters: &[Adapter],
    cpus: &Arc<Cpus>,
) -> Result<Vec<Box<dyn conduct::Experiment>>> {
    let subjects = subjects(args, adapters)?;
    if args.inject && args.scenarios().iter().any(|s| s.direction != Direction::Up) {
        bail!("--inject sends from clients to the peer: leave --direction at up");
    }
    if args.is_for_xdp() {
        cpus.card(Side::Server)?;
    }
    let ours = subjects.iter().any(|s| matches!(s, Subject::Millrace | Subject::Offloaded));
    let measured = measured(args);
    let needed = measured.iter().map(|m| m.descriptors(ours)).max().unwrap_or(0);
    limits::provide_descriptors(needed)?;
    provide_ports(args, &measured)?;

    Ok(measured
        .into_iter()
        .map(|measured| {
            let subjects = subjects.iter().filter(|s| measured.suits(s)).cloned().collect();
            let (args, cpus) = (Arc::clone(args), Arc::clone(cpus));
            Box::new(TurnExperiment { args, cpus, measured, subjects }) as Box<_>
        })
        .collect())
}

/// Ports of the clients, who have one address towards a server elsewhere, or those that a server
/// of ours relays from.
fn provide_ports(args: &Args, measured: &[Measured]) -> Result<()> {
    let allocations = measured.iter().map(Measured::allocations).max().unwrap_or(0);
    if args.server.is_some_and(|server| !server.ip().is_loopback()) {
        return limits::provide_ports(allocations);
    }
    let is_told = args.settings.iter().any(|setting| setting.starts_with("turn.relay_"));
    if args.server.is_some() || is_told {
        return Ok(());
    }

    limits::check_relayed_ports(allocations)
}

fn measured(args: &Args) -> Vec<Measured> {
    let mut all = Vec::new();
    for scenario in args.scenarios() {
        if args.inject {
            all.push(Measured::Injected(scenario));
            continue;
        }
        if args.saturate {
            all.push(Measured::Saturation(scenario));
            continue;
        }
        let at_rate = |rate: &u32| Measured::Load(scenario.clone(), *rate);
        all.extend(args.rate.iter().map(at_rate));
    }
    if let Some(count) = args.allocations {
        let kept = |transport| Measured::Allocations(transport, count as usize);
        all.extend(args.transport.iter().copied().map(kept));
    }
    all.extend(args.flood.map(|sources| Measured::Flood(sources as usize)));

    all
}

fn subjects(args: &Args, adapters: &[Adapter]) -> Result<Vec<Subject>> {
    if args.server.is_some() {
        return Ok(vec![Subject::Remote]);
    }
    let mut subjects = Vec::new();
    if args.offload {
        subjects.push(Subject::Offloaded);
    }
    if !args.without_millrace {
        subjects.push(Subject::Millrace);
    }
    for name in &args.compare {
        subjects.push(Subject::Peer(Arc::new(Kind::Turn.find(adapters, name)?.clone())));
    }
    if !args.compare.is_empty() && !args.offload {
        subjects.extend([Subject::Bare, Subject::BareTrains]);
    }

    Ok(subjects)
}
