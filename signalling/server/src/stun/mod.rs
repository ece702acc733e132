//! A STUN service (RFC 8489, RFC 5780) over UDP and TCP, for who wants no relay beside it.
//!
//! It keeps nothing about anybody: a datagram is answered or dropped, a connection is one of a
//! bounded number and ends when it is silent.

mod stream;

use crate::{StartError, local_addresses};
use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, Opts};
use relay_wire::stun::Message;
use relay_wire::stun::binding::{ANSWER_MAX, Answer, Endpoint, Responder};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use stream::Streams;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Bytes of a request that are looked at; a longer one is dropped.
const REQUEST_MAX: usize = 1_500;

/// How the STUN service is reached.
#[derive(Clone, Debug, Default)]
pub struct StunConfig {
    /// Where it listens, UDP and TCP (`stun.listen`); a wildcard stands for all addresses of its
    /// family. Two IP addresses of one family with the same two ports each (four in all) serve
    /// RFC 5780 too.
    pub listen: Vec<SocketAddr>,
    /// Public and local address of this machine behind NAT, for RFC 5780.
    pub public: Vec<(IpAddr, IpAddr)>,
}

/// A STUN service whose ports are taken; nothing runs yet.
pub(crate) struct Stun {
    sockets: Vec<(SocketAddr, UdpSocket, TcpListener)>,
    public: Vec<(IpAddr, IpAddr)>,
}

impl Stun {
    /// Takes the ports.
    pub(crate) fn bind(config: &StunConfig) -> Result<Self, StartError> {
        let mut sockets: Vec<(SocketAddr, UdpSocket, TcpListener)> = Vec::new();
        for (wanted, address) in expand(&config.listen) {
            match open(address) {
                Ok((local, udp, tcp)) => sockets.push((local, udp, tcp)),
                Err(error) if wanted != address && !is_taken(&error) => {
                    tracing::warn!(%address, %error, "stun.listen: not on this address");
                }
                Err(error) => return Err(StartError::listen("stun.listen", address, &error)),
            }
        }

        Ok(Self { sockets, public: config.public.clone() })
    }

    /// Where it listens; ports are the real ones when 0 was configured.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|(address, ..)| *address).collect()
    }

    /// Answers until `stop` turns true.
    pub(crate) async fn serve(
        self,
        counters: Counters,
        stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let endpoints: Vec<Endpoint> =
            self.addresses().into_iter().map(|local| self.endpoint(local)).collect();
        let mut udp = Vec::new();
        let mut listeners = Vec::new();
        for (local, socket, listener) in self.sockets {
            udp.push((local, tokio::net::UdpSocket::from_std(socket)?));
            listeners.push(tokio::net::TcpListener::from_std(listener)?);
        }
        let service =
            Arc::new(Service { responder: Responder::new(&endpoints), sockets: udp, counters });
        let streams = Arc::new(Streams::default());
        let mut tasks = JoinSet::new();
        for index in 0..service.sockets.len() {
            let service = Arc::clone(&service);
            tasks.spawn(async move { service.datagrams(index).await });
        }
        for listener in listeners {
            tasks.spawn(stream::accept(listener, Arc::clone(&service), Arc::clone(&streams)));
        }
        let mut stop = stop;
        // A sender that is gone says stop too.
        let _ = stop.wait_for(|stop| *stop).await;
        tasks.shutdown().await;

        Ok(())
    }

    fn endpoint(&self, local: SocketAddr) -> Endpoint {
        let public = self.public.iter().find(|(_, behind)| *behind == local.ip());
        let public = public.map_or(local, |(ip, _)| SocketAddr::new(*ip, local.port()));

        Endpoint { local, public }
    }
}

/// The running service.
struct Service {
    responder: Responder,
    sockets: Vec<(SocketAddr, tokio::net::UdpSocket)>,
    counters: Counters,
}

impl Service {
    /// Answers what comes to one of the sockets, from the socket that it is asked to.
    async fn datagrams(&self, index: usize) {
        let (local, socket) = &self.sockets[index];
        let mut request = [0; REQUEST_MAX + 1];
        let mut buffer = [0; ANSWER_MAX + REQUEST_MAX];
        loop {
            let Ok((len, remote)) = socket.recv_from(&mut request).await else {
                // An ICMP error of an earlier answer; the socket goes on.
                tokio::task::yield_now().await;
                continue;
            };
            let Some(answer) = self.answer(&request[..len], (*local, remote), &mut buffer) else {
                self.counters.dropped.inc();
                continue;
            };
            let from = self.sockets.iter().find(|(address, _)| *address == answer.from);
            let bytes = &buffer[..answer.len];
            match from.map(|(_, socket)| socket.try_send_to(bytes, answer.to)) {
                Some(Ok(_)) => self.counters.count(bytes),
                Some(Err(_)) | None => self.counters.dropped.inc(),
            }
        }
    }

    fn answer(
        &self,
        bytes: &[u8],
        (local, remote): (SocketAddr, SocketAddr),
        buffer: &mut [u8],
    ) -> Option<Answer> {
        let request = parse(bytes).filter(|_| remote.port() != 0)?;

        self.responder.datagram(&request, (local, remote), buffer)
    }
}

/// A request that is whole and, if it has a fingerprint, has the right one.
fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    if bytes.len() > REQUEST_MAX {
        return None;
    }
    let request = Message::parse(bytes)?;

    (!request.has_fingerprint() || request.verify_fingerprint()).then_some(request)
}

/// Requests by what became of them.
#[derive(Clone)]
pub(crate) struct Counters {
    all: IntCounterVec,
    answered: IntCounter,
    refused: IntCounter,
    dropped: IntCounter,
}

impl Counters {
    pub(crate) fn new() -> prometheus::Result<Self> {
        let opts =
            Opts::new("millrace_stun_requests_total", "Requests of STUN, by what came of them");
        let all = IntCounterVec::new(opts, &["result"])?;
        let of = |result| all.with_label_values(&[result]);
        let (answered, refused, dropped) = (of("answered"), of("refused"), of("dropped"));

        Ok(Self { all, answered, refused, dropped })
    }

    /// For a registry.
    pub(crate) fn collector(&self) -> Box<dyn Collector> {
        Box::new(self.all.clone())
    }

    /// Counts an answer that was sent.
    fn count(&self, answer: &[u8]) {
        // The two class bits of an error response (RFC 8489, section 5).
        match answer {
            [first, second, ..] if first & 0x01 != 0 && second & 0x10 != 0 => self.refused.inc(),
            _ => self.answered.inc(),
        }
    }
}

/// Each address with the wildcard that it stands for, or with itself, and each once.
fn expand(listen: &[SocketAddr]) -> Vec<(SocketAddr, SocketAddr)> {
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    let mut expanded: Vec<(SocketAddr, SocketAddr)> = Vec::new();
    let (wild, named): (Vec<_>, Vec<_>) =
        listen.iter().partition(|address| address.ip().is_unspecified());
    let of_wild = |wanted: SocketAddr| {
        let own = local_addresses().into_iter().chain(loopback);
        own.filter(move |ip| ip.is_ipv4() == wanted.is_ipv4())
            .map(move |ip| (wanted, SocketAddr::new(ip, wanted.port())))
    };
    let named = named.into_iter().map(|address| (address, address));
    for (wanted, address) in named.chain(wild.into_iter().flat_map(of_wild)) {
        let is_new = address.port() == 0 || expanded.iter().all(|(_, known)| *known != address);
        if is_new {
            expanded.push((wanted, address));
        }
    }

    expanded
}

/// A UDP and a TCP socket on one address and port.
fn open(address: SocketAddr) -> io::Result<(SocketAddr, UdpSocket, TcpListener)> {
    let tcp = TcpListener::bind(address)?;
    let local = tcp.local_addr()?;
    let udp = UdpSocket::bind(local)?;
    tcp.set_nonblocking(true)?;
    udp.set_nonblocking(true)?;

    Ok((local, udp, tcp))
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}
