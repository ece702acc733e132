//! A node, and the times by which it is missed.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name (`node.name`), which no other has.
    pub name: String,
    /// Where it is (`node.region`); empty: nowhere in particular.
    pub region: String,
    /// Where clients and other nodes reach it (`node.url`); empty: nowhere.
    pub url: String,
    /// How loaded it is, per mille.
    pub load: u16,
    /// Whether it takes no new rooms.
    pub draining: bool,
}

impl Node {
    /// A node of which no more is known than its name.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

/// Times and counts of a bus.
#[derive(Clone, Copy, Debug)]
pub struct Timings {
    /// After this long without a word a node is dead, and its users are offline. It says a word
    /// three times as often.
    pub lease: Duration,
    /// Time that one operation may take.
    pub deadline: Duration,
    /// How often each entry of this node is written again, whatever happened.
    pub refresh: Duration,
    /// The first and the longest pause between attempts to reach Redis.
    pub reconnect: (Duration, Duration),
    /// The first and the longest pause after a failed attempt at a job; doubled after each.
    pub retry: (Duration, Duration),
    /// Attempts at a job; then it is put aside as dead.
    pub attempts_max: u32,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(6),
            deadline: Duration::from_secs(2),
            refresh: Duration::from_secs(600),
            reconnect: (Duration::from_millis(100), Duration::from_secs(2)),
            retry: (Duration::from_secs(1), Duration::from_secs(300)),
            attempts_max: 8,
        }
    }
}

impl Timings {
    /// The pause after this many attempts have failed.
    pub(crate) fn pause(&self, attempts: u32) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);

        self.retry.0.saturating_mul(1 << doublings).min(self.retry.1)
    }
}
