//! What lasts: settings, notices and jobs, in memory and in a file that is read at the start.

use super::clock::Clock;
use super::jobs::KeptJob;
use crate::users::{Notice, Settings, User};
use crate::{Error, Log};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Bytes that are kept in all.
const KEPT_BYTES_MAX: usize = 64 << 20;

/// What a value is kept under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Key {
    /// What a user has set.
    Settings(User),
    /// What is held for a user.
    Notices(User),
    /// A job: its queue and key.
    Job(String, String),
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Value {
    /// See `Key::Settings`.
    Settings(Settings),
    /// See `Key::Notices`.
    Notices(Vec<Notice>),
    /// See `Key::Job`.
    Job(KeptJob),
}

pub(super) type Map = BTreeMap<Key, Value>;
/// A value, or the end of one.
pub(super) type Put = (Key, Option<Value>);

/// Shared by the nodes of a process.
#[derive(Clone)]
pub(super) struct Store {
    shared: Arc<Shared>,
    clock: Clock,
}

struct Shared {
    map: RwLock<Map>,
    /// Held while something changes, so that changes follow each other in the file as in the map.
    file: Mutex<File>,
}

struct File {
    log: Option<Log>,
    /// Encoded bytes of each value, and of all.
    sizes: BTreeMap<Key, usize>,
    bytes: usize,
}

impl Store {
    pub(super) fn open(directory: Option<&Path>, clock: Clock) -> io::Result<Self> {
        let opened = directory.map(|directory| Log::open(directory, "bus")).transpose()?;
        let (log, records) = opened.unzip();
        let mut map = Map::new();
        let mut file = File { log, sizes: BTreeMap::new(), bytes: 0 };
        for record in records.unwrap_or_default() {
            let (key, value): Put = postcard::from_bytes(&record)
                .map_err(|e| io::Error::other(format!("bus.journal is of another version: {e}")))?;
            file.note(&key, value.as_ref().map_or(0, |_| record.len()));
            put(&mut map, key, value);
        }
        let shared = Shared { map: RwLock::new(map), file: Mutex::new(file) };

        Ok(Self { shared: Arc::new(shared), clock })
    }

    pub(super) fn unix_ms(&self) -> u64 {
        self.clock.unix_ms()
    }

    /// Reads; never waits for the disk.
    pub(super) fn read<R>(&self, read: impl FnOnce(&Map) -> R) -> R {
        read(&self.shared.map.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes what `change` says, given the map and the time; it is on the disk when this
    /// returns. Carried out as a whole, whatever becomes of the future.
    pub(super) async fn update<R: Send + 'static>(
        &self,
        change: impl FnOnce(&Map, u64) -> Result<(R, Vec<Put>), Error> + Send + 'static,
    ) -> Result<R, Error> {
        let store = self.clone();
        let blocking = tokio::task::spawn_blocking(move || store.update_now(change));

        blocking.await.unwrap_or_else(|e| Err(Error::Disk(e.to_string())))
    }

    fn update_now<R>(
        &self,
        change: impl FnOnce(&Map, u64) -> Result<(R, Vec<Put>), Error>,
    ) -> Result<R, Error> {
        let mut file = self.shared.file.lock().unwrap_or_else(PoisonError::into_inner);
        let (result, puts) = self.read(|map| change(map, self.unix_ms()))?;
        if puts.is_empty() {
            return Ok(result);
        }
        let records: Vec<Vec<u8>> = puts.iter().map(encode).collect::<Result<_, _>>()?;
        let added: usize = records.iter().map(Vec::len).sum();
        let grows = puts.iter().any(|(_, value)| value.is_some());
        if grows && file.bytes + added > KEPT_BYTES_MAX {
            return Err(Error::Full("what is kept"));
        }
        file.append(&records)?;
        for ((key, value), record) in puts.iter().zip(&records) {
            file.note(key, value.as_ref().map_or(0, |_| record.len()));
        }
        let mut map = self.shared.map.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in puts {
            put(&mut map, key, value);
        }
        let needed = file.bytes;
        if let Some(log) = file.log.as_mut().filter(|log| log.is_worth_rewriting(needed)) {
            rewrite(log, &map);
        }

        Ok(result)
    }
}

impl File {
    fn append(&mut self, records: &[Vec<u8>]) -> Result<(), Error> {
        let Some(log) = &mut self.log else { return Ok(()) };

        log.append(records).map_err(|e| Error::Disk(e.to_string()))
    }

    fn note(&mut self, key: &Key, bytes: usize) {
        self.bytes -= self.sizes.remove(key).unwrap_or(0);
        if bytes > 0 {
            self.bytes += bytes;
            self.sizes.insert(key.clone(), bytes);
        }
    }
}

/// The file anew; should that fail, the old one is whole and goes on.
fn rewrite(log: &mut Log, map: &Map) {
    let records = map.iter().map(|(key, value)| encode(&(key.clone(), Some(value.clone()))));
    let rewritten = match records.collect::<Result<Vec<_>, _>>() {
        Ok(records) => log.rewrite(&records).map_err(|e| Error::Disk(e.to_string())),
        Err(error) => Err(error),
    };
    if let Err(error) = rewritten {
        tracing::warn!(%error, "bus.journal could not be written anew, and stays long");
    }
}

fn put(map: &mut Map, key: Key, value: Option<Value>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

fn encode(put: &Put) -> Result<Vec<u8>, Error> {
    postcard::to_allocvec(put).map_err(|e| Error::Disk(e.to_string()))
}
