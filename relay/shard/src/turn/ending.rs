//! What ends, and what goes with it.

use super::allocation::{Allocation, Key};
use super::{Due, Turn};
use crate::{Event, Outbox, Path};
use std::time::Instant;

impl Turn {
    /// Does what is due.
    pub(crate) fn advance(&mut self, now: Instant, out: &mut Outbox) {
        while let Some(due) = self.timers.pop(now) {
            match due {
                Due::Allocation(key) => self.settle(now, key, out),
                Due::Pending(number) => self.expire_pending(number, out),
                Due::Reservation(token) => {
                    if let Some(address) = self.reservations.remove(&token) {
                        self.give_back(address, true, out);
                    }
                }
            }
        }
        self.publish(out);
    }

    /// Learns that a client's connection is gone. What may move outlives it: the client comes back
    /// on another path (RFC 8016).
    pub(crate) fn disconnected(&mut self, path: &Path, out: &mut Outbox) {
        self.abandon(path, out);
        let Some(key) = self.table.of_client(path) else { return };
        if self.table.get(key).is_some_and(|allocation| !allocation.mobile) {
            self.end(key, out);
        }
    }

    /// Takes out of an allocation what has expired; it ends with its last relayed address.
    pub(super) fn settle(&mut self, now: Instant, key: Key, out: &mut Outbox) {
        self.table.prune(key, now);
        while let Some(address) = self.table.take_expired(key, now) {
            self.give_back(address, true, out);
        }
        let Some(allocation) = self.table.get(key) else { return };
        if allocation.relayed.expires().is_none() {
            self.end(key, out);
            return;
        }
        self.timers.set(Due::Allocation(key), self.table.deadline(key));
    }

    /// Ends an allocation.
    pub(super) fn end(&mut self, key: Key, out: &mut Outbox) -> Option<Box<Allocation>> {
        let allocation = self.table.remove(key)?;
        self.timers.set(Due::Allocation(key), None);
        self.ledger.leave(allocation.principal.user(), allocation.counted);
        for lease in allocation.relayed.iter() {
            self.give_back(lease.address, true, out);
        }
        if allocation.claimed {
            out.events.push(Event::FlowUnbound(Self::claim(allocation.client)));
        }
        self.counters.ended += 1;

        Some(allocation)
    }
}
