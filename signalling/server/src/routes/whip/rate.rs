//! How many offers an address may make: each costs a transport of the relay.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time in which an address earns one offer.
const EACH: Duration = Duration::from_millis(200);
/// Offers that an address may make at once.
const BURST: u32 = 100;
/// Buckets; addresses whose hashes meet share one.
const BUCKETS: usize = 1024;

/// Buckets of offers by address.
pub(crate) struct Offers {
    /// When each bucket is full again.
    full_at: Mutex<Box<[Option<Instant>]>>,
    hasher: RandomState,
}

impl Offers {
    /// Full buckets.
    pub(crate) fn new() -> Self {
        let full_at = Mutex::new(vec![None; BUCKETS].into_boxed_slice());
        Self { full_at, hasher: RandomState::new() }
    }

    /// Takes one offer of an address; false when it makes too many.
    pub(super) fn take(&self, address: IpAddr, now: Instant) -> bool {
        let place = self.hasher.hash_one(network(address)) as usize % BUCKETS;
        // No code that holds it can panic between two consistent states.
        let mut buckets = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = buckets[place].unwrap_or(now).max(now) + EACH;
        if full_at.duration_since(now) > EACH * BURST {
            return false;
        }
        buckets[place] = Some(full_at);

        true
    }
}

/// An IPv6 network of 64 bits counts as one address: whoever has one has all of it.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_offers_too_fast_must_wait_and_others_need_not() {
        let (offers, now) = (Offers::new(), Instant::now());
        let address = |last: u8| IpAddr::from([203, 0, 113, last]);
        for _ in 0..BURST {
            assert!(offers.take(address(1), now));
        }
        assert!(!offers.take(address(1), now));
        let others = (2..=20).filter(|last| offers.take(address(*last), now)).count();
        assert!(others >= 15, "{others} of 19: few share a bucket");
        assert!(offers.take(address(1), now + EACH));
        assert!(!offers.take(address(1), now + EACH));
    }
}
