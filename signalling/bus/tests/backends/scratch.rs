//! Directories that go when a test ends.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// The name of a directory of one's own, which may not be there yet.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("millrace-bus-{}-{number}", std::process::id());

        Self(std::env::temp_dir().join(name))
    }

    /// The same, and it is there.
    pub(crate) fn made() -> Self {
        let scratch = Self::new();
        std::fs::create_dir_all(&scratch.0).expect("a directory");

        scratch
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
