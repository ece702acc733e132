//! The directory of recordings: each log has one of its own in it, and what was made of it beside.
//!
//! The disk is the truth: a log without a result is work, whoever knows of it. Every step leaves
//! files that a recorder which is killed, and started again, goes on from or makes anew.

use crate::log;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The relay holds a lock on this file as long as it writes the log.
pub const WRITING: &str = "writing";
/// A recorder holds a lock on this one as long as it works on it.
const WORKING: &str = "working";
const RESULT: &str = "result.json";
const FAILURES: &str = "failures.json";
/// A log without the relay's lock is over when nothing was written for so long.
const QUIET: Duration = Duration::from_secs(60);
/// Times that a log is tried before somebody must look at it.
pub const ATTEMPTS_MAX: u32 = 8;
/// Wait after the first failure; it doubles with each.
const RETRY: Duration = Duration::from_secs(10);
const RETRY_MAX: Duration = Duration::from_secs(3600);

/// A directory of recordings.
#[derive(Clone, Debug)]
pub struct Shelf {
    root: PathBuf,
}

/// One log and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// The directory's name.
    pub name: String,
    /// Where it stands.
    #[serde(skip)]
    pub path: PathBuf,
    /// What became of it.
    #[serde(flatten)]
    pub state: State,
}

/// What became of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// The relay writes it.
    Recording,
    /// It waits for a recorder, or for the next attempt.
    Waiting(Failures),
    /// A recorder works on it.
    Working,
    /// It failed as often as it may; `millrace recorder retry` tries again.
    Dead(Failures),
    /// Its files are there.
    Done,
}

/// Attempts that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failures {
    /// How many.
    pub attempts: u32,
    /// Why the last one did; empty when there was none.
    pub reason: String,
    /// When the next attempt is due: milliseconds since the Unix epoch.
    pub due_ms: u64,
}

/// A log that nobody else works on until this is dropped.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    // The lock goes with it, also when the process is killed.
    _lock: File,
}

impl Shelf {
    /// The shelf in this directory; it need not be there yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Its directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// All logs, by name.
    pub fn entries(&self, now: SystemTime) -> io::Result<Vec<Entry>> {
        let directory = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            directory => directory?,
        };
        let mut entries = Vec::new();
        for entry in directory {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let name = name.to_owned();
            if let Some(state) = state(&path, now)? {
                entries.push(Entry { name, path, state });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));

        Ok(entries)
    }

    /// The log of this name.
    pub fn entry(&self, name: &str, now: SystemTime) -> io::Result<Entry> {
        let path = self.root.join(name);
        let inside = !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
        let state = if inside { state(&path, now)? } else { None };
        let missing = || {
            let reason = format!("no recording \"{name}\" is in {}", self.root.display());
            io::Error::new(ErrorKind::NotFound, reason)
        };

        Ok(Entry { name: name.to_owned(), path, state: state.ok_or_else(missing)? })
    }
}

impl Entry {
    /// Whether it should be worked on now.
    pub fn is_due(&self, now: SystemTime) -> bool {
        match &self.state {
            State::Waiting(failures) => failures.due_ms <= unix_ms(now),
            State::Recording | State::Working | State::Dead(_) | State::Done => false,
        }
    }

    /// Takes it; `None` when another recorder has it.
    pub fn claim(&self) -> io::Result<Option<Claim>> {
        let lock = File::create(self.path.join(WORKING))?;

        Ok(locked(&lock)?.then(|| Claim { path: self.path.clone(), _lock: lock }))
    }

    /// What was made of it.
    pub fn result<T: serde::de::DeserializeOwned>(&self) -> io::Result<T> {
        let bytes = fs::read(self.path.join(RESULT))?;

        serde_json::from_slice(&bytes).map_err(io::Error::other)
    }
}

impl Claim {
    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// It is done.
    pub fn finish<T: Serialize>(&self, result: &T) -> io::Result<()> {
        replace(&self.path.join(RESULT), result)?;
        remove(&self.path.join(FAILURES))
    }

    /// It failed; it waits for the next attempt, or for somebody who looks.
    pub fn fail(&self, reason: &str, now: SystemTime) -> io::Result<Failures> {
        let attempts = failures(&self.path)?.attempts.saturating_add(1);
        let wait = RETRY.saturating_mul(1 << (attempts - 1).min(16)).min(RETRY_MAX);
        let due_ms = unix_ms(now + wait);
        let failures = Failures { attempts, reason: reason.to_owned(), due_ms };
        replace(&self.path.join(FAILURES), &failures)?;

        Ok(failures)
    }

    /// Forgets what was made of it and how it failed: it is work again.
    pub fn reset(&self) -> io::Result<()> {
        remove(&self.path.join(FAILURES))?;
        remove(&self.path.join(RESULT))
    }
}

/// What became of the log in a directory; `None` when there is none.
fn state(path: &Path, now: SystemTime) -> io::Result<Option<State>> {
    let Some(written) = last_written(path)? else { return Ok(None) };
    if path.join(RESULT).exists() {
        return Ok(Some(State::Done));
    }
    if is_held(&path.join(WORKING))?.unwrap_or(false) {
        return Ok(Some(State::Working));
    }
    let writing = match is_held(&path.join(WRITING))? {
        Some(held) => held,
        None => now.duration_since(written).is_ok_and(|age| age < QUIET),
    };
    if writing {
        return Ok(Some(State::Recording));
    }
    let failures = failures(path)?;

    Ok(Some(match failures.attempts >= ATTEMPTS_MAX {
        true => State::Dead(failures),
        false => State::Waiting(failures),
    }))
}

/// When the newest of a log's files was written; `None` when it has none.
fn last_written(path: &Path) -> io::Result<Option<SystemTime>> {
    if !path.is_dir() {
        return Ok(None);
    }
    let mut newest = None;
    for entry in fs::read_dir(path)? {
        let file = entry?;
        if file.path().extension().is_some_and(|extension| extension == log::EXTENSION) {
            newest = newest.max(Some(file.metadata()?.modified()?));
        }
    }

    Ok(newest)
}

/// Whether somebody holds a lock on a file; `None` when the file is not there.
fn is_held(path: &Path) -> io::Result<Option<bool>> {
    match File::open(path) {
        Ok(file) => Ok(Some(!locked(&file)?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Locks a file until it is closed; false when somebody else has it.
fn locked(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// What failed before. A file that cannot be read counts as none.
fn failures(path: &Path) -> io::Result<Failures> {
    match fs::read(path.join(FAILURES)) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Failures::default()),
        Err(error) => Err(error),
    }
}

/// Writes a file so that it is the old one or the new one, whatever happens.
fn replace<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let partial = path.with_extension("part");
    let mut file = File::create(&partial)?;
    file.write_all(&serde_json::to_vec_pretty(value)?)?;
    file.sync_all()?;
    fs::rename(&partial, path)?;

    sync_directory(path.parent().unwrap_or(path))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn unix_ms(now: SystemTime) -> u64 {
    let unix = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();

    u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)
}
