//! The servers that are measured: started for one measurement, ended after it.

use super::args::{Args, Scenario};
use super::client::{Target, Transport};

use super::stun::{Credentials, Framing};
use crate::cpus::Cpus;
use crate::figures::Sample;
use crate::impair::{Impaired, Spec};
use crate::log::Log;
use crate::net::address;
use crate::network::{Cards, Side};
use crate::server::Server;
use crate::subject::{self, Adapter, Process, Turn, leash};
use anyhow::{Context, Result, bail};
use ebpf_loader::Sink;
use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time for a server to answer its first request.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// The user of the servers that we start.
const USER: &str = "bench";
/// Where those listen that we start; their address is nobody else's.
const PORT: u16 = 3_478;
/// Where they listen for TLS.
const TLS_PORT: u16 = 5_349;

/// A server that is measured.
#[derive(Clone)]
pub(crate) enum Subject {
    /// Our own, started by us.
    Millrace,
    /// The same, relaying by XDP.
    Offloaded,
    /// Somebody else's, started by us.
    Peer(Arc<Adapter>),
    /// Sockets and nothing else.
    Bare,
    /// Sockets, trains in and out.
    BareTrains,
    /// Somebody's, running.
    Remote,
}

impl Subject {
    /// The name of its column.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Millrace => "millrace",
            Self::Offloaded => "millrace-xdp",
            Self::Peer(adapter) => &adapter.name,
            Self::Bare => "bare",
            Self::BareTrains => "bare+gso",
            Self::Remote => "server",
        }
    }

    /// Whether it can carry this load.
    pub(super) fn carries(&self, scenario: &Scenario) -> bool {
        let bare = scenario.transport == Transport::Udp && scenario.framing == Framing::Channel;
        match self {
            Self::Millrace | Self::Offloaded | Self::Peer(_) | Self::Remote => true,
            Self::Bare => bare,
            Self::BareTrains => bare && scenario.burst > 1,
        }
    }

    /// Whether it can be asked for allocations like a TURN server.
    pub(super) fn is_turn(&self) -> bool {
        match self {
            Self::Millrace | Self::Offloaded | Self::Peer(_) | Self::Remote => true,
            Self::Bare | Self::BareTrains => false,
        }
    }

    /// Starts it, or finds it, and waits until it answers.
    pub(super) fn start(&self, args: &Args, cpus: &Cpus, transport: Transport) -> Result<Running> {
        let ip = cpus.server_ip();
        cpus.make_card_ready(args.is_for_xdp())?;
        let access = match self {
            Self::Remote => return Running::of_others(args, transport)?.impaired(args.impair),
            Self::Millrace => cpus.as_server(|| start_millrace(args, ip, None))?,
            Self::Offloaded => {
                let card = cpus.card(Side::Server)?;
                cpus.as_server(|| start_millrace(args, ip, Some(card)))?
            }
            Self::Peer(adapter) => {
                let peer = cpus.as_server(|| adapter.start(ip))?;
                let turn = peer.turn.context("it is described without [turn]")?;
                (peer.process, turn)
            }
            Self::Bare => cpus.as_server(|| start_bare(ip, None))?,
            Self::BareTrains => cpus.as_server(|| start_bare(ip, Some("--trains")))?,
        };

        // A veth takes what XDP sends back only if its far end has a program.
        let sink = match args.is_for_xdp() {
            true => Some(Sink::attach(cpus.card(Side::Client)?)?),
            false => None,
        };
        let running = Running::new(access, transport, cpus.cards()?);

        running
            .with_context(|| format!("{} does not start", self.name()))
            .and_then(|running| running.impaired(args.impair))
            .map(|running| Running { sink, ..running })
    }
}

/// Starts our own server, without the limits that keep one user or source from harm: here all
/// clients are one. With a `card` the kernel relays there.
fn start_millrace(args: &Args, ip: IpAddr, card: Option<&str>) -> Result<(Process, Turn)> {
    let password = format!("{:016x}", rand::random::<u64>());
    let turn = Turn {
        address: SocketAddr::new(ip, PORT),
        tls: Some(SocketAddr::new(ip, TLS_PORT)),
        credentials: Some((USER.to_owned(), password.clone())),
    };
    let mut settings = vec![
        "media.shards=1".to_owned(),
        format!("media.listen={}", turn.address),
        format!("media.advertise={ip}"),
        "turn.allow_peers=[\"127.0.0.0/8\", \"198.18.0.0/15\", \"2001:2::/48\"]".to_owned(),
        "turn.challenges_per_second=0".to_owned(),
        "turn.quota.user=0".to_owned(),
        "turn.quota.address=0".to_owned(),
        format!("turn.users.{USER}={password}"),
        format!("turn.tls_listen={}", SocketAddr::new(ip, TLS_PORT)),
    ];
    settings.extend(args.settings.iter().cloned());
    let (binary, http) = (args.server_binary.as_deref(), address::own());
    let server = match card {
        Some(card) => Server::start_offloaded(binary, http, &settings, card)?,
        None => Server::start(binary, http, &settings)?,
    };

    Ok((Process::Millrace(Box::new(server)), turn))
}

fn start_bare(ip: IpAddr, option: Option<&str>) -> Result<(Process, Turn)> {
    let address = SocketAddr::new(ip, PORT);
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bare-relay", "--listen", &address.to_string()]).args(option);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    leash(&mut command);
    let mut child = command.spawn()?;
    let log = Log::of(&mut child, None);
    let turn = Turn { address, tls: None, credentials: None };

    Ok((Process::Child { child, log, _directory: None }, turn))
}

/// A server that answers.
pub(crate) struct Running {
    /// How its clients reach it.
    pub(super) target: Target,
    /// Its process, if it is on this machine and known.
    pub(super) pid: Option<u32>,
    /// What is known of the cards before it.
    pub(super) cards: Cards,
    /// How long a packet to it or from it may take.
    pub(super) longest: Duration,
    impaired: Option<Impaired>,
    sink: Option<Sink>,
    process: Process,
}

impl Running {
    fn new(
        (mut process, turn): (Process, Turn),
        transport: Transport,
        cards: Cards,
    ) -> Result<Self> {
        let server = match transport {
            Transport::Udp | Transport::Tcp => turn.address,
            Transport::Tls => turn.tls.context("it is described without an address for TLS")?,
        };
        let credentials = turn.credentials.map(|(user, password)| Credentials { user, password });
        let own = address::towards(server)?;
        let began = Instant::now();
        while !subject::answers_binding(turn.address)? {
            process.check()?;
            if began.elapsed() > START_TIMEOUT {
                bail!("no answer in {} s", START_TIMEOUT.as_secs());
            }
            std::thread::sleep(Duration::from_millis(5));
        }

        Ok(Self {
            pid: process.pid(),
            process,
            target: Target { server, transport, credentials, own },
            cards,
            longest: Duration::ZERO,
            impaired: None,
            sink: None,
        })
    }

    fn of_others(args: &Args, transport: Transport) -> Result<Self> {
        let server = args.server.context("the server's address is not given")?;
        let user = args.user.as_deref();
        let credentials = match (&args.secret, user, &args.pass) {
            (Some(secret), user, _) => Some(Credentials::of_secret(secret, user.unwrap_or(USER))),
            (None, Some(user), Some(password)) => {
                Some(Credentials { user: user.to_owned(), password: password.clone() })
            }
            (None, Some(_), None) => bail!("--user needs --pass"),
            (None, None, _) => None,
        };
        let own = address::towards(server)?;
        let target = Target { server, transport, credentials, own };

        Ok(Self {
            target,
            pid: args.pid,
            cards: Cards::default(),
            longest: Duration::ZERO,
            impaired: None,
            sink: None,
            process: Process::Others(args.pid),
        })
    }

    /// Puts a worse network between it and its clients, if one is asked for.
    fn impaired(mut self, spec: Option<Spec>) -> Result<Self> {
        let Some(spec) = spec else { return Ok(self) };
        let impaired = Impaired::towards(self.target.server, spec)?;
        self.target.server = impaired.address();
        self.longest = spec.longest();
        self.impaired = Some(impaired);

        Ok(self)
    }

    /// Ends the worse network and notes what it did.
    pub(super) fn note_network(&mut self, sample: &mut Sample) -> Result<()> {
        if let Some(impaired) = self.impaired.take() {
            sample.notes.push(impaired.stop()?.to_string());
        }

        Ok(())
    }

    /// What takes packets out at the clients' card, where programs in XDP take part.
    pub(super) fn sink(&mut self) -> Result<&mut Sink> {
        self.sink.as_mut().context("no program stands at the clients' card")
    }

    /// An error that says so if the server has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        self.process.check()
    }
}
