//! One peer connection of a client: str0m's `Rtc`, and a lossy line each way.

use crate::Relay;
use crate::media::Media;
use relay_shard::Path;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use str0m_netem::{GilbertElliot, LossModel, Netem, NetemConfig, Probability, RandomLoss};
use str0m_netem::{Input as NetInput, Output as NetOutput};

/// What the network does to packets, each way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Network {
    /// Fraction of packets lost, 0.0..=1.0.
    pub loss: f32,
    /// Fraction of packets that come twice.
    pub repeat: f32,
    /// Each packet of this many overtakes those before it; 0: none does.
    pub reorder: u32,
    /// One-way delay.
    pub delay: Duration,
    /// Its variation.
    pub jitter: Duration,
    /// Packets that are lost together, on average; 0: each by itself.
    pub burst: f32,
}

impl Network {
    fn losses(self) -> LossModel {
        if self.burst == 0.0 || self.loss == 0.0 {
            return RandomLoss::new(Probability::new(self.loss)).into();
        }
        let good = self.burst * (1.0 - self.loss) / self.loss;

        GilbertElliot::new().good_duration(good).bad_duration(self.burst).into()
    }

    fn line(self, seed: u64) -> Netem<Datagram> {
        let mut config = NetemConfig::new()
            .latency(self.delay)
            .jitter(self.jitter)
            .loss(self.losses())
            .duplicate(Probability::new(self.repeat))
            .seed(seed);
        if self.reorder > 0 {
            config = config.reorder_gap(self.reorder);
        }

        Netem::new(config)
    }
}

#[derive(Clone)]
struct Datagram {
    path: Path,
    bytes: Vec<u8>,
}

impl AsRef<[u8]> for Datagram {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A peer connection at an address of its own.
pub(crate) struct Peer {
    pub(crate) rtc: Rtc,
    pub(crate) address: SocketAddr,
    up: Netem<Datagram>,
    down: Netem<Datagram>,
    next: Instant,
    pub(crate) events: Vec<Event>,
}

impl Peer {
    pub(crate) fn new(
        now: Instant,
        address: SocketAddr,
        network: Network,
        seed: u64,
        media: Media,
    ) -> Self {
        let mut rtc = Rtc::builder()
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .enable_h264(true)
            .enable_vp9(true)
            .set_reordering_size_video(400)
            .set_rtp_mode(matches!(media, Media::Packets { .. }))
            .build(now);
        let candidate = Candidate::host(address, "udp").expect("a host candidate");
        rtc.add_local_candidate(candidate);

        Self {
            rtc,
            address,
            up: network.line(seed),
            down: network.line(seed ^ 0x5555),
            next: now,
            events: Vec::new(),
        }
    }

    /// The lines get better or worse; what is on them is lost.
    pub(crate) fn set_network(&mut self, network: Network, seed: u64) {
        self.up = network.line(seed);
        self.down = network.line(seed ^ 0x5555);
    }

    /// A datagram of the relay's enters the line to this peer.
    pub(crate) fn deliver(&mut self, now: Instant, path: Path, bytes: Vec<u8>) {
        self.down.handle_input(NetInput::Packet(now, Datagram { path, bytes }));
    }

    /// Does what is due, and passes on what comes out.
    pub(crate) fn step(&mut self, now: Instant, relay: &mut Relay) {
        self.down.handle_input(NetInput::Timeout(now));
        while let Some(output) = self.down.poll_output() {
            let NetOutput::Packet(datagram) = output else { break };
            self.hear(now, &datagram);
        }
        if self.next <= now && self.rtc.is_alive() {
            self.rtc.handle_input(Input::Timeout(now)).expect("time passes");
        }
        self.poll(now);

        self.up.handle_input(NetInput::Timeout(now));
        while let Some(output) = self.up.poll_output() {
            let NetOutput::Packet(datagram) = output else { break };
            relay.receive(now, datagram.path, &datagram.bytes);
        }
    }

    /// Drains str0m, which must be done after every call of it. A handshake that takes too long
    /// ends the connection.
    pub(crate) fn poll(&mut self, now: Instant) {
        while self.rtc.is_alive() {
            let Ok(output) = self.rtc.poll_output() else { return self.rtc.disconnect() };
            match output {
                Output::Timeout(next) => {
                    self.next = next;
                    return;
                }
                Output::Transmit(transmit) => {
                    let path = Path::udp(transmit.destination, transmit.source);
                    let bytes = transmit.contents.to_vec();
                    self.up.handle_input(NetInput::Packet(now, Datagram { path, bytes }));
                }
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    /// When `step` is next needed.
    pub(crate) fn next_timeout(&self) -> Instant {
        self.next.min(self.up.poll_timeout()).min(self.down.poll_timeout())
    }

    fn hear(&mut self, now: Instant, datagram: &Datagram) {
        let Path { local: source, remote: destination, .. } = datagram.path;
        let Ok(receive) = Receive::new(Protocol::Udp, source, destination, &datagram.bytes) else {
            panic!("the relay sent what str0m cannot read: {:02x?}", datagram.bytes);
        };
        if self.rtc.is_alive() {
            self.rtc.handle_input(Input::Receive(now, receive)).expect("str0m takes it");
            self.poll(now);
        }
    }
}
