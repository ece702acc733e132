//! A network namespace without a name: the kernel removes it with its last user.

use anyhow::{Context, Result};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// A namespace that stands as long as this value, or a process in it.
pub(super) struct Namespace(File);

impl Namespace {
    /// A new one, which this thread is in from now on.
    pub(super) fn new() -> Result<Self> {
        // SAFETY: this call has no pointers, and changes the calling thread only.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            return Err(io::Error::last_os_error()).context("no new network namespace");
        }

        Self::open("/proc/thread-self/ns/net")
    }

    /// The one in which this process began, as its main thread.
    #[cfg(test)]
    pub(super) fn of_process() -> Result<Self> {
        Self::open("/proc/self/ns/net")
    }

    /// Moves this thread there.
    pub(super) fn enter(&self) -> Result<()> {
        // SAFETY: the descriptor is open as long as this value, and the call has no pointers.
        if unsafe { libc::setns(self.0.as_raw_fd(), libc::CLONE_NEWNET) } != 0 {
            return Err(io::Error::last_os_error()).context("cannot enter a network namespace");
        }

        Ok(())
    }

    /// Runs something there, and goes back to where this thread was.
    pub(super) fn within<T>(&self, back: &Self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.enter()?;
        let result = work();
        back.enter()?;

        result
    }

    /// A path by which other processes name it.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    fn open(path: &str) -> Result<Self> {
        Ok(Self(File::open(path).with_context(|| format!("cannot open {path}"))?))
    }
}
