//! A bound channel, as the two flows of the maps.

use ebpf_common::{Entry, FlowKey, change, from_mapped, is_ipv4, kind, mapped, sum};
use std::net::SocketAddr;
use std::time::Instant;

/// What tells a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BindingKey {
    /// The client's address.
    pub client: SocketAddr,
    /// Our address that the client talks to; never a wildcard.
    pub server: SocketAddr,
    /// The channel's number.
    pub channel: u16,
}

/// A channel that the kernel relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Whose channel.
    pub key: BindingKey,
    /// The allocation's relayed address, as this machine has it.
    pub relayed: SocketAddr,
    /// The peer; if it is a relayed address of ours, as this machine has it.
    pub peer: SocketAddr,
    /// Whether the peer is a relayed address of this very server.
    pub inside: bool,
    /// Bindings of one allocation share its bandwidth.
    pub allocation: u64,
    /// Bits a second in each direction.
    pub bandwidth_bps: Option<u64>,
    /// When channel or permission ends, whichever is first: the kernel stops then by itself.
    pub expires: Instant,
}

/// What was relayed in one direction since the last time it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Datagrams.
    pub packets: u64,
    /// Their bytes of application data.
    pub bytes: u64,
    /// Datagrams that were over the bandwidth limit.
    pub refused: u64,
}

/// What a binding has relayed since the last time it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Client to peer.
    pub up: Traffic,
    /// Peer to client.
    pub down: Traffic,
}

impl Counted {
    /// Whether nothing came at all.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// A flow and what becomes of it, without what may change while it is bound.
#[derive(Clone, Copy)]
pub(crate) struct Flow {
    pub(crate) key: FlowKey,
    pub(crate) entry: Entry,
}

impl Binding {
    /// Client to peer.
    pub(crate) fn up(&self) -> Flow {
        let key = flow_key(self.key.client, self.key.server, self.key.channel);
        let mut flow = flow(key, self.relayed, self.peer, 0);
        if self.inside {
            flow.entry.kind[0] |= kind::INSIDE;
        }

        flow
    }

    /// Peer to client.
    pub(crate) fn down(&self) -> Flow {
        let key = flow_key(self.peer, self.relayed, 0);

        flow(key, self.key.server, self.key.client, self.key.channel)
    }
}

impl BindingKey {
    /// The binding that an entry is of, if it is one from client to peer; and the key of the flow
    /// in the other direction.
    pub(crate) fn of(entry: &Entry) -> Option<(Self, FlowKey)> {
        let key = FlowKey::from_bytes(&entry.key);
        let channel = u16::from_be_bytes(key.channel);
        let client = address(&key.remote, key.remote_port);
        let server = address(&key.local, key.local_port);
        let relayed = address(&entry.source, entry.source_port);
        let peer = address(&entry.destination, entry.destination_port);

        (channel != 0).then(|| (Self { client, server, channel }, flow_key(peer, relayed, 0)))
    }
}

pub(crate) fn flow_key(remote: SocketAddr, local: SocketAddr, channel: u16) -> FlowKey {
    FlowKey {
        remote: mapped(remote.ip()),
        local: mapped(local.ip()),
        remote_port: remote.port().to_be_bytes(),
        local_port: local.port().to_be_bytes(),
        channel: channel.to_be_bytes(),
        reserved: [0; 2],
    }
}

fn flow(key: FlowKey, source: SocketAddr, destination: SocketAddr, channel: u16) -> Flow {
    let mut entry = Entry {
        key: key.to_bytes(),
        source: mapped(source.ip()),
        destination: mapped(destination.ip()),
        source_port: source.port().to_be_bytes(),
        destination_port: destination.port().to_be_bytes(),
        channel: channel.to_be_bytes(),
        kind: [0],
        reserved: [0],
        expires: [0; 8],
        checksum: [0; 4],
        meter: [0; 4],
    };
    if is_ipv4(&entry.destination) {
        entry.kind[0] |= kind::IPV4;
    }
    entry.checksum = checksum_change(&key, &entry).to_be_bytes();

    Flow { key, entry }
}

/// What a flow's datagrams get added to their UDP checksum, but for the length of their data.
///
/// The UDP length counts twice: it stands in the header and in the pseudo-header.
fn checksum_change(key: &FlowKey, entry: &Entry) -> u32 {
    let stripped = if key.channel == [0; 2] { 0 } else { 8 };
    let added = if entry.channel == [0; 2] { 0 } else { 8 };
    let ports = sum(&key.remote_port) + sum(&key.local_port) + sum(&key.channel);
    let old = sum(&key.remote) + sum(&key.local) + ports + stripped;
    let ports = sum(&entry.source_port) + sum(&entry.destination_port) + sum(&entry.channel);
    let new = sum(&entry.source) + sum(&entry.destination) + ports + added;

    change(old, new)
}

fn address(ip: &[u8; 16], port: [u8; 2]) -> SocketAddr {
    SocketAddr::new(from_mapped(ip), u16::from_be_bytes(port))
}
