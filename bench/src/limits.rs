//! What the system allows one process: file descriptors, computed before anything starts.

use anyhow::{Context, Result, bail};
use std::io;

/// Descriptors beside those of clients and allocations.
const SPARE: u64 = 64;

/// Raises our limit of descriptors so that `needed` clients fit, and as many allocations in a
/// server that inherits it; an error that says what to do if the system does not allow it.
pub(crate) fn provide_descriptors(needed: u64) -> Result<()> {
    let needed = needed + SPARE;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is that of a live structure, which the call fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error()).context("cannot read the limit of descriptors");
    }
    if needed > limit.rlim_max {
        bail!(
            "this needs {needed} file descriptors in one process, and the hard limit here is {}: \
             raise it (as root `ulimit -Hn {needed}`, or LimitNOFILE), or ask for fewer",
            limit.rlim_max,
        );
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is that of a live structure, which the call only reads.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error()).context("cannot raise the limit of descriptors");
    }

    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_descriptors_than_the_hard_limit_are_refused_with_what_to_do() {
        let error = provide_descriptors(1 << 40).unwrap_err().to_string();

        assert!(error.contains("1099511627840 file descriptors"), "{error}");
        assert!(error.contains("ulimit -Hn"), "{error}");
        assert!(provide_descriptors(1).is_ok());
    }
}
