//! The thread that owns the kernel's maps: events in, counters out once a second.

use super::inbox::{Inbox, News, Taken};
use super::record::{self, Clock};
use super::{XdpCounters, lock};
use crate::mailbox::{Letter, Mailbox};
use ebpf_loader::{BindError, Counted, Offload};
use nix::time::{ClockId, clock_gettime};
use relay_shard::{Binding, BindingKey, Event, Offloaded, Path, Standing, Traffic};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often the kernel's counters are read.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// How often a refusal of the kernel's is told in the log.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// A channel that a shard told of.
struct Told {
    shard: u16,
    /// Whether the kernel has it.
    offloaded: bool,
}

/// An allocation that is kept for the next process.
struct Kept {
    /// `None`: of an earlier process, and no shard has told of it yet.
    shard: Option<u16>,
    generation: u32,
    keys: Vec<record::Key>,
}

/// What is known of the maps before the shards tell anything.
pub(super) struct Beginning {
    kept: HashMap<u64, Kept>,
    unreadable: u64,
}

pub(super) struct Worker {
    offload: Offload,
    inbox: Arc<Inbox>,
    mailboxes: Vec<Arc<Mailbox>>,
    counters: Arc<Mutex<XdpCounters>>,
    told: HashMap<BindingKey, Told>,
    kept: HashMap<u64, Kept>,
    /// Shards that have not told everything once.
    silent: HashSet<u16>,
    /// What was relayed, for each shard, until it is told.
    relayed: Vec<Vec<Offloaded>>,
    counts: XdpCounters,
    complained: Option<Instant>,
}

impl Beginning {
    /// Reads what an earlier process left, and removes what nobody can go on with.
    pub(super) fn read(offload: &mut Offload) -> (Vec<Standing>, Self) {
        let clock = clock();
        let found = record::read(offload.records(), &clock);
        found.useless.iter().for_each(|key| offload.erase(key));
        let mut kept = HashMap::new();
        for (standing, generation) in &found.standing {
            let keys = record::write(standing, *generation, &clock);
            let keys = keys.into_iter().map(|(key, _)| key).collect();
            kept.insert(standing.id, Kept { shard: None, generation: *generation, keys });
        }
        let standing = found.standing.into_iter().map(|(standing, _)| standing).collect();

        (standing, Self { kept, unreadable: found.lost as u64 })
    }
}

impl Worker {
    pub(super) fn new(
        offload: Offload,
        beginning: Beginning,
        inbox: Arc<Inbox>,
        mailboxes: Vec<Arc<Mailbox>>,
        counters: Arc<Mutex<XdpCounters>>,
    ) -> Self {
        let Beginning { kept, unreadable } = beginning;
        let interfaces = offload.interfaces().len() as u64;

        Self {
            inbox,
            counters,
            told: HashMap::new(),
            kept,
            silent: (0..mailboxes.len() as u16).collect(),
            relayed: mailboxes.iter().map(|_| Vec::new()).collect(),
            mailboxes,
            counts: XdpCounters { interfaces, unreadable, ..XdpCounters::default() },
            complained: None,
            offload,
        }
    }

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
            if count_at <= Instant::now() {
                count_at = Instant::now() + COUNT_EVERY;
                self.count();
            }
        }
    }

    fn read(&mut self, shard: u16, taken: Taken) {
        if taken.lost {
            self.counts.resyncs += 1;
            tracing::warn!(shard, "steering fell behind: the shard tells everything again");
            if !self.mailboxes[usize::from(shard)].post(Letter::Retell) {
                self.inbox.not_asked(shard);
            }
        }
        for news in taken.news {
            match news {
                News::Event(event) => self.apply(shard, event),
                News::Whole(events) => self.apply_all(shard, events),
            }
        }
    }

    fn apply(&mut self, shard: u16, event: Event) {
        match event {
            Event::ChannelBound(binding) => self.bind(shard, &binding),
            Event::ChannelUnbound(key) => self.unbind(&key),
            Event::AllocationStands(standing) => self.keep(shard, &standing),
            Event::AllocationEnded(id) => self.forget(id),
            Event::Control(_)
            | Event::FlowBound(_)
            | Event::FlowUnbound(_)
            | Event::RelayOpen(_)
            | Event::RelayClose(_)
            | Event::HangUp(_) => {}
        }
    }

    /// Takes everything that a shard has: what is not among it is over.
    fn apply_all(&mut self, shard: u16, events: Vec<Event>) {
        let (mut channels, mut allocations) = (HashSet::new(), HashSet::new());
        for event in &events {
            match event {
                Event::ChannelBound(binding) => _ = channels.insert(binding.key),
                Event::AllocationStands(standing) => _ = allocations.insert(standing.id),
                _ => {}
            }
        }
        let old =
            self.told.iter().filter(|(key, told)| told.shard == shard && !channels.contains(key));
        let old: Vec<BindingKey> = old.map(|(key, _)| *key).collect();
        old.iter().for_each(|key| self.unbind(key));
        let old = self
            .kept
            .iter()
            .filter(|(id, kept)| kept.shard == Some(shard) && !allocations.contains(id));
        let old: Vec<u64> = old.map(|(id, _)| *id).collect();
        old.iter().for_each(|id| self.forget(*id));
        events.into_iter().for_each(|event| self.apply(shard, event));
        if self.silent.remove(&shard) && self.silent.is_empty() {
            self.clean_up();
        }
    }

    /// Once all shards have told what they have: nobody goes on with the rest.
    fn clean_up(&mut self) {
        let nobodys = self.offload.keys().filter(|key| !self.told.contains_key(&ours(key)));
        let nobodys: Vec<_> = nobodys.collect();
        for key in &nobodys {
            self.offload.unbind(key);
        }
        let lost: Vec<u64> =
            self.kept.iter().filter(|(_, kept)| kept.shard.is_none()).map(|(id, _)| *id).collect();
        lost.iter().for_each(|id| self.forget(*id));
        tracing::info!(
            allocations = self.kept.len(),
            ended = lost.len(),
            channels = self.told.len(),
            unbound = nobodys.len(),
            "steering knows what stands"
        );
    }

    fn bind(&mut self, shard: u16, binding: &Binding) {
        let bound = self.offload.bind(&ebpf_loader::Binding {
            key: theirs(&binding.key),
            relayed: binding.relayed,
            peer: binding.peer,
            inside: binding.inside,
            allocation: binding.allocation,
            bandwidth_bps: binding.bandwidth_bps,
            expires: binding.expires,
        });
        let offloaded = bound.is_ok();
        if let Err(error) = bound {
            self.complain(&error);
        }
        self.told.insert(binding.key, Told { shard, offloaded });
    }

    fn unbind(&mut self, key: &BindingKey) {
        let Some(told) = self.told.remove(key) else { return };
        if let Some(counted) = self.offload.unbind(&theirs(key)) {
            self.note(told.shard, *key, &counted);
        }
    }

    fn keep(&mut self, shard: u16, standing: &Standing) {
        let former = self.kept.remove(&standing.id);
        let generation = former.as_ref().map_or(1, |kept| kept.generation.wrapping_add(1).max(1));
        let records = record::write(standing, generation, &clock());
        let mut keys = Vec::new();
        for (key, record) in &records {
            if let Err(error) = self.offload.store(key, record) {
                self.complain(&error);
                // The head that stands is the former one's, if there is one.
                keys.iter().for_each(|key| self.offload.erase(key));
                self.kept.extend(former.map(|kept| (standing.id, kept)));
                return;
            }
            keys.push(*key);
        }
        let old = former.map(|kept| kept.keys).unwrap_or_default();
        old.iter().filter(|key| !keys.contains(key)).for_each(|key| self.offload.erase(key));
        self.kept.insert(standing.id, Kept { shard: Some(shard), generation, keys });
    }

    /// The head goes first: pages without one are nobody's.
    fn forget(&mut self, id: u64) {
        let Some(kept) = self.kept.remove(&id) else { return };
        kept.keys.iter().rev().for_each(|key| self.offload.erase(key));
    }

    /// Reads the kernel's counters, and tells shards and metrics.
    fn count(&mut self) {
        let Self { offload, told, relayed, counts, .. } = self;
        let read = offload.counters(|key, counted| {
            let key = ours(&key);
            counts.relayed(&counted);
            if let Some(told) = told.get(&key) {
                relayed[usize::from(told.shard)].push(offloaded(key, &counted));
            }
        });
        if let Err(error) = read {
            self.complain(&BindError::Kernel(error));
        }
        for (mailbox, relayed) in self.mailboxes.iter().zip(&mut self.relayed) {
            if !relayed.is_empty() {
                // A shard that does not read its letters has other worries.
                let _ = mailbox.post(Letter::Offloaded(std::mem::take(relayed)));
            }
        }
        if let Ok(outcomes) = self.offload.outcomes() {
            self.counts.outcomes = outcomes;
        }
        self.counts.bindings = self.told.values().filter(|told| told.offloaded).count() as u64;
        self.counts.missed = self.told.len() as u64 - self.counts.bindings;
        lock(&self.counters).clone_from(&self.counts);
    }

    fn note(&mut self, shard: u16, key: BindingKey, counted: &Counted) {
        if !counted.is_zero() {
            self.counts.relayed(counted);
            self.relayed[usize::from(shard)].push(offloaded(key, counted));
        }
    }

    fn complain(&mut self, error: &BindError) {
        self.counts.refuse(error);
        if self.complained.is_none_or(|last| last.elapsed() >= COMPLAIN_EVERY) {
            self.complained = Some(Instant::now());
            tracing::warn!(%error, "the kernel does not relay everything: raise xdp.bindings_max?");
        }
    }
}

fn offloaded(key: BindingKey, counted: &Counted) -> Offloaded {
    let traffic = |of: &ebpf_loader::Traffic| Traffic { packets: of.packets, bytes: of.bytes };

    Offloaded { key, sent: traffic(&counted.up), received: traffic(&counted.down) }
}

fn theirs(key: &BindingKey) -> ebpf_loader::BindingKey {
    let BindingKey { client, number } = *key;

    ebpf_loader::BindingKey { client: client.remote, server: client.local, channel: number }
}

fn ours(key: &ebpf_loader::BindingKey) -> BindingKey {
    BindingKey { client: Path::udp(key.server, key.client), number: key.channel }
}

/// The kernel's monotonic clock, which another process sees alike.
fn clock() -> Clock {
    let at = Instant::now();
    let nanos = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| Duration::from(time).as_nanos() as u64);

    Clock::new(at, nanos)
}
