//! A shard's letters: requests, and flows of other shards. Control only, so a lock is fine.

use crate::streams::Connection;
use crate::wake::Wake;
use relay_shard::{AllocationInfo, Offloaded, Path, Selector, TurnConfig};
use relay_wire::control::{Request, RoomId};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

/// Requests that may wait for a shard.
pub(crate) const REQUESTS_MAX: usize = 8_192;

/// Letters of any kind that may wait: a shard that leaves so many unread is stuck.
const LETTERS_MAX: usize = 65_536;

/// Letters that may wait when an operator's is still taken.
const OPERATORS_MAX: usize = 16_384;

/// Letters that may wait when a connection is still taken.
const CONNECTIONS_MAX: usize = 4_096;

/// Something for a shard, other than a datagram.
#[derive(Debug)]
pub(crate) enum Letter {
    /// A request; `joins` says that its participant is new to the room.
    Request { request: Request, joins: bool },
    /// Another shard bound a path.
    Bound { path: Path, owner: u16 },
    /// Another shard gave up a path.
    Unbound { path: Path, owner: u16 },
    /// End these rooms and tell nobody; `done` is dropped after that.
    CloseRooms { rooms: Vec<RoomId>, done: Sender<()> },
    /// TURN has new settings.
    Reconfigure(Box<TurnConfig>),
    /// Steering lost events: tell it everything.
    Retell,
    /// What the kernel relayed since it was told last.
    Offloaded(Vec<Offloaded>),
    /// An operator asks for TURN's allocations.
    Allocations { which: Option<Selector>, reply: Sender<Vec<AllocationInfo>> },
    /// An operator ends some of TURN's allocations, and is told how many.
    Kick { which: Selector, reply: Sender<usize> },
    /// A client's connection whose matters are this shard's.
    Connection(Box<Connection>),
}

/// Where letters for one shard wait.
#[derive(Debug)]
pub(crate) struct Mailbox {
    letters: Mutex<VecDeque<Letter>>,
    waiting: AtomicBool,
    wake: Arc<Wake>,
}

impl Mailbox {
    pub(crate) fn new(wake: Arc<Wake>) -> Arc<Self> {
        Arc::new(Self { letters: Mutex::default(), waiting: AtomicBool::new(false), wake })
    }

    /// Leaves a letter and wakes the shard; false when there is no room for it.
    #[must_use]
    pub(crate) fn post(&self, letter: Letter) -> bool {
        let bound = match &letter {
            Letter::Request { .. } => REQUESTS_MAX,
            Letter::Reconfigure(_)
            | Letter::Retell
            | Letter::Offloaded(_)
            | Letter::Allocations { .. }
            | Letter::Kick { .. } => OPERATORS_MAX,
            Letter::Connection(_) => CONNECTIONS_MAX,
            Letter::Bound { .. } | Letter::Unbound { .. } | Letter::CloseRooms { .. } => {
                LETTERS_MAX
            }
        };
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        if letters.len() >= bound {
            return false;
        }
        letters.push_back(letter);
        self.waiting.store(true, Ordering::Release);
        drop(letters);
        self.wake.wake();

        true
    }

    /// Whether no letter waits.
    pub(crate) fn is_empty(&self) -> bool {
        !self.waiting.load(Ordering::Acquire)
    }

    /// Moves all letters into `into` once the ones there are read, so that no more than the bounds
    /// wait here and twice that in all; takes the lock only when there are some.
    pub(crate) fn take(&self, into: &mut VecDeque<Letter>) {
        if self.is_empty() || !into.is_empty() {
            return;
        }
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        self.waiting.store(false, Ordering::Release);
        into.append(&mut letters);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relay_wire::control::Command;

    fn request(id: u64) -> Letter {
        let request = Request { id, room: RoomId(1), command: Command::CloseRoom };
        Letter::Request { request, joins: false }
    }

    #[test]
    fn a_shard_that_reads_slowly_is_not_handed_more_than_it_can_hold() {
        let mailbox = Mailbox::new(Arc::new(Wake::new().unwrap()));
        let mut letters = VecDeque::new();
        let mut posted = 0;
        for id in 0..10 * REQUESTS_MAX as u64 {
            posted += u64::from(mailbox.post(request(id)));
            if id % 64 == 0 {
                letters.pop_front();
                mailbox.take(&mut letters);
            }
        }
        assert!(letters.len() <= REQUESTS_MAX, "{}", letters.len());
        assert!(posted < 3 * REQUESTS_MAX as u64, "{posted}");
    }
}
