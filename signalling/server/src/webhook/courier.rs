//! Delivers events: in order within a room, rooms side by side, again until the receiver takes it.

use super::Timing;
use super::journal::Entry;
use super::keeper::Letter;
use super::metrics::WebhookMetrics;
use super::post::Poster;
use crate::hub::now;
use axum::http::StatusCode;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Requests at once.
const REQUESTS_MAX: usize = 16;
/// Refusals after which an event is given up: a receiver that says 4xx will not change its mind.
const REFUSALS_MAX: u32 = 5;

/// What deliveries share.
pub(super) struct Courier {
    poster: Poster,
    timing: Timing,
    slots: Semaphore,
    done: mpsc::Sender<Letter>,
    metrics: WebhookMetrics,
}

/// What came of one attempt.
enum Outcome {
    Taken,
    /// Trying again makes no sense, but a little: somebody may be about to repair it.
    Refused(String),
    /// The receiver is away, or overloaded.
    Again(String),
}

impl Courier {
    pub(super) fn new(
        poster: Poster,
        timing: Timing,
        done: mpsc::Sender<Letter>,
        metrics: WebhookMetrics,
    ) -> Self {
        Self { poster, timing, slots: Semaphore::new(REQUESTS_MAX), done, metrics }
    }

    /// Delivers what comes, until it is dropped.
    pub(super) async fn run(self, mut kept: mpsc::UnboundedReceiver<Entry>) {
        let this = Arc::new(self);
        let mut waiting: HashMap<String, VecDeque<Entry>> = HashMap::new();
        let mut running = JoinSet::new();
        loop {
            tokio::select! {
                entry = kept.recv() => {
                    let Some(entry) = entry else { return };
                    match waiting.get_mut(&entry.room) {
                        Some(queue) => queue.push_back(entry),
                        None => {
                            waiting.insert(entry.room.clone(), VecDeque::new());
                            running.spawn(Arc::clone(&this).deliver(entry));
                        }
                    }
                }
                Some(Ok(room)) = running.join_next() => {
                    match waiting.get_mut(&room).and_then(VecDeque::pop_front) {
                        Some(next) => {
                            running.spawn(Arc::clone(&this).deliver(next));
                        }
                        None => drop(waiting.remove(&room)),
                    }
                }
            }
        }
    }

    /// Delivers one event, or gives it up; the name of its room.
    async fn deliver(self: Arc<Self>, entry: Entry) -> String {
        let (mut refusals, mut pause) = (0, self.timing.first_pause);
        loop {
            let problem = match self.attempt(&entry).await {
                Outcome::Taken => {
                    self.metrics.delivered.inc();
                    break;
                }
                Outcome::Refused(problem) => {
                    refusals += 1;
                    problem
                }
                Outcome::Again(problem) => problem,
            };
            let age_ms = now().unix_ms.saturating_sub(entry.unix_ms);
            if refusals >= REFUSALS_MAX || u128::from(age_ms) > self.timing.give_up.as_millis() {
                self.metrics.failed.inc();
                tracing::error!(id = entry.id, room = ?entry.room, problem, "webhook given up");
                break;
            }
            tracing::debug!(id = entry.id, room = ?entry.room, problem, "webhook delayed");
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(self.timing.longest_pause);
            self.metrics.retries.inc();
        }
        // Without a keeper the server is stopping: the event is sent once more after its start.
        let _ = self.done.send(Letter::Done(entry.number)).await;

        entry.room
    }

    async fn attempt(&self, entry: &Entry) -> Outcome {
        let _slot = self.slots.acquire().await;
        let posted = self.poster.post(entry, now().unix_ms / 1000);
        match timeout(self.timing.attempt, posted).await {
            Err(_) => Outcome::Again("no answer in time".to_owned()),
            Ok(Err(error)) => Outcome::Again(error.to_string()),
            Ok(Ok(status)) if status.is_success() => Outcome::Taken,
            Ok(Ok(status @ (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS))) => {
                Outcome::Again(status.to_string())
            }
            Ok(Ok(status)) if status.is_client_error() || status.is_redirection() => {
                Outcome::Refused(status.to_string())
            }
            Ok(Ok(status)) => Outcome::Again(status.to_string()),
        }
    }
}

/// Between a half and the whole: rooms that failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}
