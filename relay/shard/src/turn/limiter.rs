//! Challenges a second for one source prefix, in a table that never grows.

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::Instant;

/// Prefixes told apart; those that collide share a rate.
const CELLS: usize = 4_096;

/// Nanoseconds of a second: the burst that is let through at once.
const SECOND: u64 = 1_000_000_000;

/// Lets a number of challenges a second go to each source prefix: /24 of IPv4, /56 of IPv6.
pub(crate) struct Limiter {
    /// Nanoseconds between two challenges; 0: no limit.
    interval: u64,
    /// For each cell the nanoseconds since `start` at which its challenges are paid for.
    paid_until: Box<[u64]>,
    start: Instant,
    hasher: SeedableRandomState,
}

impl Limiter {
    /// A limiter whose collisions depend on a seed; a rate of 0 is no limit.
    pub(crate) fn new(now: Instant, a_second: u32, seed: u64) -> Self {
        Self {
            interval: interval(a_second),
            paid_until: vec![0; CELLS].into_boxed_slice(),
            start: now,
            hasher: SeedableRandomState::with_seed(seed, SharedSeed::global_fixed()),
        }
    }

    /// Changes the rate; what was let through stays counted.
    pub(crate) fn set_rate(&mut self, a_second: u32) {
        self.interval = interval(a_second);
    }

    /// Whether one more challenge may go to this source; it is counted if so.
    pub(crate) fn allow(&mut self, now: Instant, source: IpAddr) -> bool {
        let cell = self.hasher.hash_one(prefix(source)) as usize % CELLS;
        let elapsed = now.saturating_duration_since(self.start).as_nanos() as u64;
        let Some(paid_until) = self.paid_until.get_mut(cell) else { return false };
        let next = (*paid_until).max(elapsed) + self.interval;
        let allowed = next <= elapsed + SECOND;
        if allowed {
            *paid_until = next;
        }

        allowed
    }
}

fn interval(a_second: u32) -> u64 {
    SECOND.checked_div(u64::from(a_second)).unwrap_or(0)
}

/// The family and the bits that one site's addresses share.
fn prefix(source: IpAddr) -> (bool, u64) {
    match source.to_canonical() {
        IpAddr::V4(ip) => (false, u64::from(ip.to_bits() >> 8)),
        IpAddr::V6(ip) => (true, (ip.to_bits() >> 72) as u64),
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    fn allowed(limiter: &mut Limiter, now: Instant, source: &str) -> usize {
        let source = source.parse().unwrap();
        (0..1_000).filter(|_| limiter.allow(now, source)).count()
    }

    #[test]
    fn a_prefix_gets_its_rate_and_no_more() {
        let start = Instant::now();
        let mut limiter = Limiter::new(start, 100, 1);

        assert_eq!(allowed(&mut limiter, start, "192.0.2.1"), 100);
        assert_eq!(allowed(&mut limiter, start, "192.0.2.254"), 0, "the same /24");
        assert_eq!(allowed(&mut limiter, start, "::ffff:192.0.2.7"), 0, "the same, mapped");
        assert_eq!(allowed(&mut limiter, start, "192.0.3.1"), 100);
        assert_eq!(allowed(&mut limiter, start + Duration::from_millis(50), "192.0.2.1"), 5);
    }

    #[test]
    fn a_site_of_ipv6_is_one_source() {
        let start = Instant::now();
        let mut limiter = Limiter::new(start, 10, 1);

        assert_eq!(allowed(&mut limiter, start, "2001:db8:1:200::1"), 10);
        assert_eq!(allowed(&mut limiter, start, "2001:db8:1:2ff:ffff::9"), 0);
        assert_eq!(allowed(&mut limiter, start, "2001:db8:1:300::1"), 10);
    }

    #[test]
    fn no_limit_is_none() {
        let start = Instant::now();
        let mut limiter = Limiter::new(start, 0, 1);

        assert_eq!(allowed(&mut limiter, start, "192.0.2.1"), 1_000);
        limiter.set_rate(10);
        assert_eq!(allowed(&mut limiter, start, "192.0.2.1"), 10);
    }

    #[test]
    fn any_number_of_sources_shares_a_table_of_one_size() {
        let start = Instant::now();
        let mut limiter = Limiter::new(start, 1, 1);
        let sources = (0..1u32 << 18).map(|number| IpAddr::from(Ipv4Addr::from(number << 8)));
        let allowed = sources.filter(|source| limiter.allow(start, *source)).count();

        assert_eq!(allowed, CELLS);
    }
}
