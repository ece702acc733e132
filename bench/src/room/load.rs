//! What to put on a server, as the command line says it.

use super::cast::{Cast, LAYERS_MAX};
use super::join::Join;
use super::source::{self, Shape};
use crate::impair::Spec;
use crate::limits;
use crate::rtc::Kind;
use anyhow::{Result, bail};
use std::time::Duration;

/// Layers below the first have as many times fewer packets each.
const LAYER_STEP: u64 = 4;

/// Who is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Publishers send pictures, subscribers receive them
    Webinar,
    /// Each of --subscribers sends sound and pictures and receives all others'
    Meeting,
    /// Publishers send sound, subscribers receive it
    Audio,
}

/// What clients are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Clients {
    /// ICE, DTLS and libsrtp2 on plain threads: cheap, every packet checked
    Lean,
    /// A whole WebRTC stack each, as people have: dear
    Str0m,
}

/// What to put on a server.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Load {
    /// Who sends and receives what
    #[arg(long, value_enum, default_value_t = Scenario::Webinar)]
    pub(super) scenario: Scenario,
    /// How many receive every track
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub(super) subscribers: u32,
    /// How many send one track each
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) publishers: u32,
    /// Seconds to measure
    #[arg(long, value_name = "S", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub(crate) seconds: u64,
    /// Packets a second of each track of pictures, in the mean
    #[arg(long, value_name = "N", default_value_t = 125)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// Frames a second; a frame's packets leave together
    #[arg(long, value_name = "N", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000))]
    fps: u64,
    /// Bytes of each RTP payload of pictures but a frame's last
    #[arg(long, value_name = "BYTES", default_value_t = 1150, value_parser = parse_payload_bytes)]
    payload_bytes: usize,
    /// Seconds between keyframes that nobody asked for; 0 is never
    #[arg(long, value_name = "S", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=3_600))]
    keyframe_seconds: u64,
    /// Pictures are sent in three layers, of which subscribers get the one that they ask for
    #[arg(long)]
    simulcast: bool,
    /// Seconds after which somebody else speaks: the audio levels change
    #[arg(long, value_name = "S")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600))]
    speakers_every: Option<u64>,
    /// Participants that begin to join each second
    #[arg(long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) join_rate: u32,
    /// What clients are
    #[arg(long = "client", value_enum, default_value_t = Clients::Lean)]
    pub(super) clients: Clients,
    /// What happens to packets on their way, as loss=1%,burst=3,delay=20ms,jitter=5ms,rate=2mbit;
    /// see `millrace-bench impair --help`
    #[arg(long, value_name = "SPEC")]
    pub(super) impair: Option<Spec>,
    /// Threads of the clients
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) client_threads: u32,
}

fn parse_payload_bytes(text: &str) -> Result<usize, String> {
    let range = source::PAYLOAD_MIN..=1_200;
    let bytes = text.parse().ok().filter(|bytes| range.contains(bytes));

    bytes.ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))
}

impl Load {
    /// An error if this cannot be done by such a join, or with so few descriptors and ports.
    pub(super) fn check(&self, join: Join) -> Result<()> {
        let plain = self.scenario == Scenario::Webinar && !self.simulcast;
        if self.clients == Clients::Str0m && (join != Join::Livekit || !plain) {
            bail!(
                "--client str0m is for --join livekit --scenario webinar without --simulcast: \
                 leave it out"
            );
        }
        let one = self.scenario != Scenario::Meeting && self.publishers == 1;
        if join == Join::Whip && !one {
            bail!(
                "--join whip plays a room's first track only: take one publisher, and --scenario \
                 webinar or audio"
            );
        }
        if join == Join::Janus && self.simulcast {
            bail!("--simulcast by --join janus is not measured: leave one out");
        }
        if self.clients == Clients::Str0m && self.impair.is_some() {
            bail!("--impair is for --client lean: leave one out");
        }
        if self.simulcast && self.scenario == Scenario::Audio {
            bail!("--simulcast is of pictures, and --scenario audio has none: leave one out");
        }
        if self.scenario == Scenario::Meeting && self.subscribers < 2 {
            bail!("--scenario meeting needs --subscribers 2 or more: each sends to the others");
        }

        limits::provide_descriptors(self.descriptors())?;
        // Media to and fro; signalling's connections have the ports of TCP.
        limits::provide_ports(self.cast().participants.len() as u64 * 2)
    }

    /// Descriptors that clients take: of a participant signalling and media to and fro, and for
    /// each way of media a socket of the proxy's.
    fn descriptors(&self) -> u64 {
        let each = if self.impair.is_some() { 5 } else { 3 };

        self.cast().participants.len() as u64 * each
    }

    /// Who sends and receives what.
    pub(super) fn cast(&self) -> Cast {
        let video = self.video();
        match self.scenario {
            Scenario::Webinar => Cast::webinar(self.publishers, self.subscribers, &video),
            Scenario::Meeting => Cast::meeting(self.subscribers, &video),
            Scenario::Audio => Cast::webinar(self.publishers, self.subscribers, &[Shape::AUDIO]),
        }
    }

    /// Layers of pictures, the largest first.
    fn video(&self) -> Vec<Shape> {
        let layers = if self.simulcast { LAYERS_MAX as u32 } else { 1 };
        let shape = |layer: u32| Shape {
            kind: Kind::Video,
            payload_bytes: self.payload_bytes,
            packets_per_second: (self.rate / LAYER_STEP.pow(layer)).max(1),
            frames_per_second: self.fps,
            keyframe_seconds: self.keyframe_seconds,
        };

        (0..layers).map(shape).collect()
    }

    /// Time after which somebody else speaks.
    pub(super) fn speakers_every(&self) -> Option<Duration> {
        self.speakers_every.map(Duration::from_secs)
    }

    /// The load in one line.
    pub(crate) fn title(&self) -> String {
        let s = |count| if count == 1 { "" } else { "s" };
        let Self { publishers, subscribers, rate, payload_bytes, fps, .. } = *self;
        let layers = if self.simulcast { ", three layers" } else { "" };
        let video = format!("{rate} x {payload_bytes} B/s in {fps} frames{layers}");
        let to = format!("to {subscribers} subscriber{}", s(subscribers));
        let from = format!("{publishers} publisher{}", s(publishers));
        match self.scenario {
            Scenario::Webinar => format!("Webinar: {from} of {video} {to}"),
            Scenario::Meeting => format!("Meeting: {subscribers} participants of {video} and Opus"),
            Scenario::Audio => format!("Audio room: {from} of Opus (160 B x 50/s) {to}"),
        }
    }
}
