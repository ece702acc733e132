//! `millrace-bench room`: what it costs a server to forward sound and pictures.

mod cast;
mod conduct;
mod experiment;
mod figures;
mod join;
mod lean;
mod load;
mod run;
mod source;
mod str0m;

pub(crate) use self::conduct::{Server, measure};
pub(crate) use join::Join;
pub(crate) use load::Load;

use crate::conduct::{Experiment, Failure, conduct as conduct_all};
use crate::cpus::Cpus;
use crate::interrupt;
use crate::network::Network;
use crate::report::{Circumstances, Output};
use crate::subject::{Adapter, Kind};
use anyhow::{Result, bail};
use experiment::{RoomExperiment, Subject};
use std::path::PathBuf;
use std::sync::Arc;

/// The API key of servers that we start, and its secret: those of Millrace in development.
const KEY: &str = "devkey";
const SECRET: &str = "secret-for-development-only-0123456789";

/// What to put on the server, and where it is.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    load: Load,
    /// How clients get in
    #[arg(long, value_enum, default_value_t = Join::Livekit)]
    join: Join,
    /// A server that runs already, as ws://HOST:PORT; without it one is started for the run
    #[arg(long, value_name = "WS_URL")]
    url: Option<String>,
    /// Process id of that server, to measure its processor time
    #[arg(long, requires = "url")]
    pid: Option<u32>,
    /// The binary to start; default: the one beside this one, then the one in PATH
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    server_binary: Option<PathBuf>,
    /// A setting for the server to start, as section.key=value; may be given again
    #[arg(long = "set", value_name = "SETTING", conflicts_with = "url")]
    settings: Vec<String>,
    /// API key that signs the participants' tokens
    #[arg(long, value_name = "KEY", default_value = KEY)]
    api_key: String,
    /// Its secret
    #[arg(long, value_name = "SECRET", default_value = SECRET)]
    api_secret: String,
    /// Name of the room; default: a new one
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
    /// How often it is measured, servers in turn
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: u32,
    /// Measures these servers too, in the same run: janus, janus-tuned, or what an adapter
    /// describes
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "url")]
    compare: Vec<String>,
    /// Describes a server to compare with, see bench/README.md; may be given again
    #[arg(long, value_name = "FILE", requires = "compare")]
    adapter: Vec<PathBuf>,
    /// What lies between clients and the servers that are started here; default: veth for root,
    /// loopback for others
    #[arg(long, value_name = "KIND", conflicts_with = "url")]
    network: Option<Network>,
    /// Leaves processes on the processors that the kernel chooses
    #[arg(long)]
    no_pin: bool,
    #[command(flatten)]
    output: Output,
}

/// Runs the whole measurement and shows what came of it, also of one that ended early.
pub(crate) fn run(args: &Arc<Args>) -> Result<()> {
    args.output.check()?;
    let adapters = Adapter::all(&args.adapter)?;
    let mut facts = Vec::new();
    for name in &args.compare {
        facts.push((name.clone(), Kind::Sfu.find(&adapters, name)?.version()?));
    }
    let cpus = Cpus::divide(!args.no_pin && args.load.client_threads == 1)?;
    let cpus = Arc::new(cpus.inside(args.network())?);
    if args.url.is_none() {
        facts.push(("network".to_owned(), args.network().describe()));
    }
    let experiment = experiment(args, &adapters, &cpus)?;
    let circumstances = Circumstances::read(args.load.seconds, args.repeat, facts);

    interrupt::note();
    let (findings, result) = conduct_all(&[experiment], Failure::Ends);
    if !findings.is_empty() {
        args.output.show("Rooms", &findings, &circumstances)?;
    }

    result
}

/// What is to be measured.
pub(crate) fn experiment(
    args: &Arc<Args>,
    adapters: &[Adapter],
    cpus: &Arc<Cpus>,
) -> Result<Box<dyn Experiment>> {
    args.load.check(args.join)?;
    if args.join == Join::Janus && args.url.is_none() {
        bail!(
            "--join janus needs the --url of a Janus: ws://HOST:8188; --compare janus starts one"
        );
    }
    let mut subjects = match &args.url {
        Some(url) => vec![Subject::Remote(url.clone())],
        None => vec![Subject::Millrace],
    };
    for name in &args.compare {
        subjects.push(Subject::Peer(Arc::new(Kind::Sfu.find(adapters, name)?.clone())));
    }
    let (args, cpus) = (Arc::clone(args), Arc::clone(cpus));

    Ok(Box::new(RoomExperiment { args, cpus, subjects }))
}

impl Args {
    fn network(&self) -> Network {
        match self.url {
            Some(_) => Network::Loopback,
            None => self.network.unwrap_or_else(Network::usual),
        }
    }
}
