//! What figures depend on beyond the programs: kernel, processors, mitigations, offloads.

use std::ffi::c_ulong;
use std::fs;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the kernel tells of weaknesses of processors and what it does against them.
const VULNERABILITIES: &str = "/sys/devices/system/cpu/vulnerabilities";
/// Asks a network device (`linux/sockios.h`).
const SIOCETHTOOL: c_ulong = 0x8946;
/// What is asked of one (`linux/ethtool.h`).
const OFFLOADS: [(u32, &str); 4] =
    [(0x16, "tx checksum"), (0x1e, "tso"), (0x23, "gso"), (0x2b, "gro")];

/// Name and value of each fact, in the order of reading.
pub(crate) fn facts() -> Vec<(String, String)> {
    let cpuinfo = line("/proc/cpuinfo");
    let field = |name: &str| {
        let found = cpuinfo.lines().find_map(|line| line.strip_prefix(name));
        found.map_or("unknown", |value| value.trim_start_matches(['\t', ' ', ':'])).to_owned()
    };
    let is_virtual = field("flags").split(' ').any(|flag| flag == "hypervisor");
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let governor = line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let build =
        if cfg!(debug_assertions) { "for development: figures are too high" } else { "release" };

    [
        ("date", date(SystemTime::now())),
        ("millrace-bench", format!("{}, built {build}", env!("CARGO_PKG_VERSION"))),
        ("kernel", line("/proc/sys/kernel/osrelease")),
        ("processor", field("model name")),
        (
            "processors",
            format!("{processors}{}", if is_virtual { ", a virtual machine" } else { "" }),
        ),
        ("governor", if governor.is_empty() { "not told".to_owned() } else { governor }),
        ("memory", memory().unwrap_or_else(|| "unknown".to_owned())),
        ("mitigations", mitigations()),
        ("loopback", offloads("lo").unwrap_or_else(|| "offloads unknown".to_owned())),
        ("load before", line("/proc/loadavg")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn line(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn memory() -> Option<String> {
    let text = line("/proc/meminfo");
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: f64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;

    Some(format!("{:.1} GiB", kilobytes / f64::from(1 << 20)))
}

/// What costs something: weaknesses that the processor has, and what is done about each.
fn mitigations() -> String {
    let entries = fs::read_dir(VULNERABILITIES).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), line(entry.path())))
        .filter(|(_, state)| state != "Not affected")
        .map(|(name, state)| format!("{name}: {}", state.trim_start_matches("Mitigation: ")))
        .collect();
    all.sort();

    if all.is_empty() { "none".to_owned() } else { all.join("; ") }
}

/// What a network device does for the kernel.
fn offloads(device: &str) -> Option<String> {
    let socket = UdpSocket::bind("127.0.0.1:0").ok()?;
    let states = OFFLOADS.map(|(command, name)| {
        let state = ask(&socket, device, command)?;
        Some(format!("{name} {}", if state == 0 { "off" } else { "on" }))
    });
    let states: Option<Vec<_>> = states.into_iter().collect();

    Some(states?.join(", "))
}

/// The answer to a question with one number (`struct ethtool_value`).
fn ask(socket: &UdpSocket, device: &str, command: u32) -> Option<u32> {
    let mut value = [command, 0];
    // SAFETY: all-zero bytes are a request for a device without a name.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let name = device.bytes().take(libc::IFNAMSIZ - 1);
    for (to, from) in request.ifr_name.iter_mut().zip(name) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = value.as_mut_ptr().cast();
    // SAFETY: the request is live and names a live pair of numbers, which the kernel fills.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL as _, &raw mut request) };

    (result == 0).then_some(value[1])
}

/// A time in UTC, to the minute.
fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970;
    let is_leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute) = (of_day / 3_600, of_day / 60 % 60);

    format!("{year}-{month:02}-{:02} {hour:02}:{minute:02} UTC", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_798_761_599, "2026-12-31 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn this_machine_tells_of_itself() {
        let facts = facts();
        let fact = |name: &str| &facts.iter().find(|(key, _)| key == name).unwrap().1;

        assert!(fact("kernel").contains('.') && fact("memory").contains("GiB"));
        assert!(fact("loopback").contains("gso on"), "{}", fact("loopback"));
        assert!(offloads("no-such-device").is_none());
    }
}
