//! The load harness: clients that are not our own dataplane, and what the server spends on them.

#[cfg(test)]
#[path = "../../tests/src/allocations.rs"]
#[allow(dead_code, unreachable_pub, reason = "it belongs to the tests of whole systems")]
mod allocations;
mod compare;
mod conduct;
mod cost;
mod cpu;
mod cpus;
mod directory;
mod figures;
mod impair;
mod interrupt;
mod limits;
mod log;
mod machine;
mod memory;
mod net;
mod network;
mod packets;
mod report;
mod room;
mod rtc;
mod server;
mod stamp;
mod subject;
mod tally;
mod token;
mod turn;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use std::sync::Arc;

#[cfg(test)]
#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const EXAMPLES: &str = "\
Examples:
  One publisher to 100 subscribers for 10 seconds, with a server started for the run:
    millrace-bench room

  The same with two shards and another way of input and output, figures kept:
    millrace-bench room --set media.shards=2 --set media.io=mmsg --json room.json --html room.html

  Against a server that runs already, measuring its processor time too:
    millrace-bench room --subscribers 50 --url ws://127.0.0.1:7880 --pid $(pidof millrace)";

const TURN_EXAMPLES: &str = "\
Examples:
  Client to peer, single packets and bursts of 8, beside coturn and bare sockets:
    millrace-bench turn --compare coturn --direction up --burst 1,8

  The cost of making and keeping 10,000 allocations, and what strangers leave behind:
    millrace-bench turn --compare coturn --allocations 10000 --flood 10000

  The highest rate with less than 0.1 % loss, client to client:
    millrace-bench turn --direction c2c --saturate

  Against a server that runs already:
    millrace-bench turn --server 192.0.2.7:3478 --user bob --pass secret --rate 20000";

const IMPAIR_EXAMPLES: &str = "\
Examples:
  A server as clients see it over a poor line, until input ends:
    millrace-bench impair --server 127.0.0.1:3478 --listen 127.0.0.1:5000 \\
      --impair 'loss=2%,burst=3,delay=40ms,jitter=10ms,rate=2mbit'";

const COMPARE_EXAMPLES: &str = "\
Examples:
  Everything, beside the peers that are installed:
    millrace-bench compare --html report.html --json report.json

  One load of each kind, once, to see that everything works:
    millrace-bench compare --quick

  A peer of your own, described by a file, and more repetitions:
    millrace-bench compare --adapter peer.toml --only turn --repeat 5";

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
    Room(Box<room::Args>),
    /// TURN: packets relayed, allocations made and kept, requests of strangers.
    #[command(after_help = TURN_EXAMPLES)]
    Turn(Box<turn::Args>),
    /// A network that loses, delays, repeats, reorders and changes datagrams, for any client.
    #[command(after_help = IMPAIR_EXAMPLES)]
    Impair(Box<impair::Args>),
    /// The same loads on our server and on its peers, in one report.
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(Box<compare::Args>),
    /// Relays packets without being a TURN server: the floor that `turn --compare` measures.
    #[command(hide = true)]
    BareRelay(turn::bare::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Room(args) => room::run(&Arc::from(args)),
        Command::Turn(args) => turn::run(&Arc::from(args)),
        Command::Impair(args) => impair::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::BareRelay(args) => turn::bare::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("millrace-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
