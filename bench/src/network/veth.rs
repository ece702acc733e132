//! The pair of virtual cards: names, addresses, offloads, and the kernel's threads that receive.

use super::Card;
use super::namespace::Namespace;
use anyhow::{Context, Result, bail};
use std::env;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process;

/// Addresses for measuring, which are nobody's (RFC 2544 and RFC 5180).
pub(super) const SERVER_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
pub(super) const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 1);
/// Those of clients: each has an address of its own, as behind a router (`address::source`).
const CLIENTS_V4: &str = "198.18.128.0/17";

/// The programs that are called.
pub(super) const TOOLS: [Command; 4] =
    [Command("ip"), Command("ethtool"), Command("tc"), Command("unshare")];
/// Packets that wait in front of a card whose ring of 256 is full, as they do in front of others.
/// Kernels before 6.16 drop them all the same.
const QUEUE_PACKETS: &str = "10000";
/// The cards' own addresses, which nobody else sees.
pub(super) const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
pub(super) const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Priority of the thread that receives for clients, as of an interrupt's work on other cards: what
/// it does not fetch in time is lost by the harness, not by the server.
const CLIENT_NICE: i32 = -20;

/// What a card leaves to the kernel: checksums, and the splitting of trains. So what comes from
/// clients is single whole packets, as from a wire.
const PLAIN: [&str; 2] = ["tx", "off"];
/// A card that does both itself: trains cross it whole.
const SPLITTING: [&str; 2] = ["tx", "on"];

/// A program.
#[derive(Clone, Copy)]
pub(super) struct Command(&'static str);

/// One end of the pair.
pub(super) struct Link {
    /// The card's.
    pub(super) name: String,
    offloads: [&'static str; 2],
    addresses: [&'static str; 2],
    route: Vec<&'static str>,
}

/// Makes the pair: `ours` in this thread's namespace, `theirs` in another.
pub(super) fn join(ours: &Link, theirs: &Link, there: &Namespace) -> Result<()> {
    let [ip, ..] = TOOLS;
    let path = there.path();
    let (near, far) = (text(CLIENT_MAC), text(SERVER_MAC));
    let near = ["link", "add", &ours.name, "address", &near, "type", "veth"];
    let far = ["peer", "name", &theirs.name, "address", &far, "netns", &path];

    ip.run(&[&near[..], &far].concat())
}

/// Lets one of the kernel's threads run before all usual ones.
pub(super) fn prefer(thread: u32) -> Result<()> {
    // SAFETY: this call has no pointers.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, thread, CLIENT_NICE) } != 0 {
        return Err(io::Error::last_os_error()).context("cannot prefer the thread of a card");
    }

    Ok(())
}

impl Link {
    /// The clients' end. Their many addresses are local there.
    pub(super) fn client(run: u32) -> Self {
        Self {
            name: format!("bc{run}"),
            offloads: PLAIN,
            addresses: ["198.18.0.2/24", "2001:2::2/64"],
            route: vec!["route", "add", "local", CLIENTS_V4, "dev", "lo"],
        }
    }

    /// The server's end, from which clients are reached through theirs.
    pub(super) fn server(run: u32, card: Card) -> Self {
        Self {
            name: format!("bs{run}"),
            offloads: offloads(card),
            addresses: ["198.18.0.1/24", "2001:2::1/64"],
            route: vec!["route", "add", CLIENTS_V4, "via", "198.18.0.2"],
        }
    }

    /// Sets this end up, in whose namespace this thread is.
    pub(super) fn set_up(&self) -> Result<()> {
        let [ip, ethtool, tc, unshare] = TOOLS;
        let name = self.name.as_str();
        ip.run(&["link", "set", "lo", "up"])?;
        for address in self.addresses {
            let [v4, v6] = [&["address", "add", address, "dev", name][..], &["nodad"]];
            ip.run(&if address.contains(':') { [v4, v6].concat() } else { v4.to_vec() })?;
        }
        // With GRO the card has a ring that NAPI serves.
        ethtool.run(&[&["--offload", name, "gro", "on"][..], &self.offloads].concat())?;
        tc.run(&["qdisc", "replace", "dev", name, "root", "pfifo", "limit", QUEUE_PACKETS])?;
        ip.run(&["link", "set", name, "up"])?;
        ip.run(&self.route)?;

        // /sys shows the cards of the namespace in which it was mounted.
        let threaded = "mount -t sysfs sysfs /sys && echo 1 > /sys/class/net/$0/threaded";
        unshare.run(&["--mount", "sh", "-c", threaded, name])
    }

    /// Lets the card do what a server's does, or nothing but what XDP allows; in its namespace.
    pub(super) fn offload(&self, card: Card) -> Result<()> {
        let [_, ethtool, ..] = TOOLS;

        ethtool.run(&[&["--offload", &self.name][..], &offloads(card)].concat())
    }

    /// Whether an XDP program runs at it, in whose namespace this thread is.
    pub(super) fn has_program(&self) -> Result<bool> {
        let [ip, ..] = TOOLS;

        Ok(ip.output(&["link", "show", "dev", &self.name])?.contains("prog/xdp"))
    }
}

fn offloads(card: Card) -> [&'static str; 2] {
    match card {
        Card::Splitting => SPLITTING,
        Card::Plain => PLAIN,
    }
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

impl Command {
    /// Whether it is installed.
    pub(super) fn is_there(self) -> bool {
        let path = env::var_os("PATH").unwrap_or_default();
        let sbin = ["/usr/sbin", "/sbin"].map(Into::into);

        env::split_paths(&path).chain(sbin).any(|directory| directory.join(self.0).is_file())
    }

    /// An error that says so if it is not.
    pub(super) fn check(self) -> Result<()> {
        if !self.is_there() {
            bail!("`{}` is not installed", self.0);
        }

        Ok(())
    }

    fn run(self, arguments: &[&str]) -> Result<()> {
        self.output(arguments).map(drop)
    }

    fn output(self, arguments: &[&str]) -> Result<String> {
        let line = format!("{} {}", self.0, arguments.join(" "));
        let output = process::Command::new(self.0)
            .args(arguments)
            .output()
            .with_context(|| format!("cannot run `{line}`"))?;
        if !output.status.success() {
            bail!("`{line}`: {}", String::from_utf8_lossy(&output.stderr).trim());
        }

        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
