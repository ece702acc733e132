//! Allocations counted over all shards, against the quotas.

use super::Quotas;
use relay_shard::{Ledger, Quota};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counts allocations; it is asked once for each, so that a lock is fine.
#[derive(Debug)]
pub(crate) struct Books(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    quotas: Quotas,
    /// What `Quotas::total` means when it is not given.
    ports: usize,
    total: usize,
    users: HashMap<u64, usize>,
    addresses: HashMap<IpAddr, usize>,
}

impl Books {
    /// Empty books with these quotas, for a server that has so many relayed ports.
    pub(crate) fn new(quotas: Quotas, ports: usize) -> Self {
        Self(Mutex::new(Counts {
            quotas,
            ports,
            total: 0,
            users: HashMap::new(),
            addresses: HashMap::new(),
        }))
    }

    /// Changes the quotas; nobody who is in has to go.
    pub(crate) fn set(&self, quotas: Quotas, ports: usize) {
        let mut counts = self.counts();
        counts.quotas = quotas;
        counts.ports = ports;
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, user: u64, address: IpAddr) {
        self.total += 1;
        *self.users.entry(user).or_default() += 1;
        *self.addresses.entry(prefix(address)).or_default() += 1;
    }
}

impl Ledger for Books {
    fn enter(&self, user: u64, address: IpAddr) -> Result<(), Quota> {
        let mut counts = self.counts();
        let Counts { quotas, ports, total, users, addresses } = &mut *counts;
        let prefix = prefix(address);
        if *total >= quotas.total.unwrap_or(*ports) {
            return Err(Quota::Total);
        }
        if users.get(&user).is_some_and(|count| *count >= quotas.user) || quotas.user == 0 {
            return Err(Quota::User);
        }
        if addresses.get(&prefix).is_some_and(|count| *count >= quotas.address)
            || quotas.address == 0
        {
            return Err(Quota::Address);
        }
        counts.add(user, address);

        Ok(())
    }

    fn readmit(&self, user: u64, address: IpAddr) {
        self.counts().add(user, address);
    }

    fn leave(&self, user: u64, address: IpAddr) {
        let mut counts = self.counts();
        counts.total = counts.total.saturating_sub(1);
        forget_one(&mut counts.users, &user);
        forget_one(&mut counts.addresses, &prefix(address));
    }
}

/// Counts one less; what is zero is no longer kept, so that the maps hold no more than the living.
fn forget_one<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    let Some(count) = counts.get_mut(key) else { return };
    *count -= 1;
    if *count == 0 {
        counts.remove(key);
    }
}

/// What counts as one client's address: of IPv6 the /64, which is what one subscriber has.
fn prefix(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn books(user: usize, address: usize, total: Option<usize>) -> Books {
        Books::new(Quotas { user, address, total }, 5)
    }

    #[test]
    fn each_quota_refuses_one_more() {
        let user = books(2, 10, None);
        assert_eq!(user.enter(1, ip("192.0.2.1")), Ok(()));
        assert_eq!(user.enter(1, ip("192.0.2.2")), Ok(()));
        assert_eq!(user.enter(1, ip("192.0.2.3")), Err(Quota::User));
        assert_eq!(user.enter(2, ip("192.0.2.3")), Ok(()));

        let address = books(10, 1, None);
        assert_eq!(address.enter(1, ip("2001:db8::1")), Ok(()));
        assert_eq!(address.enter(2, ip("2001:db8::ffff:1")), Err(Quota::Address));
        assert_eq!(address.enter(2, ip("2001:db8:0:1::1")), Ok(()));
        address.leave(1, ip("2001:db8::1"));
        assert_eq!(address.enter(2, ip("2001:db8::ffff:1")), Ok(()));

        let ports = books(10, 10, None);
        (0..5).for_each(|user| assert_eq!(ports.enter(user, ip("192.0.2.1")), Ok(())));
        assert_eq!(ports.enter(9, ip("192.0.2.1")), Err(Quota::Total));
        ports.set(Quotas { user: 10, address: 10, total: Some(6) }, 5);
        assert_eq!(ports.enter(9, ip("192.0.2.1")), Ok(()));
    }

    #[test]
    fn who_was_in_before_is_in_again_whatever_the_quota() {
        let books = books(1, 1, Some(1));
        (0..3).for_each(|_| books.readmit(1, ip("192.0.2.1")));
        assert_eq!(books.enter(2, ip("192.0.2.2")), Err(Quota::Total));
        (0..3).for_each(|_| books.leave(1, ip("192.0.2.1")));
        assert_eq!(books.enter(1, ip("192.0.2.1")), Ok(()));
    }

    #[test]
    fn a_quota_of_none_lets_nobody_in() {
        assert_eq!(books(0, 1, None).enter(1, ip("192.0.2.1")), Err(Quota::User));
        assert_eq!(books(1, 0, None).enter(1, ip("192.0.2.1")), Err(Quota::Address));
        assert_eq!(books(1, 1, Some(0)).enter(1, ip("192.0.2.1")), Err(Quota::Total));
    }

    proptest! {
        #[test]
        fn no_quota_is_passed_and_the_maps_hold_only_the_living(
            steps in proptest::collection::vec((any::<bool>(), 0u64..4, 0u8..4), 0..200),
        ) {
            let books = books(3, 4, Some(6));
            let mut living = Vec::new();
            for (comes, user, host) in steps {
                let who = (user, IpAddr::from([192, 0, 2, host]));
                if comes && books.enter(who.0, who.1).is_ok() {
                    living.push(who);
                } else if let Some(at) = living.iter().position(|other| *other == who) {
                    living.swap_remove(at);
                    books.leave(who.0, who.1);
                }
                let of = |is: &dyn Fn(&(u64, IpAddr)) -> bool| {
                    living.iter().filter(|other| is(other)).count()
                };
                prop_assert!(living.len() <= 6);
                prop_assert!(of(&|other| other.0 == user) <= 3);
                prop_assert!(of(&|other| other.1 == who.1) <= 4);
                let counts = books.counts();
                prop_assert_eq!(counts.total, living.len());
                prop_assert_eq!(counts.users.values().sum::<usize>(), living.len());
                prop_assert_eq!(counts.addresses.values().sum::<usize>(), living.len());
                let mut kept = counts.users.values().chain(counts.addresses.values());
                prop_assert!(kept.all(|count| *count > 0));
            }
        }
    }
}
