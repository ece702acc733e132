//! The recorder's work: it looks for logs that are over, and makes their files, one at a time.

use crate::job::{self, Outcome};
use crate::metrics::RecorderCollector;
use crate::shelf::{Entry, Shelf, State};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, SystemTime};

/// How often the shelf is looked at when nobody says that there is something.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often a worker is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(100);

/// The process that works on a recording: it calls `work`, and ends with success if that did.
pub type Worker = Box<dyn Fn(&Entry) -> Command + Send>;

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
    /// Starts it on this shelf. Decoders may crash, whatever is done about it: each recording is
    /// worked on in a process of its own.
    pub fn start(shelf: Shelf, worker: Worker) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = Builder::new().name("recorder".into()).spawn(move || {
            while !of_thread.is_stopped() {
                if let Err(error) = of_thread.look(&shelf, &worker) {
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

/// Makes the files of one recording, in this process. `Ok(None)`: another recorder has it.
pub fn work(entry: &Entry) -> io::Result<Option<Outcome>> {
    let Some(claim) = entry.claim()? else { return Ok(None) };
    match job::run(&claim) {
        Ok(outcome) => {
            let (files, notes) = (outcome.tracks.len(), &outcome.notes);
            tracing::info!(recording = entry.name, files, ?notes, "recorded");
            Ok(Some(outcome))
        }
        Err(error) => {
            let attempts = claim.fail(&error.to_string(), SystemTime::now())?.attempts;
            tracing::error!(recording = entry.name, attempts, "no files: {error}");
            Err(io::Error::other(error))
        }
    }
}

impl Shared {
    /// Has all that is due worked on.
    fn look(&self, shelf: &Shelf, worker: &Worker) -> io::Result<()> {
        let now = SystemTime::now();
        for entry in shelf.entries(now)?.iter().filter(|entry| entry.is_due(now)) {
            tracing::info!(recording = entry.name, "making files");
            let Some(status) = self.watch(worker(entry))? else { return Ok(()) };
            self.note(entry, status)?;
        }
        let entries = shelf.entries(SystemTime::now())?;
        let count = |is: fn(&State) -> bool| entries.iter().filter(|e| is(&e.state)).count() as u64;
        let mut counters = lock(&self.counters);
        counters.waiting = count(|state| matches!(state, State::Waiting(_)));
        counters.dead = count(|state| matches!(state, State::Dead(_)));

        Ok(())
    }

    /// Runs a worker to its end; `None` when it was killed since the recorder is to end.
    fn watch(&self, mut worker: Command) -> io::Result<Option<ExitStatus>> {
        let mut worker = worker.spawn()?;
        loop {
            if let Some(status) = worker.try_wait()? {
                return Ok(Some(status));
            }
            if self.is_stopped() {
                worker.kill()?;
                worker.wait()?;
                return Ok(None);
            }
            std::thread::sleep(WATCH_EVERY);
        }
    }

    /// Counts what a worker did; one that was killed could not note its failure itself.
    fn note(&self, entry: &Entry, status: ExitStatus) -> io::Result<()> {
        if let Some(signal) = status.signal()
            && let Some(claim) = entry.claim()?
        {
            let reason = format!("its worker was killed by signal {signal}");
            claim.fail(&reason, SystemTime::now())?;
            tracing::error!(recording = entry.name, "{reason}");
        }
        let mut counters = lock(&self.counters);
        match entry.result::<Outcome>() {
            Ok(outcome) if status.success() => {
                counters.done += 1;
                counters.files += outcome.tracks.len() as u64;
            }
            _ => counters.failed += 1,
        }

        Ok(())
    }

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
