//! The task that reads what other nodes sent to this one, on a connection of its own.

use super::connect::Line;
use super::keys;
use super::member::{Shared, lock};
use super::messages::Envelope;
use crate::bus::{Event, Link};
use ::redis::{RedisResult, cmd};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long Redis waits for a message before it says that there is none.
const BLOCK: Duration = Duration::from_secs(1);
/// Messages that are taken at once.
const BATCH_MAX: usize = 64;

/// Runs until it is aborted, or nobody hears what it reads.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut link = shared.line.link();
    let mut seen = Seen::default();
    let mut connected_before = false;
    while link.wait_for(|link| *link == Link::Up).await.is_ok() {
        let patience = BLOCK + shared.timings.deadline;
        let connecting = shared.connector.connect(patience);
        let Ok(Ok(line)) = tokio::time::timeout(shared.timings.deadline, connecting).await else {
            tokio::time::sleep(shared.timings.reconnect.0).await;
            continue;
        };
        if std::mem::replace(&mut connected_before, true) {
            // What was taken from the list when the connection broke never came here.
            shared.tell(Event::Gap);
        }
        if !read(&shared, line, &mut seen).await {
            return;
        }
    }
}

/// Reads until the connection breaks; false when nobody listens any more.
async fn read(shared: &Shared, mut line: Line, seen: &mut Seen) -> bool {
    let inbox = keys::inbox(&shared.name, &shared.incarnation);
    let mut take = cmd("BLMPOP");
    take.arg(BLOCK.as_secs()).arg(1).arg(inbox).arg("LEFT").arg("COUNT").arg(BATCH_MAX);
    let patience = BLOCK + shared.timings.deadline;
    loop {
        let taken = tokio::time::timeout(patience, take.query_async(&mut line)).await;
        let taken: RedisResult<Option<(String, Vec<Vec<u8>>)>> = match taken {
            Ok(taken) => taken,
            Err(_) => return true,
        };
        let messages = match taken {
            Ok(taken) => taken.map(|(_, messages)| messages).unwrap_or_default(),
            Err(error) => {
                tracing::debug!(%error, "the inbox cannot be read");
                tokio::time::sleep(shared.timings.reconnect.0).await;
                return true;
            }
        };
        for message in messages {
            if !pass_on(shared, &message, seen).await {
                return false;
            }
        }
    }
}

async fn pass_on(shared: &Shared, message: &[u8], seen: &mut Seen) -> bool {
    let Ok(envelope) = postcard::from_bytes::<Envelope>(message) else {
        shared.tell(Event::Gap);
        return true;
    };
    match seen.judge(&envelope) {
        Verdict::Next => {}
        Verdict::Again => return true,
        Verdict::AfterGap => shared.tell(Event::Gap),
    }
    let Envelope { from, tenant, payload, .. } = envelope;
    let event = match tenant {
        None => Event::Message { from, payload },
        Some(tenant) if !lock(&shared.local).follows.contains(&tenant) => return true,
        Some(tenant) => Event::Published { tenant, from, payload },
    };

    shared.events.send(event).await.is_ok()
}

/// The last number of each node's process.
#[derive(Default)]
struct Seen(HashMap<String, (String, u64)>);

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Next,
    Again,
    AfterGap,
}

impl Seen {
    fn judge(&mut self, envelope: &Envelope) -> Verdict {
        let Envelope { from, incarnation, number, .. } = envelope;
        let before = self.0.get(from).filter(|(of, _)| of == incarnation).map(|(_, last)| *last);
        if before.is_some_and(|last| *number <= last) {
            return Verdict::Again;
        }
        self.0.insert(from.clone(), (incarnation.clone(), *number));

        // Of a process not heard before, what came earlier was for an earlier process of ours.
        if before.is_some_and(|last| *number > last + 1) {
            Verdict::AfterGap
        } else {
            Verdict::Next
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(incarnation: &str, number: u64) -> Envelope {
        let (from, incarnation) = ("a".to_owned(), incarnation.to_owned());
        Envelope { from, incarnation, number, tenant: None, payload: Vec::new() }
    }

    #[test]
    fn nothing_is_taken_twice_and_gaps_are_seen() {
        let mut seen = Seen::default();
        let cases = [
            ("one", 5, Verdict::Next),
            ("one", 6, Verdict::Next),
            ("one", 6, Verdict::Again),
            ("one", 5, Verdict::Again),
            ("one", 8, Verdict::AfterGap),
            ("one", 7, Verdict::Again),
            ("two", 1, Verdict::Next),
            ("two", 2, Verdict::Next),
        ];
        for (incarnation, number, expected) in cases {
            assert_eq!(seen.judge(&envelope(incarnation, number)), expected, "{number}");
        }
    }
}
