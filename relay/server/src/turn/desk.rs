//! Where operators' questions about TURN are put to all shards.

use super::{Books, Surroundings};
use crate::mailbox::{Letter, Mailbox};
use crate::{StartError, TurnSettings};
use relay_shard::{AllocationInfo, Selector, TurnConfig};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// How long shards may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// TURN, for operators.
pub(crate) struct Desk {
    mailboxes: Vec<Arc<Mailbox>>,
    surroundings: Surroundings,
    books: Arc<Books>,
}

impl Desk {
    /// A desk for the shards with these mailboxes, and what they are told of TURN at first.
    pub(crate) fn new(
        mailboxes: Vec<Arc<Mailbox>>,
        surroundings: Surroundings,
        settings: &TurnSettings,
    ) -> Result<(Self, TurnConfig), StartError> {
        let turn = surroundings.config(settings)?;
        let books = Books::new(settings.quotas, surroundings.relayed(&turn));

        Ok((Self { mailboxes, surroundings, books: Arc::new(books) }, turn))
    }

    pub(crate) fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    pub(crate) fn books(&self) -> Arc<Books> {
        self.books.clone()
    }

    /// Tells new settings to all shards.
    pub(crate) fn reconfigure(&self, settings: &TurnSettings) -> Result<(), StartError> {
        let turn = self.surroundings.config(settings)?;
        self.books.set(settings.quotas, self.surroundings.relayed(&turn));
        for mailbox in &self.mailboxes {
            if !mailbox.post(Letter::Reconfigure(Box::new(turn.clone()))) {
                tracing::error!("a shard does not read its letters: it keeps its settings");
            }
        }

        Ok(())
    }

    /// Allocations that match, of all shards, by their numbers.
    pub(crate) fn allocations(&self, which: Option<&Selector>) -> Vec<AllocationInfo> {
        let answers = self.ask(|reply| Letter::Allocations { which: which.cloned(), reply });
        let mut all: Vec<_> = answers.into_iter().flatten().collect();
        all.sort_unstable_by_key(|allocation| allocation.id);

        all
    }

    /// Ends the allocations that match; returns how many.
    pub(crate) fn kick(&self, which: &Selector) -> usize {
        self.ask(|reply| Letter::Kick { which: which.clone(), reply }).into_iter().sum()
    }

    /// What the shards answer in time.
    fn ask<T>(&self, letter: impl Fn(Sender<T>) -> Letter) -> Vec<T> {
        let (reply, answers) = channel();
        for mailbox in &self.mailboxes {
            // A letter that is not taken is dropped, and nothing waits for its answer.
            let _ = mailbox.post(letter(reply.clone()));
        }
        drop(reply);
        let answers = gather(&answers, Instant::now() + ANSWER_WITHIN);
        if answers.len() < self.mailboxes.len() {
            tracing::error!(
                shards = self.mailboxes.len(),
                answered = answers.len(),
                "not all shards tell about their allocations"
            );
        }

        answers
    }
}

fn gather<T>(answers: &Receiver<T>, deadline: Instant) -> Vec<T> {
    let next = || answers.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();

    std::iter::from_fn(next).collect()
}
