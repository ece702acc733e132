//! Hash tables whose order and collisions depend on the shard's seed.

use foldhash::SharedSeed;
use foldhash::fast::SeedableRandomState;
use std::collections::HashMap;

/// A hash map keyed by the shard's seed.
pub(crate) type Map<K, V> = HashMap<K, V, SeedableRandomState>;

/// An empty map.
pub(crate) fn map<K, V>(seed: u64) -> Map<K, V> {
    Map::with_hasher(SeedableRandomState::with_seed(seed, SharedSeed::global_fixed()))
}
