//! The thread that owns the kernel's maps: events in, counters out once a second.

use super::flows::Flows;
use super::inbox::{Inbox, News, Taken};
use super::offloading::Offloading;
use super::{Counters, lock};
use crate::mailbox::{Letter, Mailbox};
use relay_shard::Event;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often the kernel's counters are read.
const COUNT_EVERY: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    pub(super) offloading: Option<Offloading>,
    pub(super) flows: Flows,
    pub(super) inbox: Arc<Inbox>,
    pub(super) mailboxes: Vec<Arc<Mailbox>>,
    pub(super) counters: Arc<Mutex<Counters>>,
    /// Times that a shard had to tell everything again.
    pub(super) resyncs: u64,
}

impl Worker {
    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        let mut count_at = Instant::now() + COUNT_EVERY;
        loop {
            let goes_on = self.inbox.wait(count_at.saturating_duration_since(Instant::now()));
            for shard in 0..self.mailboxes.len() as u16 {
                let taken = self.inbox.take(shard);
                self.read(shard, taken);
            }
            if !goes_on {
                return;
            }
            let now = Instant::now();
            if count_at <= now {
                count_at = now + COUNT_EVERY;
                self.count(now);
            }
        }
    }

    fn read(&mut self, shard: u16, taken: Taken) {
        if taken.lost {
            self.resyncs += 1;
            tracing::warn!(shard, "steering fell behind: the shard tells everything again");
            if !self.mailboxes[usize::from(shard)].post(Letter::Retell) {
                self.inbox.not_asked(shard);
            }
        }
        for news in taken.news {
            match news {
                News::Event(event) => self.apply(shard, &event),
                News::Whole(events) => self.apply_all(shard, &events),
            }
        }
    }

    fn apply(&mut self, shard: u16, event: &Event) {
        self.flows.apply(shard, event, self.offloading.as_mut().map(Offloading::offload));
        if let Some(offloading) = &mut self.offloading {
            offloading.apply(shard, event);
        }
    }

    /// Takes everything that a shard has: what is not among it is over.
    fn apply_all(&mut self, shard: u16, events: &[Event]) {
        self.flows.retain(shard, events, self.offloading.as_mut().map(Offloading::offload));
        if let Some(offloading) = &mut self.offloading {
            offloading.retain(shard, events);
        }
        events.iter().for_each(|event| self.apply(shard, event));
        if let Some(offloading) = &mut self.offloading {
            offloading.heard(shard);
        }
    }

    /// Reads the kernel's counters, and tells shards and metrics.
    fn count(&mut self, now: Instant) {
        let Self { offloading, flows, mailboxes, .. } = self;
        if let Some(offloading) = offloading {
            offloading.count(now);
            for (shard, relayed) in offloading.relayed() {
                // A shard that does not read its letters has other worries.
                let _ = mailboxes[shard].post(Letter::Offloaded(relayed));
            }
        }
        flows.count(offloading.as_mut().map(Offloading::offload));
        let xdp = offloading.as_ref().map(|offloading| offloading.counts.clone());
        let mut counters = lock(&self.counters);
        counters.xdp = xdp.unwrap_or_default();
        counters.flows.clone_from(&self.flows.counts);
        counters.resyncs = self.resyncs;
    }
}
