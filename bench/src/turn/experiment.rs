//! Things that can be measured of a TURN server, each with a server started for it.

use super::args::{Args, Scenario};
use super::client::Transport;

use super::subject::{Running, Subject};
use super::{allocations, flood, inject, run, saturate};
use crate::conduct::Experiment;
use crate::cpus::Cpus;
use crate::figures::{Place, Sample, Unit};
use anyhow::Result;
use std::sync::Arc;
use std::time::Duration;

/// About how long a server takes to start, its clients to get ready, and packets to arrive.
const AROUND: Duration = Duration::from_millis(1_500);
/// About how long a search for the highest rate takes, beyond measuring at half of it.
const SEARCH: Duration = Duration::from_secs(35);
/// About how long 1,000 allocations or strangers take, with the rests before and after.
const THOUSAND: Duration = Duration::from_millis(500);
const RESTS: Duration = Duration::from_secs(3);

/// One thing to measure.
pub(super) enum Measured {
    /// A load at a rate, in packets a second.
    Load(Scenario, u32),
    /// The highest rate of a load.
    Saturation(Scenario),
    /// Frames from within the kernel, as many as the server takes.
    Injected(Scenario),
    /// So many idle allocations.
    Allocations(Transport, usize),
    /// Requests of so many strangers.
    Flood(usize),
}

/// One thing to measure, of these servers.
pub(super) struct TurnExperiment {
    /// The command line.
    pub(super) args: Arc<Args>,
    /// Who runs where.
    pub(super) cpus: Arc<Cpus>,
    /// What is measured.
    pub(super) measured: Measured,
    /// Servers that can carry it.
    pub(super) subjects: Vec<Subject>,
}

impl Experiment for TurnExperiment {
    fn title(&self) -> String {
        let title = self.measured.title();
        match self.args.is_for_xdp() {
            true => format!("{title}, cards without offloads"),
            false => title,
        }
    }

    fn subjects(&self) -> Vec<String> {
        self.subjects.iter().map(|subject| subject.name().to_owned()).collect()
    }

    fn duration(&self) -> Duration {
        let Args { seconds, settle_ms, .. } = *self.args;
        let load = Duration::from_secs(seconds) + Duration::from_millis(settle_ms);

        AROUND
            + match &self.measured {
                Measured::Load(..) | Measured::Injected(_) => load,
                Measured::Saturation(_) => SEARCH + load,
                Measured::Allocations(_, count) | Measured::Flood(count) => {
                    RESTS + THOUSAND * *count as u32 / 1_000
                }
            }
    }

    fn repeat(&self) -> u32 {
        self.args.repeat
    }

    fn place(&self) -> Option<Place> {
        match &self.measured {
            Measured::Load(scenario, rate) => Some(Place {
                group: format!("{}, {} clients", scenario.title(), scenario.clients),
                axis: "packets a second sent",
                at: (*rate).into(),
            }),
            Measured::Saturation(_)
            | Measured::Injected(_)
            | Measured::Allocations(..)
            | Measured::Flood(_) => None,
        }
    }

    fn measure(&self, subject: usize) -> (Sample, Result<()>) {
        let subject = &self.subjects[subject];
        match subject.start(&self.args, &self.cpus, self.measured.transport()) {
            Err(error) => (Sample::default(), Err(error)),
            Ok(mut running) => {
                let (mut sample, result) =
                    self.measured.measure(&self.args, &self.cpus, &mut running);
                let ended = running.check();
                let noted = running.note_network(&mut sample);
                (sample, ended.and(result).and(noted))
            }
        }
    }
}

impl Measured {
    fn title(&self) -> String {
        match self {
            Self::Load(scenario, rate) => {
                let rate = Unit::PerSecond.show((*rate).into());
                format!("{}, {rate}, {} clients", scenario.title(), scenario.clients)
            }
            Self::Saturation(scenario) => {
                format!("Saturation: {}, {} clients", scenario.title(), scenario.clients)
            }
            Self::Injected(scenario) => {
                let Scenario { size, clients, .. } = scenario;
                format!(
                    "Full: client to peer, {size} B, single packets injected, {clients} clients"
                )
            }
            Self::Allocations(transport, count) => {
                format!("{count} idle allocations, {}", transport.name())
            }
            Self::Flood(sources) => format!("Requests of {sources} strangers"),
        }
    }

    fn transport(&self) -> Transport {
        match self {
            Self::Load(scenario, _) | Self::Saturation(scenario) | Self::Injected(scenario) => {
                scenario.transport
            }
            Self::Allocations(transport, _) => *transport,
            Self::Flood(_) => Transport::Udp,
        }
    }

    /// Whether a server can carry it.
    pub(super) fn suits(&self, subject: &Subject) -> bool {
        match self {
            Self::Load(scenario, _) | Self::Saturation(scenario) | Self::Injected(scenario) => {
                subject.carries(scenario)
            }
            Self::Allocations(..) | Self::Flood(_) => subject.is_turn(),
        }
    }

    /// Allocations that it makes.
    pub(super) fn allocations(&self) -> u64 {
        match self {
            Self::Load(scenario, _) | Self::Saturation(scenario) | Self::Injected(scenario) => {
                scenario.allocations() as u64
            }
            Self::Allocations(_, count) => *count as u64 + allocations::FIRST as u64,
            Self::Flood(_) => 0,
        }
    }

    /// Descriptors that it takes, in the process of the clients or in that of the server: `ours`
    /// has three quarters of its own for relayed addresses, the others for connections and files.
    pub(super) fn descriptors(&self, ours: bool) -> u64 {
        match self {
            Self::Load(scenario, _) | Self::Saturation(scenario) | Self::Injected(scenario) => {
                2 * scenario.allocations() as u64
            }
            Self::Allocations(Transport::Udp, count) if ours => *count as u64 * 4 / 3 + 256,
            Self::Allocations(Transport::Udp, count) => *count as u64 + 256,
            // The server has a connection and a relayed address for each.
            Self::Allocations(_, count) => 2 * *count as u64 + 256,
            Self::Flood(_) => 1_000,
        }
    }

    fn measure(&self, args: &Args, cpus: &Cpus, server: &mut Running) -> (Sample, Result<()>) {
        let time = Duration::from_secs(args.seconds);
        match self {
            Self::Injected(scenario) => inject::measure(server, scenario, cpus, time),
            Self::Load(scenario, rate) => {
                let times = (Duration::from_millis(args.settle_ms), time);
                run::measure(server, scenario, (*rate).into(), times)
            }
            Self::Saturation(scenario) => saturate::measure(server, scenario, time),
            Self::Allocations(_, count) => allocations::measure(server, *count),
            Self::Flood(sources) => flood::measure(server, *sources),
        }
    }
}
