//! Ways in and out: interfaces with the program, and VLANs upon them.

use crate::interface::Interface;
use crate::maps::Maps;
use crate::{AttachError, vlan};
use ebpf_common::{Link, Port, PortKey};
use nix::net::if_::if_nameindex;
use std::fs;

/// A way in and out of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Index of the interface that routes name.
    pub interface: u32,
    /// Index of the interface that carries the frames: the same, or the one below a VLAN.
    pub port: u32,
    /// Protocol and VLAN of the tags, outer first; two at most.
    pub tags: Vec<[u16; 2]>,
    /// Our MAC address there.
    pub mac: [u8; 6],
}

/// Every interface is a way, and every VLAN upon one.
pub(crate) fn find(interfaces: &[Interface]) -> Vec<Way> {
    let plain = interfaces.iter().map(|interface| Way {
        interface: interface.index,
        port: interface.index,
        tags: Vec::new(),
        mac: interface.mac,
    });
    // Without VLANs there is no such file.
    let config = fs::read_to_string("/proc/thread-self/net/vlan/config").unwrap_or_default();
    let vlans = vlan::parse(&config);
    let upon = |name: &str| {
        let (below, tags) = vlan::tags(&vlans, name)?;
        let port = interfaces.iter().find(|interface| interface.name == below)?.index;
        let Interface { index, mac, .. } = Interface::find(name).ok()?;
        Some(Way { interface: index, port, tags, mac })
    };
    let names = if_nameindex().ok();
    let names = names.iter().flat_map(|names| names.iter());
    let names = names.filter_map(|name| name.name().to_str().ok());

    plain.chain(names.filter_map(upon)).collect()
}

/// What frames that come this way have in common.
pub(crate) fn key(way: &Way) -> PortKey {
    let vlan = |index: usize| way.tags.get(index).map_or(0, |[_, vlan]| *vlan).to_be_bytes();

    PortKey { interface: way.port.to_be_bytes(), outer: vlan(0), inner: vlan(1) }
}

/// Tells the program a way.
pub(crate) fn tell(way: &Way, maps: &mut Maps) -> Result<(), AttachError> {
    maps.add_port(&key(way), &Port { mac: way.mac, reserved: [0; 2] })?;
    let mut tags = [0; 8];
    let bytes = way.tags.iter().flatten().flat_map(|half| half.to_be_bytes());
    tags.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    let tags_len = [4 * way.tags.len().min(2) as u8];
    let link = Link { port: way.port.to_be_bytes(), tags, tags_len, reserved: [0; 3] };

    maps.add_link(way.interface, &link)
}
