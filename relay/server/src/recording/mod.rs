//! Recording: blocks of media logs go from the shards to the disk. One thread writes, by direct
//! I/O, what shards hand it through bounded queues; no shard waits for it.

mod counters;
mod file;
mod lane;
mod log;
mod metrics;
mod writer;

pub(crate) use counters::WriterCounters;
pub(crate) use lane::{Lanes, Recorder};
pub(crate) use metrics::{descriptions, families};

use crate::failure::Failed;
use crate::router::Events;
use lane::Lane;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use writer::Writer;

/// The thread that writes; when this is dropped it writes what is left, and ends.
pub(crate) struct Recording {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    lanes: Arc<Lanes>,
}

impl Recording {
    /// Starts the thread. Logs are directories in `directory`, which is made with the first.
    pub(crate) fn start(
        shards: u16,
        directory: PathBuf,
        events: &Events,
        counters: &Arc<Mutex<WriterCounters>>,
        failed: &Failed,
    ) -> io::Result<Self> {
        let lanes: Vec<_> = (0..shards).map(|_| Arc::new(Lane::new())).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let (events, counters) = (events.clone(), counters.clone());
        let (failed, stopped, taken) = (failed.clone(), stop.clone(), lanes.clone());
        let thread = Builder::new().name("recording".into()).spawn(move || {
            let watch = Watch { failed };
            Writer::new(taken, directory, events, counters, stopped).run();
            std::mem::forget(watch);
        })?;

        let lanes = Arc::new(Lanes { lanes, thread: thread.thread().clone() });

        Ok(Self { stop, thread: Some(thread), lanes })
    }

    /// The shards' ends.
    pub(crate) fn lanes(&self) -> Arc<Lanes> {
        self.lanes.clone()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return };
        thread.thread().unpark();
        if thread.join().is_err() {
            tracing::error!("recording did not end well");
        }
    }
}

/// Reports the thread's end by a panic: nothing would be recorded any more.
struct Watch {
    failed: Failed,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.failed.fail("recording ended by a bug".to_owned());
    }
}
