//! Memory of a process, from procfs.

use anyhow::{Context, Result};
use std::fs;

/// Memory that a process has now, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Its share of the pages that it has, without those of files: its part of a program that
    /// others run too changes when they start and end, whatever it does itself.
    pub(crate) pss: u64,
    /// All the pages that it has.
    pub(crate) rss: u64,
}

impl Memory {
    /// Reads what a process has.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
            .with_context(|| format!("cannot read the memory of process {pid}"))?;

        parse(&text).with_context(|| format!("/proc/{pid}/smaps_rollup is not as Linux writes it"))
    }
}

fn parse(text: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kilobytes * 1_024)
    };

    Some(Memory { pss: bytes("Pss_Anon:")? + bytes("Pss_Shmem:")?, rss: bytes("Rss:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_the_kernel_writes_it() {
        let text = "55-7f ---p 0 00:00 0 [rollup]\nRss:    1234 kB\nPss:      800 kB\n\
                    Pss_Anon:  50 kB\nPss_File:      744 kB\nPss_Shmem:    6 kB\n";

        assert_eq!(parse(text), Some(Memory { pss: 56 << 10, rss: 1_234 << 10 }));
        assert_eq!(parse("Rss: 1 kB\n"), None);
        assert!(Memory::of(std::process::id()).unwrap().pss > 0);
        assert!(Memory::of(u32::MAX).is_err());
    }
}
