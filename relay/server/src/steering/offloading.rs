//! What the kernel relays: channels that the shards told of, and allocations that are kept for the
//! next process.

use super::XdpCounters;
use super::record::{self, Clock};
use ebpf_loader::{BindError, Counted, Offload, REFRESH_EVERY};
use nix::time::{ClockId, clock_gettime};
use relay_shard::{Binding, BindingKey, Event, Offloaded, Path, Standing, Traffic};
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How often a refusal of the kernel's is told in the log.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Channels that are offered again each second to maps that were full.
const RETRIES: usize = 64;

/// A channel that a shard told of.
struct Told {
    shard: u16,
    /// What the kernel has not, though it should.
    missed: Option<Box<Binding>>,
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

/// The kernel's maps of what it relays, and who told what of it.
pub(super) struct Offloading {
    offload: Offload,
    told: HashMap<BindingKey, Told>,
    kept: HashMap<u64, Kept>,
    /// Shards that have not told everything once.
    silent: HashSet<u16>,
    /// What was relayed, for each shard, until it is told.
    relayed: Vec<Vec<Offloaded>>,
    pub(super) counts: XdpCounters,
    complained: Option<Instant>,
    /// When neighbours are refreshed next.
    refresh_at: Instant,
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

impl Offloading {
    pub(super) fn new(offload: Offload, beginning: Beginning, shards: u16) -> Self {
        let Beginning { kept, unreadable } = beginning;
        let interfaces = offload.interfaces().len() as u64;

        Self {
            offload,
            told: HashMap::new(),
            kept,
            silent: (0..shards).collect(),
            relayed: (0..shards).map(|_| Vec::new()).collect(),
            counts: XdpCounters { interfaces, unreadable, ..XdpCounters::default() },
            complained: None,
            refresh_at: Instant::now() + REFRESH_EVERY,
        }
    }

    /// The program's maps, for what is brought to CPUs by it.
    pub(super) fn offload(&mut self) -> &mut Offload {
        &mut self.offload
    }

    /// Follows what a shard told.
    pub(super) fn apply(&mut self, shard: u16, event: &Event) {
        match event {
            Event::ChannelBound(binding) => self.bind(shard, binding),
            Event::ChannelUnbound(key) => self.unbind(key),
            Event::AllocationStands(standing) => self.keep(shard, standing),
            Event::AllocationEnded(id) => self.forget(*id),
            Event::Control(_)
            | Event::FlowBound(_)
            | Event::FlowUnbound(_)
            | Event::RelayOpen(_)
            | Event::RelayClose(_)
            | Event::HangUp(_) => {}
        }
    }

    /// Ends what is not among everything that a shard has.
    pub(super) fn retain(&mut self, shard: u16, all: &[Event]) {
        let (mut channels, mut allocations) = (HashSet::new(), HashSet::new());
        for event in all {
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
    }

    /// A shard has told everything. Once all have, nobody goes on with the rest.
    pub(super) fn heard(&mut self, shard: u16) {
        if !self.silent.remove(&shard) || !self.silent.is_empty() {
            return;
        }
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

    /// Reads the kernel's counters; refreshes neighbours when it is time.
    pub(super) fn count(&mut self, now: Instant) {
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
        if self.refresh_at <= now {
            self.refresh_at = now + REFRESH_EVERY;
            if let Err(error) = self.offload.refresh_neighbours() {
                tracing::warn!(%error, "neighbours are not refreshed");
            }
        }
        self.retry();
        if let Ok(outcomes) = self.offload.outcomes() {
            self.counts.outcomes = outcomes;
        }
        self.counts.missed = self.missed().count() as u64;
        self.counts.bindings = self.told.len() as u64 - self.counts.missed;
    }

    /// What was relayed since this was asked last, for each shard that has to be told.
    pub(super) fn relayed(&mut self) -> impl Iterator<Item = (usize, Vec<Offloaded>)> {
        let all = self.relayed.iter_mut().map(std::mem::take).enumerate();

        all.filter(|(_, relayed)| !relayed.is_empty())
    }

    fn missed(&self) -> impl Iterator<Item = (&BindingKey, &Told)> {
        self.told.iter().filter(|(_, told)| told.missed.is_some())
    }

    /// Offers the kernel some of what it had no room for.
    fn retry(&mut self) {
        let some: Vec<BindingKey> = self.missed().take(RETRIES).map(|(key, _)| *key).collect();
        for key in some {
            let Self { offload, told, .. } = self;
            let Some(told) = told.get_mut(&key) else { continue };
            let missed = told.missed.take_if(|missed| offload.bind(&passed(missed)).is_ok());
            if missed.is_none() {
                // As full as before.
                return;
            }
        }
    }

    fn bind(&mut self, shard: u16, binding: &Binding) {
        let bound = self.offload.bind(&passed(binding));
        let missed = bound.is_err().then(|| Box::new(*binding));
        let former = self.told.insert(binding.key, Told { shard, missed });
        if let Err(error) = bound {
            // A refresh of what was refused before is not refused anew.
            let again = former.is_some_and(|former| former.missed.is_some());
            if !again {
                self.complain(&error);
            }
        }
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

/// A binding as the loader takes it.
fn passed(binding: &Binding) -> ebpf_loader::Binding {
    ebpf_loader::Binding {
        key: theirs(&binding.key),
        relayed: binding.relayed,
        peer: binding.peer,
        inside: binding.inside,
        allocation: binding.allocation,
        bandwidth_bps: binding.bandwidth_bps,
        expires: binding.expires,
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
