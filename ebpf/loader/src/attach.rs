//! Loads the program and attaches it, or takes over what an earlier process has pinned.

use crate::interface::Interface;
use crate::maps::Maps;
use crate::pins::{MAPS, Pins};
use crate::{AttachError, OBJECT, ways};
use aya::maps::MapError;
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::{XdpLink, XdpLinkId};
use aya::programs::{ProgramError, Xdp, XdpMode};
use aya::{Ebpf, EbpfError, EbpfLoader};
use std::path::PathBuf;
use std::{fs, io};

/// Which of the kernel's two ways to run XDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By the driver, before anything is allocated for a frame.
    Driver,
    /// By the stack, for drivers without native XDP; slower.
    Generic,
}

/// What to attach, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names of interfaces.
    pub interfaces: Vec<String>,
    /// How.
    pub mode: Mode,
    /// A directory on a BPF file system where maps and links outlive the process; `None`: nothing
    /// does.
    pub pins: Option<PathBuf>,
    /// Room in the maps; pinned ones keep theirs.
    pub bindings_max: u32,
    /// Flows that there is room for, which are brought to a shard's CPU.
    pub flows_max: u32,
}

/// A program that is loaded and attached.
pub(crate) struct Attached {
    pub(crate) ebpf: Ebpf,
    pub(crate) maps: Maps,
    /// Links that end with the process.
    pub(crate) _links: Vec<XdpLink>,
    pub(crate) interfaces: Vec<Interface>,
}

/// The program's name in the object.
pub(crate) const PROGRAM: &str = "relay";

/// Loads and attaches as told, to all interfaces or to none.
pub(crate) fn attach(options: &Options) -> Result<Attached, AttachError> {
    check_capabilities()?;
    let find = |name: &String| Interface::find(name);
    let interfaces: Vec<Interface> =
        options.interfaces.iter().map(find).collect::<Result<_, _>>()?;
    let pins = options.pins.as_deref().map(Pins::open).transpose()?;
    enable_route_lookups()?;
    let mut ebpf = load(options, pins.as_ref())?;
    let mut maps = Maps::take(&mut ebpf)?;
    tell_ways(&interfaces, &mut maps)?;
    let program = program_mut(&mut ebpf)?;
    program.load().map_err(|error| refused_program(&error))?;
    let links = attach_all(program, &interfaces, options.mode, pins.as_ref())?;
    if let Some(pins) = &pins {
        drop_other_links(pins, &interfaces)?;
    }

    Ok(Attached { ebpf, maps, _links: links, interfaces })
}

/// The capabilities of <linux/capability.h> that loading and attaching need, by bit.
const CAPABILITIES: [(u32, &str); 3] =
    [(12, "CAP_NET_ADMIN"), (38, "CAP_PERFMON"), (39, "CAP_BPF")];

/// The capability that includes the last two.
const CAP_SYS_ADMIN: u32 = 21;

pub(crate) fn check_capabilities() -> Result<(), AttachError> {
    let missing = missing_capabilities();
    if missing.is_empty() {
        return Ok(());
    }

    Err(AttachError::Capability { missing: missing.join(", ") })
}

/// Names of the capabilities that the process lacks.
pub(crate) fn missing_capabilities() -> Vec<&'static str> {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    let has = |bit: u32| bits & 1 << bit != 0;
    let missing =
        CAPABILITIES.iter().filter(|(bit, _)| !(has(*bit) || *bit >= 38 && has(CAP_SYS_ADMIN)));

    missing.map(|(_, name)| *name).collect()
}

/// Routes are looked up as if packets came from the loopback interface, which must be allowed to
/// forward for that: nothing else comes of it, since nothing ever comes in by it for others.
fn enable_route_lookups() -> Result<(), AttachError> {
    for (key, path) in [
        ("net.ipv4.conf.lo.forwarding", "/proc/sys/net/ipv4/conf/lo/forwarding"),
        ("net.ipv6.conf.lo.forwarding", "/proc/sys/net/ipv6/conf/lo/forwarding"),
    ] {
        let value = fs::read_to_string(path);
        // A machine without IPv6 has no such key, and needs none.
        if value.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
            || value.is_ok_and(|value| value.trim() == "1")
        {
            continue;
        }
        fs::write(path, "1").map_err(|error| AttachError::Forwarding { key, error })?;
    }

    Ok(())
}

fn load(options: &Options, pins: Option<&Pins>) -> Result<Ebpf, AttachError> {
    let slots = options.bindings_max.saturating_mul(2).max(2);
    let mut loader = EbpfLoader::new();
    loader
        .map_max_entries("FLOWS", slots)
        .map_max_entries("ENTRIES", slots)
        .map_max_entries("COUNTERS", slots)
        .map_max_entries("METERS", slots.saturating_add(2))
        .map_max_entries("RECORDS", slots)
        .map_max_entries("STEERED", options.flows_max.max(1))
        .map_max_entries("CPUS", cpus());
    if let Some(pins) = pins {
        for map in MAPS {
            loader.map_pin_path(map, pins.map(map));
        }
    }

    loader.load(OBJECT).map_err(|error| refused_maps(&error))
}

/// How many CPUs this machine may have.
fn cpus() -> u32 {
    aya::util::nr_cpus().map_or(1, |count| count as u32)
}

pub(crate) fn refused_maps(error: &EbpfError) -> AttachError {
    match no_memory(error) {
        Some(errno) => AttachError::Memory(io::Error::from_raw_os_error(errno)),
        None => AttachError::Kernel(one_line(error)),
    }
}

/// What the kernel said, if it refused a map for its size.
pub(crate) fn no_memory(error: &EbpfError) -> Option<i32> {
    let EbpfError::MapError(MapError::CreateError { io_error, .. }) = error else { return None };

    io_error
        .raw_os_error()
        .filter(|errno| matches!(*errno, libc::ENOMEM | libc::EPERM | libc::E2BIG))
}

fn refused_program(error: &ProgramError) -> AttachError {
    AttachError::Kernel(one_line(error))
}

/// The whole chain of causes in one line; a verifier's log is many.
pub(crate) fn one_line(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    let words: Vec<&str> = texts.iter().flat_map(|text| text.split_whitespace()).collect();
    let line = words.join(" ");
    let (start, end) = (line.chars().take(200), line.chars().rev().take(300));
    if line.chars().count() <= 500 {
        return line;
    }
    let end: String = end.collect::<Vec<char>>().into_iter().rev().collect();

    format!("{} ... {end}", start.collect::<String>())
}

fn tell_ways(interfaces: &[Interface], maps: &mut Maps) -> Result<(), AttachError> {
    for interface in interfaces {
        maps.add_device(interface.index)?;
    }
    let ways = ways::find(interfaces);
    ways.iter().try_for_each(|way| ways::tell(way, maps))?;
    // Only then: what an earlier process bound is relayed all the time.
    maps.retain_ways(&ways);

    Ok(())
}

pub(crate) fn program_mut(ebpf: &mut Ebpf) -> Result<&mut Xdp, AttachError> {
    let missing = || AttachError::Kernel("the object lacks its program".to_owned());
    let program = ebpf.program_mut(PROGRAM).ok_or_else(missing)?;

    program.try_into().map_err(|_| missing())
}

/// Attaches to all interfaces; where one refuses, to none that was not attached before.
fn attach_all(
    program: &mut Xdp,
    interfaces: &[Interface],
    mode: Mode,
    pins: Option<&Pins>,
) -> Result<Vec<XdpLink>, AttachError> {
    let (mut links, mut pinned) = (Vec::new(), Vec::new());
    for interface in interfaces {
        let path = pins.map(|pins| pins.link(&interface.name)).filter(|path| !path.exists());
        match attach_one(program, interface, mode, pins) {
            Ok(link) => links.extend(link),
            Err(error) => {
                // What cannot be removed is told by the next start, which takes it over.
                pinned.iter().for_each(|path: &PathBuf| _ = fs::remove_file(path));
                return Err(error);
            }
        }
        pinned.extend(path);
    }

    Ok(links)
}

/// Attaches to one interface, or puts the program in the place of a pinned link's. Returns the
/// link if it is to end with the process.
fn attach_one(
    program: &mut Xdp,
    interface: &Interface,
    mode: Mode,
    pins: Option<&Pins>,
) -> Result<Option<XdpLink>, AttachError> {
    let pinned = pins.map(|pins| pins.link(&interface.name)).filter(|path| path.exists());
    if let Some(path) = pinned {
        if replace(program, &path).is_ok() {
            return Ok(None);
        }
        // The interface was made anew, or the mode is another: the old link leads nowhere.
        fs::remove_file(&path).map_err(|error| AttachError::Pins { path, error })?;
    }
    let flags = match mode {
        Mode::Driver => XdpMode::Driver,
        Mode::Generic => XdpMode::Skb,
    };
    let id = program
        .attach_to_if_index(interface.index, flags)
        .map_err(|error| refused_link(&error, interface))?;
    let link = taken(program, id)?;
    let Some(pins) = pins else { return Ok(Some(link)) };
    let path = pins.link(&interface.name);
    let link = FdLink::try_from(link).map_err(|error| AttachError::Kernel(error.to_string()))?;
    link.pin(&path).map_err(|error| AttachError::Pins { path, error: io::Error::other(error) })?;

    Ok(None)
}

fn taken(program: &mut Xdp, id: XdpLinkId) -> Result<XdpLink, AttachError> {
    program.take_link(id).map_err(|error| refused_program(&error))
}

/// Puts the program in the place of the one that a pinned link runs, without a gap.
fn replace(program: &mut Xdp, path: &std::path::Path) -> Result<(), ProgramError> {
    let pinned = PinnedLink::from_pin(path).map_err(|_| ProgramError::NotAttached)?;
    let link = XdpLink::try_from(FdLink::from(pinned)).map_err(|_| ProgramError::NotAttached)?;
    let id = program.attach_to_link(link)?;
    // The pin holds it.
    drop(program.take_link(id)?);

    Ok(())
}

fn drop_other_links(pins: &Pins, interfaces: &[Interface]) -> Result<(), AttachError> {
    let failed = |path: PathBuf| move |error| AttachError::Pins { path, error };
    for (name, path) in pins.links().map_err(failed(pins.map("")))? {
        if !interfaces.iter().any(|interface| interface.name == name) {
            fs::remove_file(&path).map_err(failed(path.clone()))?;
        }
    }

    Ok(())
}

pub(crate) fn refused_link(error: &ProgramError, interface: &Interface) -> AttachError {
    let name = interface.name.clone();
    let ProgramError::SyscallError(syscall) = error else {
        // Netlink, tried after the kernel had called the request invalid.
        return AttachError::Driver { interface: name, error: io::Error::other(one_line(error)) };
    };
    match syscall.io_error.raw_os_error() {
        Some(libc::EBUSY | libc::EEXIST) => AttachError::Taken(name),
        Some(libc::ENODEV) => AttachError::NoInterface(name),
        Some(errno) => {
            AttachError::Driver { interface: name, error: io::Error::from_raw_os_error(errno) }
        }
        None => AttachError::Kernel(one_line(error)),
    }
}
