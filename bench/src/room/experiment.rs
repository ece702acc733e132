//! A load on the rooms of several servers, each started for it.

use super::load::Scenario;
use super::{Args, Join, KEY, SECRET, Server, measure};
use crate::conduct::Experiment;
use crate::cpus::Cpus;
use crate::figures::{Place, Sample};
use crate::network::Cards;
use crate::server::Server as Own;
use crate::subject::{Adapter, Process};
use crate::token::ApiKey;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use std::sync::Arc;
use std::time::Duration;

/// About how long a server takes to start, participants to settle, and packets to arrive.
const AROUND: Duration = Duration::from_millis(4_500);

/// A server whose rooms are measured.
#[derive(Clone)]
pub(super) enum Subject {
    /// Our own, started by us.
    Millrace,
    /// Somebody else's, started by us.
    Peer(Arc<Adapter>),
    /// Somebody's, running at this URL.
    Remote(String),
}

/// A load, of these servers.
pub(super) struct RoomExperiment {
    /// The command line.
    pub(super) args: Arc<Args>,
    /// Who runs where.
    pub(super) cpus: Arc<Cpus>,
    /// Servers.
    pub(super) subjects: Vec<Subject>,
}

impl Subject {
    fn name(&self) -> &str {
        match self {
            Self::Millrace => "millrace",
            Self::Peer(adapter) => &adapter.name,
            Self::Remote(_) => "server",
        }
    }

    /// Starts it, or finds it.
    fn start(&self, args: &Args, cpus: &Cpus) -> Result<(Process, Server)> {
        let api_key = ApiKey { key: args.api_key.clone(), secret: args.api_secret.clone() };
        let (process, join, url, api_key) = match self {
            Self::Remote(url) => (Process::Others(args.pid), args.join, url.clone(), api_key),
            Self::Millrace => {
                let mut settings = vec![format!("keys.{KEY}={SECRET}")];
                settings.extend(args.settings.iter().cloned());
                let start =
                    || Own::start(args.server_binary.as_deref(), cpus.server_ip(), &settings);
                let server = cpus.as_server(start)?;
                let url = server.url();
                (Process::Millrace(Box::new(server)), args.join, url, api_key)
            }
            Self::Peer(adapter) => {
                let peer = cpus.as_server(|| adapter.start(cpus.server_ip()))?;
                let join = peer.join.context("it is described without [join]")?;
                let protocol = join.protocol.name();
                let Ok(way) = Join::from_str(protocol, false) else {
                    bail!("rooms cannot be joined by `{protocol}`");
                };
                let api_key = join.key.map_or(api_key, |(key, secret)| ApiKey { key, secret });
                (peer.process, way, join.url, api_key)
            }
        };
        let (pid, cards) = match self {
            Self::Remote(_) => (args.pid, Cards::default()),
            Self::Millrace | Self::Peer(_) => (process.pid(), cpus.cards()?),
        };

        Ok((process, Server { join, url, pid, cards, api_key, room: args.room.clone() }))
    }
}

impl Experiment for RoomExperiment {
    fn title(&self) -> String {
        self.args.load.title()
    }

    fn subjects(&self) -> Vec<String> {
        self.subjects.iter().map(|subject| subject.name().to_owned()).collect()
    }

    fn duration(&self) -> Duration {
        let load = &self.args.load;
        let joins = (load.subscribers + load.publishers) / load.join_rate.max(1);

        AROUND + Duration::from_secs(load.seconds + u64::from(joins))
    }

    fn repeat(&self) -> u32 {
        self.args.repeat
    }

    fn place(&self) -> Option<Place> {
        let load = &self.args.load;
        let (group, axis) = match load.scenario {
            Scenario::Webinar => ("Webinar", "subscribers"),
            Scenario::Audio => ("Audio room", "subscribers"),
            Scenario::Meeting => ("Meeting", "participants"),
        };

        Some(Place { group: group.to_owned(), axis, at: load.subscribers.into() })
    }

    fn measure(&self, subject: usize) -> (Sample, Result<()>) {
        match self.subjects[subject].start(&self.args, &self.cpus) {
            Err(error) => (Sample::default(), Err(error)),
            Ok((mut process, server)) => {
                let (sample, result) = measure(&self.args.load, &server);
                let ended = process.check();
                (sample, ended.and(result))
            }
        }
    }
}
