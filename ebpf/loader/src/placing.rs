//! Bringing datagrams to the CPU of the shard that they are for, before the stack has seen them.

use crate::{AttachError, BindError, Flow, Offload};
use std::io;

impl Offload {
    /// Has datagrams that the kernel does not relay brought to the CPU of the shard that has bound
    /// their flow, or that an ICE check names. `cpus` are those of the shards, in their order. Not
    /// worth it where the NIC's own queues do this.
    ///
    /// # Errors
    /// A CPU that this machine does not have, or what the kernel says.
    pub fn place_shards(&mut self, cpus: &[u32]) -> Result<(), AttachError> {
        // The first shard's comes last: it is what lets the program begin.
        let mut shards = cpus.iter().enumerate().rev();

        shards.try_for_each(|(shard, cpu)| self.maps.place(shard as u32, *cpu))
    }

    /// Has a flow's datagrams brought to a shard's CPU.
    ///
    /// # Errors
    /// A full map, or what the kernel says: then they stay where they come in.
    pub fn steer(&mut self, flow: &Flow, shard: u16) -> Result<(), BindError> {
        self.maps.steer(&flow.key(), shard.into())
    }

    /// Leaves a flow's datagrams where they come in.
    pub fn unsteer(&mut self, flow: &Flow) {
        self.maps.unsteer(&flow.key());
    }

    /// Datagrams by what chose their CPU: label and count.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn choices(&self) -> io::Result<Vec<(&'static str, u64)>> {
        self.maps.choices()
    }
}
