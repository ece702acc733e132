//! Addresses of ours that a relayed packet may go to without leaving the process.

use crate::{Config, Reached, TurnConfig};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// An address of ours in its local form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ours {
    /// A media address.
    Media(SocketAddr),
    /// A relayed address, of an allocation or of nobody, and the shard whose it is.
    Relayed(SocketAddr, u16),
}

/// The media addresses and the relayed ones, as we and as others name them.
pub(super) struct Addresses {
    shards: u16,
    listen: Vec<Reached<SocketAddr>>,
    relays: Vec<Reached<IpAddr>>,
    ports: RangeInclusive<u16>,
}

impl Addresses {
    /// Those of a shard's configuration.
    pub(super) fn new(config: &Config) -> Self {
        Self {
            shards: config.shards,
            listen: config.listen.clone(),
            relays: config.turn.relays.clone(),
            ports: config.turn.ports.clone(),
        }
    }

    /// Takes the operator's changes.
    pub(super) fn reconfigure(&mut self, turn: &TurnConfig) {
        self.relays.clone_from(&turn.relays);
        self.ports = turn.ports.clone();
    }

    /// Whether this IP address is one of ours that packets are relayed to inside.
    pub(super) fn holds(&self, ip: IpAddr) -> bool {
        let media = self.listen.iter().any(|at| at.local.ip() == ip || at.public.ip() == ip);

        media || self.relays.iter().any(|at| at.local == ip || at.public == ip)
    }

    /// What of ours a peer is, named in either form.
    pub(super) fn find(&self, peer: SocketAddr) -> Option<Ours> {
        if let Some(at) = self.listen.iter().find(|at| at.local == peer || at.public == peer) {
            return Some(Ours::Media(at.local));
        }
        if !self.ports.contains(&peer.port()) {
            return None;
        }
        let ip = peer.ip();
        let exact = self.relays.iter().find(|at| at.local == ip);
        let relay = exact.or_else(|| self.relays.iter().find(|at| at.public == ip))?;
        let address = SocketAddr::new(relay.local, peer.port());

        Some(Ours::Relayed(address, self.shard_of(peer.port())))
    }

    /// Whether this is one of our media addresses, in its local form.
    pub(super) fn is_media(&self, local: &SocketAddr) -> bool {
        self.listen.iter().any(|at| at.local == *local)
    }

    /// The shard that has a port for its relayed addresses.
    pub(super) fn shard_of(&self, port: u16) -> u16 {
        port / 2 % self.shards
    }

    /// How others reach an address of ours that is given in its local form.
    pub(super) fn public(&self, local: SocketAddr) -> SocketAddr {
        if let Some(at) = self.listen.iter().find(|at| at.local == local) {
            return at.public;
        }
        match self.relays.iter().find(|at| at.local == local.ip()) {
            Some(at) => SocketAddr::new(at.public, local.port()),
            None => local,
        }
    }

    /// Where allocations of a client that came to `local` relay: the address that it came to, if
    /// allocations may be there, else the best of the family.
    pub(super) fn relay(&self, local: IpAddr, v4: bool) -> Option<IpAddr> {
        let mut of_family = self.relays.iter().map(|at| at.local).filter(|ip| ip.is_ipv4() == v4);
        let best = of_family.clone().next();

        of_family.find(|ip| *ip == local).or(best)
    }
}
