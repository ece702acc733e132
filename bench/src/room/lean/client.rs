//! One connection of a participant with what it sends and receives.

use super::incoming::Incoming;
use super::sender::Sender;
use crate::net::datagrams::Receiver;
use crate::room::cast::Cast;
use crate::room::run::{News, Run};
use crate::room::source;
use crate::rtc::rtcp::{self, Feedback};
use crate::rtc::rtp::Header;
use crate::rtc::{Arrival, Connection, Refusal};
use crate::stamp;
use crate::tally::Tally;
use anyhow::{Context, Result, bail};
use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Time between reports.
const REPORTS: Duration = Duration::from_secs(1);
/// Streams that a client knows at most.
const STREAMS_MAX: usize = 1_024;

/// What a client waits for, and what it has seen of it.
pub(in crate::room) struct Wants {
    /// By stream: whether no packet of it has come yet.
    pub(in crate::room) missing: Vec<bool>,
    /// By stream: the layer that came last, and its highest number.
    pub(in crate::room) layers: Vec<Option<(usize, u64)>>,
    left: usize,
}

impl Wants {
    /// Waits for these streams.
    pub(in crate::room) fn new(missing: Vec<bool>) -> Self {
        let left = missing.iter().filter(|missing| **missing).count();

        Self { layers: vec![None; missing.len()], missing, left }
    }

    /// Notes a stream; true if it was the last that was missing.
    pub(in crate::room) fn note(&mut self, stream: usize) -> bool {
        let Some(missing) = self.missing.get_mut(stream) else { return false };
        if !std::mem::take(missing) {
            return false;
        }
        self.left -= 1;

        self.left == 0
    }

    /// How many packets of the stream must have been sent since the last one that came: more than
    /// one if some are lost, none if it came late. A layer begins with its first packet.
    fn expected(&mut self, stream: usize, layer: usize, number: u64) -> u64 {
        let Some(last) = self.layers.get_mut(stream) else { return 0 };
        let before = match *last {
            Some((same, highest)) if same == layer => highest,
            _ => number.wrapping_sub(1),
        };
        if number <= before && number != 0 {
            return 0;
        }
        *last = Some((layer, number));

        number.wrapping_sub(before)
    }
}

/// A connection with what goes over it.
pub(in crate::room) struct Client {
    /// Who it is.
    pub(in crate::room) identity: String,
    /// When its participant began to join.
    pub(in crate::room) began: Instant,
    /// The way to the server.
    pub(in crate::room) connection: Connection,
    /// What it sends.
    pub(in crate::room) senders: Vec<Sender>,
    /// What it receives.
    pub(in crate::room) wants: Wants,
    /// Whether its participant has joined when it is connected.
    pub(in crate::room) is_join: bool,
    /// The worker's number of its first flow.
    pub(in crate::room) flows: usize,
    streams: Vec<Incoming>,
    next_report: Instant,
    own_ssrc: u32,
}

/// What a worker has at hand for all its clients.
pub(super) struct Tools<'a> {
    pub(super) run: &'a Run,
    pub(super) receiver: &'a mut Receiver,
    pub(super) buffer: &'a mut Vec<u8>,
    pub(super) tally: &'a mut Tally,
    /// By layer: packets that came.
    pub(super) by_layer: &'a mut [u64; crate::room::cast::LAYERS_MAX],
}

impl Client {
    /// A client that begins to connect.
    pub(in crate::room) fn new(
        identity: String,
        began: Instant,
        connection: Connection,
        (senders, wants): (Vec<Sender>, Wants),
        is_join: bool,
    ) -> Self {
        Self {
            identity,
            began,
            connection,
            own_ssrc: senders.first().map_or_else(rand::random, Sender::ssrc),
            senders,
            wants,
            is_join,
            flows: 0,
            streams: Vec::new(),
            next_report: began,
        }
    }

    /// Takes in what has arrived; true if it is connected now.
    pub(super) fn receive(&mut self, tools: &mut Tools<'_>, now: Instant) -> Result<bool> {
        let mut connected = false;
        loop {
            let more = match tools.receiver.receive(&self.connection.socket) {
                Ok(more) => more,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    bail!("nobody listens at the server's media address any more")
                }
                Err(error) => return Err(error).context("cannot receive"),
            };
            for train in tools.receiver.trains() {
                let at = train.at.unwrap_or_else(stamp::now);
                for datagram in train.datagrams() {
                    let arrival =
                        self.connection.receive(datagram, train.from, now, tools.buffer)?;
                    match arrival {
                        Arrival::Connected => connected = true,
                        Arrival::Control => {}
                        Arrival::Rtp => {
                            let (tally, layers) = (&mut *tools.tally, &mut *tools.by_layer);
                            self.packet(tools.run, tools.buffer, at, tally, layers);
                        }
                        Arrival::Rtcp => self.feedback(tools.buffer, now),
                        Arrival::Refused(refusal) => refused(tools.run, refusal, tools.tally),
                    }
                }
            }
            if !more {
                break;
            }
        }
        if connected {
            self.connected(tools.run, now);
        }

        Ok(connected)
    }

    fn connected(&mut self, run: &Run, now: Instant) {
        if let Some(profile) = self.connection.profile() {
            run.tell(News::Profile(profile));
        }
        if self.is_join {
            run.tell_joined(self.began);
        }
        self.senders.iter_mut().for_each(|sender| sender.begin(now));
        self.next_report = now;
    }

    /// Counts a packet.
    fn packet(
        &mut self,
        run: &Run,
        packet: &[u8],
        at: u64,
        tally: &mut Tally,
        by_layer: &mut [u64; crate::room::cast::LAYERS_MAX],
    ) {
        let header = Header::parse(packet);
        let Some(header) = header else { return tally.corrupted += 1 };
        let payload = &packet[header.payload..packet.len() - header.padding];
        // Probes of the path are nothing but padding.
        if payload.is_empty() {
            return;
        }
        run.received.fetch_add(1, Ordering::Relaxed);
        self.note(&header, payload);
        let window = run.window();
        let Some(mut stamp) = source::read_stamp(payload) else {
            tally.corrupted += u64::from(window.contains(&at));
            return;
        };
        let (stream, layer) = Cast::stream(stamp.flow);
        if self.wants.note(stream) {
            run.tell(News::Receiving(self.began.elapsed()));
        }
        if !window.contains(&stamp.sent) {
            return;
        }
        if stream >= self.wants.missing.len() {
            tally.corrupted += 1;
            return;
        }
        by_layer[layer] += 1;
        tally.sent += self.wants.expected(stream, layer, stamp.number);
        stamp.flow += self.flows as u32;
        tally.count(stamp, at);
    }

    fn note(&mut self, header: &Header, payload: &[u8]) {
        let keyframe = source::begins_keyframe(payload) || !source::is_picture(payload);
        let known = self.streams.iter().position(|stream| stream.ssrc == header.ssrc);
        if known.is_none() && self.streams.len() < STREAMS_MAX {
            self.streams.push(Incoming::new(header.ssrc, header.sequence));
        }
        let index = known.unwrap_or(self.streams.len().saturating_sub(1));
        let stream = self.streams.get_mut(index).filter(|stream| stream.ssrc == header.ssrc);
        stream.into_iter().for_each(|stream| stream.count(header.sequence, keyframe));
    }

    fn feedback(&mut self, compound: &[u8], now: Instant) {
        rtcp::parse(compound, &mut |feedback| match feedback {
            Feedback::Keyframe(ssrc) => {
                let sender = self.senders.iter_mut().find(|sender| sender.ssrc() == ssrc);
                sender.into_iter().for_each(Sender::request_keyframe);
            }
            Feedback::Report(ssrc, middle) => {
                let stream = self.streams.iter_mut().find(|stream| stream.ssrc == ssrc);
                stream.into_iter().for_each(|stream| stream.keep_report(middle, now));
            }
        });
    }

    /// Does what is due by time: checks, reports, requests for keyframes.
    pub(super) fn advance(&mut self, tools: &mut Tools<'_>, now: Instant) -> Result<bool> {
        let connected = matches!(self.connection.advance(now)?, Arrival::Connected);
        if connected {
            self.connected(tools.run, now);
        }
        self.report(tools.buffer, now);

        Ok(connected)
    }

    fn report(&mut self, buffer: &mut Vec<u8>, now: Instant) {
        let Some((keys, socket)) = self.connection.keys() else { return };
        // A lost report or request is followed by another.
        let mut send = |buffer: &mut Vec<u8>| {
            if keys.protect_rtcp(buffer) {
                let _ = socket.send(buffer);
            }
        };
        let asking = self
            .streams
            .iter_mut()
            .filter_map(|stream| stream.asks_for_keyframe(now).then_some(stream.ssrc));
        for ssrc in asking {
            buffer.clear();
            rtcp::receiver_report(buffer, self.own_ssrc, &[]);
            rtcp::picture_loss(buffer, self.own_ssrc, ssrc);
            send(buffer);
        }
        if now < self.next_report {
            return;
        }
        self.next_report = now + REPORTS;
        for streams in self.streams.chunks_mut(rtcp::REPORTS_MAX) {
            let mut receptions = [rtcp::Reception::default(); rtcp::REPORTS_MAX];
            for (reception, stream) in receptions.iter_mut().zip(&mut *streams) {
                *reception = stream.reception(now);
            }
            buffer.clear();
            rtcp::receiver_report(buffer, self.own_ssrc, &receptions[..streams.len()]);
            rtcp::name(buffer, self.own_ssrc);
            send(buffer);
        }
        for sender in &self.senders {
            buffer.clear();
            sender.report(buffer);
            send(buffer);
        }
    }
}

fn refused(run: &Run, refusal: Refusal, tally: &mut Tally) {
    if !run.window().contains(&stamp::now()) {
        return;
    }
    match refusal {
        Refusal::Repeated => tally.duplicates += 1,
        Refusal::Unauthentic => tally.corrupted += 1,
    }
}
