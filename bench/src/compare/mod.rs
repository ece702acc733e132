//! `millrace-bench compare`: the same loads on our server and on its peers, in one report.

mod plan;

use crate::conduct::{Experiment, Failure, conduct};
use crate::cpus::Cpus;
use crate::figures::Findings;
use crate::interrupt;
use crate::network::Network;
use crate::report::{Circumstances, Output};
use crate::subject::{Adapter, Kind};
use crate::{Cli, Command};
use crate::{room, turn};
use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use plan::Part;
use std::path::PathBuf;
use std::sync::Arc;

/// The columns that are our own.
const OURS: [&str; 2] = ["millrace", "millrace-xdp"];

/// What to measure, and where to show it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Seconds to measure each time; default: 2, of a quick run 1
    #[arg(long, value_name = "S")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=240))]
    seconds: Option<u64>,
    /// How often each measurement is repeated, servers in turn; default: 3, of a quick run 1
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: Option<u32>,
    /// Only this part of the loads
    #[arg(long, value_enum)]
    only: Option<Part>,
    /// One load of each kind, once: shows that everything works, not how well
    #[arg(long)]
    quick: bool,
    /// Describes a further peer, see bench/README.md; may be given again
    #[arg(long, value_name = "FILE")]
    adapter: Vec<PathBuf>,
    /// The binary of ours to start; default: the one beside this one, then the one in PATH
    #[arg(long, value_name = "FILE")]
    server_binary: Option<PathBuf>,
    /// A setting for our own server, as section.key=value; may be given again
    #[arg(long = "set", value_name = "SETTING")]
    settings: Vec<String>,
    /// What lies between clients and servers; default: virtual cards where we may make them
    #[arg(long, value_enum)]
    network: Option<Network>,
    #[command(flatten)]
    output: Output,
}

/// Measures everything that is installed, and shows what came of it, also when interrupted.
pub(crate) fn run(args: &Args) -> Result<()> {
    let output = args.output.or("compare.json", "compare.html");
    output.check()?;
    let adapters = Adapter::all(&args.adapter)?;
    let (peers, mut facts) = installed(&adapters);
    let cpus = Arc::new(Cpus::divide(true)?.inside(args.network())?);
    let pinned = if cpus.are_divided() { "server first, client last" } else { "no" };
    facts.push(("pinned".to_owned(), pinned.to_owned()));
    facts.push(("network".to_owned(), args.network().describe()));
    let lines = args.lines(&peers);
    let mut experiments: Vec<Box<dyn Experiment>> = Vec::new();
    for line in &lines {
        let words = std::iter::once("millrace-bench").chain(line.iter().map(String::as_str));
        match Cli::try_parse_from(words).context("a line of the plan is wrong")?.command {
            Command::Turn(turn) => {
                experiments.extend(turn::experiments(&Arc::from(turn), &adapters, &cpus)?);
            }
            Command::Room(room) => {
                experiments.push(room::experiment(&Arc::from(room), &adapters, &cpus)?);
            }
            Command::Compare(_) | Command::Impair(_) | Command::BareRelay(_) => {
                bail!("the plan has a line that is not a load's")
            }
        }
    }
    let circumstances = Circumstances::read(args.seconds(), args.repeat(), facts)
        .with_commands(lines.iter().map(|line| format!("millrace-bench {}", line.join(" "))));

    interrupt::note();
    let (findings, result) = conduct(&experiments, Failure::IsNoted);
    if findings.is_empty() {
        return result.and_then(|()| bail!("nothing was measured"));
    }
    output.show("Millrace and its peers under the same load", &findings, &circumstances)?;

    result.and_then(|()| judge(&findings))
}

impl Args {
    fn seconds(&self) -> u64 {
        self.seconds.unwrap_or(if self.quick { 1 } else { 2 })
    }

    fn repeat(&self) -> u32 {
        self.repeat.unwrap_or(if self.quick { 1 } else { 3 })
    }

    fn network(&self) -> Network {
        self.network.unwrap_or_else(Network::usual)
    }

    fn lines(&self, peers: &[&Adapter]) -> Vec<Vec<String>> {
        let mut options = vec![
            ("--seconds", self.seconds().to_string()),
            ("--repeat", self.repeat().to_string()),
        ];
        let network = self.network().to_possible_value();
        options.extend(network.map(|value| ("--network", value.get_name().to_owned())));
        let paths = |paths: &[PathBuf]| -> Vec<String> {
            paths.iter().map(|path| path.display().to_string()).collect()
        };
        options.extend(
            self.server_binary.iter().map(|p| ("--server-binary", p.display().to_string())),
        );
        options.extend(paths(&self.adapter).into_iter().map(|path| ("--adapter", path)));
        options.extend(self.settings.iter().map(|setting| ("--set", setting.clone())));
        let of_kind = |part| {
            let kind = match part {
                Part::Turn => Kind::Turn,
                Part::Room => Kind::Sfu,
            };
            let peers = peers.iter().filter(|adapter| adapter.kind == kind);
            peers.map(|adapter| adapter.name.clone()).collect()
        };

        let has_cards = self.network() != Network::Loopback;

        plan::lines(self.quick, self.only, has_cards, of_kind, &options)
    }
}

/// Peers that are there, and what is to be said of each: its version, or how to get it.
fn installed(adapters: &[Adapter]) -> (Vec<&Adapter>, Vec<(String, String)>) {
    let (mut there, mut facts) = (Vec::new(), Vec::new());
    for adapter in adapters {
        let fact = match adapter.version() {
            Ok(version) => {
                there.push(adapter);
                version
            }
            Err(error) => {
                eprintln!("{} is left out: {error:#}", adapter.name);
                format!("left out: {error:#}")
            }
        };
        facts.push((adapter.name.clone(), fact));
    }

    (there, facts)
}

/// An error if our own server failed somewhere.
fn judge(findings: &[Findings]) -> Result<()> {
    let failed = findings.iter().filter(|f| OURS.iter().any(|name| f.failed(name)));
    let titles: Vec<_> = failed.map(|findings| findings.title.as_str()).collect();
    if !titles.is_empty() {
        bail!("our own server failed in: {}", titles.join("; "));
    }

    Ok(())
}
