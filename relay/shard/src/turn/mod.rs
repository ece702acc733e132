//! TURN (RFC 8656): allocations, permissions, channels, and the relaying between them.

mod addresses;
mod allocate;
mod allocation;
mod answer;
mod authenticate;
mod bucket;
mod challenge;
#[cfg(test)]
mod client;
mod clock;
mod config;
mod counters;
mod credentials;
mod ending;
mod info;
mod inside;
mod ledger;
mod limiter;
mod nonce;
mod offload;
mod opening;
mod operate;
mod peers;
mod pending;
mod permission;
mod ports;
mod principal;
mod refresh;
mod relay;
mod request;
mod reservation;
mod secret;
mod standing;
mod table;
mod ticket;
mod unreachable;

pub use allocation::Traffic;
pub use config::{Reached, TurnConfig};
pub use counters::{TurnCounters, TurnRefusal};
pub use info::{AllocationInfo, Selector, Unreachable};
pub use ledger::{Ledger, Quota, Unlimited};
pub use offload::{Binding, BindingKey, Offloaded};
pub use standing::{NotAdopted, Standing, keeper};

pub(crate) use relay::Sending;

use crate::hash::{Map, map};
use crate::timers::Timers;
use crate::{Config, Path};
use addresses::Addresses;
use allocation::Key;
use authenticate::Authenticator;
use clock::Clock;
use limiter::Limiter;
use peers::PeerPolicy;
use pending::Pending;
use ports::Ports;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use relay_wire::stun::attribute;
use reservation::Reservations;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use table::Table;
use ticket::Tickets;

/// Attributes that must be understood and are; requests with others are refused with 420.
const KNOWN: [u16; 15] = [
    attribute::USERNAME,
    attribute::USERHASH,
    attribute::REALM,
    attribute::NONCE,
    attribute::PASSWORD_ALGORITHM,
    attribute::MESSAGE_INTEGRITY_SHA256,
    attribute::CHANNEL_NUMBER,
    attribute::LIFETIME,
    attribute::XOR_PEER_ADDRESS,
    attribute::DATA,
    attribute::REQUESTED_ADDRESS_FAMILY,
    attribute::EVEN_PORT,
    attribute::REQUESTED_TRANSPORT,
    attribute::DONT_FRAGMENT,
    attribute::RESERVATION_TOKEN,
];

/// What has a deadline.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Due {
    /// An allocation, or a permission or channel of it.
    Allocation(Key),
    /// An allocation that waits for its sockets.
    Pending(u64),
    /// A reserved port.
    Reservation([u8; ticket::TOKEN_LEN]),
}

/// TURN on one shard.
pub(crate) struct Turn {
    index: u16,
    shards: u16,
    config: TurnConfig,
    clock: Clock,
    ledger: Arc<dyn Ledger>,
    addresses: Addresses,
    authenticator: Authenticator,
    limiter: Limiter,
    peers: PeerPolicy,
    tickets: Tickets,
    random: StdRng,
    table: Table,
    /// By relayed IP address, in its local form.
    ports: Vec<(IpAddr, Ports)>,
    pending: Map<Path, Box<Pending>>,
    /// Addresses that the driver was asked to open, and for whom; `None`: for nobody any more.
    opening: Map<SocketAddr, Option<Path>>,
    reservations: Reservations,
    timers: Timers<Due>,
    counters: TurnCounters,
    /// Allocations and pending ones that there ever were.
    made: u64,
}

impl Turn {
    /// TURN without allocations.
    pub(crate) fn new(config: &Config, now: Instant, seed: [u8; 32], hash_seed: u64) -> Self {
        let turn = config.turn.clone();
        let mut random = StdRng::from_seed(seed);
        // Tickets of an earlier process must not fit what this one makes.
        let made = if turn.offload { random.random::<u32>() >> 1 } else { 0 };
        let mut new = Self {
            index: config.index,
            shards: config.shards,
            clock: Clock::new(now, config.unix_seconds),
            ledger: Arc::clone(&config.ledger),
            addresses: Addresses::new(config),
            authenticator: Authenticator::new(&turn),
            limiter: Limiter::new(now, turn.challenges_a_second, hash_seed),
            peers: PeerPolicy::new(&turn),
            tickets: Tickets::new(&turn.key),
            random,
            table: Table::new(hash_seed, turn.offload),
            ports: Vec::new(),
            pending: map(hash_seed),
            opening: map(hash_seed),
            reservations: Reservations::new(hash_seed),
            timers: Timers::new(hash_seed),
            counters: TurnCounters::default(),
            made: made.into(),
            config: turn,
        };
        new.share_ports();

        new
    }

    /// Sets the clock by which credentials expire.
    pub(crate) fn set_clock(&mut self, now: Instant, unix_seconds: u64) {
        self.clock = Clock::new(now, unix_seconds);
    }

    /// Whether an allocation, or one that is being made, is of this client's path.
    pub(crate) fn has_client(&self, path: &Path) -> bool {
        self.table.of_client(path).is_some() || self.pending.contains_key(path)
    }

    /// When `advance` is next needed.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Gauges and counters.
    pub(crate) fn counters(&self) -> TurnCounters {
        let (allocations, permissions, channels) = self.table.len();
        let all = self.ports.iter().map(|(_, ports)| (ports.free(), ports.total()));
        let (free, len) = all.fold((0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1));

        TurnCounters {
            allocations: allocations as u64,
            permissions: permissions as u64,
            channels: channels as u64,
            reservations: self.reservations.len() as u64,
            pending: self.pending.len() as u64,
            ports_free: free as u64,
            ports_used: (len - free) as u64,
            ..self.counters
        }
    }
}
