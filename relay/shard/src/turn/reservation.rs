//! Ports that are kept for whoever has the token (RFC 8656, section 7.2, EVEN-PORT).

use super::ticket::TOKEN_LEN;
use crate::hash::{Map, map};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a port is kept.
pub(super) const RESERVATION_TIME: Duration = Duration::from_secs(30);

/// A relayed address whose socket is open, and the user that may have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reservation {
    pub(super) address: SocketAddr,
    pub(super) user: u64,
}

/// The reservations of one shard: no more than it has ports.
pub(super) struct Reservations {
    by_token: Map<[u8; TOKEN_LEN], Reservation>,
}

impl Reservations {
    /// None yet; `seed` keys the hash.
    pub(super) fn new(seed: u64) -> Self {
        Self { by_token: map(seed) }
    }

    /// Keeps an address.
    pub(super) fn insert(&mut self, token: [u8; TOKEN_LEN], reservation: Reservation) {
        self.by_token.insert(token, reservation);
    }

    /// The address that a user's token stands for.
    pub(super) fn find(&self, token: &[u8; TOKEN_LEN], user: u64) -> Option<SocketAddr> {
        let found = self.by_token.get(token).filter(|reservation| reservation.user == user);

        found.map(|reservation| reservation.address)
    }

    /// Ends a reservation.
    pub(super) fn remove(&mut self, token: &[u8; TOKEN_LEN]) -> Option<SocketAddr> {
        self.by_token.remove(token).map(|reservation| reservation.address)
    }

    /// The addresses that are kept.
    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.by_token.values().map(|reservation| reservation.address)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_token.len()
    }
}
