//! A client with its allocation: one 5-tuple, by UDP, TCP or TLS.

use super::exchange;
use super::stream::Stream;
use super::stun::{Answer, Credentials, Request, Session};
use crate::net::address;
use crate::net::datagrams::{Receiver, Sends};
use crate::net::sockets;
use anyhow::{Context, Result};
use relay_wire::stun::Family;
use serde::Serialize;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};

/// How clients reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Transport {
    /// Datagrams.
    Udp,
    /// A connection for each client.
    Tcp,
    /// A TLS connection for each client.
    Tls,
}

impl Transport {
    /// What it is called in messages to people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// Where allocations are made, and by whom.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// The server.
    pub(super) server: SocketAddr,
    /// How it is reached.
    pub(super) transport: Transport,
    /// Who the clients are; `None` for a server that asks nobody.
    pub(super) credentials: Option<Credentials>,
    /// Our own address on the way there.
    pub(super) own: IpAddr,
}

impl Target {
    /// That of the relayed addresses, which is the server's own: unasked they are of IPv4 (RFC
    /// 8656, section 7.2).
    pub(super) fn family(&self) -> Family {
        if self.server.is_ipv6() { Family::V6 } else { Family::V4 }
    }
}

/// What carries a client's messages.
pub(super) enum Wire {
    /// A connected socket.
    Udp(UdpSocket),
    /// A connection.
    Stream(Box<Stream>),
}

/// One client.
pub(super) struct Client {
    /// What carries its messages.
    pub(super) wire: Wire,
    /// Its relayed address, once allocated.
    pub(super) relayed: Option<SocketAddr>,
    /// Its credentials as the server wants them.
    pub(super) session: Session,
    /// The request that is on the way.
    pub(super) request: Vec<u8>,
    /// What came back.
    pub(super) answer: Option<Answer>,
}

impl Client {
    /// Opens the `index`-th client's socket; `trains` if it may receive several datagrams at once.
    pub(super) fn open(target: &Target, index: usize, trains: bool) -> Result<Self> {
        let source = address::source(target.own, index);
        let wire = match target.transport {
            Transport::Udp => {
                let socket = UdpSocket::bind((source, 0))
                    .with_context(|| format!("cannot open a socket at {source}"))?;
                socket.connect(target.server)?;
                sockets::prepare(&socket, trains)?;
                sockets::tell_receive_times(&socket)?;
                Wire::Udp(socket)
            }
            Transport::Tcp => Wire::stream(target.server, source, false)?,
            Transport::Tls => Wire::stream(target.server, source, true)?,
        };
        let session = Session::new(target.credentials.clone());

        Ok(Self { wire, relayed: None, session, request: Vec::new(), answer: None })
    }

    /// Whether messages go by a connection.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self.wire, Wire::Stream(_))
    }

    /// Sends the request, perhaps again.
    pub(super) fn transmit(&mut self) -> io::Result<()> {
        match &mut self.wire {
            Wire::Udp(socket) => match socket.send(&self.request) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
                _ => Ok(()),
            },
            Wire::Stream(stream) => stream.send(&self.request).map(|_| ()),
        }
    }

    /// Takes what has come, for the answer to the request.
    pub(super) fn receive(&mut self, receiver: &mut Receiver) -> io::Result<()> {
        let Self { wire, session, request, answer, .. } = self;
        let mut take = |bytes: &[u8]| {
            if answer.is_none() {
                *answer = session.answer(request, bytes);
            }
        };
        match wire {
            Wire::Udp(socket) => {
                receiver.receive(socket)?;
                receiver.trains().flat_map(|train| train.datagrams()).for_each(&mut take);
            }
            Wire::Stream(stream) => {
                stream.fill()?;
                while let Some(message) = stream.next()? {
                    take(message);
                }
            }
        }

        Ok(())
    }
}

impl Wire {
    fn stream(server: SocketAddr, source: IpAddr, tls: bool) -> Result<Self> {
        Ok(Self::Stream(Box::new(Stream::connect(server, source, tls)?)))
    }
}

impl AsRawFd for Client {
    fn as_raw_fd(&self) -> RawFd {
        match &self.wire {
            Wire::Udp(socket) => socket.as_raw_fd(),
            Wire::Stream(stream) => stream.as_raw_fd(),
        }
    }
}

/// Opens clients and makes their allocations.
pub(super) fn allocate(target: &Target, count: usize, trains: bool) -> Result<Vec<Client>> {
    let mut clients = open(target, 0..count, trains)?;
    exchange::grant(target, &mut clients, |_| Request::Allocate(target.family()))?;

    Ok(clients)
}

/// Opens clients' sockets.
pub(super) fn open(
    target: &Target,
    indices: std::ops::Range<usize>,
    trains: bool,
) -> Result<Vec<Client>> {
    indices.map(|index| Client::open(target, index, trains)).collect()
}

/// Sends one request and expects no answer: what ends an allocation on the way out.
pub(super) fn release(clients: &mut [Client]) {
    let mut sends = Sends::default();
    for client in clients {
        client.request = client.session.request(Request::Release);
        // The server may be gone; then so is the allocation.
        match &client.wire {
            Wire::Udp(socket) => {
                sends.push(None, None, |out| out.extend_from_slice(&client.request));
                let _ = sends.flush(socket);
            }
            Wire::Stream(_) => {
                let _ = client.transmit();
            }
        }
    }
}

/// What an error of a client's socket means.
pub(super) fn failed(target: &Target, error: &io::Error) -> anyhow::Error {
    let Target { server, transport, .. } = target;
    let by = transport.name();
    match error.kind() {
        ErrorKind::ConnectionRefused => anyhow::anyhow!("no server at {server} by {by}"),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            anyhow::anyhow!("{server} closed a client's {by} connection")
        }
        _ => anyhow::anyhow!("{server} by {by}: {error}"),
    }
}
