//! The servers that are measured: started for one measurement, ended after it.

use super::args::{Args, Scenario};
use super::client::{Target, Transport};
use super::coturn;
use super::limits::Cpus;
use super::stun::{self, Credentials, Framing, Probe};
use crate::directory::Directory;
use crate::net::address;
use crate::server::Server;
use crate::stamp;
use crate::subject::Process;
use anyhow::{Context, Result, bail};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Time for a server to answer its first request.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// The user of the servers that we start.
const USER: &str = "bench";

/// A server that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// Our own, started by us.
    Millrace,
    /// coturn, started by us.
    Coturn,
    /// Sockets and nothing else.
    Bare,
    /// Sockets, trains in and out.
    BareTrains,
    /// Somebody's, running.
    Remote,
}

impl Subject {
    /// The name of its column.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Millrace => "millrace",
            Self::Coturn => "coturn",
            Self::Bare => "bare",
            Self::BareTrains => "bare+gso",
            Self::Remote => "server",
        }
    }

    /// Whether it can carry this load.
    pub(super) fn carries(self, scenario: &Scenario) -> bool {
        let bare = scenario.transport == Transport::Udp && scenario.framing == Framing::Channel;
        match self {
            Self::Millrace | Self::Coturn | Self::Remote => true,
            Self::Bare => bare,
            Self::BareTrains => bare && scenario.burst > 1,
        }
    }

    /// Whether it can be asked for allocations like a TURN server.
    pub(super) fn is_turn(self) -> bool {
        match self {
            Self::Millrace | Self::Coturn | Self::Remote => true,
            Self::Bare | Self::BareTrains => false,
        }
    }

    /// Starts it, or finds it, and waits until it answers.
    pub(super) fn start(self, args: &Args, cpus: &Cpus, transport: Transport) -> Result<Running> {
        let tls = transport == Transport::Tls;
        if self == Self::Remote {
            let server = args.server.context("the server's address is not given")?;
            return Running::of_others(args, server, transport);
        }
        let listen = SocketAddr::new(own_ip(), 3_478);
        let secure = tls.then_some(SocketAddr::new(listen.ip(), 5_349));
        let password = format!("{:016x}", rand::random::<u64>());
        let credentials = Credentials { user: USER.to_owned(), password };
        let process = cpus.as_server(|| self.spawn(args, listen, secure, &credentials))?;
        let mut running = Running {
            pid: process.pid(),
            process,
            listen,
            target: Target {
                server: secure.unwrap_or(listen),
                transport,
                credentials: self.is_turn().then_some(credentials),
                own: address::towards(listen)?,
            },
        };
        running.wait_until_ready().with_context(|| format!("{} does not start", self.name()))?;

        Ok(running)
    }

    fn spawn(
        self,
        args: &Args,
        listen: SocketAddr,
        secure: Option<SocketAddr>,
        credentials: &Credentials,
    ) -> Result<Process> {
        match self {
            Self::Millrace => {
                let mut settings = vec![
                    "media.shards=1".to_owned(),
                    format!("media.listen={listen}"),
                    format!("media.advertise={}", listen.ip()),
                    "turn.allow_peers=127.0.0.0/8".to_owned(),
                    // Limits that keep one user or source from harm; here all are one.
                    "turn.challenges_per_second=0".to_owned(),
                    "turn.quota.user=0".to_owned(),
                    "turn.quota.address=0".to_owned(),
                    format!("turn.users.{}={}", credentials.user, credentials.password),
                ];
                settings.extend(secure.map(|address| format!("turn.tls_listen={address}")));
                settings.extend(args.settings.iter().cloned());
                let server = Server::start(args.server_binary.as_deref(), &settings)?;
                Ok(Process::Millrace(Box::new(server)))
            }
            Self::Coturn => {
                let directory = Directory::new()?;
                let child = coturn::start(directory.path(), listen, secure, credentials)?;
                Ok(Process::Child { child, _directory: Some(directory) })
            }
            Self::Bare | Self::BareTrains => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["bare-relay", "--listen", &listen.to_string()]);
                command.args((self == Self::BareTrains).then_some("--trains"));
                let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
                Ok(Process::Child { child, _directory: None })
            }
            Self::Remote => bail!("somebody else's server is not ours to start"),
        }
    }
}

/// A server that answers.
pub(super) struct Running {
    /// How its clients reach it.
    pub(super) target: Target,
    /// Its process, if it is on this machine and known.
    pub(super) pid: Option<u32>,
    listen: SocketAddr,
    process: Process,
}

impl Running {
    fn of_others(args: &Args, server: SocketAddr, transport: Transport) -> Result<Self> {
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

        Ok(Self { target, pid: args.pid, listen: server, process: Process::Others(args.pid) })
    }

    /// An error that says so if the server has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        self.process.check()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let socket = UdpSocket::bind((self.target.own, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        socket.connect(self.listen)?;
        let began = Instant::now();
        let mut answer = [0; 512];
        while began.elapsed() < START_TIMEOUT {
            self.check()?;
            // Refused until it listens.
            let asked = socket.send(&stun::probe(Probe::Binding, stamp::now()));
            if asked.is_ok() && socket.recv(&mut answer).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }

        bail!("no answer in {} s", START_TIMEOUT.as_secs())
    }
}

/// An address on loopback that nobody else uses: relayed ports are then all free.
fn own_ip() -> IpAddr {
    let [second, third] = rand::random::<[u8; 2]>();

    Ipv4Addr::new(127, second | 0x40, third, 1).into()
}
