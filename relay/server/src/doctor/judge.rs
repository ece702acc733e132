//! What facts mean for a relay. Pure: tests make the facts.

use super::facts::{Facts, Interface};
use super::{Finding, Level, Wanted};
use std::ops::RangeInclusive;

/// Linux of Debian 12, the least that is supported.
const KERNEL_MIN: (u32, u32) = (6, 1);

/// Capabilities by their bits (include/uapi/linux/capability.h).
const CAPABILITIES: [(&str, u32); 3] =
    [("CAP_NET_ADMIN", 12), ("CAP_PERFMON", 38), ("CAP_BPF", 39)];
const CAP_SYS_ADMIN: u32 = 21;

/// Features of XDP that relaying needs: programs, redirects, and transmission of what others
/// redirect (`NETDEV_XDP_ACT_BASIC`, `REDIRECT`, `NDO_XMIT`).
const XDP_NEEDED: [(&str, u64); 3] = [("programs", 1), ("redirect", 2), ("transmit", 4)];
const XDP_ZERO_COPY: u64 = 8;

/// Drivers with native XDP, for kernels that do not tell (before 6.3).
const XDP_DRIVERS: [&str; 18] = [
    "atlantic",
    "bnxt_en",
    "dpaa2-eth",
    "ena",
    "fec",
    "gve",
    "hv_netvsc",
    "i40e",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "mlx5_core",
    "nfp",
    "sfc",
    "tun",
    "veth",
    "virtio_net",
];

/// Receive and send buffers that each socket asks for, in bytes.
const BUFFER_BYTES: u64 = 4 << 20;

/// Bytes that executors and rings lock, and maps on kernels that count them.
const MEMORY_LOCK_BYTES: u64 = 8 << 20;

/// Descriptors that a busy relay has: each relayed address is one.
const DESCRIPTORS: u64 = 65_536;

/// All findings, the machine's first, then each interface's.
pub(super) fn judge(facts: &Facts, wanted: &Wanted, shards: usize) -> Vec<Finding> {
    let xdp = !wanted.xdp_interfaces.is_empty();
    let mut findings = vec![
        kernel(&facts.release),
        uring(facts.no_uring.as_deref()),
        bpf(facts),
        capabilities(facts.capabilities, xdp || wanted.steer.sockets),
        steering(wanted, shards),
        bpffs(facts.bpffs, xdp),
        memory_lock(facts.memory_lock),
        descriptors(facts.descriptors),
        buffers(facts.buffers, facts.capabilities),
        ports(facts, &wanted.relay_ports),
    ];
    for name in &wanted.xdp_interfaces {
        if facts.interfaces.iter().all(|interface| interface.name != *name) {
            let found = format!("xdp.interface = {name}: there is no such interface");
            findings.push(fail(name, found, "choose one that `ip link` lists"));
        }
    }
    for interface in &facts.interfaces {
        let asked = wanted.xdp_interfaces.contains(&interface.name);
        findings.push(native(interface, asked && wanted.xdp_driver));
        findings.push(queues(interface, shards, wanted));
        findings.push(offloads(interface, asked));
    }

    findings
}

fn kernel(release: &str) -> Finding {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|n| n.parse().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let found = format!("Linux {release}");
    if version < KERNEL_MIN {
        return fail("kernel", found, "6.1 is the least: Debian 12 has it");
    }

    ok("kernel", found)
}

fn uring(missing: Option<&str>) -> Finding {
    match missing {
        None => ok("io_uring", "there".to_owned()),
        Some(error) => warn(
            "io_uring",
            format!("refused: {error}"),
            "set sysctl kernel.io_uring_disabled=0; until then media.io = mmsg is used",
        ),
    }
}

fn bpf(facts: &Facts) -> Finding {
    match (facts.btf, facts.jit) {
        (true, true) => ok("bpf", "types (BTF) and compiler (JIT) are there".to_owned()),
        (_, false) => warn(
            "bpf",
            "programs are interpreted".to_owned(),
            "set sysctl net.core.bpf_jit_enable=1",
        ),
        (false, true) => warn(
            "bpf",
            "the kernel does not describe its types (BTF)".to_owned(),
            "a distribution's own kernel does; ours needs none, tracing tools do",
        ),
    }
}

fn capabilities(held: u64, xdp: bool) -> Finding {
    let has = |bit: u32| held >> bit & 1 != 0;
    let missing = CAPABILITIES.iter().filter(|(_, bit)| !has(*bit));
    let missing: Vec<&str> = missing.map(|(name, _)| *name).collect();
    if missing.is_empty() || has(CAP_SYS_ADMIN) {
        return ok("capabilities", "XDP and steering may be used by this user".to_owned());
    }
    let found = format!("this user lacks {} for XDP and steering", missing.join(", "));
    let fix = "run as root, or grant them by AmbientCapabilities= in the systemd unit";

    if xdp { fail("capabilities", found, fix) } else { warn("capabilities", found, fix) }
}

/// Without steering all shards but one, on average, get a datagram that is another's.
fn steering(wanted: &Wanted, shards: usize) -> Finding {
    if shards < 2 {
        return ok("steering", "one shard has every flow".to_owned());
    }
    if wanted.steer.sockets {
        return ok("steering", format!("each flow's datagrams go to its shard, of {shards}"));
    }
    let others = 100 * (shards - 1) / shards;
    let found = format!(
        "the kernel chooses among {shards} shards by a hash: about {others} % of the datagrams of \
         rooms are handed over"
    );

    warn("steering", found, "xdp.steer = true; it needs no XDP, but the same capabilities")
}

fn bpffs(mounted: bool, xdp: bool) -> Finding {
    if mounted {
        return ok("bpffs", "mounted at /sys/fs/bpf".to_owned());
    }
    let found = "no BPF file system: relaying cannot outlive the process".to_owned();
    let fix = "`mount -t bpf bpf /sys/fs/bpf`; systemd does it by itself";

    if xdp { fail("bpffs", found, fix) } else { warn("bpffs", found, fix) }
}

fn memory_lock(bytes: u64) -> Finding {
    match bytes {
        u64::MAX => ok("memory lock", "unlimited".to_owned()),
        bytes if bytes >= MEMORY_LOCK_BYTES => ok("memory lock", format!("{} MiB", bytes >> 20)),
        bytes => warn(
            "memory lock",
            format!("{} KiB", bytes >> 10),
            "`ulimit -l 65536`, or LimitMEMLOCK=64M in the systemd unit",
        ),
    }
}

fn descriptors(limit: u64) -> Finding {
    let found = format!("{limit} open files");
    if limit < DESCRIPTORS {
        let fix = "LimitNOFILE=1048576 in the systemd unit: every relayed address is one";
        return warn("descriptors", found, fix);
    }

    ok("descriptors", found)
}

/// With `CAP_NET_ADMIN` sockets may be larger than the maximum.
fn buffers([receive, send]: [u64; 2], held: u64) -> Finding {
    let found = format!("up to {} KiB to receive, {} KiB to send", receive >> 10, send >> 10);
    let forced = held >> CAPABILITIES[0].1 & 1 != 0;
    if receive.min(send) < BUFFER_BYTES && !forced {
        let fix =
            format!("sysctl net.core.rmem_max={BUFFER_BYTES} net.core.wmem_max={BUFFER_BYTES}");
        return warn("socket buffers", found, &fix);
    }

    ok("socket buffers", found)
}

fn ports(facts: &Facts, relayed: &RangeInclusive<u16>) -> Finding {
    let text = |range: &RangeInclusive<u16>| format!("{}-{}", range.start(), range.end());
    let Some(local) = &facts.local_ports else {
        return ok("ports", format!("relayed {}", text(relayed)));
    };
    let (first, last) = (*local.start().max(relayed.start()), *local.end().min(relayed.end()));
    let reserved =
        facts.reserved_ports.iter().any(|kept| *kept.start() <= first && *kept.end() >= last);
    let found = format!("relayed {}, the kernel's own {}", text(relayed), text(local));
    if first > last || reserved {
        return ok("ports", found);
    }
    let fix = format!(
        "other programs take some of {first}-{last}: \
         sysctl net.ipv4.ip_local_reserved_ports={first}-{last}"
    );

    warn("ports", found, &fix)
}

fn native(interface: &Interface, asked: bool) -> Finding {
    let Interface { name, driver, mtu, xdp, .. } = interface;
    let subject = format!("{name}: XDP");
    let lacks: Vec<&str> = match xdp {
        Some(bits) => {
            let missing = XDP_NEEDED.iter().filter(|(_, bit)| bits & bit == 0);
            missing.map(|(name, _)| *name).collect()
        }
        None if XDP_DRIVERS.contains(&driver.as_str()) => Vec::new(),
        None => vec!["programs"],
    };
    if lacks.is_empty() {
        let zero_copy = xdp.is_some_and(|bits| bits & XDP_ZERO_COPY != 0);
        let sockets = if zero_copy { ", AF_XDP without copies" } else { "" };
        return ok(&subject, format!("in the driver ({driver}, MTU {mtu}){sockets}"));
    }
    let found = format!("not in the driver ({driver}): no {}", lacks.join(", "));
    let fix = "xdp.mode = \"generic\" works everywhere, but is slower; a veth needs a program or \
               GRO at its other end";

    if asked { fail(&subject, found, fix) } else { warn(&subject, found, fix) }
}

fn queues(interface: &Interface, shards: usize, wanted: &Wanted) -> Finding {
    let Interface { name, queues, .. } = interface;
    let subject = format!("{name}: queues");
    let found = format!("{queues} to receive, {shards} shards");
    let asked = wanted.xdp_interfaces.contains(name);
    let placed = asked && wanted.steer.cpus;
    if *queues < shards && *queues > 0 && !placed {
        let mut fix = format!("`ethtool -L {name} combined {shards}`, if the device has so many");
        if asked {
            fix.push_str("; else xdp.place = true brings datagrams to the CPU of their shard");
        }
        return warn(&subject, found, &fix);
    }
    if *queues >= shards && placed && shards > 1 {
        let fix = "xdp.place = false: the queues share the work already, by one hop less";
        return warn(&subject, found, fix);
    }

    ok(&subject, found)
}

fn offloads(interface: &Interface, asked: bool) -> Finding {
    let Interface { name, driver, offloads, .. } = interface;
    let subject = format!("{name}: offloads");
    let has = |wanted: &str| offloads.iter().any(|offload| offload == wanted);
    if asked && driver == "veth" && has("tx-checksum-ip-generic") {
        let fix =
            format!("`ethtool -K {name} tx off`, at both ends: XDP sends checksums as they are");
        return fail(&subject, "a veth leaves checksums undone".to_owned(), &fix);
    }
    if offloads.is_empty() {
        return ok(&subject, "the driver tells of none".to_owned());
    }
    let known = ["rx-gro", "tx-udp-segmentation", "rx-checksum", "tx-checksum-ip-generic"];
    let found: Vec<&str> = known.into_iter().filter(|name| has(name)).collect();
    let found = if found.is_empty() { "none of use".to_owned() } else { found.join(", ") };
    if !has("rx-gro") {
        return warn(&subject, found, &format!("`ethtool -K {name} gro on`"));
    }

    ok(&subject, found)
}

fn ok(subject: &str, found: String) -> Finding {
    finding(subject, Level::Ok, found, "")
}

fn warn(subject: &str, found: String, fix: &str) -> Finding {
    finding(subject, Level::Warn, found, fix)
}

fn fail(subject: &str, found: String, fix: &str) -> Finding {
    finding(subject, Level::Fail, found, fix)
}

fn finding(subject: &str, level: Level, found: String, fix: &str) -> Finding {
    Finding { subject: subject.to_owned(), level, found, fix: fix.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SteerSettings;

    /// What makes a good machine a worse one.
    type Change = fn(&mut Facts);

    fn wanted(interfaces: &[&str]) -> Wanted {
        Wanted {
            shards: None,
            relay_ports: 49_152..=65_535,
            xdp_interfaces: interfaces.iter().map(|name| (*name).to_owned()).collect(),
            xdp_driver: true,
            steer: SteerSettings { sockets: !interfaces.is_empty(), ..SteerSettings::default() },
        }
    }

    /// A machine on which there is nothing to complain about.
    fn machine() -> Facts {
        let interface = Interface {
            name: "eth0".into(),
            driver: "ice".into(),
            mtu: 1_500,
            queues: 2,
            xdp: Some(0b1111),
            offloads: vec!["rx-gro".into(), "tx-udp-segmentation".into()],
        };

        Facts {
            release: "6.1.0-39-amd64".into(),
            btf: true,
            jit: true,
            no_uring: None,
            capabilities: u64::MAX,
            memory_lock: u64::MAX,
            descriptors: 1 << 20,
            bpffs: true,
            buffers: [BUFFER_BYTES; 2],
            local_ports: Some(32_768..=49_151),
            reserved_ports: Vec::new(),
            interfaces: vec![interface],
        }
    }

    /// The only finding that is not well, once the machine is changed so; steering has a test of
    /// its own.
    fn complaint(interfaces: &[&str], change: impl Fn(&mut Facts)) -> Finding {
        let mut facts = machine();
        change(&mut facts);
        let mut all = judge(&facts, &wanted(interfaces), 2);
        all.retain(|finding| finding.level != Level::Ok && finding.subject != "steering");
        assert_eq!(all.len(), 1, "{all:#?}");
        assert!(!all[0].fix.is_empty());
        all.remove(0)
    }

    #[test]
    fn a_good_machine_has_nothing_to_change() {
        let all = judge(&machine(), &wanted(&["eth0"]), 2);
        let well = |finding: &Finding| finding.level == Level::Ok && finding.fix.is_empty();
        assert!(all.iter().all(well), "{all:#?}");
        assert!(all.iter().any(|finding| finding.found.contains("AF_XDP without copies")));
    }

    #[test]
    fn what_xdp_needs_fails_only_where_it_is_asked_for() {
        let changes: [(&str, Change); 4] = [
            ("capabilities", |facts| facts.capabilities = 1 << 12),
            ("bpffs", |facts| facts.bpffs = false),
            ("eth0: XDP", |facts| facts.interfaces[0].xdp = Some(0b1001)),
            ("eth0: XDP", |facts| {
                (facts.interfaces[0].xdp, facts.interfaces[0].driver) = (None, "e1000".into());
            }),
        ];
        for (subject, change) in changes {
            for (asked, level) in [(&["eth0"][..], Level::Fail), (&[], Level::Warn)] {
                let found = complaint(asked, change);
                assert_eq!((found.subject.as_str(), found.level), (subject, level));
            }
        }
        let lacks = complaint(&[], |facts| facts.interfaces[0].xdp = Some(0b1001));
        assert!(lacks.found.ends_with("no redirect, transmit"), "{lacks:?}");
    }

    #[test]
    fn limits_are_named_with_what_raises_them() {
        let changes: [(&str, &str, Change); 8] = [
            ("kernel", "6.1", |facts| facts.release = "5.15.0".into()),
            ("io_uring", "kernel.io_uring_disabled", |facts| facts.no_uring = Some("EPERM".into())),
            ("bpf", "bpf_jit_enable", |facts| facts.jit = false),
            ("memory lock", "LimitMEMLOCK", |facts| facts.memory_lock = 64 << 10),
            ("descriptors", "LimitNOFILE", |facts| facts.descriptors = 1_024),
            ("ports", "reserved_ports=49152-60999", |facts| {
                facts.local_ports = Some(32_768..=60_999);
            }),
            ("eth0: queues", "ethtool -L eth0 combined 2", |facts| facts.interfaces[0].queues = 1),
            ("eth0: offloads", "ethtool -K eth0 gro on", |facts| {
                facts.interfaces[0].offloads.remove(0);
            }),
        ];
        for (subject, fix, change) in changes {
            let found = complaint(&[], change);
            assert_eq!(found.subject, subject);
            assert!(found.fix.contains(fix), "{found:?}");
        }
    }

    #[test]
    fn small_buffers_matter_without_the_privilege_only() {
        let all = |capabilities| {
            let facts = Facts { buffers: [212_992; 2], capabilities, ..machine() };
            judge(&facts, &wanted(&[]), 2)
        };
        let level = |all: Vec<Finding>| {
            all.into_iter().find(|finding| finding.subject == "socket buffers").unwrap().level
        };
        assert_eq!(level(all(0)), Level::Warn);
        assert_eq!(level(all(u64::MAX)), Level::Ok);
    }

    #[test]
    fn ports_that_are_reserved_are_nobodys() {
        let facts = Facts {
            local_ports: Some(32_768..=60_999),
            reserved_ports: vec![49_152..=65_535],
            ..machine()
        };
        assert!(judge(&facts, &wanted(&["eth0"]), 2).iter().all(|found| found.level == Level::Ok));
    }

    #[test]
    fn an_interface_that_is_not_there_and_a_veth_with_undone_checksums_fail() {
        assert_eq!(complaint(&["eth9"], |_| {}).subject, "eth9");
        let veth = complaint(&["eth0"], |facts| {
            facts.interfaces[0].driver = "veth".into();
            facts.interfaces[0].offloads.push("tx-checksum-ip-generic".into());
        });
        assert_eq!((veth.level, veth.fix.contains("ethtool -K eth0 tx off")), (Level::Fail, true));
    }

    #[test]
    fn what_steering_would_gain_is_told_and_where_the_queues_do_it() {
        let look = |subject: &str, queues: usize, shards: usize, steer: [bool; 2]| {
            let mut facts = machine();
            facts.interfaces[0].queues = queues;
            let [sockets, cpus] = steer;
            let steer = SteerSettings { sockets, cpus, flows_max: 1 };
            let all = judge(&facts, &Wanted { steer, ..wanted(&["eth0"]) }, shards);
            all.into_iter().find(|finding| finding.subject == subject).unwrap()
        };
        let off = look("steering", 4, 4, [false, false]);
        assert!(
            off.found.contains("about 75 %") && off.fix.contains("xdp.steer = true"),
            "{off:?}"
        );
        assert_eq!(look("steering", 4, 1, [false, false]).level, Level::Ok);
        assert_eq!(look("steering", 4, 4, [true, false]).level, Level::Ok);

        let few = look("eth0: queues", 1, 4, [true, false]);
        assert!(few.fix.contains("xdp.place = true"), "{few:?}");
        assert_eq!(look("eth0: queues", 1, 4, [true, true]).level, Level::Ok);
        let enough = look("eth0: queues", 4, 4, [true, true]);
        assert!(enough.fix.contains("xdp.place = false"), "{enough:?}");
    }
}
