//! Packets through allocations at a rate: who sends, who receives, and the clock between.

use super::args::{Direction, Scenario};
use super::client::{self, Client, Target, Transport, Wire};
use super::exchange;
use super::flow::{self, Flow, Sink};
use super::stun::{self, Framing, Request};
use crate::net::datagrams::{Receiver, Sends};
use crate::net::pour::{self, packets_of_entry};
use crate::net::sockets::{self, Readiness, readable, wait};
use crate::stamp::{self, Stamp};
use crate::tally::Tally;
use anyhow::{Context, Result, bail};
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// The shortest sleep: a wake-up for each packet would cost more than the packet.
const PAUSE_MIN: Duration = Duration::from_micros(50);
/// The longest sleep: arrivals are fetched at least as often.
const PAUSE_MAX: Duration = Duration::from_millis(1);
/// A sender that is later than this gives up what was due.
const LATE_MAX: Duration = Duration::from_millis(5);
/// Nothing came for so long: the server is gone, or relays nothing.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// The longest wait for what is on the way.
const DRAIN_MAX: Duration = Duration::from_secs(3);
/// Entries that are sent by one call from the peer's socket.
const PEER_BATCH: usize = 64;

/// Clients with allocations, a peer, and the flows between them.
pub(super) struct Load {
    target: Target,
    scenario: Scenario,
    clients: Vec<Client>,
    peer: UdpSocket,
    flows: Vec<Flow>,
    next: usize,
    receiver: Receiver,
    client_sends: Sends,
    peer_sends: Sends,
    buffer: Vec<u8>,
    readiness: Readiness,
    /// Packets that arrived, counted or not.
    pub(super) arrived: u64,
    /// Packets that were due and that we could not send.
    pub(super) held_back: u64,
}

impl Load {
    /// Makes the allocations and binds what the scenario needs.
    pub(super) fn open(target: &Target, scenario: &Scenario) -> Result<Self> {
        let peer = UdpSocket::bind((target.own, 0))?;
        sockets::prepare(&peer, scenario.trains)?;
        sockets::tell_receive_times(&peer)?;
        let count = scenario.allocations();
        let mut clients = client::allocate(target, count, scenario.trains)?;
        let relayed: Vec<SocketAddr> = clients
            .iter()
            .map(|client| client.relayed.context("the server granted no relayed address"))
            .collect::<Result<_>>()?;
        let peer_address = peer.local_addr()?;
        let others: Vec<SocketAddr> = (0..count)
            .map(|index| match scenario.direction {
                Direction::C2c => relayed[index ^ 1],
                Direction::Up | Direction::Down | Direction::Both => peer_address,
            })
            .collect();
        exchange::grant(target, &mut clients, |index| match scenario.framing {
            Framing::Channel => Request::Bind(flow::channel(index), others[index]),
            Framing::Indication => Request::Permit(others[index]),
        })?;

        let readiness = Readiness::new()?;
        for (index, client) in clients.iter().enumerate() {
            readiness.watch(client, index)?;
        }
        let flows = flow::of_scenario(target.transport, scenario, &others, &relayed);

        Ok(Self {
            target: target.clone(),
            scenario: scenario.clone(),
            clients,
            peer,
            flows,
            next: 0,
            receiver: Receiver::new(),
            client_sends: Sends::default(),
            peer_sends: Sends::default(),
            buffer: Vec::new(),
            readiness,
            arrived: 0,
            held_back: 0,
        })
    }

    /// Each client's address and what it puts in front of its data.
    pub(super) fn senders(&self) -> Result<Vec<(SocketAddr, &[u8])>> {
        let flows = self.flows.iter().filter_map(|flow| Some((flow.client?, &flow.header[..])));
        let sender = |(index, header): (usize, _)| match &self.clients[index].wire {
            Wire::Udp(socket) => Ok((socket.local_addr()?, header)),
            Wire::Stream(_) => bail!("frames are datagrams"),
        };

        flows.map(sender).collect()
    }

    /// Where the clients' data arrives.
    pub(super) fn peer_address(&self) -> Result<SocketAddr> {
        Ok(self.peer.local_addr()?)
    }

    /// How many flows there are.
    pub(super) fn flows(&self) -> usize {
        self.flows.len()
    }

    /// Datagrams that did not fit into our receive buffers.
    pub(super) fn receive_drops(&self) -> u64 {
        let of_clients: u64 = self
            .clients
            .iter()
            .map(|client| match &client.wire {
                Wire::Udp(socket) => sockets::receive_drops(socket),
                Wire::Stream(_) => 0,
            })
            .sum();

        sockets::receive_drops(&self.peer) + of_clients
    }

    /// Sends `rate` packets a second for a time; `check` is called each second.
    pub(super) fn drive(
        &mut self,
        rate: f64,
        time: Duration,
        tally: &mut Tally,
        check: &mut dyn FnMut(Duration) -> Result<()>,
    ) -> Result<()> {
        let bursts_a_second = rate / f64::from(self.scenario.burst);
        let late_max = 1 + (LATE_MAX.as_secs_f64() * bursts_a_second) as u64;
        let began = Instant::now();
        let (mut issued, mut checked) = (0, Duration::ZERO);
        let mut heard = (Duration::ZERO, self.arrived);
        loop {
            let elapsed = began.elapsed();
            if elapsed >= time {
                return Ok(());
            }
            let due = (elapsed.as_secs_f64() * bursts_a_second) as u64;
            let late = due.saturating_sub(issued + late_max);
            self.held_back += late * u64::from(self.scenario.burst);
            issued += late;
            while issued < due {
                self.burst(tally)?;
                issued += 1;
            }
            self.flush_peer(tally)?;
            self.receive(tally)?;
            if self.arrived > heard.1 {
                heard = (elapsed, self.arrived);
            }
            if elapsed - heard.0 > SILENCE_MAX {
                bail!("nothing came back for {} s", SILENCE_MAX.as_secs());
            }
            if elapsed - checked >= Duration::from_secs(1) {
                checked = elapsed;
                check(elapsed)?;
            }
            let next = Duration::from_secs_f64((issued + 1) as f64 / bursts_a_second);
            self.pause(next.min(time).saturating_sub(began.elapsed()))?;
        }
    }

    /// Receives what is on the way still, until nothing came for a time.
    pub(super) fn drain(&mut self, quiet: Duration, tally: &mut Tally) -> Result<()> {
        let began = Instant::now();
        let (mut heard, mut arrived) = (began, self.arrived);
        while heard.elapsed() < quiet && began.elapsed() < DRAIN_MAX {
            self.receive(tally)?;
            self.pause(PAUSE_MAX)?;
            if self.arrived > arrived {
                (heard, arrived) = (Instant::now(), self.arrived);
            }
        }

        Ok(())
    }

    /// Sends one burst of the next flow.
    fn burst(&mut self, tally: &mut Tally) -> Result<()> {
        let Scenario { burst, size, segment, .. } = self.scenario;
        let id = self.next;
        self.next = (self.next + 1) % self.flows.len();
        let flow = &mut self.flows[id];
        let bytes = flow.header.len() + size + flow.padding;
        let sent = stamp::now();
        let mut append = |out: &mut Vec<u8>| {
            out.extend_from_slice(&flow.header);
            Stamp { flow: id as u32, number: flow.number, sent }.append(size, out);
            out.resize(out.len() + flow.padding, 0);
            flow.number += 1;
        };
        let Some(index) = flow.client else {
            pour::push(
                &mut self.peer_sends,
                flow.relayed.as_ref(),
                (burst, segment, bytes),
                append,
            );
            return if self.peer_sends.len() >= PEER_BATCH {
                self.flush_peer(tally)
            } else {
                Ok(())
            };
        };
        match &mut self.clients[index].wire {
            Wire::Udp(socket) => {
                pour::push(&mut self.client_sends, None, (burst, segment, bytes), append);
                let packets = packets_of_entry(burst, segment);
                pour::flush(&mut self.client_sends, socket, packets, tally, &mut self.held_back)
                    .map_err(|error| client::failed(&self.target, &error))
            }
            Wire::Stream(stream) => {
                self.buffer.clear();
                (0..burst).for_each(|_| append(&mut self.buffer));
                let taken = stream
                    .send(&self.buffer)
                    .map_err(|error| client::failed(&self.target, &error))?;
                *(if taken { &mut tally.sent } else { &mut self.held_back }) += u64::from(burst);
                Ok(())
            }
        }
    }

    fn flush_peer(&mut self, tally: &mut Tally) -> Result<()> {
        if self.peer_sends.len() == 0 {
            return Ok(());
        }
        let packets = packets_of_entry(self.scenario.burst, self.scenario.segment);
        pour::flush(&mut self.peer_sends, &self.peer, packets, tally, &mut self.held_back)
            .context("the peer's socket")
    }

    /// Counts what has arrived everywhere.
    fn receive(&mut self, tally: &mut Tally) -> Result<()> {
        let Self { receiver, flows, scenario, clients, peer, readiness, arrived, .. } = self;
        let mut count = |sink: Sink, payload: Option<&[u8]>, at: u64| {
            *arrived += 1;
            let stamp = payload.and_then(|payload| Stamp::read(payload, scenario.size));
            match stamp.filter(|s| flows.get(s.flow as usize).is_some_and(|f| f.sink == sink)) {
                Some(stamp) => tally.count(stamp, at),
                None => tally.corrupted += 1,
            }
        };
        if scenario.direction != Direction::Down {
            pour::receive_all(receiver, peer, |datagram, at| {
                count(Sink::Peer, Some(datagram), at);
            })?;
        }
        // Nothing comes to clients that send by UDP only, but errors, and those tell the sender.
        if scenario.direction == Direction::Up && self.target.transport == Transport::Udp {
            return Ok(());
        }
        readiness.wait(Duration::ZERO)?;
        for index in readiness.ready() {
            let client = &mut clients[index];
            let sink = Sink::Client(index);
            let failed = |error| client::failed(&self.target, &error);
            match &mut client.wire {
                Wire::Udp(socket) => {
                    let each = |datagram: &[u8], at| count(sink, stun::data(datagram), at);
                    pour::receive_all(receiver, socket, each).map_err(failed)?;
                }
                Wire::Stream(stream) => {
                    stream.fill().map_err(failed)?;
                    let now = stamp::now();
                    while let Some(message) = stream.next().map_err(failed)? {
                        count(sink, stun::data(message), now);
                    }
                }
            }
        }

        Ok(())
    }

    /// Sleeps; by connections, whose receive times we take ourselves, wakes when something comes.
    fn pause(&self, time: Duration) -> Result<()> {
        if time.is_zero() {
            return Ok(());
        }
        let time = time.clamp(PAUSE_MIN, PAUSE_MAX);
        if self.target.transport == Transport::Udp {
            thread::sleep(time);
            return Ok(());
        }
        wait(&mut [readable(&self.readiness)], time)?;

        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        client::release(&mut self.clients);
    }
}
