//! One direction between one client and the server. Time is an argument.

use super::spec::{HOLD, Impairment};
use super::told::{Counts, Told};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use relay_wire::Kind;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Datagrams on their way at once; more are lost, and counted as overflowed.
const PACKETS_MAX: usize = 1 << 16;

/// A line, and what is on its way on it.
pub(super) struct Line {
    impairment: Option<Impairment>,
    rng: StdRng,
    told: Told,
    /// In the bad state of a line with bursts (Gilbert and Elliott's model: nothing is lost in the
    /// good state, all in the bad one).
    bad: bool,
    /// When all that came before has left at the line's rate.
    free: Option<Instant>,
    /// One that waits to be overtaken, and until when.
    held: Option<(Instant, Datagram)>,
    on_the_way: BinaryHeap<Reverse<(Instant, u64, Datagram)>>,
    came: u64,
    entered: u64,
    /// The highest number of media that has left.
    newest: u64,
}

/// Ordered by its number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Datagram {
    number: u64,
    media: bool,
    fate: Fate,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Whole,
    Copy,
    Changed,
}

impl Line {
    /// A line; what happens by chance follows from `seed`.
    pub(super) fn new(impairment: Option<Impairment>, seed: u64) -> Self {
        Self {
            impairment,
            rng: StdRng::seed_from_u64(seed),
            told: Told::default(),
            bad: false,
            free: None,
            held: None,
            on_the_way: BinaryHeap::new(),
            came: 0,
            entered: 0,
            newest: 0,
        }
    }

    /// What happened so far.
    pub(super) fn told(&self) -> Told {
        self.told
    }

    /// A datagram comes.
    pub(super) fn receive(&mut self, now: Instant, bytes: &[u8]) {
        let media = matches!(Kind::of(bytes), Kind::Rtp | Kind::Channel);
        self.came += 1;
        self.counts(media).packets += 1;
        let mut datagram =
            Datagram { number: self.came, media, fate: Fate::Whole, bytes: bytes.to_vec() };
        let Some(impairment) = self.impairment.filter(|one| media || !one.only_media) else {
            return self.enter(now, datagram);
        };
        if self.is_lost(&impairment) {
            self.counts(media).lost += 1;
            return;
        }
        let Some(left) = self.pass(now, &impairment, bytes.len()) else {
            self.counts(media).overflowed += 1;
            return;
        };
        let due = left + self.delay(&impairment);

        let luck: f64 = self.rng.random();
        if luck < impairment.duplicate {
            self.enter(due, datagram.clone());
            datagram.fate = Fate::Copy;
        } else if luck < impairment.duplicate + impairment.flip {
            self.change(&mut datagram);
        } else if luck < impairment.duplicate + impairment.flip + impairment.reorder {
            self.release(due);
            self.held = Some((due + HOLD, datagram));
            return;
        }
        self.enter(due, datagram);
        self.release(due);
    }

    /// When `send` next has something, if nothing comes before.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let held = self.held.as_ref().map(|(until, _)| *until);
        let first = self.on_the_way.peek().map(|Reverse((due, ..))| *due);

        held.into_iter().chain(first).min()
    }

    /// The next datagram that arrives by now.
    pub(super) fn send(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.held.as_ref().is_some_and(|(until, _)| *until <= now) {
            self.release(now);
        }
        let Reverse((due, ..)) = self.on_the_way.peek()?;
        if *due > now {
            return None;
        }
        let Reverse((_, _, datagram)) = self.on_the_way.pop()?;
        self.count(&datagram);

        Some(datagram.bytes)
    }

    fn counts(&mut self, media: bool) -> &mut Counts {
        if media { &mut self.told.media } else { &mut self.told.other }
    }

    fn count(&mut self, datagram: &Datagram) {
        let late = datagram.number < self.newest;
        let counts = self.counts(datagram.media);
        counts.sent += 1;
        match datagram.fate {
            Fate::Copy => counts.duplicated += 1,
            Fate::Changed => counts.flipped += 1,
            Fate::Whole => counts.reordered += u64::from(late),
        }
        if datagram.media && datagram.fate == Fate::Whole {
            self.newest = self.newest.max(datagram.number);
        }
    }

    fn is_lost(&mut self, impairment: &Impairment) -> bool {
        let luck: f64 = self.rng.random();
        let Some(burst) = impairment.burst else { return luck < impairment.loss };
        // The share of time in the bad state is `loss`, a stay there `burst` datagrams.
        let change = match self.bad {
            true => 1.0 / burst,
            false => impairment.loss / (burst * (1.0 - impairment.loss)),
        };
        self.bad ^= luck < change;

        self.bad
    }

    /// When a datagram of this length has left at the line's rate; `None` if it would wait too
    /// long.
    fn pass(&mut self, now: Instant, impairment: &Impairment, len: usize) -> Option<Instant> {
        if self.on_the_way.len() >= PACKETS_MAX {
            return None;
        }
        let Some(rate) = impairment.rate_bps else { return Some(now) };
        let begin = self.free.map_or(now, |free| free.max(now));
        if begin - now > impairment.queue {
            return None;
        }
        let end = begin + Duration::from_secs_f64(len as f64 * 8.0 / rate);
        self.free = Some(end);

        Some(end)
    }

    fn delay(&mut self, impairment: &Impairment) -> Duration {
        let share: f64 = self.rng.random();

        impairment.delay - impairment.jitter + impairment.jitter.mul_f64(2.0 * share)
    }

    /// Changes one bit of what the datagram carries, behind the header that says whose it is.
    fn change(&mut self, datagram: &mut Datagram) {
        let header = match Kind::of(&datagram.bytes) {
            Kind::Channel => 4,
            Kind::Rtp => 12,
            Kind::Stun => 20,
            Kind::Rtcp | Kind::Dtls | Kind::Unknown => 8,
        };
        let bits = datagram.bytes.len().saturating_sub(header) * 8;
        if bits > 0 {
            let bit = 8 * header + self.rng.random_range(0..bits);
            datagram.bytes[bit / 8] ^= 1 << (bit % 8);
            datagram.fate = Fate::Changed;
        }
    }

    fn enter(&mut self, due: Instant, datagram: Datagram) {
        self.entered += 1;
        self.on_the_way.push(Reverse((due, self.entered, datagram)));
    }

    /// What waited to be overtaken follows behind what is due now.
    fn release(&mut self, due: Instant) {
        if let Some((_, datagram)) = self.held.take() {
            self.enter(due, datagram);
        }
    }
}
