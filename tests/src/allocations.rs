//! An allocator that counts what one thread asks of it while told to.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNTED: Cell<u64> = const { Cell::new(0) };
    static COUNTING: Cell<bool> = const { Cell::new(false) };
}

/// The system's allocator, counting. A test binary makes it its `#[global_allocator]`.
pub struct Counting;

// SAFETY: every call goes to `System` unchanged; the counters are plain thread-local cells.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller keeps `alloc`'s contract, which is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: `pointer` came from `System` with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Allocations of this thread while `work` runs; always 0 unless `Counting` is the allocator.
pub fn count(work: impl FnOnce()) -> u64 {
    let before = COUNTED.get();
    COUNTING.set(true);
    work();
    COUNTING.set(false);

    COUNTED.get() - before
}

fn note() {
    if COUNTING.get() {
        COUNTED.set(COUNTED.get() + 1);
    }
}
