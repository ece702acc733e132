//! The program that chooses among the sockets of a `SO_REUSEPORT` group, one of each shard: of the
//! shard that owns a flow, or that an ICE check names; else the kernel's hash chooses.

use crate::attach::{missing_capabilities, no_memory, one_line};
use crate::binding::flow_key;
use crate::maps::{labelled_choices, refusal};
use crate::{BindError, OBJECT, SteerError};
use aya::maps::{HashMap, MapData, MapError, PerCpuArray, ReusePortSockArray};
use aya::programs::SkReuseport;
use aya::{Ebpf, EbpfLoader};
use ebpf_common::FlowKey;
use ebpf_common::steer::Kind;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};

const PROGRAM: &str = "steer";

type Keys = [u8; FlowKey::LEN];

/// Datagrams of a client's that one shard has bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// The client's address.
    pub remote: SocketAddr,
    /// Our address, which is a media one.
    pub local: SocketAddr,
    /// Which of the datagrams between the two.
    pub kind: Kind,
}

impl Flow {
    pub(crate) fn key(&self) -> FlowKey {
        FlowKey { channel: self.kind.channel(), ..flow_key(self.remote, self.local, 0) }
    }
}

/// The program, attached to groups of sockets: it works until they are closed.
pub struct Steering {
    /// Owns the program and the maps that are never touched again.
    _ebpf: Ebpf,
    flows: HashMap<MapData, Keys, u32>,
    choices: PerCpuArray<MapData, u64>,
}

impl Steering {
    /// Attaches to the group of each address, whose sockets are in the order of their shards, with
    /// room for so many flows.
    ///
    /// # Errors
    /// Says in one line what is in the way, and what to do about it.
    pub fn attach(
        groups: &[(SocketAddr, Vec<BorrowedFd<'_>>)],
        flows_max: u32,
    ) -> Result<Self, SteerError> {
        let missing = missing_capabilities();
        if !missing.is_empty() {
            return Err(SteerError::Capability { missing: missing.join(", ") });
        }
        let sockets = groups.iter().map(|(_, sockets)| sockets.len() as u32).sum::<u32>();
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("STEERED", flows_max.max(1))
            .map_max_entries("GROUPS", groups.len().max(1) as u32)
            .map_max_entries("SOCKETS", sockets.max(1))
            .load(OBJECT)
            .map_err(|error| match no_memory(&error) {
                Some(errno) => SteerError::Memory(io::Error::from_raw_os_error(errno)),
                None => SteerError::Kernel(one_line(&error)),
            })?;
        // The program is loaded with the maps that are open then.
        let _open = tell_groups(&mut ebpf, groups)?;
        let missing = || SteerError::Kernel("the object lacks its program".to_owned());
        let program = ebpf.program_mut(PROGRAM).ok_or_else(missing)?;
        let program: &mut SkReuseport = program.try_into().map_err(|_| missing())?;
        program.load().map_err(|error| SteerError::Kernel(one_line(&error)))?;
        for socket in groups.iter().filter_map(|(_, sockets)| sockets.first()) {
            let attached = program.attach(socket.as_fd());
            attached.map_err(|error| SteerError::Kernel(one_line(&error)))?;
        }

        Ok(Self {
            flows: take(&mut ebpf, "STEERED")?.try_into().map_err(wrong)?,
            choices: take(&mut ebpf, "CHOICES")?.try_into().map_err(wrong)?,
            _ebpf: ebpf,
        })
    }

    /// Has datagrams of a flow go to a shard.
    ///
    /// # Errors
    /// A full map, or what the kernel says: then the kernel's hash chooses.
    pub fn bind(&mut self, flow: &Flow, shard: u16) -> Result<(), BindError> {
        self.flows.insert(flow.key().to_bytes(), u32::from(shard), 0).map_err(refusal)
    }

    /// Forgets a flow.
    pub fn unbind(&mut self, flow: &Flow) {
        // That it is not there is what is wanted.
        let _ = self.flows.remove(&flow.key().to_bytes());
    }

    /// Datagrams by what chose their shard: label and count.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn choices(&self) -> io::Result<Vec<(&'static str, u64)>> {
        labelled_choices(&self.choices)
    }
}

/// Fills the array of sockets, and says where each address's begin.
fn tell_groups(
    ebpf: &mut Ebpf,
    groups: &[(SocketAddr, Vec<BorrowedFd<'_>>)],
) -> Result<impl Sized + use<>, SteerError> {
    let mut places: HashMap<_, Keys, [u32; 2]> = take(ebpf, "GROUPS")?.try_into().map_err(wrong)?;
    let mut array: ReusePortSockArray<_> = take(ebpf, "SOCKETS")?.try_into().map_err(wrong)?;
    let nobody = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);
    let mut first = 0;
    for (local, sockets) in groups {
        for (index, socket) in (first..).zip(sockets) {
            array.set(index, &socket.as_raw_fd(), 0).map_err(wrong)?;
        }
        let count = sockets.len() as u32;
        let key = flow_key(nobody, *local, 0).to_bytes();
        places.insert(key, [first, count], 0).map_err(wrong)?;
        first += count;
    }

    Ok((places, array))
}

fn take(ebpf: &mut Ebpf, name: &str) -> Result<aya::maps::Map, SteerError> {
    ebpf.take_map(name).ok_or_else(|| SteerError::Kernel(format!("no map {name}")))
}

#[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn wrong(error: MapError) -> SteerError {
    SteerError::Kernel(one_line(&error))
}
