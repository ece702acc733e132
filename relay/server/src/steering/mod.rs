//! Steering: the kernel brings datagrams to the shards that they are for, relays what the shards
//! say it may, and keeps what stands for the process after this one. One thread owns the kernel's
//! maps; the shards' events are all that feeds them.

mod counters;
mod flows;
mod inbox;
mod metrics;
mod offloading;
mod record;
mod worker;

pub(crate) use counters::{Counters, FlowCounters, XdpCounters};
pub(crate) use inbox::Inbox;
pub(crate) use metrics::{descriptions, families};

use crate::failure::Failed;
use crate::mailbox::Mailbox;
use crate::sockets::Sockets;
use crate::{Config, StartError};
use ebpf_loader::{Mode, Offload, Options};
use flows::Flows;
use offloading::Offloading;
use relay_shard::{Standing, keeper};
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use worker::Worker;

/// How the kernel is to relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XdpSettings {
    /// Names of interfaces.
    pub interfaces: Vec<String>,
    /// In the driver or before it.
    pub mode: XdpMode,
    /// A directory on a BPF file system: what is pinned there outlives the process.
    pub pins: PathBuf,
    /// Channels that the kernel has room for.
    pub bindings_max: u32,
}

/// How the kernel is to bring datagrams to the shards that have bound their flows. What it gets
/// wrong is handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SteerSettings {
    /// Whether it chooses the socket, one of each shard's.
    pub sockets: bool,
    /// Whether XDP chooses the CPU, before the stack; only with `Config::xdp`.
    pub cpus: bool,
    /// Flows that it has room for.
    pub flows_max: u32,
}

/// Where an interface runs XDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpMode {
    /// In its driver.
    #[default]
    Driver,
    /// In the stack, for drivers without XDP: slower.
    Generic,
}

/// The kernel's programs and maps, attached, and what an earlier process left in them.
pub(crate) struct Prepared {
    offload: Option<(Offload, offloading::Beginning)>,
    standing: Vec<Standing>,
    flows: Flows,
}

/// The thread that owns them; it ends when this is dropped. What is pinned stays.
pub(crate) struct Steering {
    inbox: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

/// Removes what is pinned; returns the files. The kernel then relays no more by itself.
pub fn detach(pins: &Path) -> io::Result<Vec<PathBuf>> {
    ebpf_loader::detach_all(pins)
}

impl Prepared {
    /// Loads and attaches programs, or takes over what is pinned; `None` if nothing is asked of
    /// the kernel. `sockets` and `cpus` are the shards'.
    pub(crate) fn new<'a>(
        config: &Config,
        sockets: impl Iterator<Item = &'a Sockets>,
        cpus: &[usize],
    ) -> Result<Option<Self>, StartError> {
        let Config { xdp, steer, .. } = config;
        // One shard has everything anyway.
        let several = cpus.len() > 1;
        let mut offload = xdp.as_ref().map(|xdp| attach(xdp, steer.flows_max)).transpose()?;
        let places = offload.as_mut().filter(|_| steer.cpus && several);
        if let Some(offload) = places {
            let cpus: Vec<u32> = cpus.iter().map(|cpu| *cpu as u32).collect();
            offload.place_shards(&cpus)?;
        }
        let sockets = match steer.sockets && several {
            true => {
                let groups = groups(&sockets.collect::<Vec<_>>());
                Some(ebpf_loader::Steering::attach(&groups, steer.flows_max)?)
            }
            false => None,
        };
        if offload.is_none() && sockets.is_none() {
            return Ok(None);
        }
        let begin = |mut offload: Offload| {
            let (standing, beginning) = offloading::Beginning::read(&mut offload);
            ((offload, beginning), standing)
        };
        let (offload, standing) = offload.map(begin).unzip();
        let cpus = offload.is_some() && steer.cpus && several;

        Ok(Some(Self {
            offload,
            standing: standing.unwrap_or_default(),
            flows: Flows::new(sockets, cpus),
        }))
    }

    /// What each shard is to go on with, in the order of its places.
    pub(crate) fn shares(&mut self, shards: u16) -> Vec<Vec<Standing>> {
        let mut shares = vec![Vec::new(); shards.into()];
        for standing in std::mem::take(&mut self.standing) {
            let first = standing.relayed.first().map(|(address, _)| *address);
            if let Some(address) = first {
                shares[usize::from(keeper(address, shards))].push(standing);
            }
        }
        for share in &mut shares {
            share.sort_unstable_by_key(|standing| standing.place);
        }

        shares
    }

    /// Starts the thread. `inbox` is where shards tell it.
    pub(crate) fn start(
        self,
        inbox: Arc<Inbox>,
        mailboxes: Vec<Arc<Mailbox>>,
        counters: Arc<Mutex<Counters>>,
        failed: Failed,
    ) -> io::Result<Steering> {
        let shards = mailboxes.len() as u16;
        let offloading =
            self.offload.map(|(offload, beginning)| Offloading::new(offload, beginning, shards));
        let (flows, told) = (self.flows, inbox.clone());
        let worker = Worker { offloading, flows, inbox: told, mailboxes, counters, resyncs: 0 };
        let thread = Builder::new().name("steering".into()).spawn(move || {
            let watch = Watch { failed };
            worker.run();
            std::mem::forget(watch);
        })?;

        Ok(Steering { inbox, thread: Some(thread) })
    }
}

impl Drop for Steering {
    fn drop(&mut self) {
        self.inbox.stop();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("steering did not end well");
        }
    }
}

fn attach(settings: &XdpSettings, flows_max: u32) -> Result<Offload, StartError> {
    let mode = match settings.mode {
        XdpMode::Driver => Mode::Driver,
        XdpMode::Generic => Mode::Generic,
    };
    let options = Options {
        interfaces: settings.interfaces.clone(),
        mode,
        pins: Some(settings.pins.clone()),
        bindings_max: settings.bindings_max,
        flows_max,
    };

    Ok(Offload::attach(&options)?)
}

/// The sockets of each media address, in the order of their shards.
fn groups<'a>(shards: &[&'a Sockets]) -> Vec<(SocketAddr, Vec<BorrowedFd<'a>>)> {
    let locals = shards.first().into_iter().flat_map(|first| first.locals());
    let group = |local: SocketAddr| {
        let sockets: Option<Vec<_>> = shards.iter().map(|each| each.media_socket(local)).collect();
        sockets.map(|sockets| (local, sockets))
    };

    locals.filter_map(group).collect()
}

/// Reports the thread's end by a panic: the maps would go stale.
struct Watch {
    failed: Failed,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.failed.fail("steering ended by a bug".to_owned());
    }
}

/// A lock that a panic elsewhere leaves usable.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
