//! Webhooks: what happens in rooms, told to the operator's back end in LiveKit's form. Kept on the
//! disk until they are delivered, so each comes at least once.

mod courier;
mod journal;
mod keeper;
mod metrics;
mod post;
mod url;

use crate::{Config, StartError};
use courier::Courier;
use journal::{Entry, Journal};
use keeper::Letter;
pub(crate) use metrics::WebhookMetrics;
use post::Poster;
use signalling_switchboard::RoomEvent;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
pub use url::WebhookUrl;

/// Letters that wait for the disk.
const LETTERS_MAX: usize = 8_192;
/// How often a stop looks whether everything is delivered.
const STOP_LOOK: Duration = Duration::from_millis(10);

/// Where webhooks go, and who signs them.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The receiver (`webhook.url`).
    pub url: WebhookUrl,
    /// The API key that signs (`webhook.key`).
    pub key: String,
    /// Certificates that an HTTPS receiver's is signed by, PEM (`webhook.ca`); `None`: the
    /// system's.
    pub ca: Option<PathBuf>,
    /// Times.
    pub timing: Timing,
}

/// Times of deliveries.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Time that one attempt may take.
    pub attempt: Duration,
    /// Pause after an event's first failure; doubled after each further one.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// Age from which an event is given up when it fails.
    pub give_up: Duration,
    /// Time that a graceful stop waits for deliveries.
    pub stop: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(10),
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(60),
            give_up: Duration::from_secs(24 * 3_600),
            stop: Duration::from_secs(1),
        }
    }
}

/// Webhooks whose journal is open; nothing is sent yet.
pub(crate) struct Prepared {
    journal: Journal,
    undelivered: Vec<Entry>,
    poster: Poster,
    timing: Timing,
}

impl Prepared {
    /// Opens the journal and reads certificates; `None` when no receiver is configured.
    pub(crate) fn new(config: &Config) -> Result<Option<Self>, StartError> {
        let Some(webhook) = &config.webhook else { return Ok(None) };
        let Some(secret) = config.keys.get(&webhook.key) else {
            return Err(StartError {
                key: "webhook.key",
                value: webhook.key.clone(),
                problem: "there is no such API key".to_owned(),
                fix: "name one of keys.NAME".to_owned(),
            });
        };
        let poster = Poster::new(webhook, secret)?;
        let fix = "webhooks are kept there: make it writable, or take webhook.url out";
        let (journal, undelivered) = Journal::open(&config.data)
            .map_err(|e| StartError::file("data.directory", &config.data, &e, fix))?;

        Ok(Some(Self { journal, undelivered, poster, timing: webhook.timing }))
    }

    /// Starts to deliver: first what an earlier process left.
    pub(crate) fn start(self, metrics: WebhookMetrics) -> Webhooks {
        let Self { journal, undelivered, poster, timing } = self;
        let (letters, inbox) = mpsc::channel(LETTERS_MAX);
        let (kept, deliveries) = mpsc::unbounded_channel();
        for entry in undelivered {
            metrics.pending.inc();
            // The receiver is in scope.
            let _ = kept.send(entry);
        }
        let courier = Courier::new(poster, timing, letters.clone(), metrics.clone());
        let courier = tokio::spawn(courier.run(deliveries));
        let counted = metrics.clone();
        let keeper = tokio::task::spawn_blocking(move || {
            keeper::run(journal, inbox, &kept, &counted);
        });

        Webhooks { letters, courier, keeper, metrics, timing }
    }
}

/// Running webhooks.
pub(crate) struct Webhooks {
    letters: mpsc::Sender<Letter>,
    courier: JoinHandle<()>,
    keeper: JoinHandle<()>,
    metrics: WebhookMetrics,
    timing: Timing,
}

/// Where the hub puts events.
pub(crate) struct Mouth {
    letters: mpsc::Sender<Letter>,
    metrics: WebhookMetrics,
}

impl Mouth {
    /// Passes an event on; a full queue drops it, counted.
    pub(crate) fn tell(&self, event: RoomEvent) {
        if self.letters.try_send(Letter::Keep(event)).is_err() {
            self.metrics.dropped.inc();
        }
    }
}

impl Webhooks {
    /// A way to tell events; gone before `stop`.
    pub(crate) fn mouth(&self) -> Mouth {
        Mouth { letters: self.letters.clone(), metrics: self.metrics.clone() }
    }

    /// Waits until all that was told is on the disk, and a while for its delivery.
    pub(crate) async fn stop(self) {
        let (reply, settled) = oneshot::channel();
        if self.letters.send(Letter::Settled(reply)).await.is_ok() {
            let _ = settled.await;
        }
        let delivered = async {
            while self.metrics.pending.get() > 0 {
                tokio::time::sleep(STOP_LOOK).await;
            }
        };
        let _ = tokio::time::timeout(self.timing.stop, delivered).await;
        self.courier.abort();
        let _ = self.courier.await;
        drop(self.letters);
        let _ = self.keeper.await;
    }
}
