//! What this machine is and allows, as it says itself.

use super::ethtool::Ethtool;
use super::netlink;
use io_uring::IoUring;
use nix::net::if_::if_nameindex;
use nix::sys::resource::{Resource, getrlimit};
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::str::FromStr;

/// Interfaces that are looked at.
const INTERFACES_MAX: usize = 64;

/// What was found out; what could not be is `None` or empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// As `uname -r` tells.
    pub(super) release: String,
    /// Whether the kernel describes its types.
    pub(super) btf: bool,
    /// Whether programs are compiled to machine code.
    pub(super) jit: bool,
    /// Why there is no `io_uring`, if there is none.
    pub(super) no_uring: Option<String>,
    /// Effective capabilities, a bit each.
    pub(super) capabilities: u64,
    /// Bytes that may be locked.
    pub(super) memory_lock: u64,
    /// Open files that the process may have at most.
    pub(super) descriptors: u64,
    /// Whether a BPF file system is where pins go.
    pub(super) bpffs: bool,
    /// The largest socket buffers without privilege, in bytes: receive, send.
    pub(super) buffers: [u64; 2],
    /// Ports that the kernel gives to whoever names none.
    pub(super) local_ports: Option<RangeInclusive<u16>>,
    /// Ports that it does not give so.
    pub(super) reserved_ports: Vec<RangeInclusive<u16>>,
    /// Interfaces, but for loopback.
    pub(super) interfaces: Vec<Interface>,
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: String,
    /// Empty: none that is told.
    pub(super) driver: String,
    pub(super) mtu: u32,
    /// Receive queues.
    pub(super) queues: usize,
    /// A set of `NETDEV_XDP_ACT_*`; `None`: the kernel does not tell.
    pub(super) xdp: Option<u64>,
    /// Names of offloads that are on.
    pub(super) offloads: Vec<String>,
}

impl Facts {
    /// Asks the machine.
    pub(super) fn gather() -> Self {
        let status = text("/proc/self/status");
        let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let capabilities = capabilities.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
        let soft = |resource| getrlimit(resource).map_or(0, |(soft, _)| soft);
        let hard = |resource| getrlimit(resource).map_or(0, |(_, hard)| hard);
        let names = if_nameindex().map(|all| {
            let names =
                all.iter().map(|one| (one.name().to_string_lossy().into_owned(), one.index()));
            names.filter(|(name, _)| name != "lo").take(INTERFACES_MAX).collect()
        });
        let names: Vec<(String, u32)> = names.unwrap_or_default();

        Self {
            release: text("/proc/sys/kernel/osrelease"),
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
            jit: number("/proc/sys/net/core/bpf_jit_enable").is_none_or(|on: u32| on != 0),
            no_uring: IoUring::new(8).err().map(|error| error.to_string()),
            capabilities: capabilities.unwrap_or(0),
            memory_lock: soft(Resource::RLIMIT_MEMLOCK),
            descriptors: hard(Resource::RLIMIT_NOFILE),
            bpffs: text("/proc/mounts").lines().any(is_bpffs),
            buffers: ["rmem_max", "wmem_max"]
                .map(|name| number(&format!("/proc/sys/net/core/{name}")).unwrap_or(0)),
            local_ports: ports(&text("/proc/sys/net/ipv4/ip_local_port_range")),
            reserved_ports: ranges(&text("/proc/sys/net/ipv4/ip_local_reserved_ports")),
            interfaces: names.into_iter().map(|(name, index)| interface(name, index)).collect(),
        }
    }
}

fn interface(name: String, index: u32) -> Interface {
    let directory = format!("/sys/class/net/{name}");
    let queues = fs::read_dir(format!("{directory}/queues"));
    let queues = queues.map_or(0, |all| {
        let names = all.flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().starts_with("rx-")).count()
    });
    let ethtool = Ethtool::new(&name).ok();
    let driver = ethtool.as_ref().and_then(|ethtool| ethtool.driver().ok());
    let offloads = ethtool.as_ref().and_then(|ethtool| ethtool.features().ok());

    Interface {
        driver: driver.unwrap_or_default(),
        mtu: number(&format!("{directory}/mtu")).unwrap_or(0),
        queues,
        xdp: netlink::xdp_features(index).ok(),
        offloads: offloads.unwrap_or_default(),
        name,
    }
}

fn is_bpffs(mount: &str) -> bool {
    let mut fields = mount.split(' ').skip(1);

    fields.next() == Some("/sys/fs/bpf") && fields.next() == Some("bpf")
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn number<T: FromStr>(path: &str) -> Option<T> {
    text(path).parse().ok()
}

/// `FIRST LAST`.
fn ports(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once(char::is_whitespace)?;

    Some(first.parse().ok()?..=last.trim().parse().ok()?)
}

/// `FIRST-LAST,ONE`.
fn ranges(text: &str) -> Vec<RangeInclusive<u16>> {
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };

    text.split(',').filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_tells_about_itself() {
        let facts = Facts::gather();
        assert!(facts.release.starts_with(|first: char| first.is_ascii_digit()), "{facts:?}");
        assert!(facts.descriptors > 0 && facts.buffers[0] > 0, "{facts:?}");
        assert!(facts.local_ports.is_some());
        assert!(facts.interfaces.iter().all(|interface| interface.name != "lo"));
    }

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(ports("32768\t60999"), Some(32_768..=60_999));
        assert_eq!(ports("x"), None);
        assert_eq!(ranges("8080,49152-65535"), [8_080..=8_080, 49_152..=65_535]);
        assert_eq!(ranges(""), []);
        assert!(is_bpffs("bpf /sys/fs/bpf bpf rw,nosuid 0 0"));
        assert!(!is_bpffs("sysfs /sys sysfs rw 0 0"));
    }
}
