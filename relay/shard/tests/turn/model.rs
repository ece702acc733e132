//! What RFC 8656 and RFC 8016 say that stands after a request: a reference without sockets,
//! timers, indexes or signatures.

use relay_wire::stun::{Family, TransactionId};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// An authenticated request.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Allocate(Wish),
    Refresh { lifetime: Option<u32>, family: Option<Family>, ticket: Option<Ticket> },
    Permit(Vec<SocketAddr>),
    Bind { number: u16, peer: SocketAddr },
}

/// What an Allocate request asks for.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) transport: Option<u8>,
    pub(crate) lifetime: Option<u32>,
    pub(crate) family: Option<Family>,
    pub(crate) additional: Option<Family>,
    /// EVEN-PORT, and its R bit.
    pub(crate) even: Option<bool>,
    pub(crate) token: Option<[u8; 8]>,
    pub(crate) mobile: bool,
}

impl Wish {
    /// The families of the relayed addresses.
    pub(crate) fn families(&self) -> Vec<Family> {
        let first = self.family.unwrap_or(Family::V4);

        [Some(first), self.additional].into_iter().flatten().collect()
    }
}

/// A mobility ticket, and what it was given for.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) bytes: Vec<u8>,
    pub(crate) allocation: u64,
    pub(crate) moves: u64,
}

/// What stands for one client.
#[derive(Clone, Debug)]
pub(crate) struct Allocation {
    /// Its number in the model.
    pub(crate) id: u64,
    pub(crate) user: String,
    pub(crate) transaction: TransactionId,
    pub(crate) relayed: Vec<(SocketAddr, Instant)>,
    pub(crate) permissions: BTreeMap<IpAddr, Instant>,
    pub(crate) channels: BTreeMap<u16, (SocketAddr, Instant)>,
    pub(crate) mobile: bool,
    pub(crate) moves: u64,
}

impl Allocation {
    /// The relayed address of a peer's family.
    pub(crate) fn toward(&self, peer: IpAddr) -> Option<SocketAddr> {
        let mut all = self.relayed.iter().map(|(address, _)| *address);

        all.find(|address| address.is_ipv4() == peer.is_ipv4())
    }

    fn has(&self, family: Family) -> bool {
        self.relayed.iter().any(|(address, _)| Family::of(address) == family)
    }
}

/// Everything that stands, by client.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) allocations: BTreeMap<usize, Allocation>,
    /// By token: the address, the user, until when.
    pub(crate) reservations: BTreeMap<[u8; 8], (SocketAddr, String, Instant)>,
    made: u64,
}

/// What a peer's address may be (RFC 8656, section 9.1: the server's policy).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Allowed,
    /// An address of the server's where something may be, or nothing.
    Ours {
        reachable: bool,
    },
    Forbidden,
}

impl Model {
    /// Takes out what has expired.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.reservations.retain(|_, (_, _, expires)| *expires > now);
        self.allocations.retain(|_, allocation| {
            allocation.relayed.retain(|(_, expires)| *expires > now);
            allocation.permissions.retain(|_, expires| *expires > now);
            allocation.channels.retain(|_, (_, expires)| *expires > now);
            !allocation.relayed.is_empty()
        });
    }

    /// The process is killed, and another goes on: without connections and reservations.
    pub(crate) fn restart(&mut self, streams: impl Fn(usize) -> bool) {
        self.reservations.clear();
        self.allocations.retain(|client, _| !streams(*client));
    }

    /// Carries out a request; returns the answer's error code, 0 for success. An Allocate request
    /// that succeeds changes nothing yet: `establish` does.
    pub(crate) fn request(
        &mut self,
        now: Instant,
        (client, user): (usize, &str),
        transaction: &TransactionId,
        request: &Request,
        standing: impl Fn(SocketAddr) -> Standing,
    ) -> u16 {
        if let Request::Allocate(wish) = request {
            return match self.allocations.get(&client) {
                Some(old) if old.transaction == *transaction && old.user == user => 0,
                Some(_) => 437,
                None => self.wish(user, wish),
            };
        }
        let holder = if self.allocations.contains_key(&client) { Some(client) } else { None };
        let Some(holder) = holder.or_else(|| self.ticket_holder(request)) else {
            return match request {
                // A ticket that is none is malformed; one of what has ended is not.
                Request::Refresh { ticket: Some(ticket), .. } if ticket.allocation == 0 => 400,
                _ => 437,
            };
        };
        if self.allocations[&holder].user != user {
            return 441;
        }
        let allocation = self.allocations.get_mut(&holder).expect("it was found");
        match request {
            Request::Allocate(_) => unreachable!("it was dealt with"),
            Request::Refresh { lifetime, family, ticket } => {
                let named = ticket.as_ref().map(|ticket| names(ticket, allocation));
                if family.is_some_and(|family| !allocation.has(family)) {
                    return 443;
                }
                if named == Some(false) {
                    return 437;
                }
                allocation.refresh(now, *lifetime, *family);
                if holder != client {
                    allocation.moves += 1;
                    let moved = self.allocations.remove(&holder).expect("it was found");
                    self.allocations.insert(client, moved);
                }
                self.expire(now);
                0
            }
            Request::Permit(peers) => allocation.permit(now, peers, standing),
            Request::Bind { number, peer } => allocation.bind(now, *number, *peer, standing(*peer)),
        }
    }

    /// Notes an allocation that was made.
    pub(crate) fn establish(&mut self, client: usize, mut allocation: Allocation) {
        self.made += 1;
        allocation.id = self.made;
        self.allocations.insert(client, allocation);
    }

    /// The client whose allocation has this relayed address.
    pub(crate) fn holder(&self, relayed: SocketAddr) -> Option<usize> {
        let holds = |allocation: &Allocation| {
            allocation.relayed.iter().any(|(address, _)| *address == relayed)
        };

        self.allocations.iter().find(|(_, allocation)| holds(allocation)).map(|(client, _)| *client)
    }

    fn wish(&self, user: &str, wish: &Wish) -> u16 {
        let clash = wish.token.is_some()
            && (wish.even.is_some() || wish.family.is_some() || wish.additional.is_some())
            || wish.family.is_some() && wish.additional.is_some()
            || wish.additional == Some(Family::V4)
            || wish.additional.is_some() && wish.even == Some(true);
        let strange = wish.families().iter().any(|family| matches!(family, Family::Other(_)));
        let reserved = |token| self.reservations.get(token).is_some_and(|kept| kept.1 == user);
        match wish.transport {
            None => 400,
            Some(17) if clash => 400,
            Some(17) if strange => 440,
            Some(17) if wish.token.as_ref().is_some_and(|token| !reserved(token)) => 508,
            Some(17) => 0,
            Some(_) => 442,
        }
    }

    fn ticket_holder(&self, request: &Request) -> Option<usize> {
        let Request::Refresh { ticket: Some(ticket), .. } = request else { return None };
        let mut all = self.allocations.iter();

        all.find(|(_, allocation)| names(ticket, allocation)).map(|(client, _)| *client)
    }
}

impl Allocation {
    fn refresh(&mut self, now: Instant, lifetime: Option<u32>, family: Option<Family>) {
        let expires = now + Duration::from_secs(granted(lifetime, true).into());
        for (address, until) in &mut self.relayed {
            if family.is_none_or(|family| family == Family::of(address)) {
                *until = expires;
            }
        }
    }

    fn permit(
        &mut self,
        now: Instant,
        peers: &[SocketAddr],
        standing: impl Fn(SocketAddr) -> Standing,
    ) -> u16 {
        for peer in peers {
            if self.toward(peer.ip()).is_none() {
                return 443;
            }
            if standing(*peer) == Standing::Forbidden {
                return 403;
            }
        }
        if peers.is_empty() {
            return 400;
        }
        for peer in peers {
            self.permissions.insert(peer.ip(), now + Duration::from_secs(300));
        }

        0
    }

    fn bind(&mut self, now: Instant, number: u16, peer: SocketAddr, standing: Standing) -> u16 {
        if !(0x4000..=0x7fff).contains(&number) {
            return 400;
        }
        if self.toward(peer.ip()).is_none() {
            return 443;
        }
        if matches!(standing, Standing::Forbidden | Standing::Ours { reachable: false }) {
            return 403;
        }
        let by_number = self.channels.get(&number).map(|(bound, _)| *bound);
        let taken =
            self.channels.iter().any(|(other, (bound, _))| *bound == peer && *other != number);
        if by_number.is_some_and(|bound| bound != peer) || taken {
            return 400;
        }
        self.channels.insert(number, (peer, now + Duration::from_secs(600)));
        self.permissions.insert(peer.ip(), now + Duration::from_secs(300));

        0
    }
}

/// The lifetime that is granted (RFC 8656, sections 7.2 and 8.2).
pub(crate) fn granted(wished: Option<u32>, refresh: bool) -> u32 {
    match wished {
        Some(0) if refresh => 0,
        wished => wished.unwrap_or(600).clamp(600, 3600),
    }
}

/// Whether a ticket is good for an allocation: the newest, or the one before it, whose successor
/// may have been lost.
fn names(ticket: &Ticket, allocation: &Allocation) -> bool {
    ticket.allocation == allocation.id && ticket.moves + 1 >= allocation.moves
}
