//! The program's maps, typed.

use crate::error::BindError;
use crate::ways::{self, Way};
use crate::{AttachError, Record, RecordKey};
use aya::Ebpf;
use aya::maps::{Array, CpuMap, DevMapHash, HashMap, MapData, MapError, PerCpuArray};
use ebpf_common::steer::Choice;
use ebpf_common::{Entry, FlowKey, Link, Outcome, Port, PortKey};
use std::io;

type Keys = [u8; FlowKey::LEN];
type Entries = [u8; Entry::LEN];

/// Frames that may wait for a CPU: a few milliseconds' worth.
const CPU_QUEUE: u32 = 2_048;

/// The maps of a loaded program.
pub(crate) struct Maps {
    flows: HashMap<MapData, Keys, u32>,
    entries: Array<MapData, Entries>,
    counters: PerCpuArray<MapData, [u64; 3]>,
    meters: Array<MapData, [u64; 2]>,
    ports: HashMap<MapData, [u8; PortKey::LEN], [u8; Port::LEN]>,
    links: HashMap<MapData, u32, [u8; Link::LEN]>,
    devices: DevMapHash<MapData>,
    outcomes: PerCpuArray<MapData, u64>,
    records: HashMap<MapData, RecordKey, Record>,
    steered: HashMap<MapData, Keys, u32>,
    choices: PerCpuArray<MapData, u64>,
    shard_cpus: Array<MapData, u32>,
    cpus: CpuMap<MapData>,
}

impl Maps {
    /// Takes the maps out of what was loaded.
    pub(crate) fn take(ebpf: &mut Ebpf) -> Result<Self, AttachError> {
        let mut take = |name: &str| {
            ebpf.take_map(name).ok_or_else(|| AttachError::Kernel(format!("no map {name}")))
        };
        let wrong = |error: MapError| AttachError::Kernel(error.to_string());

        Ok(Self {
            flows: take("FLOWS")?.try_into().map_err(wrong)?,
            entries: take("ENTRIES")?.try_into().map_err(wrong)?,
            counters: take("COUNTERS")?.try_into().map_err(wrong)?,
            meters: take("METERS")?.try_into().map_err(wrong)?,
            ports: take("PORTS")?.try_into().map_err(wrong)?,
            links: take("LINKS")?.try_into().map_err(wrong)?,
            devices: take("DEVICES")?.try_into().map_err(wrong)?,
            outcomes: take("OUTCOMES")?.try_into().map_err(wrong)?,
            records: take("RECORDS")?.try_into().map_err(wrong)?,
            steered: take("STEERED")?.try_into().map_err(wrong)?,
            choices: take("CHOICES")?.try_into().map_err(wrong)?,
            shard_cpus: take("SHARD_CPUS")?.try_into().map_err(wrong)?,
            cpus: take("CPUS")?.try_into().map_err(wrong)?,
        })
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> u32 {
        self.entries.len()
    }

    /// How many bandwidth limits there are.
    pub(crate) fn meters(&self) -> u32 {
        self.meters.len()
    }

    /// Every flow with its slot and entry.
    pub(crate) fn flows(&self) -> impl Iterator<Item = (FlowKey, u32, Entry)> + '_ {
        self.flows.iter().flatten().filter_map(|(key, slot)| {
            let entry = Entry::from_bytes(&self.entries.get(&slot, 0).ok()?);
            (entry.key == key).then(|| (FlowKey::from_bytes(&key), slot, entry))
        })
    }

    /// Writes a slot.
    pub(crate) fn write(&mut self, slot: u32, entry: &Entry) -> Result<(), BindError> {
        self.entries.set(slot, entry.to_bytes(), 0).map_err(refusal)
    }

    /// Points a flow to a slot.
    pub(crate) fn point(&mut self, key: &FlowKey, slot: u32) -> Result<(), BindError> {
        self.flows.insert(key.to_bytes(), slot, 0).map_err(refusal)
    }

    /// Forgets a flow, unless it has been pointed to another slot meanwhile.
    pub(crate) fn forget(&mut self, key: &FlowKey, slot: u32) {
        let key = key.to_bytes();
        if self.flows.get(&key, 0).is_ok_and(|found| found == slot) {
            // That it is not there is what is wanted.
            let _ = self.flows.remove(&key);
        }
    }

    /// What all CPUs have counted in a slot: packets, bytes, refused ones.
    pub(crate) fn counted(&self, slot: u32) -> io::Result<[u64; 3]> {
        let values = self.counters.get(&slot, 0).map_err(io::Error::other)?;

        Ok(values
            .iter()
            .fold([0; 3], |sum, each| std::array::from_fn(|index| sum[index] + each[index])))
    }

    /// Sets a bandwidth limit, and fills its bucket.
    pub(crate) fn limit(&mut self, meter: u32, rate_bps: u64) -> Result<(), BindError> {
        self.meters.set(meter, [0, rate_bps], 0).map_err(refusal)
    }

    /// Tells a way into the machine.
    pub(crate) fn add_port(&mut self, key: &PortKey, port: &Port) -> Result<(), AttachError> {
        self.ports
            .insert(key.to_bytes(), port.to_bytes(), 0)
            .map_err(|error| attach_refusal(&error))
    }

    /// Tells how frames leave by an interface.
    pub(crate) fn add_link(&mut self, interface: u32, link: &Link) -> Result<(), AttachError> {
        self.links.insert(interface, link.to_bytes(), 0).map_err(|error| attach_refusal(&error))
    }

    /// Lets frames be redirected to an interface.
    pub(crate) fn add_device(&mut self, interface: u32) -> Result<(), AttachError> {
        self.devices
            .insert(interface, interface, None, 0)
            .map_err(|error| AttachError::Kernel(error.to_string()))
    }

    /// Forgets all other ways: an adopted map may hold those of interfaces that are gone.
    pub(crate) fn retain_ways(&mut self, known: &[Way]) {
        let ports: Vec<_> = self.ports.keys().flatten().collect();
        let is_port =
            |key: &[u8; PortKey::LEN]| known.iter().any(|way| ways::key(way).to_bytes() == *key);
        ports.iter().filter(|key| !is_port(key)).for_each(|key| drop(self.ports.remove(key)));
        let links: Vec<_> = self.links.keys().flatten().collect();
        let is_link = |interface: &u32| known.iter().any(|way| way.interface == *interface);
        links.iter().filter(|at| !is_link(at)).for_each(|at| drop(self.links.remove(at)));
    }

    /// Frames since the maps were made, by outcome.
    pub(crate) fn outcomes(&self) -> io::Result<Vec<(Outcome, u64)>> {
        let sums = per_cpu_sums(&self.outcomes, Outcome::ALL.len())?;

        Ok(Outcome::ALL.iter().copied().zip(sums).collect())
    }

    /// Keeps something for the next process.
    pub(crate) fn store(&mut self, key: &RecordKey, record: &Record) -> Result<(), BindError> {
        self.records.insert(key, record, 0).map_err(refusal)
    }

    /// Forgets what was kept.
    pub(crate) fn erase(&mut self, key: &RecordKey) {
        let _ = self.records.remove(key);
    }

    /// All that is kept.
    pub(crate) fn records(&self) -> impl Iterator<Item = (RecordKey, Record)> + '_ {
        self.records.iter().flatten()
    }
}

/// Bringing frames to CPUs.
impl Maps {
    /// Says which CPU a shard has, and lets frames be brought there.
    pub(crate) fn place(&mut self, shard: u32, cpu: u32) -> Result<(), AttachError> {
        let wrong = |error: &dyn std::error::Error| AttachError::Kernel(error.to_string());
        self.cpus.set(cpu, CPU_QUEUE, None, 0).map_err(|error| wrong(&error))?;

        self.shard_cpus.set(shard, cpu + 1, 0).map_err(|error| wrong(&error))
    }

    /// Has a flow's datagrams brought to a shard's CPU.
    pub(crate) fn steer(&mut self, key: &FlowKey, shard: u32) -> Result<(), BindError> {
        self.steered.insert(key.to_bytes(), shard, 0).map_err(refusal)
    }

    /// Leaves a flow's datagrams where they come in.
    pub(crate) fn unsteer(&mut self, key: &FlowKey) {
        let _ = self.steered.remove(&key.to_bytes());
    }

    /// Datagrams by what chose their CPU.
    pub(crate) fn choices(&self) -> io::Result<Vec<(&'static str, u64)>> {
        labelled_choices(&self.choices)
    }
}

/// Choices by label.
pub(crate) fn labelled_choices(
    counters: &PerCpuArray<MapData, u64>,
) -> io::Result<Vec<(&'static str, u64)>> {
    let sums = per_cpu_sums(counters, Choice::ALL.len())?;

    Ok(Choice::ALL.iter().map(|choice| choice.label()).zip(sums).collect())
}

/// What all CPUs have counted, by index.
fn per_cpu_sums(counters: &PerCpuArray<MapData, u64>, len: usize) -> io::Result<Vec<u64>> {
    let sum = |index: u32| {
        let values = counters.get(&index, 0).map_err(io::Error::other)?;
        Ok(values.iter().sum())
    };

    (0..len as u32).map(sum).collect()
}

/// What a refused change means to whoever binds.
pub(crate) fn refusal(error: MapError) -> BindError {
    match error {
        MapError::SyscallError(error) if is_full(&error.io_error) => BindError::Full,
        MapError::SyscallError(error) => BindError::Kernel(error.io_error),
        other => BindError::Kernel(io::Error::other(other)),
    }
}

fn attach_refusal(error: &MapError) -> AttachError {
    AttachError::Kernel(error.to_string())
}

/// E2BIG is what a full hash says, ENOMEM one that is not filled beforehand.
fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::E2BIG | libc::ENOMEM))
}
