//! Steering: the kernel relays what the shards say it may, and keeps what stands for the process
//! after this one. One thread owns the kernel's maps; the shards' events are all that feeds them.

mod counters;
mod inbox;
mod metrics;
mod record;
mod worker;

pub(crate) use counters::XdpCounters;
pub(crate) use inbox::Inbox;
pub(crate) use metrics::{descriptions, families};

use crate::StartError;
use crate::failure::Failed;
use crate::mailbox::Mailbox;
use ebpf_loader::{Mode, Offload, Options};
use relay_shard::{Standing, keeper};
use std::io;
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

/// Where an interface runs XDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpMode {
    /// In its driver.
    #[default]
    Driver,
    /// In the stack, for drivers without XDP: slower.
    Generic,
}

/// The kernel's program and maps, attached, and what an earlier process left in them.
pub(crate) struct Prepared {
    offload: Offload,
    standing: Vec<Standing>,
    worker: worker::Beginning,
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
    /// Loads and attaches the program, or takes over what is pinned.
    pub(crate) fn new(settings: &XdpSettings) -> Result<Self, StartError> {
        let mode = match settings.mode {
            XdpMode::Driver => Mode::Driver,
            XdpMode::Generic => Mode::Generic,
        };
        let options = Options {
            interfaces: settings.interfaces.clone(),
            mode,
            pins: Some(settings.pins.clone()),
            bindings_max: settings.bindings_max,
        };
        let mut offload = Offload::attach(&options)?;
        let (standing, worker) = worker::Beginning::read(&mut offload);

        Ok(Self { offload, standing, worker })
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
        counters: Arc<Mutex<XdpCounters>>,
        failed: Failed,
    ) -> io::Result<Steering> {
        let worker = Worker::new(self.offload, self.worker, inbox.clone(), mailboxes, counters);
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
