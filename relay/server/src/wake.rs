//! Wakes a shard that sleeps in its ring: an eventfd, written only when somebody sleeps.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// One sleeper's alarm.
#[derive(Debug)]
pub(crate) struct Wake {
    event: File,
    sleeping: AtomicBool,
}

impl Wake {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes no pointers, and the descriptor it returns is nobody else's.
        let event = unsafe {
            let fd = libc::eventfd(0, libc::EFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };

        Ok(Self { event: event.into(), sleeping: AtomicBool::new(false) })
    }

    /// The eventfd; it becomes readable by `wake`.
    pub(crate) fn fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    /// Wakes the sleeper, after something was put where it looks before it sleeps.
    pub(crate) fn wake(&self) {
        // Pairs with the fence in `sleep`: either the sleeper sees what was put there, or we see
        // that it sleeps.
        fence(Ordering::SeqCst);
        if self.sleeping.swap(false, Ordering::SeqCst) {
            // The counter cannot overflow: at most one write per sleep.
            let _ = (&self.event).write(&1u64.to_ne_bytes());
        }
    }

    /// Says that we are about to sleep: look once more for work after this, then sleep.
    pub(crate) fn sleep(&self) {
        self.sleeping.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Says that we are awake.
    pub(crate) fn awake(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    /// Takes the signal after the eventfd became readable.
    pub(crate) fn clear(&self) {
        let _ = (&self.event).read(&mut [0; 8]);
    }
}
