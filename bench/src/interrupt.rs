//! A person who interrupts a run wants to see what was measured so far.

use anyhow::{Result, bail};
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on the first SIGINT or SIGTERM is only noted; the second ends the program.
pub(crate) fn note() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler stores to an atomic and calls signal(2), both of which are allowed
        // in handlers (signal-safety(7)).
        unsafe { libc::signal(signal, handle as *const () as libc::sighandler_t) };
    }
}

extern "C" fn handle(signal: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
    // SAFETY: see `note`.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Whether it has happened.
pub(crate) fn is_noted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// An error if it has happened.
pub(crate) fn check() -> Result<()> {
    if is_noted() {
        bail!("interrupted; what was measured until then is shown");
    }

    Ok(())
}
