//! The thread that writes the journal: an event is passed on when it is on the disk.

use super::journal::{Entry, Journal, Record};
use super::metrics::WebhookMetrics;
use signalling_switchboard::RoomEvent;
use tokio::sync::{mpsc, oneshot};

/// Events that may wait for their delivery, and their bytes.
const PENDING_MAX: usize = 10_000;
const PENDING_BYTES_MAX: usize = 64 << 20;
/// Letters that share one write.
const BATCH_MAX: usize = 256;

/// What the keeper is told.
pub(super) enum Letter {
    /// Keep this.
    Keep(RoomEvent),
    /// This one is delivered, or given up.
    Done(u64),
    /// Say when everything before this is on the disk.
    Settled(oneshot::Sender<()>),
}

/// Runs until nobody can write letters any more.
pub(super) fn run(
    mut journal: Journal,
    mut letters: mpsc::Receiver<Letter>,
    kept: &mpsc::UnboundedSender<Entry>,
    metrics: &WebhookMetrics,
) {
    while let Some(first) = letters.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX {
            let Ok(letter) = letters.try_recv() else { break };
            batch.push(letter);
        }
        settle(&mut journal, batch, kept, metrics);
    }
}

fn settle(
    journal: &mut Journal,
    batch: Vec<Letter>,
    kept: &mpsc::UnboundedSender<Entry>,
    metrics: &WebhookMetrics,
) {
    let (mut records, mut settled) = (Vec::new(), Vec::new());
    let (mut count, mut bytes) = journal.pending();
    for letter in batch {
        match letter {
            Letter::Keep(event) => {
                if count >= PENDING_MAX || bytes + event.body.len() > PENDING_BYTES_MAX {
                    metrics.dropped.inc();
                    continue;
                }
                count += 1;
                bytes += event.body.len();
                records.push(Record::Kept(entry(journal.number(), event)));
            }
            Letter::Done(number) => records.push(Record::Done(number)),
            Letter::Settled(reply) => settled.push(reply),
        }
    }
    if !records.is_empty()
        && let Err(error) = journal.append(&records)
    {
        metrics.disk_errors.inc();
        tracing::error!(%error, "webhooks cannot be kept on the disk: a restart would lose them");
    }
    for record in records {
        match record {
            Record::Kept(entry) => {
                metrics.pending.inc();
                // Without a receiver the server is stopping: the next one finds it on the disk.
                let _ = kept.send(entry);
            }
            Record::Done(_) => metrics.pending.dec(),
        }
    }
    for reply in settled {
        let _ = reply.send(());
    }
}

fn entry(number: u64, event: RoomEvent) -> Entry {
    let RoomEvent { id, room, unix_ms, body } = event;
    Entry { number, room, id, unix_ms, body }
}
