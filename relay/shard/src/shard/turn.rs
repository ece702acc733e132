//! What the driver tells and asks of TURN.

use super::Shard;
use crate::{AllocationInfo, Event, Outbox, Packet, Path, Selector, TurnConfig, Unreachable};
use std::net::SocketAddr;
use std::time::Instant;

impl Shard {
    /// Sets the clock by which credentials expire, in seconds since the Unix epoch. Time goes on
    /// by `now` until the next call: call it about once a second.
    pub fn set_clock(&mut self, now: Instant, unix_seconds: u64) {
        let _ = (now, unix_seconds);
    }

    /// Replaces TURN's settings; what stands goes on.
    pub fn reconfigure(&mut self, turn: TurnConfig) {
        let _ = turn;
    }

    /// Tells how `Event::RelayOpen` went. An address that nobody waits for any more is closed by
    /// `Event::RelayClose`.
    pub fn relay_opened(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        opened: bool,
        out: &mut Outbox,
    ) {
        let _ = now;
        if opened {
            out.events.push(Event::RelayClose(relayed));
        }
    }

    /// Passes on an ICMP error to the client whose packet caused it.
    pub fn unreachable(&mut self, now: Instant, error: Unreachable, out: &mut Outbox) {
        let _ = (now, error, out);
    }

    /// Learns that a client's connection (`Via::Tcp`) is gone: what it had goes too.
    pub fn disconnected(&mut self, now: Instant, path: &Path, out: &mut Outbox) {
        let _ = (now, path, out);
    }

    /// The other shard whose matter this message is, if it is: a connection that sends one moves
    /// there, with the message unread.
    pub fn home(&self, packet: &Packet<'_>) -> Option<u16> {
        let _ = packet;

        None
    }

    /// Whether something of a client's stands on this path: an allocation, or a transport's path.
    /// A connection without is closed after a while.
    pub fn is_in_use(&self, path: &Path) -> bool {
        self.transports.owner(path).is_some()
    }

    /// Allocations that match, `None` for all; for operators.
    pub fn allocations(&self, now: Instant, which: Option<&Selector>) -> Vec<AllocationInfo> {
        let _ = (now, which);

        Vec::new()
    }

    /// Ends the allocations that match and hangs up their connections; returns how many.
    pub fn kick(&mut self, now: Instant, which: &Selector, out: &mut Outbox) -> usize {
        let _ = (now, which, out);

        0
    }
}
