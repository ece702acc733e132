//! The command line.

use clap::{ArgGroup, Args, Parser, Subcommand};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  millrace serve                                      calls on this machine, without any setting
  millrace serve --set http.listen=0.0.0.0:7880       calls on this network, HTTPS on 7443
  millrace serve --config /etc/millrace/millrace.toml
  millrace token create --identity ann --room demo    a token for a LiveKit SDK
  millrace turn list                                  who relays what through TURN
  millrace check-config millrace.toml                 is this configuration right?
  millrace doctor                                     what do kernel and network allow?

Configuration is /etc/millrace/millrace.toml if it is there. Exit code 2: the configuration is
wrong; the line printed names the key and the fix.";

const TURN_EXAMPLES: &str = "\
Examples:
  millrace turn list                        all allocations of the relay on this machine
  millrace turn list --user ann --json      those that ann's credentials made, for a program
  millrace turn kick --address 192.0.2.9    ends those of clients at this address
  millrace turn kick --id 17                ends one
  millrace turn drain                       no new allocations; the present ones go on
  millrace turn drain --off                 takes new ones again

The relay is asked at control.socket, or in the data directory of `millrace serve`.";

const RECORDER_EXAMPLES: &str = "\
Examples:
  millrace recorder                                  runs the recorder alone
  millrace recorder list                             all recordings, and what became of them
  millrace recorder retry RM_x                       tries again what was given up
  millrace recorder inspect data/recordings/RM_x     what a media log holds, and what is damaged
  millrace recorder inspect 00000.mlog --json        one file of it, for a program
  millrace recorder export data/recordings/RM_x out  makes a file of each track, as it came

Recordings are in recording.directory, else in `recordings` of the data directory. `millrace serve`
runs a recorder of its own.";

/// A media relay appliance for video calls: signalling, SFU, STUN and TURN in one binary.
#[derive(Debug, Parser)]
#[command(name = "millrace", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Args, Debug)]
pub(crate) struct SettingArgs {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Sets one key, as in --set media.shards=2; the last one wins
    #[arg(long = "set", value_name = "KEY=VALUE", global = true)]
    pub(crate) sets: Vec<String>,
    /// What is logged, as in --log debug or --log info,signalling_server=debug
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", hide_env_values = true, global = true)]
    pub(crate) log: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs everything in one process
    Serve,
    /// Runs the media relay alone; signalling connects to control.socket
    Relay {
        /// Removes what the kernel relays by (xdp.pins), and runs nothing
        #[arg(long)]
        detach: bool,
    },
    /// Runs signalling alone; it connects to the relay at control.socket
    Signalling,
    /// Lists, ends and drains the TURN allocations of the relay that runs on this machine
    #[command(subcommand, after_help = TURN_EXAMPLES)]
    Turn(TurnCommand),
    /// Makes files of recordings as calls end; or works with recordings by hand
    #[command(after_help = RECORDER_EXAMPLES)]
    Recorder {
        #[command(subcommand)]
        command: Option<RecorderCommand>,
    },
    /// Works with access tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Says what this machine's network and kernel allow, and what to change
    Doctor {
        /// Prints a JSON array instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Says whether a configuration file is right
    CheckConfig {
        /// The file (TOML)
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Prints a token with which one person or program may join a room
    Create(TokenArgs),
}

#[derive(Debug, Subcommand)]
#[command(after_help = TURN_EXAMPLES)]
pub(crate) enum TurnCommand {
    /// Prints the allocations, all or those that match
    List {
        #[command(flatten)]
        which: SelectorArgs,
        /// Prints a JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Ends the allocations that match, and prints how many
    #[command(group = ArgGroup::new("one").args(["id", "user", "address"]).required(true))]
    Kick {
        #[command(flatten)]
        which: SelectorArgs,
    },
    /// Refuses new allocations; the present ones go on until their clients end them
    Drain {
        /// Takes new allocations again
        #[arg(long)]
        off: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecorderCommand {
    /// Prints all recordings and what became of them
    List {
        /// Prints a JSON array instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Has a recording's files made anew, whether it was given up or is done
    Retry {
        /// The recording, as `list` names it
        recording: String,
    },
    /// Makes a recording's files now, in this process
    Work {
        /// The recording, as `list` names it
        recording: String,
    },
    /// Says what a media log holds: who, which tracks, how long, and what is damaged
    Inspect {
        /// The log's directory, or one of its files
        #[arg(value_name = "LOG")]
        media_log: PathBuf,
        /// Prints a JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
    /// Writes each track of a media log into a file of its own, without encoding it anew
    Export {
        /// The log's directory, or one of its files
        #[arg(value_name = "LOG")]
        media_log: PathBuf,
        /// Where the files go; it is made when it is not there
        directory: PathBuf,
        /// Prints a JSON object instead of lines
        #[arg(long)]
        json: bool,
    },
}

/// Which allocations are meant.
#[derive(Args, Clone, Debug)]
#[group(multiple = false)]
pub(crate) struct SelectorArgs {
    /// The one of this number
    #[arg(long, value_name = "NUMBER")]
    pub(crate) id: Option<u64>,
    /// Those of this user, with or without the expiry that REST credentials have in front
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Those of clients at this IP address
    #[arg(long, value_name = "IP")]
    pub(crate) address: Option<IpAddr>,
}

/// What a token is to say.
#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    /// Who joins; an identity is in a room once
    #[arg(long)]
    pub(crate) identity: String,
    /// The room
    #[arg(long)]
    pub(crate) room: String,
    /// The name that others see
    #[arg(long, default_value = "")]
    pub(crate) name: String,
    /// How long it is valid: 90s, 30m, 6h, 7d
    #[arg(long, default_value = "6h", value_parser = duration)]
    pub(crate) ttl: Duration,
    /// May publish audio and video
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) can_publish: bool,
    /// May receive audio and video
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) can_subscribe: bool,
    /// May send data messages
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) can_publish_data: bool,
    /// May mute and remove others, in the page and by RoomService
    #[arg(long)]
    pub(crate) admin: bool,
    /// API key that signs it; the first of the configuration when left out
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
}

/// Reads `90s`, `30m`, `6h`, `7d`, or seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err("use s, m, h or d, as in 6h".to_owned()),
    };
    let count: u64 = digits.parse().map_err(|_| "a number with s, m, h or d, as in 6h")?;
    match count.checked_mul(seconds) {
        None | Some(0) => Err("must be longer than nothing and shorter than for ever".to_owned()),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("6h"), Ok(Duration::from_secs(21_600)));
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2d"), Ok(Duration::from_secs(172_800)));
        for wrong in ["", "h", "6w", "0s", "-1h", "99999999999999999999d", "600000000000000000d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
