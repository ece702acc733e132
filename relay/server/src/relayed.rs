//! A shard's sockets of relayed addresses: thousands, found by a hash.

use crate::options;
use socket2::Socket;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many sockets of relayed addresses the process may have, over all shards.
#[derive(Clone, Debug)]
pub(crate) struct Descriptors {
    open: Arc<AtomicUsize>,
    max: usize,
}

impl Descriptors {
    pub(crate) fn new(max: usize) -> Self {
        Self { open: Arc::default(), max }
    }

    fn take(&self) -> io::Result<()> {
        // Exact enough: shards that ask at the same moment each see the other's.
        if self.open.fetch_add(1, Ordering::Relaxed) < self.max {
            return Ok(());
        }
        self.give_back();

        Err(io::Error::from_raw_os_error(libc::EMFILE))
    }

    fn give_back(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place in the slab and how often it was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

struct Slot {
    generation: u32,
    single: bool,
    open: Option<(Socket, SocketAddr)>,
}

/// The sockets, in a slab that keeps its places.
pub(crate) struct Relayed {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_address: HashMap<SocketAddr, u32, foldhash::fast::RandomState>,
    descriptors: Descriptors,
}

/// Generations, so that one fits beside a place and a kind into 64 bits.
const GENERATIONS: u32 = 1 << 28;

impl Relayed {
    pub(crate) fn new(descriptors: Descriptors) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), by_address: HashMap::default(), descriptors }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_address.len()
    }

    /// Opens a socket bound to this address.
    pub(crate) fn open(&mut self, relayed: SocketAddr) -> io::Result<Place> {
        if self.by_address.contains_key(&relayed) {
            return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
        }
        self.descriptors.take()?;
        let socket = options::relayed(relayed).inspect_err(|_| self.descriptors.give_back())?;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, single: false, open: None });
            self.slots.len() as u32 - 1
        });
        let entry = &mut self.slots[slot as usize];
        entry.open = Some((socket, relayed));
        entry.single = false;
        self.by_address.insert(relayed, slot);

        Ok(Place { slot, generation: entry.generation })
    }

    /// Takes out the socket of this address, to be closed by the caller.
    pub(crate) fn take(&mut self, relayed: &SocketAddr) -> Option<(Place, Socket)> {
        let slot = self.by_address.remove(relayed)?;
        let entry = &mut self.slots[slot as usize];
        let (socket, _) = entry.open.take()?;
        let place = Place { slot, generation: entry.generation };
        entry.generation = (entry.generation + 1) % GENERATIONS;
        self.free.push(slot);
        self.descriptors.give_back();

        Some((place, socket))
    }

    pub(crate) fn find(&self, relayed: &SocketAddr) -> Option<Place> {
        let slot = *self.by_address.get(relayed)?;

        Some(Place { slot, generation: self.slots[slot as usize].generation })
    }

    /// The descriptor and address of what is open at this place, unless that is another by now.
    pub(crate) fn get(&self, place: Place) -> Option<(RawFd, SocketAddr)> {
        let slot = self.slots.get(place.slot as usize)?;
        let (socket, address) = slot.open.as_ref()?;

        (slot.generation == place.generation).then(|| (socket.as_raw_fd(), *address))
    }

    /// Whether segmentation offload was found broken at this place.
    pub(crate) fn is_single(&self, place: Place) -> bool {
        self.slots.get(place.slot as usize).is_some_and(|slot| slot.single)
    }

    /// Notes that segmentation offload is broken at this place.
    pub(crate) fn make_single(&mut self, place: Place) {
        if let Some(slot) = self.slots.get_mut(place.slot as usize) {
            slot.single = true;
        }
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        (0..self.by_address.len()).for_each(|_| self.descriptors.give_back());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    fn free_address() -> SocketAddr {
        UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    #[test]
    fn a_place_that_is_used_again_is_another_one() {
        let mut relayed = Relayed::new(Descriptors::new(10));
        let (first, second) = (free_address(), free_address());
        let before = relayed.open(first).unwrap();
        drop(relayed.take(&first));
        let after = relayed.open(second).unwrap();

        assert_eq!(before.slot, after.slot);
        assert_eq!(relayed.get(before), None);
        assert_eq!(relayed.get(after).map(|(_, address)| address), Some(second));
        assert_eq!(relayed.find(&second), Some(after));
        assert_eq!(relayed.find(&first), None);
    }

    #[test]
    fn a_port_in_use_and_too_many_sockets_are_refused_as_the_kernel_would() {
        let descriptors = Descriptors::new(2);
        let mut relayed = Relayed::new(descriptors.clone());
        let errno = |result: io::Result<Place>| result.unwrap_err().raw_os_error();
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(errno(relayed.open(taken.local_addr().unwrap())), Some(libc::EADDRINUSE));
        let first = free_address();
        relayed.open(first).unwrap();
        assert_eq!(errno(relayed.open(first)), Some(libc::EADDRINUSE));

        let mut other = Relayed::new(descriptors.clone());
        other.open(free_address()).unwrap();
        assert_eq!(errno(relayed.open(free_address())), Some(libc::EMFILE));
        drop(other);
        relayed.open(free_address()).unwrap();
    }
}
