//! Takes datagrams out where they arrive and counts them, for measurements: what the receiver costs
//! is next to nothing. Also the program that a veth must have for frames that XDP sends back by it.

use crate::AttachError;
use crate::attach::{check_capabilities, one_line, refused_link};
use crate::injector::{load, map, program};
use crate::interface::Interface;
use aya::Ebpf;
use aya::maps::{Array, PerCpuArray};
use aya::programs::XdpMode;
use std::io;

const PROGRAM: &str = "sink";

/// Stands at an interface until it is dropped.
pub struct Sink {
    ebpf: Ebpf,
}

impl Sink {
    /// Stands at an interface, in driver mode, and passes all that comes in.
    ///
    /// # Errors
    /// Says in one line what is in the way.
    pub fn attach(interface: &str) -> Result<Self, AttachError> {
        check_capabilities()?;
        let interface = Interface::find(interface)?;
        let mut ebpf = load(1)?;
        let sink = program(&mut ebpf, PROGRAM)?;
        sink.load().map_err(|error| AttachError::Kernel(one_line(&error)))?;
        sink.attach_to_if_index(interface.index, XdpMode::Driver)
            .map_err(|error| refused_link(&error, &interface))?;

        Ok(Self { ebpf })
    }

    /// Takes out the plain UDP datagrams for this port from now on.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn take(&mut self, port: u16) -> io::Result<()> {
        let mut ports: Array<_, u32> = map(&mut self.ebpf, "PORT").map_err(io::Error::other)?;

        ports.set(0, u32::from(port), 0).map_err(io::Error::other)
    }

    /// How many it has taken out.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn taken(&self) -> io::Result<u64> {
        let map = self.ebpf.map("TAKEN").ok_or(io::ErrorKind::NotFound)?;
        let counters = PerCpuArray::<_, u64>::try_from(map).map_err(io::Error::other)?;
        let values = counters.get(&0, 0).map_err(io::Error::other)?;

        Ok(values.iter().sum())
    }
}
