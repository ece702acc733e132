//! The switchboard: signalling's state as one value.

use super::{Config, ConnectionId, Counters, Join, JoinError, Now, Outbox};
use crate::token::Claims;
use relay_wire::control::Message;
use std::time::Instant;

/// All rooms of this node with their participants; owns their state outright.
pub struct Switchboard {
    config: Config,
    counters: Counters,
}

impl Switchboard {
    /// An empty switchboard; `seed` makes all of its ids.
    pub fn new(config: Config, _seed: [u8; 32]) -> Self {
        Self { config, counters: Counters::default() }
    }

    /// Whether somebody with these claims may join now.
    pub fn admissible(&self, _claims: &Claims) -> Result<(), JoinError> {
        let _ = &self.config;
        Ok(())
    }

    /// Takes a new connection; the first message to the client is in `out`.
    pub fn connect(&mut self, _now: Now, _id: ConnectionId, _join: Join, _out: &mut Outbox) {}

    /// Handles one binary frame: a `SignalRequest`.
    pub fn receive(&mut self, _now: Now, _id: ConnectionId, _frame: &[u8], _out: &mut Outbox) {}

    /// Takes note that a connection is lost; its participant is kept for a while.
    pub fn disconnected(&mut self, _now: Now, _id: ConnectionId, _out: &mut Outbox) {}

    /// Handles a message of the relay.
    pub fn relay(&mut self, _now: Now, _message: Message, _out: &mut Outbox) {}

    /// Does what is due.
    pub fn advance(&mut self, _now: Now, _out: &mut Outbox) {}

    /// When `advance` is next needed; ask again after every call.
    pub fn next_timeout(&self) -> Option<Instant> {
        None
    }

    /// Says good-bye to everybody and ends every room.
    pub fn shutdown(&mut self, _now: Now, _out: &mut Outbox) {}

    /// Gauges and counters.
    pub fn counters(&self) -> Counters {
        self.counters
    }
}
