//! Refresh requests (RFC 8656, section 8.2), and allocations that move (RFC 8016, section 3.2).

use super::allocation::Key;
use super::answer::Asker;
use super::counters::TurnRefusal;
use super::{Due, Turn};
use crate::{Event, Outbox, Via};
use relay_wire::stun::{Message, Method};
use std::time::{Duration, Instant};

impl Turn {
    /// The allocation that a Refresh request has a valid ticket of.
    pub(super) fn of_ticket(&self, request: &Message<'_>) -> Option<Key> {
        if request.method() != Method::REFRESH {
            return None;
        }
        let ticket = self.tickets.open(request.mobility_ticket()?)?;
        let key = Key((ticket.allocation >> 32) as u32);
        let allocation = self.table.get(key)?;
        // After a move, whose answer may be lost, the ticket before it is good for another.
        let valid = ticket.shard == self.index
            && allocation.id as u32 == ticket.allocation as u32
            && ticket.generation <= allocation.moves
            && ticket.generation + 1 >= allocation.moves;

        valid.then_some(key)
    }

    /// Refreshes an allocation, ends it, or moves it to the path of the request.
    pub(super) fn refresh(
        &mut self,
        now: Instant,
        key: Key,
        asker: &Asker,
        request: &Message<'_>,
        out: &mut Outbox,
    ) -> Result<(), TurnRefusal> {
        let wished = request.lifetime()?;
        let family = request.requested_address_family()?;
        let ticket = request.mobility_ticket().filter(|ticket| !ticket.is_empty());
        let allocation = self.table.get(key).ok_or(TurnRefusal::Mismatch)?;
        if family.is_some_and(|family| !allocation.relayed.has(family)) {
            return Err(TurnRefusal::FamilyMismatch);
        }
        // On the path of one allocation there is no ticket of another.
        if ticket.is_some() && self.of_ticket(request) != Some(key) {
            return Err(TurnRefusal::Mismatch);
        }
        if allocation.client != asker.path {
            self.relocate(key, asker, out)?;
        }
        let lifetime = if wished == Some(0) { 0 } else { self.lifetime(wished) };
        let expires = now + Duration::from_secs(lifetime.into());
        self.counters.refreshed += 1;
        let wants_ticket = request.mobility_ticket().is_some() && lifetime > 0;
        let ticket = if wants_ticket { self.ticket(key) } else { None };
        self.table.extend(key, family, expires);
        let allocation = self.table.get(key).ok_or(TurnRefusal::Mismatch)?;
        asker.succeed(&allocation.principal, out, |writer| {
            writer.lifetime(lifetime);
            if let Some(ticket) = &ticket {
                writer.mobility_ticket(ticket);
            }
        });
        match lifetime {
            0 => self.settle(now, key, out),
            _ => self.timers.set(Due::Allocation(key), self.table.deadline(key)),
        }

        Ok(())
    }

    /// Moves an allocation to the path of a request.
    fn relocate(&mut self, key: Key, asker: &Asker, out: &mut Outbox) -> Result<(), TurnRefusal> {
        let allocation = self.table.get_mut(key).ok_or(TurnRefusal::Mismatch)?;
        if !allocation.mobile {
            return Err(TurnRefusal::MobilityForbidden);
        }
        allocation.moves += 1;
        let was_claimed = std::mem::replace(&mut allocation.claimed, asker.path.via == Via::Udp);
        let is_claimed = allocation.claimed;
        let former = self.table.move_client(key, asker.path);
        if let Some(former) = former.filter(|_| was_claimed) {
            out.events.push(Event::FlowUnbound(Self::claim(former)));
        }
        if is_claimed {
            out.events.push(Event::FlowBound(Self::claim(asker.path)));
        }
        self.counters.moved += 1;

        Ok(())
    }
}
