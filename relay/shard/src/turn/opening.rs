//! Sockets of relayed addresses: opened before an allocation is granted, closed after it.

use super::allocation::{Allocation, Holder, Key, Relayed};
use super::answer::Asker;
use super::counters::TurnRefusal;
use super::pending::{Fit, Grant, Opening, Pending};
use super::ports::Ports;
use super::reservation::{RESERVATION_TIME, Reservation};
use super::ticket::{TICKET_LEN, TOKEN_LEN, Ticket};
use super::{Due, Turn};
use crate::{Event, Outbox, Path, Via};
use relay_wire::stun::Family;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// How long sockets may take to open.
const OPENING_TIME: Duration = Duration::from_secs(5);

/// Sockets that may fail to open for one allocation.
const FAILURES_MAX: u32 = 8;

impl Turn {
    /// Asks the driver to open sockets for an allocation.
    pub(super) fn open(
        &mut self,
        now: Instant,
        grant: Grant,
        fit: Fit,
        openings: Vec<Opening>,
        out: &mut Outbox,
    ) {
        let path = grant.asker.path;
        for opening in &openings {
            self.opening.insert(opening.address, Some(path));
            out.events.push(Event::RelayOpen(opening.address));
        }
        self.made += 1;
        let number = self.made;
        self.timers.set(Due::Pending(number), Some(now + OPENING_TIME));
        let pending = Pending { grant, fit, openings, failures: 0, number };
        self.pending.insert(path, Box::new(pending));
    }

    /// Learns how an opening went.
    pub(crate) fn relay_opened(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        opened: bool,
        out: &mut Outbox,
    ) {
        let path = match self.opening.remove(&relayed) {
            Some(Some(path)) => path,
            Some(None) => return self.give_back(relayed, opened, out),
            // Nobody asked: the port is not ours to free.
            None if opened && self.table.of_relayed(&relayed).is_none() => {
                return out.events.push(Event::RelayClose(relayed));
            }
            None => return,
        };
        let Some(pending) = self.pending.get_mut(&path) else {
            return self.give_back(relayed, opened, out);
        };
        if !opened {
            pending.failures += 1;
            return self.try_another(now, path, relayed, out);
        }
        for opening in pending.openings.iter_mut().filter(|opening| opening.address == relayed) {
            opening.opened = true;
        }
        self.grant_if_ready(now, path, out);
    }

    /// Gives up on an allocation whose sockets were not opened in time.
    pub(super) fn expire_pending(&mut self, number: u64, out: &mut Outbox) {
        let found = self.pending.iter().find(|(_, pending)| pending.number == number);
        let Some(path) = found.map(|(path, _)| *path) else { return };
        self.fail(path, TurnRefusal::NoSocket, out);
    }

    /// Forgets an allocation that waits for its sockets.
    pub(super) fn abandon(&mut self, path: &Path, out: &mut Outbox) -> Option<Box<Pending>> {
        let pending = self.pending.remove(path)?;
        self.timers.set(Due::Pending(pending.number), None);
        self.ledger.leave(pending.grant.principal.user(), pending.grant.counted);
        for opening in &pending.openings {
            self.forget(*opening, out);
        }

        Some(pending)
    }

    /// Takes a port that fits, or two, of a relayed address.
    pub(super) fn take_ports(&mut self, ip: IpAddr, fit: Fit) -> Option<Vec<Opening>> {
        let (_, ports) = self.ports.iter_mut().find(|(of, _)| *of == ip)?;
        let first = match fit {
            Fit::Any => ports.take(&mut self.random)?,
            Fit::Even => ports.take_even(&mut self.random)?,
            Fit::Pair => ports.take_pair(&mut self.random)?,
        };
        let last = if fit == Fit::Pair { first + 1 } else { first };
        let openings = (first..=last)
            .map(|port| Opening { address: SocketAddr::new(ip, port), opened: false });

        Some(openings.collect())
    }

    /// Frees a relayed address, and closes its socket if it is open.
    pub(super) fn give_back(&mut self, relayed: SocketAddr, opened: bool, out: &mut Outbox) {
        if opened {
            out.events.push(Event::RelayClose(relayed));
        }
        self.free(relayed);
    }

    /// Frees a relayed address.
    pub(super) fn free(&mut self, relayed: SocketAddr) {
        if let Some((_, ports)) = self.ports.iter_mut().find(|(of, _)| *of == relayed.ip()) {
            ports.give_back(relayed.port());
        }
    }

    /// Shares the ports of each relayed address among shards, but for those in use.
    pub(super) fn share_ports(&mut self) {
        let (index, shards) = (self.index, self.shards);
        let range = &self.config.ports;
        let relays = self.config.relays.iter().map(|at| at.local);
        self.ports = relays.map(|ip| (ip, Ports::new(range.clone(), index, shards))).collect();
        let leased = self.table.iter().flat_map(|(_, allocation)| allocation.relayed.iter());
        let leased = leased.map(|lease| lease.address);
        let used = leased.chain(self.reservations.addresses()).chain(self.opening.keys().copied());
        for address in used {
            if let Some((_, ports)) = self.ports.iter_mut().find(|(of, _)| *of == address.ip()) {
                ports.occupy(address.port());
            }
        }
    }

    /// Takes a reserved address for good.
    pub(super) fn redeem(&mut self, token: &[u8; TOKEN_LEN]) -> Option<SocketAddr> {
        self.timers.set(Due::Reservation(*token), None);

        self.reservations.remove(token)
    }

    /// Makes an allocation of addresses whose sockets are open, and says so to the client.
    /// `claimed`: its client's packets may come to another shard.
    pub(super) fn establish(
        &mut self,
        now: Instant,
        grant: Grant,
        addresses: &[SocketAddr],
        claimed: bool,
        out: &mut Outbox,
    ) {
        let Grant { asker, principal, counted, receipt, mobile } = grant;
        let mut relayed = Relayed::default();
        let expires = now + Duration::from_secs(receipt.lifetime.into());
        for address in addresses {
            relayed.add(*address, expires);
        }
        self.made += 1;
        let claimed = claimed && asker.path.via == Via::Udp;
        if claimed {
            out.events.push(Event::FlowBound(Self::claim(asker.path)));
        }
        let id = self.made * u64::from(self.shards) + u64::from(self.index);
        let holder = Holder { client: asker.path, principal, counted };
        let bandwidth_bps = self.config.bandwidth_bps;
        let key = self.table.insert(Allocation {
            mobile,
            claimed,
            ..Allocation::new(now, id, holder, relayed, receipt, bandwidth_bps)
        });
        self.counters.created += 1;
        self.timers.set(Due::Allocation(key), Some(expires));
        self.tell(key, &asker, out);
    }

    /// Answers an Allocate request that was granted (RFC 8656, section 7.2).
    pub(super) fn tell(&mut self, key: Key, asker: &Asker, out: &mut Outbox) {
        let ticket = self.ticket(key);
        let Some(allocation) = self.table.get(key) else { return };
        let (addresses, receipt) = (&self.addresses, allocation.receipt);
        asker.succeed(&allocation.principal, out, |writer| {
            for lease in allocation.relayed.iter() {
                writer.xor_relayed_address(addresses.public(lease.address));
            }
            writer.lifetime(receipt.lifetime).xor_mapped_address(allocation.client.remote);
            if let Some(token) = &receipt.reservation {
                writer.reservation_token(token);
            }
            if let Some((family, why)) = receipt.missing {
                writer.address_error_code(family, why.code(), why.reason());
            }
            if let Some(ticket) = &ticket {
                writer.mobility_ticket(ticket);
            }
        });
    }

    /// A ticket for an allocation that may move.
    pub(super) fn ticket(&mut self, key: Key) -> Option<[u8; TICKET_LEN]> {
        let allocation = self.table.get(key).filter(|allocation| allocation.mobile)?;
        // The place finds it, the rest of the number tells it from an earlier one there.
        let number = u64::from(key.0) << 32 | allocation.id & u64::from(u32::MAX);
        let ticket = Ticket { shard: self.index, allocation: number, generation: allocation.moves };

        Some(self.tickets.seal(ticket))
    }

    fn grant_if_ready(&mut self, now: Instant, path: Path, out: &mut Outbox) {
        let Some(pending) = self.pending.remove(&path) else { return };
        if !pending.is_ready() {
            self.pending.insert(path, pending);
            return;
        }
        self.timers.set(Due::Pending(pending.number), None);
        let Pending { mut grant, fit, openings, .. } = *pending;
        let mut addresses: Vec<SocketAddr> = openings.iter().map(|open| open.address).collect();
        if fit == Fit::Pair
            && let Some(address) = addresses.pop()
        {
            let token = self.tickets.token(self.index, &mut self.random);
            let user = grant.principal.user();
            self.reservations.insert(token, Reservation { address, user });
            self.timers.set(Due::Reservation(token), Some(now + RESERVATION_TIME));
            grant.receipt.reservation = Some(token);
        }
        self.establish(now, grant, &addresses, false, out);
    }

    /// Another port for one that could not be had; of a pair, for both.
    fn try_another(&mut self, now: Instant, path: Path, failed: SocketAddr, out: &mut Outbox) {
        let Some(pending) = self.pending.get_mut(&path) else { return };
        let (fit, failures) = (pending.fit, pending.failures);
        let is_lost = |opening: &Opening| fit == Fit::Pair || opening.address == failed;
        let lost: Vec<Opening> = pending.openings.extract_if(.., |open| is_lost(open)).collect();
        for opening in lost {
            match opening.address == failed {
                true => self.give_back(failed, false, out),
                false => self.forget(opening, out),
            }
        }
        let more = if failures < FAILURES_MAX { self.take_ports(failed.ip(), fit) } else { None };
        let Some(pending) = self.pending.get_mut(&path) else { return };
        match more {
            Some(more) => {
                pending.openings.extend(more.iter().copied());
                for opening in more {
                    self.opening.insert(opening.address, Some(path));
                    out.events.push(Event::RelayOpen(opening.address));
                }
            }
            None if pending.openings.is_empty() => self.fail(path, TurnRefusal::NoSocket, out),
            // The other family of a dual allocation may still do.
            None => {
                let missing = (Family::of(&failed), TurnRefusal::NoSocket);
                pending.grant.receipt.missing = Some(missing);
                self.grant_if_ready(now, path, out);
            }
        }
    }

    fn fail(&mut self, path: Path, why: TurnRefusal, out: &mut Outbox) {
        let Some(pending) = self.abandon(&path, out) else { return };
        self.refuse(&pending.grant.asker, &pending.grant.principal, why, out);
    }

    /// Closes a socket that is not needed any more, now or when it is open.
    fn forget(&mut self, opening: Opening, out: &mut Outbox) {
        if opening.opened {
            return self.give_back(opening.address, true, out);
        }
        self.opening.insert(opening.address, None);
    }
}
