//! What the system allows: file descriptors and ports, computed before anything starts.

use anyhow::{Context, Result, bail};
use std::{fs, io};

/// The ports that the kernel gives to sockets without one.
const LOCAL_PORTS: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// Ports that a server relays from at one address, unless it is told otherwise: 49152-65535
/// (RFC 8656, section 7.2).
const RELAYED_PORTS: u64 = 16_384;

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

/// An error that says what to do if so many sockets of clients find no port at one address.
pub(crate) fn provide_ports(needed: u64) -> Result<()> {
    let text =
        fs::read_to_string(LOCAL_PORTS).with_context(|| format!("cannot read {LOCAL_PORTS}"))?;
    let there =
        count_ports(&text).with_context(|| format!("{LOCAL_PORTS} is not as Linux says"))?;
    if needed + SPARE > there {
        bail!(
            "this needs {needed} ports at one address, and the kernel has {there} to give: widen \
             the range (as root `sysctl net.ipv4.ip_local_port_range=\"10000 65535\"`), or ask \
             for fewer"
        );
    }

    Ok(())
}

/// An error that says what to do if a server that we start cannot have so many allocations.
pub(crate) fn check_relayed_ports(allocations: u64) -> Result<()> {
    if allocations + SPARE > RELAYED_PORTS {
        bail!(
            "{allocations} allocations need as many relayed ports, and a server has \
             {RELAYED_PORTS} at its address: ask for {} at most",
            RELAYED_PORTS - SPARE,
        );
    }

    Ok(())
}

fn count_ports(text: &str) -> Option<u64> {
    let mut ends = text.split_whitespace().map(str::parse::<u64>);
    let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);

    (last + 1).checked_sub(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_counted_as_the_kernel_writes_their_range() {
        assert_eq!(count_ports("32768\t60999\n"), Some(28_232));
        assert_eq!(count_ports("60999 32768"), None);
        assert_eq!(count_ports("32768"), None);
    }

    #[test]
    fn more_ports_than_there_are_are_refused_with_what_to_do() {
        let error = provide_ports(65_536).unwrap_err().to_string();
        assert!(error.contains("65536 ports at one address"), "{error}");
        assert!(error.contains("ip_local_port_range"), "{error}");
        assert!(provide_ports(10).is_ok());

        let error = check_relayed_ports(16_384).unwrap_err().to_string();
        assert!(error.contains("ask for 16320 at most"), "{error}");
        assert!(check_relayed_ports(16_320).is_ok());
    }

    #[test]
    fn more_descriptors_than_the_hard_limit_are_refused_with_what_to_do() {
        let error = provide_descriptors(1 << 40).unwrap_err().to_string();

        assert!(error.contains("1099511627840 file descriptors"), "{error}");
        assert!(error.contains("ulimit -Hn"), "{error}");
        assert!(provide_descriptors(1).is_ok());
    }
}
