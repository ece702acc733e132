//! The thread that writes media logs: takes what shards logged, and has all logs written at once.

use super::counters::WriterCounters;
use super::lane::Lane;
use super::log::{Done, Log};
use crate::router::Events;
use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};
use relay_shard::Logged;
use relay_wire::control::{Event, Message, RecordingNews};
use relay_wire::medialog::LogId;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest sleep while nothing is logged.
const SLEEP_MAX: Duration = Duration::from_secs(60);

pub(super) struct Writer {
    lanes: Vec<Arc<Lane>>,
    directory: PathBuf,
    events: Events,
    counters: Arc<Mutex<WriterCounters>>,
    stop: Arc<AtomicBool>,
    logs: HashMap<LogId, Log>,
    /// Made with the first log: it locks memory.
    executor: Option<LocalExecutor>,
}

impl Writer {
    pub(super) fn new(
        lanes: Vec<Arc<Lane>>,
        directory: PathBuf,
        events: Events,
        counters: Arc<Mutex<WriterCounters>>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self { lanes, directory, events, counters, stop, logs: HashMap::new(), executor: None }
    }

    /// Runs until it is stopped; then it writes what is left.
    pub(super) fn run(mut self) {
        loop {
            // What was logged before the stop is taken after this.
            let stopping = self.stop.load(Ordering::Acquire);
            let taken = self.take();
            if stopping {
                self.logs.values_mut().for_each(|log| log.ends = true);
            }
            let now = Instant::now();
            let (due, rest) =
                std::mem::take(&mut self.logs).into_iter().partition(|(_, log)| log.is_due(now));
            self.logs = rest;
            self.work(due);
            if stopping {
                return;
            }
            if !taken {
                std::thread::park_timeout(self.patience());
            }
        }
    }

    /// Time until something is to be done even if nothing comes.
    fn patience(&self) -> Duration {
        let next = self.logs.values().filter_map(Log::sync_at).min();

        next.map_or(SLEEP_MAX, |at| at.saturating_duration_since(Instant::now()))
    }

    /// Takes what the shards logged; returns whether there was something.
    fn take(&mut self) -> bool {
        let mut taken = false;
        for (shard, lane) in self.lanes.iter().enumerate() {
            while let Some(logged) = lane.take() {
                taken = true;
                match logged {
                    Logged::Opened { room, log, name } => {
                        let directory = self.directory.join(name);
                        self.logs.insert(log, Log::new(room, log, shard, directory));
                    }
                    Logged::Block(block) => {
                        if let Some(log) = self.logs.get_mut(&block.log) {
                            log.push(block);
                        }
                    }
                    Logged::Closed(log) => {
                        if let Some(log) = self.logs.get_mut(&log) {
                            log.ends = true;
                        }
                    }
                }
            }
        }

        taken
    }

    /// Has these logs written, all at once; those that go on are kept.
    fn work(&mut self, due: HashMap<LogId, Log>) {
        if due.is_empty() {
            return;
        }
        let executor = match self.executor.take().map_or_else(executor, Ok) {
            Ok(executor) => executor,
            Err(reason) => return self.give_up(due, &reason),
        };
        let worked = executor.run(async move {
            let tasks: Vec<_> = due
                .into_values()
                .map(|mut log| {
                    glommio::spawn_local(async move {
                        let done = log.work().await;
                        (log, done)
                    })
                })
                .collect();
            let mut worked = Vec::with_capacity(tasks.len());
            for task in tasks {
                worked.push(task.await);
            }

            worked
        });
        self.executor = Some(executor);
        for (log, done) in worked {
            self.settle(log, done);
        }
    }

    /// Gives memory back, counts, and tells signalling what it should know.
    fn settle(&mut self, log: Log, mut done: Done) {
        for returned in done.returned {
            self.lanes[log.shard].give_back(returned);
        }
        if let Some(reason) = done.refused {
            self.tell(&log, RecordingNews::Failed { reason });
        }
        if log.ends {
            done.counters.failed += u64::from(!log.is_whole());
            if log.is_whole() {
                self.tell(&log, RecordingNews::Ended);
            }
        } else {
            self.logs.insert(log.id, log);
        }
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.add(&done.counters);
        counters.open = self.logs.len() as u64;
    }

    /// Gives back what cannot be written without an executor; the next round tries again.
    fn give_up(&mut self, due: HashMap<LogId, Log>, reason: &str) {
        for mut log in due.into_values() {
            let done = log.refuse_all(reason);
            self.settle(log, done);
        }
    }

    fn tell(&self, log: &Log, news: RecordingNews) {
        (self.events)(Message::Event(Event::Recording(log.room, log.id, news)));
    }
}

fn executor() -> Result<LocalExecutor, String> {
    LocalExecutorBuilder::new(Placement::Unbound)
        .name("recording")
        .make()
        .map_err(|error| format!("no executor for recordings: {error}"))
}
