//! The floor: a relay that does nothing but move packets between sockets, in a process of its own.
//!
//! It speaks just enough TURN for the same clients to use it: nobody is asked who he is, nothing
//! expires, a channel's number is an index.

use crate::net::datagrams::{Receiver, Sends, Train};
use crate::net::sockets::{self, Readiness};
use anyhow::{Context, Result};
use relay_wire::ChannelHeader;
use relay_wire::stun::{Class, Message, Method, Writer};
use socket2::SockAddr;
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// Relayed addresses that one process has at most.
const FLOWS_MAX: usize = 4_096;
/// The token of the socket that clients send to.
const LISTEN: usize = usize::MAX;
/// Seconds that it says an allocation lives; it lives as long as the process.
const LIFETIME_S: u32 = 600;

/// Settings of the bare relay.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where clients send to
    #[arg(long)]
    listen: SocketAddr,
    /// Receives and sends trains (UDP_GRO, UDP_SEGMENT)
    #[arg(long)]
    trains: bool,
}

/// One client's half of the relay.
struct Flow {
    client: SockAddr,
    relayed: UdpSocket,
    peer: Option<SockAddr>,
    channel: u16,
}

struct Relay {
    listen: UdpSocket,
    trains: bool,
    flows: Vec<Flow>,
    by_client: HashMap<SocketAddr, usize>,
    by_channel: Vec<Option<usize>>,
}

/// Relays until the process that started it ends.
pub(crate) fn run(args: &Args) -> Result<()> {
    end_with_parent();
    let listen = UdpSocket::bind(args.listen)
        .with_context(|| format!("cannot listen at {}", args.listen))?;
    sockets::prepare(&listen, args.trains)?;
    let mut relay = Relay {
        listen,
        trains: args.trains,
        flows: Vec::new(),
        by_client: HashMap::new(),
        by_channel: vec![None; FLOWS_MAX],
    };
    let mut receiver = Receiver::new();
    let mut sends = Sends::default();
    let mut readiness = Readiness::new()?;
    readiness.watch(&relay.listen, LISTEN)?;
    loop {
        readiness.wait(Duration::from_secs(1))?;
        let known = relay.flows.len();
        for token in readiness.ready() {
            // An error is an earlier datagram's that nobody took.
            if token == LISTEN {
                let _ = receiver.receive(&relay.listen);
                relay.up(&receiver, &mut sends)?;
                continue;
            }
            let _ = receiver.receive(&relay.flows[token].relayed);
            relay.down(token, &receiver, &mut sends);
        }
        for (index, flow) in relay.flows.iter().enumerate().skip(known) {
            readiness.watch(&flow.relayed, index)?;
        }
    }
}

impl Relay {
    /// Client to peer: runs of one client's packets leave together.
    fn up(&mut self, receiver: &Receiver, sends: &mut Sends) -> Result<()> {
        let mut current = None;
        for train in receiver.trains() {
            let Some(first) = train.datagrams().next() else { continue };
            let Some(header) = ChannelHeader::parse(first) else {
                self.answer(first, train.from)?;
                continue;
            };
            let index = usize::from(header.number & 0x0fff);
            let Some(index) = self.by_channel[index] else { continue };
            if let Some(other) = current.replace(index).filter(|&other| other != index) {
                sends.flush(&self.flows[other].relayed);
            }
            let Some(peer) = &self.flows[index].peer else { continue };
            let strip = |datagram: &[u8], out: &mut Vec<u8>| {
                out.extend_from_slice(datagram.get(ChannelHeader::LEN..).unwrap_or_default());
            };
            forward(&train, self.trains, (peer, first.len() - ChannelHeader::LEN), sends, strip);
        }
        if let Some(index) = current {
            sends.flush(&self.flows[index].relayed);
        }

        Ok(())
    }

    /// Peer to client.
    fn down(&self, index: usize, receiver: &Receiver, sends: &mut Sends) {
        let Flow { client, channel, .. } = &self.flows[index];
        for train in receiver.trains() {
            let Some(first) = train.datagrams().next() else { continue };
            let wrap = |datagram: &[u8], out: &mut Vec<u8>| {
                let header = ChannelHeader { number: *channel, len: datagram.len() as u16 };
                out.extend_from_slice(&header.write());
                out.extend_from_slice(datagram);
            };
            let segment = first.len() + ChannelHeader::LEN;
            forward(&train, self.trains, (client, segment), sends, wrap);
        }
        sends.flush(&self.listen);
    }

    /// Grants whatever is asked.
    fn answer(&mut self, request: &[u8], client: SocketAddr) -> Result<()> {
        let Some(message) = Message::parse(request).filter(|m| m.class() == Class::Request) else {
            return Ok(());
        };
        let mut bytes = [0; 128];
        let method = message.method();
        let mut writer =
            Writer::begin(&mut bytes, Class::Success, method, message.transaction_id());
        writer.xor_mapped_address(client);
        match method {
            Method::ALLOCATE => {
                let flow = self.allocate(client)?;
                writer.xor_relayed_address(self.flows[flow].relayed.local_addr()?);
                writer.lifetime(LIFETIME_S);
            }
            Method::CHANNEL_BIND => {
                let flow = self.by_client.get(&client).copied();
                let number = message.channel_number().ok().flatten();
                let peer = message.xor_peer_address().ok().flatten();
                if let (Some(flow), Some(number), Some(peer)) = (flow, number, peer) {
                    self.by_channel[usize::from(number & 0x0fff)] = Some(flow);
                    self.flows[flow].channel = number;
                    self.flows[flow].peer = Some(peer.into());
                }
            }
            _ => {}
        }
        let Some(len) = writer.finish() else { return Ok(()) };
        // A client that is gone needs no answer.
        let _ = self.listen.send_to(&bytes[..len], client);

        Ok(())
    }

    fn allocate(&mut self, client: SocketAddr) -> Result<usize> {
        if let Some(&flow) = self.by_client.get(&client) {
            return Ok(flow);
        }
        let relayed = UdpSocket::bind((self.listen.local_addr()?.ip(), 0))?;
        sockets::prepare(&relayed, self.trains)?;
        let flow = self.flows.len();
        self.flows.push(Flow { client: client.into(), relayed, peer: None, channel: 0x4000 });
        self.by_client.insert(client, flow);

        Ok(flow)
    }
}

/// Passes a train on to `to`: as a train of `segment` bytes each if it is one, else one by one.
fn forward(
    train: &Train<'_>,
    trains: bool,
    (to, segment): (&SockAddr, usize),
    sends: &mut Sends,
    write: impl Fn(&[u8], &mut Vec<u8>),
) {
    if trains {
        sends.push(Some(to), Some(segment), |out| {
            train.datagrams().for_each(|datagram| write(datagram, out));
        });
        return;
    }
    for datagram in train.datagrams() {
        sends.push(Some(to), None, |out| write(datagram, out));
    }
}

fn end_with_parent() {
    // SAFETY: this call only changes an attribute of the calling process.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}
