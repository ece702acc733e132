//! Who runs where: on which processor, and at which end of the network.

use crate::net::address;
use crate::network::{Cards, Network, Side, Topology};
use anyhow::{Context, Result};
use std::io;
use std::net::IpAddr;

/// Which processors servers and clients run on.
pub(crate) struct Cpus {
    all: Vec<usize>,
    pinned: bool,
    topology: Option<Topology>,
}

impl Cpus {
    /// Puts this thread on the last processor, for servers to have the first; on a machine with
    /// one, or if not `wanted`, nothing is pinned.
    pub(crate) fn divide(wanted: bool) -> Result<Self> {
        let all = affinity()?;
        let pinned = wanted && all.len() > 1;
        let cpus = Self { all, pinned, topology: None };
        if pinned {
            set_affinity(&cpus.all[cpus.all.len() - 1..])?;
            // Sleeps are to end when they should, not up to 50 us later.
            // SAFETY: this call only changes an attribute of the calling thread.
            unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000) };
        }

        Ok(cpus)
    }

    /// Whether servers and clients have processors of their own.
    pub(crate) fn are_divided(&self) -> bool {
        self.pinned
    }

    /// Puts a network between servers and clients; the kernel's threads that receive are where
    /// their side is.
    pub(crate) fn inside(mut self, network: Network) -> Result<Self> {
        self.topology = network.enter()?;
        let sides = [(Side::Server, self.all.first()), (Side::Client, self.all.last())];
        for (side, cpu) in sides.into_iter().filter(|_| self.pinned) {
            for thread in self.topology.iter().flat_map(|topology| topology.napi(side)) {
                set_affinity_of(thread, cpu.map_or(&[], std::slice::from_ref))?;
            }
        }

        Ok(self)
    }

    /// Where servers are to listen: on loopback an address that nobody else uses, so that relayed
    /// ports are all free.
    pub(crate) fn server_ip(&self) -> IpAddr {
        self.topology.as_ref().map_or_else(address::own, Topology::server_ip)
    }

    /// What is known of the cards between clients and servers.
    pub(crate) fn cards(&self) -> Result<Cards> {
        self.topology.as_ref().map_or_else(|| Ok(Cards::default()), Topology::cards)
    }

    /// Makes the server's card ready for the next server, if there is one: `plain` for XDP.
    pub(crate) fn make_card_ready(&self, plain: bool) -> Result<()> {
        self.topology.iter().try_for_each(|topology| topology.make_ready(plain))
    }

    /// A side's card; an error that says what to do where there is none.
    pub(crate) fn card(&self, side: Side) -> Result<&str> {
        self.topology.as_ref().map(|topology| topology.card(side)).context(
            "frames are injected, and relayed by XDP, between virtual cards only: run it as root, \
             with --network veth-plain",
        )
    }

    /// Starts a process that is to run on the server's processor and on its side of the network.
    pub(crate) fn as_server<T>(&self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = || match &self.topology {
            Some(topology) => topology.as_server(start),
            None => start(),
        };
        if !self.pinned {
            return start();
        }
        set_affinity(&self.all[..1])?;
        let result = start();
        set_affinity(&self.all[self.all.len() - 1..])?;

        result
    }
}

fn affinity() -> Result<Vec<usize>> {
    // SAFETY: all-zero bytes are an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer and the length are those of a live set, which the call fills.
    let result = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    if result != 0 {
        return Err(io::Error::last_os_error()).context("cannot read which processors we may use");
    }
    // SAFETY: the set is live, and each index is below its size.
    let is_in = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };

    Ok((0..libc::CPU_SETSIZE as usize).filter(is_in).collect())
}

fn set_affinity(cpus: &[usize]) -> Result<()> {
    // The calling thread.
    set_affinity_of(0, cpus)
}

fn set_affinity_of(thread: u32, cpus: &[usize]) -> Result<()> {
    // SAFETY: all-zero bytes are an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &cpu in cpus {
        // SAFETY: the set is live, and the index came out of such a set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: the pointer and the length are those of a live set, which the call only reads.
    let result =
        unsafe { libc::sched_setaffinity(thread as i32, size_of_val(&set), &raw const set) };
    if result != 0 {
        return Err(io::Error::last_os_error()).context("cannot choose a processor");
    }

    Ok(())
}
