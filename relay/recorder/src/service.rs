//! The recorder's work: it looks for logs that are over, and makes their files, one at a time.

use crate::job;
use crate::metrics::RecorderCollector;
use crate::shelf::{Shelf, State};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, SystemTime};

/// How often the shelf is looked at when nobody says that there is something.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What the recorder did since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Logs whose files were made.
    pub done: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Files that were written.
    pub files: u64,
    /// Logs that wait now, or whose next attempt is not due yet.
    pub waiting: u64,
    /// Logs now that failed too often.
    pub dead: u64,
}

#[derive(Debug, Default)]
struct Bell {
    rings: bool,
    stop: bool,
}

#[derive(Debug, Default)]
struct Shared {
    bell: Mutex<Bell>,
    heard: Condvar,
    counters: Mutex<Counters>,
}

/// A thread that records; it ends, after the log that it is at, when this is dropped.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts it on this shelf.
    pub fn start(shelf: Shelf) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = Builder::new().name("recorder".into()).spawn(move || {
            while !of_thread.is_stopped() {
                if let Err(error) = work(&shelf, &of_thread) {
                    let path = shelf.root().display();
                    tracing::error!("recordings in {path} cannot be worked on: {error}");
                }
                of_thread.wait();
            }
        })?;

        Ok(Self { shared, thread: Some(thread) })
    }

    /// A log may be over: look now.
    pub fn wake(&self) {
        self.shared.ring(|bell| bell.rings = true);
    }

    /// Has it end, and waits for nothing: what it is at is made anew by the next one.
    pub fn leave(mut self) {
        self.shared.ring(|bell| bell.stop = true);
        self.thread = None;
    }

    /// What it did so far.
    pub fn counters(&self) -> Counters {
        *lock(&self.shared.counters)
    }

    /// Its metrics.
    pub fn collector(&self) -> RecorderCollector {
        RecorderCollector::new(Watch(Arc::clone(&self.shared)))
    }
}

/// Reads a recorder's counters, also when it has ended.
pub(crate) struct Watch(Arc<Shared>);

impl Watch {
    pub(crate) fn counters(&self) -> Counters {
        *lock(&self.0.counters)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.ring(|bell| bell.stop = true);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was told already.
            let _ = thread.join();
        }
    }
}

/// Works on all logs that are due.
pub fn work_once(shelf: &Shelf) -> io::Result<Counters> {
    let shared = Shared::default();
    work(shelf, &shared)?;
    let counters = *lock(&shared.counters);

    Ok(counters)
}

fn work(shelf: &Shelf, shared: &Shared) -> io::Result<()> {
    let now = SystemTime::now();
    for entry in shelf.entries(now)? {
        if shared.is_stopped() {
            return Ok(());
        }
        if !entry.is_due(now) {
            continue;
        }
        let Some(claim) = entry.claim()? else { continue };
        tracing::info!(recording = entry.name, "making files");
        match job::run(&claim) {
            Ok(outcome) => {
                let files = outcome.tracks.len() as u64;
                tracing::info!(recording = entry.name, files, notes = ?outcome.notes, "recorded");
                let mut counters = lock(&shared.counters);
                counters.done += 1;
                counters.files += files;
            }
            Err(error) => {
                let failures = claim.fail(&error.to_string(), SystemTime::now())?;
                let attempts = failures.attempts;
                tracing::error!(recording = entry.name, attempts, "no files: {error}");
                lock(&shared.counters).failed += 1;
            }
        }
    }
    let entries = shelf.entries(SystemTime::now())?;
    let count = |is: fn(&State) -> bool| entries.iter().filter(|e| is(&e.state)).count() as u64;
    let mut counters = lock(&shared.counters);
    counters.waiting = count(|state| matches!(state, State::Waiting(_)));
    counters.dead = count(|state| matches!(state, State::Dead(_)));

    Ok(())
}

impl Shared {
    fn is_stopped(&self) -> bool {
        lock(&self.bell).stop
    }

    fn ring(&self, change: impl FnOnce(&mut Bell)) {
        change(&mut lock(&self.bell));
        self.heard.notify_one();
    }

    fn wait(&self) {
        let silent = |bell: &mut Bell| !bell.rings && !bell.stop;
        let waited = self.heard.wait_timeout_while(lock(&self.bell), LOOK_EVERY, silent);
        waited.unwrap_or_else(PoisonError::into_inner).0.rings = false;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
