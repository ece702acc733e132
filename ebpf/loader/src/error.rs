//! Why the kernel does not relay: each text names the key, the cause and the fix, in one line.

use std::io;
use std::path::PathBuf;

/// Why the program could not be loaded or attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The process lacks capabilities.
    #[error(
        "xdp.interface: the process lacks {missing}: run it as root, or grant \
         AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON in the systemd unit"
    )]
    Capability {
        /// Their names.
        missing: String,
    },
    /// There is no such interface.
    #[error("xdp.interface = {0}: there is no such interface; choose one that `ip link` lists")]
    NoInterface(String),
    /// The driver has no native XDP, or not as the interface is set.
    #[error(
        "xdp.interface = {interface}: its driver refuses native XDP ({error}); lower its MTU \
         below a page (3498 fits everywhere), or set xdp.mode = \"generic\", which is slower"
    )]
    Driver {
        /// Its name.
        interface: String,
        /// What the kernel said.
        error: io::Error,
    },
    /// Another program is attached.
    #[error(
        "xdp.interface = {0}: another XDP program is attached; `ip link show dev {0}` names it, \
         `ip link set dev {0} xdp off` takes it off, and `millrace relay --detach` one of ours"
    )]
    Taken(String),
    /// The kernel lacks something, or its verifier refuses the program.
    #[error(
        "xdp.interface: this kernel does not take the program ({0}); Linux 6.1 or newer is \
         needed, with CONFIG_BPF_SYSCALL and CONFIG_XDP_SOCKETS or a distribution's own kernel"
    )]
    Kernel(String),
    /// No memory for the maps.
    #[error(
        "xdp.interface: no memory for the kernel's maps ({0}); raise LimitMEMLOCK in the systemd \
         unit, or lower xdp.bindings_max"
    )]
    Memory(io::Error),
    /// No BPF file system where the pins go.
    #[error(
        "xdp.interface: {path} is not on a BPF file system, which lets relaying outlive the \
         process: `mount -t bpf bpf /sys/fs/bpf`"
    )]
    NoFileSystem {
        /// Where the pins should go.
        path: PathBuf,
    },
    /// The pins could not be read or made.
    #[error("xdp.interface: cannot use {path} ({error}); `millrace relay --detach` clears it")]
    Pins {
        /// The file or directory.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// Routes cannot be looked up.
    #[error(
        "xdp.interface: {key} is 0 and cannot be set ({error}); routes are only told to XDP where \
         it is 1 (on loopback it forwards nothing): `sysctl -w {key}=1`"
    )]
    Forwarding {
        /// The sysctl's name.
        key: &'static str,
        /// What writing it said.
        error: io::Error,
    },
}

/// Why datagrams cannot be brought to their shard's socket: one line that says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum SteerError {
    /// The process lacks capabilities.
    #[error(
        "xdp.steer: the process lacks {missing}: run it as root, or grant \
         AmbientCapabilities=CAP_BPF CAP_NET_ADMIN CAP_PERFMON in the systemd unit, or set \
         xdp.steer = false"
    )]
    Capability {
        /// Their names.
        missing: String,
    },
    /// The kernel lacks something, or its verifier refuses the program.
    #[error(
        "xdp.steer: this kernel does not take the program ({0}); Linux 6.1 or newer is needed, \
         with CONFIG_BPF_SYSCALL, or set xdp.steer = false"
    )]
    Kernel(String),
    /// No memory for the maps.
    #[error(
        "xdp.steer: no memory for the kernel's maps ({0}); raise LimitMEMLOCK in the systemd \
         unit, or lower xdp.flows_max"
    )]
    Memory(io::Error),
}

/// Why a binding stays with the process's own path.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The maps have no room.
    #[error("the kernel's maps are full")]
    Full,
    /// The kernel refused.
    #[error("the kernel refused: {0}")]
    Kernel(io::Error),
}
