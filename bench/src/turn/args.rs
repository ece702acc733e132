//! The command line of `millrace-bench turn`, and the scenarios that it asks for.

use super::client::Transport;
use super::stun::Framing;
use crate::impair::Spec;
use crate::network::Network;
use crate::report::Output;
use crate::stamp::PAYLOAD_MIN;
use clap::ValueEnum;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Seconds that permissions live (RFC 8656, section 9) less what a run needs around its load.
const SECONDS_MAX: u64 = 240;

/// What to put on the server, and where it is.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A TURN server that runs already; without it one is started for the run
    #[arg(long, value_name = "IP:PORT")]
    pub(super) server: Option<SocketAddr>,
    /// Process id of that server, to measure its processor time and memory
    #[arg(long, requires = "server")]
    pub(super) pid: Option<u32>,
    /// User of long-term credentials
    #[arg(long, value_name = "U", requires = "server")]
    pub(super) user: Option<String>,
    /// The user's password
    #[arg(long, value_name = "P", requires = "user", conflicts_with = "secret")]
    pub(super) pass: Option<String>,
    /// Secret of REST credentials (expiry:user, HMAC-SHA1)
    #[arg(long, value_name = "S", requires = "server")]
    pub(super) secret: Option<String>,
    /// How clients reach the server
    #[arg(long, value_delimiter = ',', default_value = "udp")]
    pub(super) transport: Vec<Transport>,
    /// Where packets go: up is client to peer; default: up, unless only --allocations or --flood
    /// are asked for
    #[arg(long, value_delimiter = ',')]
    direction: Vec<Direction>,
    /// Bytes of application data in each packet
    #[arg(long, value_name = "BYTES", value_delimiter = ',', default_value = "1200")]
    #[arg(value_parser = parse_size)]
    size: Vec<usize>,
    /// Packets that a sender sends back to back
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=32))]
    burst: Vec<u16>,
    /// How clients wrap their data
    #[arg(long, value_enum, default_value = "channel")]
    framing: Framing,
    /// Packets a second, of all clients together
    #[arg(long, value_name = "PPS", value_delimiter = ',', default_value = "50000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(super) rate: Vec<u32>,
    /// Searches the highest rate with less than 0.1 % loss
    #[arg(long, conflicts_with = "rate")]
    pub(super) saturate: bool,
    /// Sends frames from within the kernel, single packets, as many as the server takes: what it
    /// costs when it is full (root, direction up)
    #[arg(long, conflicts_with_all = ["rate", "saturate", "burst", "transport", "framing"])]
    #[arg(conflicts_with_all = ["impair", "server"])]
    pub(super) inject: bool,
    /// Measures our own server with the kernel relaying by XDP too, in a column of its own, and
    /// leaves bare relays out (root)
    #[arg(long, conflicts_with_all = ["server", "without_millrace"])]
    pub(super) offload: bool,
    /// Senders: allocations, or pairs of them
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1_000))]
    clients: u16,
    /// Measures the cost of making and keeping idle allocations
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) allocations: Option<u32>,
    /// Measures what requests of N strangers (addresses without credentials) leave behind
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) flood: Option<u32>,
    /// Seconds to measure each time
    #[arg(long, value_name = "S", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    pub(super) seconds: u64,
    /// Milliseconds of load before each measurement
    #[arg(long, value_name = "MS", default_value_t = 500)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=10_000))]
    pub(super) settle_ms: u64,
    /// How often each measurement is repeated, servers in turn
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) repeat: u32,
    /// Measures these servers and bare socket relays too, in the same run: coturn, or what an
    /// adapter describes
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with = "server")]
    pub(super) compare: Vec<String>,
    /// Describes a server to compare with, see bench/README.md; may be given again
    #[arg(long, value_name = "FILE", requires = "compare")]
    pub(super) adapter: Vec<PathBuf>,
    /// Leaves our own server out: only what --compare names
    #[arg(long, requires = "compare")]
    pub(super) without_millrace: bool,
    /// The binary to start; default: the one beside this one, then the one in PATH
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    pub(super) server_binary: Option<PathBuf>,
    /// A setting for our own server, as section.key=value; may be given again
    #[arg(long = "set", value_name = "SETTING", conflicts_with = "server")]
    pub(super) settings: Vec<String>,
    /// Sends a burst as single datagrams, not as one train (UDP_SEGMENT)
    #[arg(long)]
    no_gso: bool,
    /// Receives single datagrams, not trains (UDP_GRO): taking trains apart is then the server's
    #[arg(long)]
    no_gro: bool,
    /// What lies between clients and the servers that are started here; default: veth for root,
    /// loopback for others
    #[arg(long, value_name = "KIND", conflicts_with = "server")]
    pub(super) network: Option<Network>,
    /// What happens to clients' datagrams on their way, as loss=1%,burst=3,delay=20ms,jitter=5ms,
    /// rate=2mbit; see `millrace-bench impair --help`
    #[arg(long, value_name = "SPEC")]
    pub(super) impair: Option<Spec>,
    /// Leaves processes on the processors that the kernel chooses
    #[arg(long)]
    pub(super) no_pin: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

/// Where packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    /// Client to peer.
    Up,
    /// Peer to client.
    Down,
    /// Both at once.
    Both,
    /// Client to client, by the relayed addresses of both.
    C2c,
}

/// One kind of load.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Scenario {
    /// How clients reach the server.
    pub(super) transport: Transport,
    /// Where packets go.
    pub(super) direction: Direction,
    /// Bytes of application data in each packet.
    pub(super) size: usize,
    /// Packets back to back.
    pub(super) burst: u16,
    /// How clients wrap their data.
    pub(super) framing: Framing,
    /// Senders.
    pub(super) clients: u16,
    /// Bursts leave as trains (UDP_SEGMENT).
    pub(super) segment: bool,
    /// Trains are received as such (UDP_GRO).
    pub(super) trains: bool,
}

impl Scenario {
    /// How many allocations it needs.
    pub(super) fn allocations(&self) -> usize {
        let clients = usize::from(self.clients);

        if self.direction == Direction::C2c { 2 * clients } else { clients }
    }

    /// In words.
    pub(super) fn title(&self) -> String {
        let direction = match self.direction {
            Direction::Up => "client to peer",
            Direction::Down => "peer to client",
            Direction::Both => "both ways",
            Direction::C2c => "client to client",
        };
        let burst = match self.burst {
            1 => "single packets".to_owned(),
            burst => format!("bursts of {burst}"),
        };
        let framing = match self.framing {
            Framing::Channel => "",
            Framing::Indication => ", indications",
        };

        format!("{}, {direction}, {} B, {burst}{framing}", self.transport.name(), self.size)
    }
}

impl Args {
    /// What lies between clients and server. A server that runs already is where it is.
    pub(super) fn network(&self) -> Network {
        match self.server {
            Some(_) => Network::Loopback,
            None => self.network.unwrap_or_else(Network::usual),
        }
    }

    /// Whether programs in XDP take part, which see whole packets with their checksums only.
    pub(super) fn is_for_xdp(&self) -> bool {
        self.inject || self.offload
    }

    /// The kinds of load that are asked for.
    pub(super) fn scenarios(&self) -> Vec<Scenario> {
        let others = self.allocations.is_some() || self.flood.is_some();
        let directions = match self.direction.as_slice() {
            [] if others => &[][..],
            [] => &[Direction::Up],
            directions => directions,
        };
        let mut scenarios = Vec::new();
        for &transport in &self.transport {
            for &direction in directions {
                for (&size, &burst) in
                    self.size.iter().flat_map(|size| self.burst.iter().map(move |b| (size, b)))
                {
                    scenarios.push(Scenario {
                        transport,
                        direction,
                        size,
                        burst,
                        framing: self.framing,
                        clients: self.clients,
                        segment: burst > 1 && !self.no_gso,
                        trains: !self.no_gro,
                    });
                }
            }
        }

        scenarios
    }
}

fn parse_size(text: &str) -> Result<usize, String> {
    let range = PAYLOAD_MIN..=1_400;
    let bytes = text.parse().ok().filter(|bytes| range.contains(bytes));

    bytes.ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))
}
