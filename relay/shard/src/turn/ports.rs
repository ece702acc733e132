//! A shard's share of the ports of one relayed address.

use rand::Rng;
use rand::rngs::StdRng;
use std::ops::RangeInclusive;

/// The even ports of a word: an even port and the next are neighbouring bits.
const EVEN: u64 = 0x5555_5555_5555_5555;

/// Pairs of ports in one word.
const PAIRS: usize = 32;

/// Ports drawn blindly before the free ones are counted: a table that is half full is counted once
/// in 65,536 times.
const DRAWS: usize = 16;

/// The shard that owns a relayed port.
pub(crate) fn owner(port: u16, shards: u16) -> u16 {
    port / 2 % shards.max(1)
}

/// The free ports of one relayed address that are this shard's. Each choice is uniform among those
/// that fit, so that nobody can tell the next one (RFC 8656, section 7.2).
pub(crate) struct Ports {
    range: RangeInclusive<u16>,
    index: u16,
    shards: u16,
    /// The first pair of the share, as a multiple of `shards`.
    first: usize,
    /// A set bit is a free port; pair `first + n` of the share has bits `2n` and `2n + 1`.
    words: Box<[u64]>,
    free: usize,
    total: usize,
}

impl Ports {
    /// All ports of the range that belong to shard `index` of `shards`.
    pub(crate) fn new(range: RangeInclusive<u16>, index: u16, shards: u16) -> Self {
        let shards = shards.max(1);
        let [first, last] = [range.start(), range.end()].map(|port| usize::from(port / 2 / shards));
        let pairs = (last + 1).saturating_sub(first);
        let words = vec![0; pairs.div_ceil(PAIRS)].into_boxed_slice();
        let mut ports =
            Self { range: range.clone(), index, shards, first, words, free: 0, total: 0 };
        range.for_each(|port| ports.give_back(port));
        ports.total = ports.free;

        ports
    }

    /// All ports of the share.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// Ports that are free.
    pub(crate) fn free(&self) -> usize {
        self.free
    }

    /// Takes any port.
    pub(crate) fn take(&mut self, random: &mut StdRng) -> Option<u16> {
        let bit = self.choose(random, |word| word)?;

        Some(self.remove(bit))
    }

    /// Takes an even port (RFC 8656, section 7.2: EVEN-PORT).
    pub(crate) fn take_even(&mut self, random: &mut StdRng) -> Option<u16> {
        let bit = self.choose(random, |word| word & EVEN)?;

        Some(self.remove(bit))
    }

    /// Takes an even port and the next, and returns the even one (EVEN-PORT with its R bit).
    pub(crate) fn take_pair(&mut self, random: &mut StdRng) -> Option<u16> {
        let bit = self.choose(random, |word| word & word >> 1 & EVEN)?;
        self.remove(bit + 1);

        Some(self.remove(bit))
    }

    /// Takes this very port, if it is free: what stands is carried over to new settings.
    pub(crate) fn occupy(&mut self, port: u16) -> bool {
        let Some(bit) = self.bit(port) else { return false };
        let free = self.words[bit / 64] >> (bit % 64) & 1 != 0;
        if free {
            self.remove(bit);
        }

        free
    }

    /// Frees a port; one that is not of this share stays out.
    pub(crate) fn give_back(&mut self, port: u16) {
        let Some(bit) = self.bit(port) else { return };
        let word = &mut self.words[bit / 64];
        self.free += usize::from(*word >> (bit % 64) & 1 == 0);
        *word |= 1 << (bit % 64);
    }

    /// A bit that is uniformly chosen among those that `fit` leaves of the free ones.
    fn choose(&self, random: &mut StdRng, fit: impl Fn(u64) -> u64) -> Option<usize> {
        let bits = 64 * self.words.len();
        let mut draws = (0..DRAWS).filter(|_| bits > 0).map(|_| random.random_range(0..bits));
        let drawn = draws.find(|bit| fit(self.words[bit / 64]) >> (bit % 64) & 1 != 0);

        drawn.or_else(|| self.choose_counted(random, fit))
    }

    fn choose_counted(&self, random: &mut StdRng, fit: impl Fn(u64) -> u64) -> Option<usize> {
        let count: u32 = self.words.iter().map(|word| fit(*word).count_ones()).sum();
        if count == 0 {
            return None;
        }
        let mut skip = random.random_range(0..count);
        for (index, word) in self.words.iter().enumerate() {
            let mut fitting = fit(*word);
            let ones = fitting.count_ones();
            if skip >= ones {
                skip -= ones;
                continue;
            }
            for _ in 0..skip {
                fitting &= fitting - 1;
            }
            return Some(64 * index + fitting.trailing_zeros() as usize);
        }

        None
    }

    /// Takes the port of a set bit.
    fn remove(&mut self, bit: usize) -> u16 {
        self.words[bit / 64] &= !(1 << (bit % 64));
        self.free -= 1;
        let pair = (self.first + bit / 2) * usize::from(self.shards) + usize::from(self.index);

        (2 * pair + bit % 2) as u16
    }

    fn bit(&self, port: u16) -> Option<usize> {
        let ours = self.range.contains(&port) && owner(port, self.shards) == self.index;

        ours.then(|| (usize::from(port / 2 / self.shards) - self.first) * 2 + usize::from(port % 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use std::collections::BTreeSet;

    fn random(seed: u64) -> StdRng {
        StdRng::seed_from_u64(seed)
    }

    #[test]
    fn shards_share_every_port_and_none_twice() {
        let mut all = BTreeSet::new();
        for index in 0..3 {
            let mut ports = Ports::new(49_152..=65_535, index, 3);
            let mut random = random(1);
            while let Some(port) = ports.take(&mut random) {
                assert_eq!(owner(port, 3), index);
                assert!(all.insert(port));
            }
            assert_eq!(ports.free(), 0);
        }

        assert!(all.into_iter().eq(49_152..=65_535));
    }

    #[test]
    fn the_widest_range_has_its_last_port() {
        let mut ports = Ports::new(0..=65_535, 0, 1);
        assert_eq!(ports.free(), 65_536);

        assert!(ports.occupy(65_535));
        assert!(!ports.occupy(65_535));
        assert_eq!(ports.free(), 65_535);
    }

    #[test]
    fn a_pair_begins_even_and_needs_both() {
        let mut ports = Ports::new(50_001..=50_006, 0, 1);
        let mut random = random(2);
        let pairs: BTreeSet<_> = (0..2).filter_map(|_| ports.take_pair(&mut random)).collect();

        assert_eq!(pairs, BTreeSet::from([50_002, 50_004]));
        assert_eq!(ports.take_pair(&mut random), None);
        assert_eq!(ports.take_even(&mut random), Some(50_006));
        assert_eq!(ports.take_even(&mut random), None);
        assert_eq!(ports.take(&mut random), Some(50_001));
        ports.give_back(50_003);
        assert_eq!(ports.take_pair(&mut random), None);
        ports.give_back(50_002);
        assert_eq!(ports.take_pair(&mut random), Some(50_002));
    }

    #[test]
    fn ports_of_others_are_never_free() {
        let mut ports = Ports::new(50_000..=50_003, 0, 2);
        let free = ports.free();
        for port in [49_999, 50_002, 50_003, 50_004, 50_000] {
            ports.give_back(port);
        }

        assert_eq!(ports.free(), free);
        assert!(!ports.occupy(50_002));
    }

    #[test]
    fn the_last_ports_of_a_full_table_are_found_at_once() {
        let mut ports = Ports::new(49_152..=65_535, 1, 2);
        let mut random = random(4);
        while ports.take(&mut random).is_some() {}
        for port in [49_154, 65_535] {
            ports.give_back(port);
        }

        assert_eq!(ports.take_even(&mut random), Some(49_154));
        assert_eq!(ports.take_pair(&mut random), None);
        assert_eq!(ports.take(&mut random), Some(65_535));
        assert_eq!(ports.take(&mut random), None);
    }

    #[test]
    fn no_ports_are_none() {
        let mut none = Ports::new(RangeInclusive::new(1, 0), 0, 1);
        none.give_back(1);

        assert_eq!((none.free(), none.take(&mut random(5))), (0, None));
    }

    #[test]
    fn choices_are_spread_over_the_range() {
        let mut random = random(3);
        let mut quarters = [0; 4];
        for _ in 0..4_000 {
            let mut ports = Ports::new(50_000..=50_999, 0, 1);
            let port = ports.take(&mut random).unwrap();
            quarters[usize::from(port - 50_000) / 250] += 1;
        }

        assert!(quarters.iter().all(|count| (850..1_150).contains(count)), "{quarters:?}");
    }

    proptest! {
        #[test]
        fn any_history_agrees_with_a_set(
            first in 0u16..=65_535,
            width in 0u16..300,
            shards in 1u16..5,
            seed: u64,
            steps in prop::collection::vec((0u8..4, any::<prop::sample::Index>()), 0..400),
        ) {
            let range = first..=first.saturating_add(width);
            let index = (seed % u64::from(shards)) as u16;
            let mut ports = Ports::new(range.clone(), index, shards);
            let mut free: BTreeSet<u16> =
                range.clone().filter(|port| owner(*port, shards) == index).collect();
            let mut random = random(seed);
            for (kind, which) in steps {
                match kind {
                    0 => match ports.take(&mut random) {
                        Some(port) => prop_assert!(free.remove(&port)),
                        None => prop_assert!(free.is_empty()),
                    },
                    1 => match ports.take_even(&mut random) {
                        Some(port) => prop_assert!(port % 2 == 0 && free.remove(&port)),
                        None => prop_assert!(free.iter().all(|port| port % 2 == 1)),
                    },
                    2 => match ports.take_pair(&mut random) {
                        Some(port) => prop_assert!(
                            port % 2 == 0 && free.remove(&port) && free.remove(&(port + 1))
                        ),
                        None => prop_assert!(!free.iter().any(
                            |port| port % 2 == 0 && free.contains(&(port | 1))
                        )),
                    },
                    _ => {
                        let port = range.clone().nth(which.index(range.len())).unwrap();
                        ports.give_back(port);
                        if owner(port, shards) == index {
                            free.insert(port);
                        }
                    }
                }
                prop_assert_eq!(ports.free(), free.len());
            }
        }
    }
}
