//! Namespaces with a client, a relay and a peer, joined by veth pairs; frames by hand.
#![allow(dead_code, unused_imports, reason = "each test takes what it needs")]

mod frame;
mod namespace;
mod rows;

pub(crate) use frame::{Frame, parse, payload, with_ipv4_checksum};
pub(crate) use namespace::Namespace;
pub(crate) use rows::{Expect, Row, Table, down, in_the_lab, row, up};

use ebpf_loader::{Binding, BindingKey, Mode, Offload, Options};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// MAC addresses: both ends of the client's line, both ends of the peer's.
pub(crate) const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 1, 2];
pub(crate) const RELAY_MAC: [u8; 6] = [2, 0, 0, 0, 1, 1];
pub(crate) const RELAY_MAC_2: [u8; 6] = [2, 0, 0, 0, 2, 1];
pub(crate) const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 2, 2];

/// The interfaces of the relay: to the client, and to the peer.
pub(crate) const TO_CLIENT: &str = "c0";
pub(crate) const TO_PEER: &str = "p0";

/// Client, relay and peer.
pub(crate) struct Lab {
    pub(crate) client: Namespace,
    pub(crate) relay: Namespace,
    pub(crate) peer: Namespace,
}

impl Lab {
    /// Two lines, both families, neighbours known to each other.
    pub(crate) fn new() -> Self {
        let lab = Self {
            client: Namespace::new("client"),
            relay: Namespace::new("relay"),
            peer: Namespace::new("peer"),
        };
        lab.join(&lab.client, TO_CLIENT, 1, (RELAY_MAC, CLIENT_MAC));
        lab.join(&lab.peer, TO_PEER, 2, (RELAY_MAC_2, PEER_MAC));

        lab
    }

    fn join(&self, other: &Namespace, name: &str, net: u8, (ours, theirs): ([u8; 6], [u8; 6])) {
        let (relay, far) = (&self.relay, &other.name);
        relay.ip(&format!("link add {name} type veth peer name eth0 netns {far}"));
        // Checksums of frames that stay on the machine are else never computed.
        for (namespace, device) in [(relay, name), (other, "eth0")] {
            namespace.exec(&["ethtool", "-K", device, "tx", "off"]);
        }
        relay.ip(&format!("link set {name} address {}", text(ours)));
        other.ip(&format!("link set eth0 address {}", text(theirs)));
        relay.ip(&format!("addr add 10.0.{net}.1/24 dev {name}"));
        relay.ip(&format!("addr add fd00:{net}::1/64 dev {name} nodad"));
        other.ip(&format!("addr add 10.0.{net}.2/24 dev eth0"));
        other.ip(&format!("addr add fd00:{net}::2/64 dev eth0 nodad"));
        relay.ip(&format!("link set {name} up"));
        other.ip("link set eth0 up");
        other.ip(&format!("route add default via 10.0.{net}.1"));
        other.ip(&format!("-6 route add default via fd00:{net}::1"));
        for end in ["10.0", "fd00:"] {
            let (near, away) = match end {
                "10.0" => (format!("10.0.{net}.1"), format!("10.0.{net}.2")),
                _ => (format!("fd00:{net}::1"), format!("fd00:{net}::2")),
            };
            relay.ip(&format!("neigh replace {away} lladdr {} dev {name}", text(theirs)));
            other.ip(&format!("neigh replace {near} lladdr {} dev eth0", text(ours)));
        }
    }

    /// The program on both interfaces of the relay, and one without bindings at the far ends:
    /// a veth takes frames from XDP only if there is one.
    pub(crate) fn far_ends(&self, mode: Mode) -> [Offload; 2] {
        let attach = |namespace: &Namespace| {
            namespace.enter(|| Offload::attach(&options(&["eth0"], mode)).expect("a program"))
        };

        [attach(&self.client), attach(&self.peer)]
    }
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Without pins, with room for a hundred bindings.
pub(crate) fn options(interfaces: &[&str], mode: Mode) -> Options {
    let interfaces = interfaces.iter().map(|name| (*name).to_owned()).collect();

    Options { interfaces, mode, pins: None, bindings_max: 100, flows_max: 100 }
}

/// The address of a client (1) or a peer (2), or of the relay on that side.
pub(crate) fn address(ipv4: bool, side: u8, host: u8, port: u16) -> SocketAddr {
    let text = match ipv4 {
        true => format!("10.0.{side}.{host}:{port}"),
        false => format!("[fd00:{side}::{host}]:{port}"),
    };

    text.parse().expect("an address")
}

/// Channel 0x4001 of the client at port 5000 to the peer at port 6000.
pub(crate) fn binding(client_ipv4: bool, peer_ipv4: bool) -> Binding {
    Binding {
        key: BindingKey {
            client: address(client_ipv4, 1, 2, 5_000),
            server: address(client_ipv4, 1, 1, 3_478),
            channel: 0x4001,
        },
        relayed: address(peer_ipv4, 2, 1, 50_000),
        peer: address(peer_ipv4, 2, 2, 6_000),
        inside: false,
        allocation: 1,
        bandwidth_bps: None,
        expires: Instant::now() + Duration::from_secs(300),
    }
}
