//! The load harness: clients of an independent WebRTC stack, and what the server spends on them.

mod cpu;
mod report;
mod room;
mod server;
mod token;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

const EXAMPLES: &str = "\
Examples:
  One publisher to 100 subscribers for 10 seconds, with a server started for the run:
    millrace-bench room

  The same with two shards and another way of input and output, figures kept:
    millrace-bench room --set media.shards=2 --set media.io=mmsg --json room.json --html room.html

  Against a server that runs already, measuring its processor time too:
    millrace-bench room --subscribers 50 --url ws://127.0.0.1:7880 --pid $(pidof millrace)";

/// Measures Millrace under load.
#[derive(Parser)]
#[command(name = "millrace-bench", version, about, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A room: publishers send video, the server forwards it to subscribers.
    #[command(after_help = EXAMPLES)]
    Room(room::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Room(args) => room::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("millrace-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
