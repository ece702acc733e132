//! `millrace-bench room`: what it costs a server to forward sound and pictures.

mod cast;
mod conduct;
mod figures;
mod join;
mod lean;
mod load;
mod run;
mod source;
mod str0m;

pub(crate) use conduct::{Server, measure};
pub(crate) use join::Join;
pub(crate) use load::Load;

use crate::figures::Findings;
use crate::report::{Circumstances, Output};
use crate::server::Server as Own;
use crate::token::ApiKey;
use anyhow::{Result, bail};
use std::path::PathBuf;

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
    #[arg(long, value_name = "KEY", default_value = "devkey")]
    api_key: String,
    /// Its secret
    #[arg(long, value_name = "SECRET", default_value = "secret-for-development-only-0123456789")]
    api_secret: String,
    /// Name of the room; default: a new one
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Runs the whole measurement and shows what came of it, also of one that ended early.
pub(crate) fn run(args: &Args) -> Result<()> {
    args.load.check(args.join)?;
    if args.join == Join::Janus && args.url.is_none() {
        bail!("--join janus needs the --url of a Janus: ws://HOST:8188");
    }
    args.output.check()?;
    let circumstances = Circumstances::read(args.load.seconds, 1, Vec::new());
    let mut own = None;
    let (url, pid) = match &args.url {
        Some(url) => (url.clone(), args.pid),
        None => {
            eprintln!("starting a server ...");
            let server = Own::start(args.server_binary.as_deref(), &args.settings)?;
            let (url, pid) = (server.url(), server.pid());
            own = Some(server);
            (url, Some(pid))
        }
    };
    let server = Server {
        join: args.join,
        url,
        pid,
        napi: Vec::new(),
        api_key: ApiKey { key: args.api_key.clone(), secret: args.api_secret.clone() },
        room: args.room.clone(),
    };

    let (sample, result) = measure(&args.load, &server);
    if !sample.values.is_empty() {
        let name = if own.is_some() { "millrace" } else { "server" };
        let mut findings = Findings::new(args.load.title(), vec![name.to_owned()]);
        findings.add(name, 0, sample);
        args.output.show("Room", &[findings], &circumstances)?;
    }
    let ended = own.as_mut().map_or(Ok(()), Own::check);

    ended.and(result)
}
