//! Data channels (RFC 8831): one SCTP association over a transport's DTLS session.

mod channels;
mod early;
mod window;

use bytes::Bytes;
use channels::Channels;
pub(crate) use early::Early;
use relay_wire::control::{Channel, DataRole};
use sctp_proto::{
    Association as Sctp, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
    PayloadProtocolIdentifier as Protocol, ServerConfig, StreamEvent, StreamId, TransportConfig,
};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use window::Window;

/// Bytes of user data in one SCTP packet: with SCTP's, DTLS's and UDP's headers it fits the
/// 1280 bytes that every IPv6 path carries.
const PAYLOAD_BYTES: u32 = 1120;

/// Bytes that a peer may send before we have read them.
const RECEIVE_BUFFER_BYTES: u32 = 256 * 1024;

/// Streams in each direction; browsers use a handful.
const STREAMS_MAX: u16 = 64;

/// Retransmission timeouts in milliseconds: those of dcsctp, since RFC 9260's first 3 s are felt.
const RTO_INITIAL_MS: u64 = 500;
const RTO_MIN_MS: u64 = 400;
const RTO_MAX_MS: u64 = 10_000;

/// SCTP runs over DTLS, so it never sees an address; the library wants one.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);

/// What all associations of a shard have in common.
pub(crate) struct Settings {
    endpoint: Arc<EndpointConfig>,
    server: Arc<ServerConfig>,
    unacknowledged_bytes: usize,
}

impl Settings {
    /// Messages of at most `message_bytes` either way, and at most `unacknowledged_bytes` waiting
    /// for one receiver.
    pub(crate) fn new(message_bytes: usize, unacknowledged_bytes: usize) -> Self {
        let message_bytes = u32::try_from(message_bytes).unwrap_or(u32::MAX);
        let transport = TransportConfig::default()
            .with_max_receive_buffer_size(RECEIVE_BUFFER_BYTES.max(message_bytes))
            .with_max_send_message_size(message_bytes)
            .with_max_receive_message_size(message_bytes)
            .with_max_num_inbound_streams(STREAMS_MAX)
            .with_max_num_outbound_streams(STREAMS_MAX)
            .with_rto_initial_ms(RTO_INITIAL_MS)
            .with_rto_min_ms(RTO_MIN_MS)
            .with_rto_max_ms(RTO_MAX_MS);
        let mut server = ServerConfig::new();
        server.transport = Arc::new(transport);
        let mut endpoint = EndpointConfig::new();
        endpoint.max_payload_size(PAYLOAD_BYTES);

        Self { endpoint: Arc::new(endpoint), server: Arc::new(server), unacknowledged_bytes }
    }
}

/// What came of the peer's packets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A whole message.
    Message(Channel, Vec<u8>),
    /// A message on a channel that is not ours, or of an unknown kind.
    Refused,
    /// The association is over.
    Lost,
}

/// What came of a message to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It waits for its turn.
    Queued,
    /// There is no such channel (yet), or the message is too long.
    Refused,
    /// Too much waits already.
    Overflow,
}

/// One SCTP association and the channels on it.
pub(crate) struct Association {
    endpoint: Endpoint,
    sctp: Option<Sctp>,
    channels: Channels,
    streams: u16,
    outgoing: VecDeque<Bytes>,
    unacknowledged_bytes: usize,
    window: Window,
}

impl Association {
    /// Waits for the peer's INIT.
    pub(crate) fn new(settings: &Settings, role: DataRole) -> Self {
        Self {
            endpoint: Endpoint::new(settings.endpoint.clone(), Some(settings.server.clone())),
            sctp: None,
            channels: Channels::new(role),
            streams: 0,
            outgoing: VecDeque::new(),
            unacknowledged_bytes: settings.unacknowledged_bytes,
            window: Window::default(),
        }
    }

    /// Takes one SCTP packet.
    pub(crate) fn receive(&mut self, now: Instant, packet: &[u8], sink: &mut dyn FnMut(Incoming)) {
        if !self.window.admits(packet) {
            return sink(Incoming::Refused);
        }
        let packet = Bytes::copy_from_slice(packet);
        match (self.endpoint.handle(now, PEER, None, None, packet), &mut self.sctp) {
            (Some((_, DatagramEvent::AssociationEvent(event))), Some(sctp)) => {
                sctp.handle_event(event);
            }
            (Some((_, DatagramEvent::NewAssociation(new))), sctp @ None) => {
                *sctp = Some(new);
                self.endpoint.reject_new_associations();
            }
            _ => return sink(Incoming::Refused),
        }
        self.work(sink);
    }

    /// Repeats what was lost.
    pub(crate) fn advance(&mut self, now: Instant, sink: &mut dyn FnMut(Incoming)) {
        if let Some(sctp) = &mut self.sctp {
            sctp.handle_timeout(now);
            self.work(sink);
        }
    }

    /// When `advance` is next needed.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.sctp.as_ref().and_then(Sctp::poll_timeout)
    }

    /// Whether messages may be sent on a channel.
    pub(crate) fn is_open(&self, channel: Channel) -> bool {
        self.sctp.is_some() && self.channels.stream(channel).is_some()
    }

    /// Queues a message.
    pub(crate) fn send(&mut self, channel: Channel, message: &[u8]) -> Outcome {
        let (Some(sctp), Some(id)) = (&mut self.sctp, self.channels.stream(channel)) else {
            return Outcome::Refused;
        };
        let waiting: usize = [Channel::Reliable, Channel::Lossy]
            .into_iter()
            .filter_map(|channel| self.channels.stream(channel))
            .map(|id| sctp.stream(id).and_then(|stream| stream.buffered_amount()).unwrap_or(0))
            .sum();
        if waiting + message.len() > self.unacknowledged_bytes {
            return Outcome::Overflow;
        }
        // SCTP has no empty messages (RFC 8831, section 6.6).
        let (message, protocol) = match message {
            [] => (&[0][..], Protocol::BinaryEmpty),
            _ => (message, Protocol::Binary),
        };
        match sctp.stream(id).and_then(|mut stream| stream.write_with_ppi(message, protocol)) {
            Ok(_) => Outcome::Queued,
            Err(_) => Outcome::Refused,
        }
    }

    /// Hands out SCTP packets until `send` refuses one (it is kept) or all are out; true when
    /// some are left.
    pub(crate) fn pump(&mut self, now: Instant, mut send: impl FnMut(&[u8]) -> bool) -> bool {
        loop {
            if self.outgoing.is_empty() {
                let transmit = self.sctp.as_mut().and_then(|sctp| sctp.poll_transmit(now));
                let Some(Payload::RawEncode(packets)) = transmit.map(|transmit| transmit.payload)
                else {
                    return false;
                };
                packets.iter().for_each(|packet| self.window.sent(packet));
                self.outgoing.extend(packets);
            }
            while let Some(packet) = self.outgoing.front() {
                if !send(packet) {
                    return true;
                }
                self.outgoing.pop_front();
            }
        }
    }

    fn work(&mut self, sink: &mut dyn FnMut(Incoming)) {
        let Some(mut sctp) = self.sctp.take() else { return };
        while let Some(event) = sctp.poll() {
            match event {
                Event::Connected => self.channels.open(&mut sctp),
                Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => {
                    sink(Incoming::Lost);
                }
                Event::Stream(StreamEvent::Opened { id }) => {
                    while sctp.accept_stream().is_some() {}
                    self.streams += 1;
                    self.read(&mut sctp, id, sink);
                }
                Event::Stream(StreamEvent::Readable { id }) => self.read(&mut sctp, id, sink),
                Event::Stream(StreamEvent::Finished { id }) => {
                    self.streams = self.streams.saturating_sub(1);
                    self.channels.forget(id);
                }
                _ => {}
            }
            if self.streams > STREAMS_MAX {
                return sink(Incoming::Lost);
            }
        }
        self.sctp = Some(sctp);
    }

    fn read(&mut self, sctp: &mut Sctp, id: StreamId, sink: &mut dyn FnMut(Incoming)) {
        loop {
            let Ok(Some(chunks)) = sctp.stream(id).and_then(|mut stream| stream.read_sctp()) else {
                return;
            };
            let mut message = vec![0; chunks.len()];
            if chunks.read(&mut message).is_err() {
                return;
            }
            match chunks.ppi {
                Protocol::Dcep => self.channels.receive(sctp, id, &message),
                Protocol::String | Protocol::Binary => self.deliver(id, message, sink),
                Protocol::StringEmpty | Protocol::BinaryEmpty => {
                    self.deliver(id, Vec::new(), sink);
                }
                Protocol::Unknown => sink(Incoming::Refused),
            }
        }
    }

    fn deliver(&self, id: StreamId, message: Vec<u8>, sink: &mut dyn FnMut(Incoming)) {
        match self.channels.channel(id) {
            Some(channel) => sink(Incoming::Message(channel, message)),
            None => sink(Incoming::Refused),
        }
    }
}
