//! What shards tell steering: a bounded queue for each. A queue that is full is emptied, and the
//! shard is asked to tell everything again.

use super::lock;
use relay_shard::Event;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Events of one shard that may wait.
const EVENTS_MAX: usize = 16_384;

/// Something that a shard told.
#[derive(Debug, PartialEq)]
pub(crate) enum News {
    /// What has changed.
    Event(Event),
    /// Everything that stands: what is not in it is over.
    Whole(Vec<Event>),
}

/// Whether a shard's queue has all that it told.
#[derive(Debug, Default, PartialEq)]
enum State {
    #[default]
    Complete,
    /// Events were lost, and nobody knows yet.
    Lost,
    /// Steering knows, and waits for `News::Whole`.
    Told,
}

#[derive(Debug, Default)]
struct Queue {
    news: VecDeque<News>,
    state: State,
}

#[derive(Debug, Default)]
struct Bell {
    rings: bool,
    stop: bool,
}

/// The queues of all shards.
#[derive(Debug)]
pub(crate) struct Inbox {
    queues: Vec<Mutex<Queue>>,
    bell: Mutex<Bell>,
    heard: Condvar,
}

/// What was in a shard's queue.
#[derive(Debug, PartialEq)]
pub(crate) struct Taken {
    pub(crate) news: VecDeque<News>,
    /// Events were lost since the last time: ask for everything.
    pub(crate) lost: bool,
}

impl Inbox {
    pub(crate) fn new(shards: u16) -> Self {
        let queues = (0..shards).map(|_| Mutex::default()).collect();

        Self { queues, bell: Mutex::default(), heard: Condvar::new() }
    }

    /// Tells a change. Never waits for steering.
    pub(crate) fn tell(&self, shard: u16, event: Event) {
        let Some(queue) = self.queues.get(usize::from(shard)) else { return };
        let mut queue = lock(queue);
        if queue.state != State::Complete {
            return;
        }
        if queue.news.len() >= EVENTS_MAX {
            queue.news.clear();
            queue.state = State::Lost;
        } else {
            queue.news.push_back(News::Event(event));
        }
        drop(queue);
        self.ring(|bell| bell.rings = true);
    }

    /// Tells everything that stands.
    pub(crate) fn tell_all(&self, shard: u16, events: Vec<Event>) {
        let Some(queue) = self.queues.get(usize::from(shard)) else { return };
        let mut queue = lock(queue);
        queue.news.clear();
        queue.news.push_back(News::Whole(events));
        queue.state = State::Complete;
        drop(queue);
        self.ring(|bell| bell.rings = true);
    }

    /// Takes what a shard told.
    pub(crate) fn take(&self, shard: u16) -> Taken {
        let mut queue = lock(&self.queues[usize::from(shard)]);
        let lost = queue.state == State::Lost;
        if lost {
            queue.state = State::Told;
        }

        Taken { news: std::mem::take(&mut queue.news), lost }
    }

    /// The shard could not be asked: it must be tried again.
    pub(crate) fn not_asked(&self, shard: u16) {
        lock(&self.queues[usize::from(shard)]).state = State::Lost;
    }

    /// Waits until something was told, at most so long; false when it is time to stop.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let bell = lock(&self.bell);
        let silent = |bell: &mut Bell| !bell.rings && !bell.stop;
        let waited = self.heard.wait_timeout_while(bell, timeout, silent);
        let (mut bell, _) = waited.unwrap_or_else(PoisonError::into_inner);
        bell.rings = false;

        !bell.stop
    }

    /// Ends the thread that waits.
    pub(crate) fn stop(&self) {
        self.ring(|bell| bell.stop = true);
    }

    fn ring(&self, change: impl FnOnce(&mut Bell)) {
        change(&mut lock(&self.bell));
        self.heard.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDED: Event = Event::AllocationEnded(1);

    #[test]
    fn a_full_queue_is_bounded_and_asks_for_everything_once() {
        let inbox = Inbox::new(2);
        for _ in 0..3 * EVENTS_MAX {
            inbox.tell(1, ENDED);
        }
        assert_eq!(inbox.take(1), Taken { news: VecDeque::new(), lost: true });
        inbox.tell(1, ENDED);
        assert_eq!(inbox.take(1), Taken { news: VecDeque::new(), lost: false }, "it was asked");
        inbox.not_asked(1);
        assert!(inbox.take(1).lost);

        inbox.tell_all(1, vec![ENDED]);
        inbox.tell(1, Event::AllocationEnded(2));
        let news = [News::Whole(vec![ENDED]), News::Event(Event::AllocationEnded(2))];
        assert_eq!(inbox.take(1), Taken { news: news.into(), lost: false });
        assert_eq!(inbox.take(0), Taken { news: VecDeque::new(), lost: false });
    }

    #[test]
    fn who_waits_is_woken_by_news_and_by_the_end() {
        let inbox = Inbox::new(1);
        inbox.tell(0, ENDED);
        assert!(inbox.wait(Duration::from_secs(60)));
        inbox.stop();
        assert!(!inbox.wait(Duration::from_secs(60)));
    }
}
