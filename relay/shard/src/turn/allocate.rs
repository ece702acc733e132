//! Allocate requests (RFC 8656, section 7.2): what is wished for, and what can be had.

use super::Turn;
use super::allocation::Receipt;
use super::answer::Asker;
use super::counters::TurnRefusal;
use super::pending::{Fit, Grant, Opening};
use super::principal::Principal;
use super::ticket::TOKEN_LEN;
use crate::{Outbox, Quota};
use relay_wire::stun::{Family, Malformed, Message};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// UDP's number (RFC 8656, section 18.7).
const UDP: u8 = 17;

/// An allocation's lifetime unless the client asks for more (RFC 8656, section 3.2).
const LIFETIME_DEFAULT: Duration = Duration::from_secs(600);

/// Allocations that wait for their sockets at the same time.
const PENDING_MAX: usize = 1024;

/// What an Allocate request asks for.
struct Wish {
    families: Vec<Family>,
    fit: Fit,
    token: Option<[u8; TOKEN_LEN]>,
    lifetime: Option<u32>,
    mobile: bool,
}

/// Sockets to be opened, and the family of a dual allocation that cannot be had.
struct Plan {
    openings: Vec<Opening>,
    missing: Option<(Family, TurnRefusal)>,
}

impl From<Malformed> for TurnRefusal {
    fn from(Malformed: Malformed) -> Self {
        Self::BadRequest
    }
}

impl Wish {
    fn parse(request: &Message<'_>) -> Result<Self, TurnRefusal> {
        match request.requested_transport()? {
            Some(UDP) => {}
            Some(_) => return Err(TurnRefusal::UnsupportedTransport),
            None => return Err(TurnRefusal::BadRequest),
        }
        let (even, token) = (request.even_port()?, request.reservation_token()?);
        let family = request.requested_address_family()?;
        let additional = request.additional_address_family()?;
        let clash = token.is_some() && (even.is_some() || family.is_some() || additional.is_some())
            || family.is_some() && additional.is_some()
            || additional == Some(Family::V4)
            || additional.is_some() && even == Some(true);
        if clash {
            return Err(TurnRefusal::BadRequest);
        }
        let mut families = vec![family.unwrap_or(Family::V4)];
        families.extend(additional);
        if families.iter().any(|family| matches!(family, Family::Other(_))) {
            return Err(TurnRefusal::UnsupportedFamily);
        }
        let fit = match even {
            None => Fit::Any,
            Some(false) => Fit::Even,
            Some(true) => Fit::Pair,
        };
        // A ticket comes with the answer; a request has none yet (RFC 8016, section 3.1).
        let ticket = request.mobility_ticket();
        if ticket.is_some_and(|ticket| !ticket.is_empty()) {
            return Err(TurnRefusal::BadRequest);
        }

        Ok(Self { families, fit, token, lifetime: request.lifetime()?, mobile: ticket.is_some() })
    }
}

impl Turn {
    /// Carries out an authenticated Allocate request, at once or when its sockets are open.
    pub(super) fn allocate(
        &mut self,
        now: Instant,
        asker: Asker,
        principal: Principal,
        request: &Message<'_>,
        out: &mut Outbox,
    ) {
        if let Some(key) = self.table.of_client(&asker.path) {
            let repeated = self.table.get(key).is_some_and(|allocation| {
                allocation.receipt.transaction == asker.transaction
                    && allocation.principal.name() == principal.name()
            });
            return match repeated {
                true => self.tell(key, &asker, out),
                false => self.refuse(&asker, &principal, TurnRefusal::Mismatch, out),
            };
        }
        if let Some(pending) = self.pending.get(&asker.path) {
            if pending.grant.asker.transaction != asker.transaction {
                self.refuse(&asker, &principal, TurnRefusal::Mismatch, out);
            }
            return;
        }
        let outcome = Wish::parse(request).and_then(|wish| {
            self.admit(&asker, &principal)?;
            Ok((self.plan(&asker, &principal, &wish)?, wish))
        });
        let (plan, wish) = match outcome {
            Ok(plan) => plan,
            Err(why) => return self.refuse(&asker, &principal, why, out),
        };
        let receipt = Receipt {
            transaction: asker.transaction,
            lifetime: self.lifetime(wish.lifetime),
            reservation: None,
            missing: plan.missing,
        };
        let counted = asker.path.remote.ip();
        let grant = Grant { asker, principal, counted, receipt, mobile: wish.mobile };
        match wish.token.and_then(|token| self.redeem(&token)) {
            Some(reserved) => self.establish(now, grant, &[reserved], true, out),
            None => self.open(now, grant, wish.fit, plan.openings, out),
        }
    }

    /// Answers that a request is refused, and counts it.
    pub(super) fn refuse(
        &mut self,
        asker: &Asker,
        principal: &Principal,
        why: TurnRefusal,
        out: &mut Outbox,
    ) {
        self.counters.refuse(why);
        match self.alternate(asker).filter(|_| why == TurnRefusal::TryAlternate) {
            Some(alternate) => asker.redirect(principal, alternate, out),
            None => asker.refuse(principal, why, out),
        }
    }

    /// The lifetime that a client gets, in seconds (RFC 8656, sections 7.2 and 8.2).
    pub(super) fn lifetime(&self, wished: Option<u32>) -> u32 {
        let max = self.config.lifetime_max.as_secs().min(u64::from(u32::MAX)) as u32;
        let default = (LIFETIME_DEFAULT.as_secs() as u32).min(max);

        wished.map_or(default, |wished| wished.clamp(default, max))
    }

    /// Where a draining node sends this client.
    fn alternate(&self, asker: &Asker) -> Option<SocketAddr> {
        let v4 = asker.path.remote.is_ipv4();

        self.config.alternates.iter().copied().find(|alternate| alternate.is_ipv4() == v4)
    }

    fn admit(&self, asker: &Asker, principal: &Principal) -> Result<(), TurnRefusal> {
        if self.config.drain {
            let alternate = self.alternate(asker);
            return Err(alternate.map_or(TurnRefusal::Draining, |_| TurnRefusal::TryAlternate));
        }
        if self.pending.len() >= PENDING_MAX {
            return Err(TurnRefusal::Busy);
        }
        let entered = self.ledger.enter(principal.user(), asker.path.remote.ip());

        entered.map_err(|quota| match quota {
            Quota::User => TurnRefusal::QuotaUser,
            Quota::Address => TurnRefusal::QuotaAddress,
            Quota::Total => TurnRefusal::QuotaTotal,
        })
    }

    /// Chooses ports. What the ledger has counted is taken back when there are none.
    fn plan(
        &mut self,
        asker: &Asker,
        principal: &Principal,
        wish: &Wish,
    ) -> Result<Plan, TurnRefusal> {
        let outcome = match wish.token {
            Some(token) => self
                .reservations
                .find(&token, principal.user())
                .map(|_| Plan { openings: Vec::new(), missing: None })
                .ok_or(TurnRefusal::NoReservation),
            None => self.choose(asker.path.local.ip(), wish),
        };
        if outcome.is_err() {
            self.ledger.leave(principal.user(), asker.path.remote.ip());
        }

        outcome
    }

    fn choose(&mut self, local: IpAddr, wish: &Wish) -> Result<Plan, TurnRefusal> {
        let mut plan = Plan { openings: Vec::new(), missing: None };
        for family in &wish.families {
            let chosen = match self.addresses.relay(local, *family == Family::V4) {
                Some(ip) => self.take_ports(ip, wish.fit).ok_or(TurnRefusal::NoPorts),
                None => Err(TurnRefusal::UnsupportedFamily),
            };
            match chosen {
                Ok(openings) => plan.openings.extend(openings),
                Err(why) => plan.missing = plan.missing.or(Some((*family, why))),
            }
        }
        match plan.missing {
            Some((_, why)) if plan.openings.is_empty() => Err(why),
            _ => Ok(plan),
        }
    }
}
