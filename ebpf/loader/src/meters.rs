//! Bandwidth limits: a pair of the kernel's meters for each allocation that has one.

use crate::error::BindError;
use crate::maps::Maps;
use std::collections::HashMap;

/// The pair that limits nothing.
const NONE: u32 = 0;

/// A pair in use.
struct Pair {
    rate_bps: u64,
    users: u32,
    /// Whose it is; nobody's that is known, if an earlier process has given it out.
    allocation: Option<u64>,
}

/// Which allocation has which pair.
pub(crate) struct Meters {
    of: HashMap<u64, u32>,
    pairs: HashMap<u32, Pair>,
    free: Vec<u32>,
    fresh: u32,
    len: u32,
}

impl Meters {
    /// So many meters, of which adopted flows use some: each flow counts as a user.
    pub(crate) fn new(len: u32, used: impl Iterator<Item = u32>) -> Self {
        let mut pairs: HashMap<u32, Pair> = HashMap::new();
        for pair in used.map(|meter| meter / 2).filter(|pair| *pair != NONE) {
            pairs.entry(pair).or_insert(Pair { rate_bps: 0, users: 0, allocation: None }).users +=
                1;
        }
        let fresh = pairs.keys().max().map_or(NONE + 1, |most| most + 1);
        let free = (NONE + 1..fresh).filter(|pair| !pairs.contains_key(pair)).collect();

        Self { of: HashMap::new(), pairs, free, fresh, len: len / 2 }
    }

    /// The pair of an allocation, for one flow more, with this rate from now on.
    pub(crate) fn take(
        &mut self,
        allocation: u64,
        rate_bps: Option<u64>,
        maps: &mut Maps,
    ) -> Result<u32, BindError> {
        let Some(rate_bps) = rate_bps else { return Ok(NONE) };
        // A rate of 0 is none in the kernel; the least rate there is lets nearly nothing through.
        let rate_bps = rate_bps.max(1);
        let pair = match self.of.get(&allocation) {
            Some(pair) => *pair,
            None => self.unused().ok_or(BindError::Full)?,
        };
        let known = self.pairs.get(&pair).map(|pair| pair.rate_bps);
        if known != Some(rate_bps) {
            maps.limit(pair * 2, rate_bps)?;
            maps.limit(pair * 2 + 1, rate_bps)?;
        }
        self.of.insert(allocation, pair);
        let allocation = Some(allocation);
        let pair_of = self.pairs.entry(pair).or_insert(Pair { rate_bps, users: 0, allocation });
        pair_of.rate_bps = rate_bps;
        pair_of.users += 1;

        Ok(pair)
    }

    /// One flow less.
    pub(crate) fn give(&mut self, pair: u32) {
        let Some(known) = self.pairs.get_mut(&pair) else { return };
        known.users -= 1;
        if known.users > 0 {
            return;
        }
        if let Some(allocation) = known.allocation {
            self.of.remove(&allocation);
        }
        self.pairs.remove(&pair);
        self.free.push(pair);
    }

    /// An unused pair; one that was given out for an error further on is found again as fresh.
    fn unused(&mut self) -> Option<u32> {
        if let Some(pair) = self.free.pop() {
            return Some(pair);
        }
        let pair = self.fresh;
        (pair < self.len).then(|| {
            self.fresh += 1;
            pair
        })
    }
}
