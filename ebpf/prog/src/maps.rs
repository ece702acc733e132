//! The maps. Their sizes are what the loader sets, these are the least.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, CpuMap, DevMapHash, HashMap, PerCpuArray, ReusePortSockArray};
use ebpf_common::steer::Choice;
use ebpf_common::{Counter, Entry, FlowKey, Link, Meter, Outcome, Port, PortKey};

/// Slots of flows.
#[map]
pub static FLOWS: HashMap<FlowKey, u32> = HashMap::with_max_entries(1, 0);

/// What becomes of flows, by slot.
#[map]
pub static ENTRIES: Array<Entry> = Array::with_max_entries(1, 0);

/// What was relayed, by slot.
#[map]
pub static COUNTERS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(1, 0);

/// Bandwidth limits of allocations, one for each direction.
#[map]
pub static METERS: Array<Meter> = Array::with_max_entries(1, 0);

/// Ways in: interfaces and VLANs.
#[map]
pub static PORTS: HashMap<PortKey, Port> = HashMap::with_max_entries(256, 0);

/// Ways out, by the index of the interface that a route names.
#[map]
pub static LINKS: HashMap<u32, Link> = HashMap::with_max_entries(256, 0);

/// Interfaces that frames may be redirected to.
#[map]
pub static DEVICES: DevMapHash = DevMapHash::with_max_entries(64, 0);

/// Frames by outcome.
#[map]
pub static OUTCOMES: PerCpuArray<u64> = PerCpuArray::with_max_entries(Outcome::ALL.len() as u32, 0);

/// What the process keeps for the next one; the program does not look at it.
#[map]
pub static RECORDS: HashMap<[u8; 24], [u8; 1024]> = HashMap::with_max_entries(1, 1);

/// Shards of flows.
#[map]
pub static STEERED: HashMap<FlowKey, u32> = HashMap::with_max_entries(1, 0);

/// The first socket of an address, and how many there are, by a key of our side alone.
#[map]
pub static GROUPS: HashMap<FlowKey, [u32; 2]> = HashMap::with_max_entries(64, 0);

/// Sockets of shards, address by address.
#[map]
pub static SOCKETS: ReusePortSockArray = ReusePortSockArray::with_max_entries(1, 0);

/// Datagrams by what chose their shard.
#[map]
pub static CHOICES: PerCpuArray<u64> = PerCpuArray::with_max_entries(Choice::ALL.len() as u32, 0);

/// The CPU of each shard, plus one; 0: frames stay where they came in.
#[map]
pub static SHARD_CPUS: Array<u32> = Array::with_max_entries(1_024, 0);

/// CPUs that frames may be brought to.
#[map]
pub static CPUS: CpuMap = CpuMap::with_max_entries(1, 0);
