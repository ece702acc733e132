//! What this machine's network and kernel allow, and what to change.

mod ethtool;
mod facts;
mod judge;
mod netlink;

use crate::SteerSettings;
use facts::Facts;
use std::ops::RangeInclusive;

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// All is well.
    Ok,
    /// It works, but not as well as it could.
    Warn,
    /// What was asked for does not work.
    Fail,
}

impl Level {
    /// In a word.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub subject: String,
    /// How it is to be taken.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// What to change; empty where nothing needs to be.
    pub fix: String,
}

/// What the configuration asks of the machine.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Shards; `None`: one for each CPU.
    pub shards: Option<u16>,
    /// Relayed ports.
    pub relay_ports: RangeInclusive<u16>,
    /// Interfaces on which the kernel is to relay; empty: none.
    pub xdp_interfaces: Vec<String>,
    /// Whether it may only do so in the driver.
    pub xdp_driver: bool,
    /// How it is to find the shard of a datagram.
    pub steer: SteerSettings,
}

/// Looks at this machine.
pub fn examine(wanted: &Wanted) -> Vec<Finding> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let shards = wanted.shards.map_or(cpus, usize::from);

    judge::judge(&Facts::gather(), wanted, shards)
}
