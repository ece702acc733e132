//! Whose flows are whose: the kernel brings their datagrams to the socket of their shard, or to its
//! CPU before that. What it does not know is handed over by the shards.

use super::FlowCounters;
use ebpf_loader::{Flow, Kind, Offload};
use relay_shard::{Event, Path, Via};
use std::collections::{HashMap, HashSet};

/// Flows that are offered again each second to maps that were full.
const RETRIES: usize = 64;

/// A flow that a shard told of.
struct Told {
    shard: u16,
    /// Whether the kernel has it.
    known: bool,
}

/// The flows of all shards, and where the kernel has them.
pub(super) struct Flows {
    sockets: Option<ebpf_loader::Steering>,
    /// Whether the program on the interfaces brings them to CPUs.
    cpus: bool,
    told: HashMap<Flow, Told>,
    pub(super) counts: FlowCounters,
}

impl Flows {
    /// None yet. `cpus`: the `Offload` that comes with each call is to know of them.
    pub(super) fn new(sockets: Option<ebpf_loader::Steering>, cpus: bool) -> Self {
        Self { sockets, cpus, told: HashMap::new(), counts: FlowCounters::default() }
    }

    /// Follows what a shard told.
    pub(super) fn apply(&mut self, shard: u16, event: &Event, offload: Option<&mut Offload>) {
        match event {
            Event::FlowBound(path) => self.bind(shard, path, offload),
            Event::FlowUnbound(path) => self.unbind(shard, path, offload),
            Event::Control(_)
            | Event::RelayOpen(_)
            | Event::RelayClose(_)
            | Event::HangUp(_)
            | Event::ChannelBound(_)
            | Event::ChannelUnbound(_)
            | Event::AllocationStands(_)
            | Event::AllocationEnded(_) => {}
        }
    }

    /// Ends what is not among everything that a shard has.
    pub(super) fn retain(&mut self, shard: u16, all: &[Event], mut offload: Option<&mut Offload>) {
        let bound = all.iter().filter_map(|event| match event {
            Event::FlowBound(path) => flow(path),
            _ => None,
        });
        let bound: HashSet<Flow> = bound.collect();
        let over = |(flow, told): &(&Flow, &Told)| told.shard == shard && !bound.contains(flow);
        let over: Vec<Flow> = self.told.iter().filter(over).map(|(flow, _)| *flow).collect();
        for flow in over {
            self.forget(&flow, offload.as_deref_mut());
        }
    }

    /// Reads the kernel's counters, and offers it some of what it had no room for.
    pub(super) fn count(&mut self, mut offload: Option<&mut Offload>) {
        let some = self.missed().take(RETRIES).map(|(flow, told)| (*flow, told.shard));
        for (flow, shard) in some.collect::<Vec<_>>() {
            if self.tell(&flow, shard, offload.as_deref_mut()).is_err() {
                // As full as before.
                break;
            }
            self.told.insert(flow, Told { shard, known: true });
        }
        self.counts.missed = self.missed().count() as u64;
        self.counts.flows = self.told.len() as u64 - self.counts.missed;
        if let Some(Ok(choices)) = self.sockets.as_ref().map(ebpf_loader::Steering::choices) {
            self.counts.sockets = choices;
        }
        if let Some(Ok(choices)) = offload.filter(|_| self.cpus).map(|offload| offload.choices()) {
            self.counts.cpus = choices;
        }
    }

    fn missed(&self) -> impl Iterator<Item = (&Flow, &Told)> {
        self.told.iter().filter(|(_, told)| !told.known)
    }

    fn bind(&mut self, shard: u16, path: &Path, offload: Option<&mut Offload>) {
        let Some(flow) = flow(path).filter(|_| self.cpus || self.sockets.is_some()) else { return };
        let refused = self.tell(&flow, shard, offload).err();
        let former = self.told.insert(flow, Told { shard, known: refused.is_none() });
        if former.is_none_or(|former| former.known) {
            refused.iter().for_each(|error| self.counts.refuse(error));
        }
    }

    /// Forgets a flow, unless another shard has bound it meanwhile.
    fn unbind(&mut self, shard: u16, path: &Path, offload: Option<&mut Offload>) {
        let Some(flow) = flow(path) else { return };
        if self.told.get(&flow).is_some_and(|told| told.shard == shard) {
            self.forget(&flow, offload);
        }
    }

    fn forget(&mut self, flow: &Flow, offload: Option<&mut Offload>) {
        self.told.remove(flow);
        if let Some(sockets) = &mut self.sockets {
            sockets.unbind(flow);
        }
        if let Some(offload) = offload.filter(|_| self.cpus) {
            offload.unsteer(flow);
        }
    }

    /// Has the kernel know a flow wherever it is to know it.
    fn tell(
        &mut self,
        flow: &Flow,
        shard: u16,
        offload: Option<&mut Offload>,
    ) -> Result<(), ebpf_loader::BindError> {
        if let Some(sockets) = &mut self.sockets {
            sockets.bind(flow, shard)?;
        }
        match offload.filter(|_| self.cpus) {
            Some(offload) => offload.steer(flow, shard),
            None => Ok(()),
        }
    }
}

/// The flow of a path as the kernel sees it; a connection is none.
fn flow(path: &Path) -> Option<Flow> {
    let kind = match path.via {
        Via::Udp => Kind::Media,
        // That is what a claim on a client's path says.
        Via::Peer => Kind::Turn,
        Via::Tcp | Via::Inside => return None,
    };

    Some(Flow { remote: path.remote, local: path.local, kind })
}
