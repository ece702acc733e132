//! Receive buffers that are provided to the kernel by a ring (`IORING_REGISTER_PBUF_RING`).

use io_uring::Submitter;
use io_uring::types::BufRingEntry;
use std::sync::atomic::{AtomicU16, Ordering};
use std::{io, ptr};

/// A page holds the ring's entries.
const RING_BYTES: usize = 4096;

/// Equal buffers in one mapping, lent to the kernel and back.
pub(crate) struct Buffers {
    memory: *mut u8,
    buffer_bytes: usize,
    count: u16,
    tail: u16,
    lent: usize,
}

impl Buffers {
    /// Maps `count` (a power of two, at most 256) buffers of `buffer_bytes` each.
    pub(crate) fn new(count: u16, buffer_bytes: usize) -> io::Result<Self> {
        assert!(count.is_power_of_two() && usize::from(count) * 16 <= RING_BYTES);
        let len = RING_BYTES + usize::from(count) * buffer_bytes;
        // SAFETY: a fresh anonymous mapping touches no memory that anybody knows of.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }

        Ok(Self { memory: memory.cast(), buffer_bytes, count, tail: 0, lent: 0 })
    }

    /// Registers the ring as group `group` and lends all buffers.
    ///
    /// # Safety
    /// The ring behind `submitter` must be gone before `self` is.
    pub(crate) unsafe fn register(
        &mut self,
        submitter: &Submitter<'_>,
        group: u16,
    ) -> io::Result<()> {
        // SAFETY: the mapping starts with a page for the entries and, by this function's own
        // contract, outlives the registration.
        unsafe {
            submitter.register_buf_ring_with_flags(self.memory as u64, self.count, group, 0)?;
        }
        (0..self.count).for_each(|id| self.lend(id));

        Ok(())
    }

    /// Notes that the kernel has given back a buffer.
    pub(crate) fn returned(&mut self) {
        self.lent -= 1;
    }

    /// Buffers that the kernel may fill.
    pub(crate) fn lent(&self) -> usize {
        self.lent
    }

    /// The bytes of a buffer that the kernel has given back.
    pub(crate) fn get(&mut self, id: u16) -> &mut [u8] {
        assert!(id < self.count, "a buffer that was never lent");
        // SAFETY: the range lies in the mapping; the kernel does not write a buffer between its
        // completion and `lend`, and `&mut self` keeps other borrows away.
        unsafe { std::slice::from_raw_parts_mut(self.start(id), self.buffer_bytes) }
    }

    /// Lends a buffer to the kernel again.
    pub(crate) fn lend(&mut self, id: u16) {
        let slot = self.tail & (self.count - 1);
        let (address, len) = (self.start(id) as u64, self.buffer_bytes as u32);
        // SAFETY: the slot lies in the ring's page, and the kernel reads it only after the store
        // to the tail below.
        let entry = unsafe { &mut *self.memory.cast::<BufRingEntry>().add(slot.into()) };
        entry.set_addr(address);
        entry.set_len(len);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the tail is an aligned u16 in the ring's page, shared with the kernel only.
        let tail = unsafe { &*BufRingEntry::tail(self.memory.cast()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
        self.lent += 1;
    }

    fn start(&self, id: u16) -> *mut u8 {
        self.memory.wrapping_add(RING_BYTES + usize::from(id) * self.buffer_bytes)
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        let len = RING_BYTES + usize::from(self.count) * self.buffer_bytes;
        // SAFETY: this is the mapping made in `new`; the ring is gone by `register`'s contract.
        unsafe { libc::munmap(self.memory.cast(), len) };
    }
}
