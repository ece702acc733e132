//! The bindings that the kernel relays: one thread feeds them, and asks what was relayed.

use crate::attach::{self, Attached, Options, PROGRAM};
use crate::binding::{Flow, Traffic};
use crate::clock::nanos;
use crate::maps::Maps;
use crate::meters::Meters;
use crate::slots::Slots;
use crate::{
    AttachError, BindError, Binding, BindingKey, Counted, Record, RecordKey, Way, neighbours, ways,
};
use aya::Ebpf;
use aya::programs::{Program, Xdp};
use ebpf_common::{Entry, FlowKey};
use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

/// How often neighbours are to be refreshed: the kernel doubts them after 15 to 45 seconds.
pub const REFRESH_EVERY: Duration = Duration::from_secs(30);

/// One direction of a binding.
struct Half {
    key: FlowKey,
    slot: u32,
    entry: Entry,
    /// What had been counted when it was last asked for.
    seen: [u64; 3],
}

/// A binding in the maps. One that was adopted by halves lacks the other.
struct Bound {
    up: Half,
    down: Option<Half>,
}

/// The program, attached, and all that is known of its maps.
pub struct Offload {
    ebpf: Ebpf,
    pub(crate) maps: Maps,
    _links: Vec<aya::programs::xdp::XdpLink>,
    bound: HashMap<BindingKey, Bound>,
    slots: Slots,
    meters: Meters,
    interfaces: Vec<(String, u32)>,
}

impl Offload {
    /// Loads the program and attaches it to all interfaces, or to none. Where an earlier process
    /// has pinned maps and links they are taken over, with what is bound.
    ///
    /// # Errors
    /// Says in one line what is in the way, and what to do about it.
    pub fn attach(options: &Options) -> Result<Self, AttachError> {
        let Attached { ebpf, maps, _links, interfaces } = attach::attach(options)?;
        let flows: Vec<(FlowKey, u32, Entry)> = maps.flows().collect();
        let used: std::collections::HashSet<u32> = flows.iter().map(|(_, slot, _)| *slot).collect();
        let above = used.iter().max().map_or(0, |most| most + 1);
        let meter = |entry: &Entry| u32::from_be_bytes(entry.meter);
        let mut offload = Self {
            slots: Slots::new(maps.slots(), |slot| used.contains(&slot), above),
            meters: Meters::new(maps.meters(), flows.iter().map(|(_, _, entry)| meter(entry))),
            ebpf,
            maps,
            _links,
            bound: HashMap::new(),
            interfaces: interfaces.into_iter().map(|each| (each.name, each.index)).collect(),
        };
        offload.adopt(&flows);

        Ok(offload)
    }

    /// The interfaces that the program is attached to: name and index.
    pub fn interfaces(&self) -> &[(String, u32)] {
        &self.interfaces
    }

    /// Adds a way in and out, or changes one: a VLAN that was made after the program was attached.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn add_way(&mut self, way: &Way) -> Result<(), AttachError> {
        ways::tell(way, &mut self.maps)
    }

    /// Has the kernel relay a binding. For one that it relays already, this is a refresh: expiry
    /// and bandwidth are those of now.
    ///
    /// # Errors
    /// Full maps, or what the kernel says: then nothing of the binding is there.
    pub fn bind(&mut self, binding: &Binding) -> Result<(), BindError> {
        let now = Instant::now();
        let (up, down) = (binding.up(), binding.down());
        if self.is_bound(&binding.key, &up, &down) {
            return self.refresh(binding);
        }
        self.unbind(&binding.key);
        let pair = self.take_meters(binding)?;
        let expires = nanos(binding.expires);
        let down = match self.add(now, down, pair * 2 + 1, expires) {
            Ok(down) => down,
            Err(error) => {
                self.give_meters(pair);
                return Err(error);
            }
        };
        match self.add(now, up, pair * 2, expires) {
            Ok(up) => {
                self.bound.insert(binding.key, Bound { up, down: Some(down) });
                Ok(())
            }
            Err(error) => {
                self.remove(now, &down);
                self.meters.give(pair);
                Err(error)
            }
        }
    }

    /// Ends a binding; what it has relayed since it was last asked for, if there was one.
    pub fn unbind(&mut self, key: &BindingKey) -> Option<Counted> {
        let mut bound = self.bound.remove(key)?;
        let now = Instant::now();
        let counted = self.read(&mut bound).unwrap_or_default();
        self.remove(now, &bound.up);
        if let Some(down) = &bound.down {
            self.remove(now, down);
        }

        Some(counted)
    }

    /// The bindings that the kernel relays, those that were adopted too.
    pub fn keys(&self) -> impl Iterator<Item = BindingKey> + '_ {
        self.bound.keys().copied()
    }

    /// Has the kernel ask whether its neighbours still have the MAC addresses that it knows, where
    /// it has doubts; returns how many. Call it every `REFRESH_EVERY`: what the program sends is no
    /// use of a neighbour to the kernel, and it would believe an old address for ever.
    ///
    /// # Errors
    /// What the kernel says; nothing is lost if it is called again.
    pub fn refresh_neighbours(&self) -> io::Result<usize> {
        let indices: Vec<u32> = self.interfaces.iter().map(|(_, index)| *index).collect();

        neighbours::refresh(&indices)
    }

    /// Tells of each binding that has relayed something what that is, since the last time.
    ///
    /// # Errors
    /// What the kernel says; what could not be read is told the next time.
    pub fn counters(&mut self, mut each: impl FnMut(BindingKey, Counted)) -> io::Result<()> {
        let mut all = std::mem::take(&mut self.bound);
        let mut result = Ok(());
        for (key, bound) in &mut all {
            match self.read(bound) {
                Ok(counted) if counted.is_zero() => {}
                Ok(counted) => each(*key, counted),
                Err(error) => result = Err(error),
            }
        }
        self.bound = all;

        result
    }

    /// Frames by outcome, since the maps were made: label and count.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn outcomes(&self) -> io::Result<Vec<(&'static str, u64)>> {
        let outcomes = self.maps.outcomes()?;

        Ok(outcomes.into_iter().map(|(outcome, count)| (outcome.label(), count)).collect())
    }

    /// Keeps something for the next process, beside the bindings.
    ///
    /// # Errors
    /// Full, or what the kernel says.
    pub fn store(&mut self, key: &RecordKey, record: &Record) -> Result<(), BindError> {
        self.maps.store(key, record)
    }

    /// Forgets what was kept.
    pub fn erase(&mut self, key: &RecordKey) {
        self.maps.erase(key);
    }

    /// All that is kept.
    pub fn records(&self) -> impl Iterator<Item = (RecordKey, Record)> + '_ {
        self.maps.records()
    }

    pub(crate) fn program(&self) -> &Xdp {
        match self.ebpf.program(PROGRAM) {
            Some(Program::Xdp(program)) => program,
            _ => unreachable!("attached programs are there"),
        }
    }

    /// Takes over flows that an earlier process has bound.
    fn adopt(&mut self, flows: &[(FlowKey, u32, Entry)]) {
        let half = |key: FlowKey, slot: u32, entry: Entry, maps: &Maps| {
            let seen = maps.counted(slot).unwrap_or_default();
            Half { key, slot, entry, seen }
        };
        let by_key: HashMap<FlowKey, (u32, Entry)> =
            flows.iter().map(|(key, slot, entry)| (*key, (*slot, *entry))).collect();
        let mut paired = std::collections::HashSet::new();
        for (key, slot, entry) in flows {
            let Some((binding, other)) = BindingKey::of(entry) else { continue };
            let down =
                by_key.get(&other).map(|(slot, entry)| half(other, *slot, *entry, &self.maps));
            paired.extend(down.as_ref().map(|down| down.key));
            let up = half(*key, *slot, *entry, &self.maps);
            self.bound.insert(binding, Bound { up, down });
        }
        // Halves that nobody could name would stay for ever.
        for (key, slot, entry) in flows.iter().filter(|(key, ..)| key.channel == [0; 2]) {
            if !paired.contains(key) {
                self.remove(Instant::now(), &half(*key, *slot, *entry, &self.maps));
            }
        }
    }

    /// Whether a binding is in the maps with the same ends.
    fn is_bound(&self, key: &BindingKey, up: &Flow, down: &Flow) -> bool {
        let is = |half: &Half, flow: &Flow| {
            let entry =
                Entry { expires: flow.entry.expires, meter: flow.entry.meter, ..half.entry };
            half.key == flow.key && entry == flow.entry
        };
        let Some(Bound { up: bound_up, down: Some(bound_down) }) = self.bound.get(key) else {
            return false;
        };

        is(bound_up, up) && is(bound_down, down)
    }

    fn refresh(&mut self, binding: &Binding) -> Result<(), BindError> {
        let pair = self.take_meters(binding)?;
        let Some(Bound { up, down: Some(down) }) = self.bound.get_mut(&binding.key) else {
            return Ok(());
        };
        let former = u32::from_be_bytes(up.entry.meter) / 2;
        for (half, direction) in [(up, 0), (down, 1)] {
            half.entry.expires = nanos(binding.expires).to_be_bytes();
            half.entry.meter = (pair * 2 + direction).to_be_bytes();
            self.maps.write(half.slot, &half.entry)?;
        }
        self.give_meters(former);

        Ok(())
    }

    /// The meters of both directions.
    fn take_meters(&mut self, binding: &Binding) -> Result<u32, BindError> {
        let pair = self.meters.take(binding.allocation, binding.bandwidth_bps, &mut self.maps)?;

        self.meters.take(binding.allocation, binding.bandwidth_bps, &mut self.maps).map(|_| pair)
    }

    fn give_meters(&mut self, pair: u32) {
        self.meters.give(pair);
        self.meters.give(pair);
    }

    /// Writes a slot first, and lets the flow be found then.
    fn add(&mut self, now: Instant, flow: Flow, meter: u32, until: u64) -> Result<Half, BindError> {
        let Flow { key, mut entry } = flow;
        entry.meter = meter.to_be_bytes();
        entry.expires = until.to_be_bytes();
        let slot = self.slots.take(now).ok_or(BindError::Full)?;
        let seen = self.maps.counted(slot).map_err(BindError::Kernel);
        let written = seen.and_then(|seen| {
            self.maps.write(slot, &entry)?;
            self.maps.point(&key, slot)?;
            Ok(seen)
        });
        match written {
            Ok(seen) => Ok(Half { key, slot, entry, seen }),
            Err(error) => {
                self.slots.untake(slot);
                Err(error)
            }
        }
    }

    fn remove(&mut self, now: Instant, half: &Half) {
        self.maps.forget(&half.key, half.slot);
        self.slots.give(now, half.slot);
        self.meters.give(u32::from_be_bytes(half.entry.meter) / 2);
    }

    fn read(&self, bound: &mut Bound) -> io::Result<Counted> {
        let mut read = |half: &mut Half| {
            let counted = self.maps.counted(half.slot)?;
            let [packets, bytes, refused] =
                std::array::from_fn(|index| counted[index] - half.seen[index]);
            half.seen = counted;
            io::Result::Ok(Traffic { packets, bytes, refused })
        };
        let up = read(&mut bound.up)?;
        let down = bound.down.as_mut().map(&mut read).transpose()?.unwrap_or_default();

        Ok(Counted { up, down })
    }
}
