//! `millrace turn`: asks the relay that runs on this machine about its allocations.

use super::print;
use crate::cli::{SelectorArgs, TurnCommand};
use crate::config::Config;
use crate::turn::table;
use anyhow::{Context, anyhow};
use relay_server::control::{LineError, OperatorLine, Selector};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Does it and prints what came of it.
pub(super) fn run(config: &Config, command: TurnCommand) -> anyhow::Result<()> {
    let (mut line, path) = connect(config)?;
    let failed = || format!("the relay at {}", path.display());
    match command {
        TurnCommand::List { which, json } => {
            let allocations = line.list(selector(which)).with_context(failed)?;
            let text = if json { table::json(&allocations)? } else { table::aligned(&allocations) };
            print(&text)?;
        }
        TurnCommand::Kick { which } => {
            // The command line demands one.
            let which = selector(which).context("name --id, --user or --address")?;
            let count = line.kick(which).with_context(failed)?;
            print(&format!("{count} {} ended\n", plural(count)))?;
        }
        TurnCommand::Drain { off } => {
            let count = line.drain(!off).with_context(failed)?;
            let (state, left) = (if off { "taken again" } else { "refused" }, plural(count));
            let verb = if count == 1 { "stands" } else { "stand" };
            print(&format!("new allocations are {state}; {count} {left} {verb}\n"))?;
        }
    }

    Ok(())
}

fn selector(which: SelectorArgs) -> Option<Selector> {
    let SelectorArgs { id, user, address } = which;

    id.map(Selector::Id).or(user.map(Selector::User)).or(address.map(Selector::Address))
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "allocation" } else { "allocations" }
}

/// Connects to the configured socket, or to the one that `serve` opens where it cannot have that.
fn connect(config: &Config) -> anyhow::Result<(OperatorLine, PathBuf)> {
    let mut first = None;
    for path in [config.control_socket.clone(), config.fallback_socket()] {
        match OperatorLine::connect(&path) {
            Ok(line) => return Ok((line, path)),
            Err(LineError::Io(error)) => {
                let known = first.get_or_insert((path, error));
                // Who may not connect to a socket that is there need not look at another.
                if known.1.kind() == ErrorKind::PermissionDenied {
                    break;
                }
            }
            Err(error) => return Err(anyhow!(error).context(format!("{}", path.display()))),
        }
    }

    Err(first.map_or_else(|| anyhow!("no control socket"), |(path, error)| away(&path, &error)))
}

fn away(path: &Path, error: &io::Error) -> anyhow::Error {
    let fix = match error.kind() {
        ErrorKind::PermissionDenied => {
            "only root and the relay's group may ask: use sudo, or join the group `millrace`"
        }
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            "no relay runs here with this control.socket: start `millrace serve` or `millrace \
             relay`, or name its socket by --set control.socket=PATH or --config FILE"
        }
        _ => "is the relay alive? `journalctl -u millrace` tells",
    };

    anyhow!("control.socket = {}: {error}; {fix}", path.display())
}
