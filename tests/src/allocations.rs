//! An allocator that counts what one thread asks of it while told to, and what it holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNTED: Cell<u64> = const { Cell::new(0) };
    static COUNTING: Cell<bool> = const { Cell::new(false) };
    static HELD: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, counting. A test binary makes it its `#[global_allocator]`.
pub struct Counting;

// SAFETY: every call goes to `System` unchanged; the counters are plain thread-local cells.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        hold(layout.size(), 0);
        // SAFETY: the caller keeps `alloc`'s contract, which is `System`'s.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(0, layout.size());
        // SAFETY: `pointer` came from `System` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        hold(size, layout.size());
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

/// Bytes that this thread holds more after `work` than before; always 0 unless `Counting` is the
/// allocator.
pub fn held(work: impl FnOnce()) -> i64 {
    let before = HELD.get();
    work();

    HELD.get() - before
}

fn hold(more: usize, less: usize) {
    HELD.set(HELD.get() + more as i64 - less as i64);
}

fn note() {
    if COUNTING.get() {
        COUNTED.set(COUNTED.get() + 1);
    }
}
