//! A media log on the disk: a directory of files, one after another.

use super::counters::WriterCounters;
use super::file::File;
use super::lane::Returned;
use relay_shard::LoggedBlock;
use relay_wire::control::RoomId;
use relay_wire::medialog::LogId;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes of a file.
const FILE_BYTES: u64 = 256 << 20;
/// What was written is brought to the disk this often.
const SYNC_EVERY: Duration = Duration::from_secs(1);
/// A lock on this file is held as long as the log is written, and goes with the process: recorders
/// see by it that the log is not over (`relay_recorder::shelf::WRITING`).
const WRITING: &str = "writing";

/// What came of a round of work.
#[derive(Default)]
pub(super) struct Done {
    /// Memory to give back.
    pub(super) returned: Vec<Returned>,
    /// What the system said to the first block that it refused, after some that it took.
    pub(super) refused: Option<String>,
    pub(super) counters: WriterCounters,
}

/// An open log.
pub(super) struct Log {
    pub(super) room: RoomId,
    pub(super) id: LogId,
    /// The shard that records.
    pub(super) shard: usize,
    /// Whether nothing more comes.
    pub(super) ends: bool,
    directory: PathBuf,
    blocks: VecDeque<LoggedBlock>,
    file: Option<File>,
    files: u32,
    lock: Option<std::fs::File>,
    /// The last block was refused.
    refused: bool,
    /// Since when something is written that may not be on the disk.
    unsynced: Option<Instant>,
}

impl Log {
    pub(super) fn new(room: RoomId, id: LogId, shard: usize, directory: PathBuf) -> Self {
        Self {
            room,
            id,
            shard,
            ends: false,
            directory,
            blocks: VecDeque::new(),
            file: None,
            files: 0,
            lock: None,
            refused: false,
            unsynced: None,
        }
    }

    pub(super) fn push(&mut self, block: LoggedBlock) {
        self.blocks.push_back(block);
    }

    /// Whether there is something to do now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.blocks.is_empty() || self.ends || self.sync_at().is_some_and(|at| at <= now)
    }

    /// When files are next brought to the disk.
    pub(super) fn sync_at(&self) -> Option<Instant> {
        self.unsynced.map(|since| since + SYNC_EVERY)
    }

    /// Whether all of it is on the disk, the last block too.
    pub(super) fn is_whole(&self) -> bool {
        !self.refused && self.files > 0
    }

    /// Writes what waits, brings it to the disk when it is time, and closes what has ended.
    pub(super) async fn work(&mut self) -> Done {
        let mut done = Done::default();
        while let Some(mut block) = self.blocks.pop_front() {
            let begun = Instant::now();
            let unwritten = match self.write(block.block.seal()).await {
                Ok(bytes) => {
                    self.refused = false;
                    self.unsynced.get_or_insert(begun);
                    done.counters.bytes += bytes;
                    done.counters.writes += 1;
                    done.counters.write_seconds += begun.elapsed().as_secs_f64();
                    None
                }
                Err(error) => {
                    self.refuse(&error, &mut done);
                    Some(block.unwritten())
                }
            };
            done.returned.push(Returned { memory: block.block.into_bytes(), unwritten });
        }
        if self.ends {
            self.close(&mut done).await;
        } else if self.sync_at().is_some_and(|at| at <= Instant::now()) {
            self.sync(&mut done).await;
        }

        done
    }

    /// Refuses what waits: it cannot be written at all.
    pub(super) fn refuse_all(&mut self, reason: &str) -> Done {
        let mut done = Done::default();
        for block in std::mem::take(&mut self.blocks) {
            self.refuse(&io::Error::other(reason), &mut done);
            let unwritten = Some(block.unwritten());
            done.returned.push(Returned { memory: block.block.into_bytes(), unwritten });
        }

        done
    }

    async fn write(&mut self, block: &[u8]) -> io::Result<u64> {
        let len = block.len() as u64;
        if self.file.as_ref().is_some_and(|file| file.len() + len > FILE_BYTES)
            && let Some(full) = self.file.take()
        {
            full.close().await?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                if self.lock.is_none() {
                    self.lock = Some(lock(&self.directory)?);
                }
                let file = create(&self.directory, self.files).await?;
                self.files += 1;
                self.file.insert(file)
            }
        };
        file.append(block).await?;

        Ok(len)
    }

    async fn sync(&mut self, done: &mut Done) {
        let Some(file) = &self.file else { return };
        let begun = Instant::now();
        self.unsynced = None;
        match file.sync().await {
            Ok(()) => {
                done.counters.syncs += 1;
                done.counters.sync_seconds += begun.elapsed().as_secs_f64();
            }
            Err(error) => self.refuse(&error, done),
        }
    }

    async fn close(&mut self, done: &mut Done) {
        self.unsynced = None;
        let Some(file) = self.file.take() else { return };
        if let Err(error) = file.close().await {
            self.refuse(&error, done);
        }
    }

    fn refuse(&mut self, error: &io::Error, done: &mut Done) {
        done.counters.refused += 1;
        if !std::mem::replace(&mut self.refused, true) {
            let directory = self.directory.display();
            tracing::error!(%directory, %error, "a recording cannot be written");
            done.refused.get_or_insert(error.to_string());
        }
    }
}

/// Makes a log's directory, and says in it that the log is being written.
fn lock(directory: &Path) -> io::Result<std::fs::File> {
    std::fs::create_dir_all(directory)?;
    let lock = std::fs::File::create(directory.join(WRITING))?;
    lock.lock()?;

    Ok(lock)
}

/// Makes a log's next file; it is found again after a power failure.
async fn create(directory: &Path, number: u32) -> io::Result<File> {
    let file = File::create(&directory.join(format!("{number:05}.mlog"))).await?;
    std::fs::File::open(directory)?.sync_all()?;
    if let Some(parent) = directory.parent() {
        std::fs::File::open(parent)?.sync_all()?;
    }

    Ok(file)
}
