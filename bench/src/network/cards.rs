//! What is known of the cards between clients and a server: who receives, and what they dropped.

use anyhow::{Context, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Bytes of the table of a namespace that has loopback and one card.
const TABLE_BYTES: usize = 4_096;
/// Columns of `/proc/net/dev` behind a card's name: dropped in receiving, and in sending.
const DROPS: [usize; 2] = [3, 11];

/// The cards of a run. None, by default: loopback, or a server elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cards {
    /// The kernel's threads that receive for the server (`napi/DEV-N`).
    pub(crate) napi: Vec<u32>,
    counters: Arc<[Counters]>,
}

/// A card's counters, which can be read from any namespace.
#[derive(Debug)]
pub(crate) struct Counters {
    name: String,
    table: File,
}

impl Cards {
    /// Those of a server for which these threads receive.
    pub(crate) fn new(napi: Vec<u32>, counters: Vec<Counters>) -> Self {
        Self { napi, counters: counters.into() }
    }

    /// Packets that found no room in them so far, in both directions; `None` without cards.
    pub(crate) fn drops(&self) -> Result<Option<u64>> {
        if self.counters.is_empty() {
            return Ok(None);
        }

        self.counters.iter().map(Counters::drops).sum::<Result<_>>().map(Some)
    }
}

impl Counters {
    /// Those of a card of this thread's namespace: the file stays in it.
    pub(super) fn open(name: &str) -> Result<Self> {
        const PATH: &str = "/proc/thread-self/net/dev";
        let table = File::open(PATH).with_context(|| format!("cannot open {PATH}"))?;

        Ok(Self { name: name.to_owned(), table })
    }

    fn drops(&self) -> Result<u64> {
        let mut bytes = [0; TABLE_BYTES];
        let len = self.table.read_at(&mut bytes, 0).context("cannot read a card's counters")?;
        let text = String::from_utf8_lossy(&bytes[..len]);

        parse(&text, &self.name).with_context(|| format!("the card {} is gone", self.name))
    }
}

/// Drops of a card in the text of `/proc/net/dev`.
fn parse(table: &str, card: &str) -> Option<u64> {
    let rows = table.lines().filter_map(|line| line.trim_start().split_once(':'));
    let (_, row) = rows.into_iter().find(|(name, _)| *name == card)?;
    let columns: Vec<u64> = row.split_whitespace().map_while(|text| text.parse().ok()).collect();

    DROPS.into_iter().map(|column| columns.get(column)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo
    lo:       8       1    0    5    0     0          0         0        8       1    0    6    0
  bs12: 1000000    2000    0    3    0     0          0         0  5000000    9000    0   40    0
";

    #[test]
    fn drops_are_those_of_the_card_in_both_directions() {
        assert_eq!(parse(TABLE, "bs12"), Some(43));
        assert_eq!(parse(TABLE, "lo"), Some(11));
        assert_eq!(parse(TABLE, "bs1"), None);
        assert_eq!(parse(&TABLE[..TABLE.len() - 20], "bs12"), None);
    }

    #[test]
    fn loopback_has_no_cards() {
        assert_eq!(Cards::default().drops().unwrap(), None);
    }
}
