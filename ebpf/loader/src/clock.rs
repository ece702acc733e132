//! Instants as the kernel's programs see them.

use std::time::Instant;

/// Nanoseconds of `CLOCK_MONOTONIC`, which `Instant` is made of, at an instant.
pub(crate) fn nanos(instant: Instant) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec. This clock cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let now = Instant::now();
    let nanos = time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64;
    let far = |duration: std::time::Duration| duration.as_nanos().try_into().unwrap_or(u64::MAX);

    match instant.checked_duration_since(now) {
        Some(ahead) => nanos.saturating_add(far(ahead)),
        None => nanos.saturating_sub(far(now.duration_since(instant))),
    }
}
