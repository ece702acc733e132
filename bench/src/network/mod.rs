//! The network between clients and server: loopback, or two network namespaces joined by a pair of
//! virtual cards, which are made for the run and end with this process, however it ends.

mod cards;
mod namespace;
mod veth;

pub(crate) use cards::Cards;

/// Addresses of the clients' card and of the server's.
pub(crate) const MACS: [[u8; 6]; 2] = [veth::CLIENT_MAC, veth::SERVER_MAC];

/// Time for the kernel to take a program off that nobody holds any more.
const DETACHED_WITHIN: Duration = Duration::from_secs(10);

use anyhow::{Context, Result, ensure};
use cards::Counters;
use clap::ValueEnum;
use namespace::Namespace;
use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use veth::Link;

/// What lies between clients and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Network {
    /// Loopback: no card, the sender does the receiver's work.
    Loopback,
    /// Namespaces and virtual cards, IPv4; needs root.
    Veth,
    /// The same with IPv6.
    Veth6,
    /// IPv4 by cards that do nothing for the kernel, as XDP programs need.
    VethPlain,
    /// The same with IPv6.
    Veth6Plain,
}

/// What the server's virtual card does itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Card {
    /// It splits trains and fills in checksums, as cards of servers do.
    Splitting,
    /// Nothing: programs in XDP are to see whole packets with their checksums.
    Plain,
}

/// Either end of the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Where clients are: this process.
    Client,
    /// Where servers are started.
    Server,
}

/// Two namespaces; this process is in the clients' one.
pub(crate) struct Topology {
    client: Namespace,
    server: Namespace,
    links: [Link; 2],
    card: Card,
    v6: bool,
}

impl Network {
    /// What is used unless a person chooses: cards where we may make them.
    pub(crate) fn usual() -> Self {
        // SAFETY: this call has no arguments and cannot fail.
        let root = unsafe { libc::geteuid() } == 0;

        if root && veth::TOOLS.iter().all(|tool| tool.is_there()) {
            Self::Veth
        } else {
            Self::Loopback
        }
    }

    /// In words, for reports.
    pub(crate) fn describe(self) -> String {
        let Some((v6, card)) = self.cards() else {
            return "loopback: no card, the sender delivers (root gets --network veth)".to_owned();
        };
        let family = if v6 { "IPv6" } else { "IPv4" };
        let splitting = match card {
            Card::Splitting => "the server's card splits trains and fills in checksums",
            Card::Plain => "checksums by software",
        };

        format!("veth between namespaces, {family}, {splitting}, threaded NAPI")
    }

    /// Whether its addresses are IPv6, and the server's card; `None` for loopback.
    fn cards(self) -> Option<(bool, Card)> {
        match self {
            Self::Loopback => None,
            Self::Veth => Some((false, Card::Splitting)),
            Self::Veth6 => Some((true, Card::Splitting)),
            Self::VethPlain => Some((false, Card::Plain)),
            Self::Veth6Plain => Some((true, Card::Plain)),
        }
    }

    /// Makes it, and moves this thread, and those that it starts from now on, to the clients' side;
    /// `None` for loopback, which is there.
    pub(crate) fn enter(self) -> Result<Option<Topology>> {
        let Some((v6, card)) = self.cards() else { return Ok(None) };
        let topology = Topology::new(v6, card).context(
            "cannot make namespaces with virtual cards, which takes root and the tools ip, \
             ethtool, tc and unshare; --network loopback does without",
        )?;

        Ok(Some(topology))
    }
}

impl Topology {
    fn new(v6: bool, card: Card) -> Result<Self> {
        for tool in veth::TOOLS {
            tool.check()?;
        }
        let (server, client) = (Namespace::new()?, Namespace::new()?);
        // Names by which the kernel's threads are told from those of other runs.
        let id = std::process::id();
        let links = [Link::client(id), Link::server(id, card)];
        let [ours, theirs] = &links;
        veth::join(ours, theirs, &server)?;
        ours.set_up()?;
        server.within(&client, || theirs.set_up())?;
        let topology = Self { client, server, links, card, v6 };
        topology.napi(Side::Client).into_iter().try_for_each(veth::prefer)?;

        Ok(topology)
    }

    /// What is known of the cards as a server's.
    pub(crate) fn cards(&self) -> Result<Cards> {
        let [ours, theirs] = &self.links;
        let theirs = || Counters::open(&theirs.name);
        let counters = vec![Counters::open(&ours.name)?, self.as_server(theirs)?];

        Ok(Cards::new(self.napi(Side::Server), counters))
    }

    /// Makes the server's card ready for the next server: without what an earlier one left in it,
    /// and `plain` for programs in XDP.
    pub(crate) fn make_ready(&self, plain: bool) -> Result<()> {
        let [_, card] = &self.links;
        let began = Instant::now();
        while self.as_server(|| card.has_program())? {
            ensure!(
                began.elapsed() < DETACHED_WITHIN,
                "a program of before stays at {}",
                card.name
            );
            std::thread::sleep(Duration::from_millis(5));
        }

        self.as_server(|| card.offload(if plain { Card::Plain } else { self.card }))
    }

    /// A side's card.
    pub(crate) fn card(&self, side: Side) -> &str {
        &self.links[side as usize].name
    }

    /// Runs something, such as starting a process, on the server's side.
    pub(crate) fn as_server<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.server.within(&self.client, work)
    }

    /// Where servers are to listen.
    pub(crate) fn server_ip(&self) -> IpAddr {
        if self.v6 { veth::SERVER_V6.into() } else { veth::SERVER_V4.into() }
    }

    /// The kernel's threads that receive what comes in at a side (`napi/DEV-N`). None where they
    /// cannot be seen.
    pub(crate) fn napi(&self, side: Side) -> Vec<u32> {
        let prefix = format!("napi/{}-", self.links[side as usize].name);
        let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
        let pid = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        let is_named = |pid: &u32| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm"));
            comm.is_ok_and(|comm| comm.starts_with(&prefix))
        };

        processes.filter_map(|entry| pid(entry.ok()?)).filter(is_named).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{address, sockets};
    use std::io::ErrorKind;
    use std::net::{SocketAddr, UdpSocket};
    use std::time::Duration;

    /// Runs something in a thread, which may change its namespace without disturbing others; tells
    /// when only root can do it.
    fn as_root(work: impl FnOnce() + Send) {
        // SAFETY: this call has no arguments and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            let error = Network::Veth.enter().err().expect("only root makes namespaces");
            assert!(error.to_string().contains("--network loopback"), "{error}");
            return;
        }
        std::thread::scope(|scope| scope.spawn(work).join().expect("it went well"));
    }

    fn datagram_crosses(network: Network) {
        let topology = network.enter().unwrap().unwrap();
        let listen = SocketAddr::new(topology.server_ip(), 0);
        let server = topology.as_server(|| Ok(UdpSocket::bind(listen)?)).unwrap();
        server.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let to = server.local_addr().unwrap();
        let own = address::towards(to).unwrap();
        for index in [0, 300] {
            let client = UdpSocket::bind((address::source(own, index), 0)).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            client.send_to(b"there", to).unwrap();
            let (_, from) = server.recv_from(&mut [0; 9]).unwrap();
            assert_eq!(from, client.local_addr().unwrap());
            server.send_to(b"back", from).unwrap();
            assert_eq!(client.recv(&mut [0; 9]).unwrap(), 4);
        }
        let elsewhere = UdpSocket::bind(listen).unwrap_err();
        assert_eq!(elsewhere.kind(), ErrorKind::AddrNotAvailable, "clients are not at the server");

        for side in [Side::Client, Side::Server] {
            let threads = topology.napi(side);
            assert!(!threads.is_empty(), "no thread of the kernel receives at {side:?}");
        }
    }

    #[test]
    fn datagrams_cross_between_namespaces_by_threads_of_the_kernel() {
        as_root(|| datagram_crosses(Network::Veth));
    }

    #[test]
    fn datagrams_cross_by_ipv6() {
        as_root(|| datagram_crosses(Network::Veth6Plain));
    }

    #[test]
    fn what_a_burst_loses_is_counted() {
        const BURST: u64 = 2_000;
        as_root(|| {
            let topology = Network::Veth.enter().unwrap().unwrap();
            let cards = topology.cards().unwrap();
            let listen = SocketAddr::new(topology.server_ip(), 0);
            let server = topology.as_server(|| Ok(UdpSocket::bind(listen)?)).unwrap();
            let own = address::towards(server.local_addr().unwrap()).unwrap();
            let client = UdpSocket::bind((own, 0)).unwrap();
            sockets::prepare(&client, false).unwrap();
            let to = client.local_addr().unwrap();
            for _ in 0..BURST {
                server.send_to(&[7; 1_000], to).unwrap();
            }

            let deadline = std::time::Instant::now() + Duration::from_secs(20);
            let (mut received, mut datagram) = (0, [0; 1_500]);
            while received + cards.drops().unwrap().unwrap() < BURST {
                assert!(std::time::Instant::now() < deadline, "{received} came of {BURST}");
                received += u64::from(client.recv(&mut datagram).is_ok());
            }
            assert_eq!(received + cards.drops().unwrap().unwrap(), BURST);
        });
    }

    #[test]
    fn nothing_is_left_behind() {
        as_root(|| {
            let topology = Network::Veth.enter().unwrap().unwrap();
            let [threads, others] = [Side::Client, Side::Server].map(|side| topology.napi(side));
            drop(topology);
            // This thread alone still holds the clients' namespace.
            let outside = Namespace::of_process().unwrap();
            outside.enter().unwrap();

            let gone = |pid: &u32| fs::metadata(format!("/proc/{pid}")).is_err();
            let all: Vec<_> = threads.into_iter().chain(others).collect();
            let deadline = std::time::Instant::now() + Duration::from_secs(20);
            while !all.iter().all(gone) {
                assert!(std::time::Instant::now() < deadline, "cards of a namespace stay: {all:?}");
                std::thread::yield_now();
            }
        });
    }
}
