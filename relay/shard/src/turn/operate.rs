//! What operators do: new settings, lists, ending allocations.

use super::allocation::{Allocation, Key};
use super::authenticate::Authenticator;
use super::peers::{PeerPolicy, Verdict};
use super::ticket::Tickets;
use super::{Turn, TurnConfig};
use crate::{AllocationInfo, Event, Outbox, Selector, Via};
use std::time::Instant;

impl Turn {
    /// Replaces the settings. Allocations go on, and may be refreshed with the credentials that
    /// made them even if these are removed; permissions and channels of peers that are refused now
    /// end at once.
    pub(crate) fn reconfigure(&mut self, config: TurnConfig, out: &mut Outbox) {
        self.addresses.reconfigure(&config);
        self.authenticator = Authenticator::new(&config);
        self.limiter.set_rate(config.challenges_a_second);
        self.peers = PeerPolicy::new(&config);
        self.tickets = Tickets::new(&config.key);
        self.config = config;
        self.share_ports();
        let Self { table, addresses, peers, .. } = self;
        table.revoke(|ip| addresses.holds(ip) || peers.judge(ip) == Verdict::Allowed);
        table.mark_ours(|ip| addresses.holds(ip));
        self.publish(out);
    }

    /// Allocations that match, `None` for all.
    pub(crate) fn allocations(
        &self,
        now: Instant,
        which: Option<&Selector>,
    ) -> Vec<AllocationInfo> {
        let all = self.table.iter().map(|(_, allocation)| allocation);
        let matching =
            all.filter(|allocation| which.is_none_or(|which| matches(allocation, which)));

        matching.map(|allocation| self.describe(now, allocation)).collect()
    }

    /// Ends the allocations that match, and hangs up; returns how many.
    pub(crate) fn kick(&mut self, which: &Selector, out: &mut Outbox) -> usize {
        let all = self.table.iter();
        let keys: Vec<Key> =
            all.filter(|(_, allocation)| matches(allocation, which)).map(|(key, _)| key).collect();
        for key in &keys {
            let Some(ended) = self.end(*key, out) else { continue };
            if ended.client.via == Via::Tcp {
                out.events.push(Event::HangUp(ended.client));
            }
        }
        self.counters.kicked += keys.len() as u64;
        self.publish(out);

        keys.len()
    }

    fn describe(&self, now: Instant, allocation: &Allocation) -> AllocationInfo {
        let relayed = allocation.relayed.iter();

        AllocationInfo {
            id: allocation.id,
            user: allocation.principal.name().to_owned(),
            client: allocation.client,
            relayed: relayed.map(|lease| self.addresses.public(lease.address)).collect(),
            permissions: allocation.permissions.len(),
            channels: allocation.channels.len(),
            expires_in: allocation.expires_in(now),
            sent: (allocation.sent.packets, allocation.sent.bytes),
            received: (allocation.received.packets, allocation.received.bytes),
        }
    }
}

fn matches(allocation: &Allocation, which: &Selector) -> bool {
    match which {
        Selector::Id(id) => allocation.id == *id,
        Selector::User(user) => is_of(allocation.principal.name(), user),
        Selector::Address(ip) => allocation.client.remote.ip() == *ip,
    }
}

/// Whether credentials of this name are a user's: REST credentials have an expiry in front of it.
fn is_of(name: &str, user: &str) -> bool {
    let is_expiry = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let rest = name.split_once(':').filter(|(expiry, _)| is_expiry(expiry));

    name == user || rest.is_some_and(|(_, of)| of == user)
}
