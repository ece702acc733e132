//! Follows a track: chooses among its layers, and makes one unbroken stream of them.

use super::media::{Body, Media, rate};
use super::rewrite::{Kind, Numbers, Passage, Rewrite, Tail};
use super::scaling::{Cell, Frame, Scaling};
use relay_wire::control::{Choice, Codec};
use std::time::{Duration, Instant};

/// Wait for a keyframe on a layer that never showed one: its payload may be encrypted.
const BLIND_WAIT: Duration = Duration::from_millis(1500);
/// Wait for a keyframe before anything is better than nothing.
const WAIT: Duration = Duration::from_secs(5);

/// A layer does not begin with a keyframe older than this beside what was sent: time would step.
const BEHIND_MAX: Duration = Duration::from_millis(50);

/// A packet of a layer, about to be forwarded.
pub(super) struct Arrived<'a> {
    pub(super) layer: u8,
    pub(super) media: &'a Media,
    pub(super) body: Body<'a>,
    /// What it is to the layers within its stream.
    pub(super) frame: Frame,
    pub(super) scaling: &'a Scaling,
    /// When it would have come had the network not delayed it.
    pub(super) due: Instant,
    /// It came as a retransmission.
    pub(super) repair: bool,
    /// Newer packets came before it.
    pub(super) late: bool,
    /// The first that came of its picture.
    pub(super) fresh: bool,
    /// A picture starts here.
    pub(super) boundary: bool,
    /// Whether keyframes were ever recognised on this layer.
    pub(super) readable: bool,
}

/// What a subscriber should get, or gets: of one stream of the track, the layers of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aim {
    pub(super) layer: u8,
    pub(super) cell: Cell,
}

impl Aim {
    /// Whether it takes more than another frame rate to get from one to the other.
    fn differs(self, other: Option<Self>) -> bool {
        let place = |aim: Self| (aim.layer, aim.cell.spatial);

        other.is_none_or(|other| place(other) != place(self))
    }
}

/// What one taker of a track should get, what it gets, and under which numbers.
pub(super) struct Follower {
    pub(super) choice: Choice,
    /// Frames that it wants in a second at most.
    pub(super) fps_max: Option<u16>,
    /// What it should get.
    target: Option<Aim>,
    /// What it gets.
    current: Option<Aim>,
    /// Since when it waits for the target.
    waiting: Option<Instant>,
    rewrite: Rewrite,
}

impl Follower {
    /// Wants nothing yet; its numbers go on behind `tail`.
    pub(super) fn new(tail: Tail) -> Self {
        Self {
            choice: Choice::Paused,
            fps_max: None,
            target: None,
            current: None,
            waiting: None,
            rewrite: Rewrite::new(tail),
        }
    }

    /// The layer that is sent now.
    pub(super) fn current(&self) -> Option<u8> {
        self.current.map(|aim| aim.layer)
    }

    /// What it waits for, and what it gets until then.
    pub(super) fn awaited(&self) -> Option<(Aim, Option<Aim>)> {
        let target = self.target.filter(|target| target.differs(self.current))?;

        Some((target, self.current))
    }

    /// The layer whose keyframe helps this subscriber.
    pub(super) fn wanted(&self) -> Option<u8> {
        self.target.or(self.current).map(|aim| aim.layer)
    }

    /// Aims at layers, or pauses; returns whether a keyframe may be needed for it.
    pub(super) fn aim(&mut self, now: Instant, target: Option<Aim>) -> bool {
        if self.target == target {
            return false;
        }
        let before = std::mem::replace(&mut self.target, target);
        let Some(target) = target else {
            self.current = None;
            return true;
        };
        let other = target.differs(before);
        if other {
            self.waiting = Some(now);
        }

        other
    }

    /// The stream is broken off: a keyframe (of sound: the next packet) must start it again.
    pub(super) fn interrupt(&mut self, now: Instant) {
        self.current = None;
        self.waiting = Some(now);
    }

    /// Difference of egress time and source time.
    pub(super) fn timestamp_offset(&self) -> u32 {
        self.rewrite.timestamp_offset()
    }

    /// Where its numbers end.
    pub(super) fn tail(&self) -> Tail {
        self.rewrite.tail()
    }

    /// Breaks the stream off, and forgets what was sent: it means nothing any more.
    pub(super) fn forget(&mut self, now: Instant) {
        self.rewrite.forget();
        self.interrupt(now);
    }

    /// What becomes of a packet.
    pub(super) fn pass(&mut self, now: Instant, arrived: &Arrived<'_>) -> Passage {
        if !self.takes(now, arrived) {
            return Passage::Nothing;
        }
        let media = arrived.media;
        // Of the codecs that are forwarded, VP8's receivers alone wait for a missing picture.
        let kind = if media.codec == Codec::Vp8 { Kind::Picture } else { Kind::Frame };
        let (layer, source) = (arrived.layer, &media.numbers);

        self.rewrite.pass(arrived.due, layer, source, arrived.frame.wanted, kind)
    }

    /// Leaves out a packet without payload, due at this time.
    pub(super) fn skip(&mut self, layer: u8, media: &Media, due: Instant) -> Passage {
        if self.current() != Some(layer) {
            return Passage::Nothing;
        }

        self.rewrite.pass(due, layer, &media.numbers, 0, Kind::Padding)
    }

    /// The layer and extended source number of an egress number that was sent, or passed over.
    pub(super) fn source(&self, sequence: u16) -> Option<(u8, u64)> {
        self.rewrite.source(sequence)
    }

    /// The numbers under which a packet was sent.
    pub(super) fn sent(&self, layer: u8, media: &Media) -> Option<Numbers> {
        let (numbers, cell) = self.rewrite.map(layer, &media.numbers)?;
        // What is left out was sent empty under its number, if at all.
        let sent = numbers.sequence < self.rewrite.next() && media.wanted & cell.bit() != 0;

        sent.then_some(numbers)
    }

    /// Whether the packet is of the stream that is sent, or starts it.
    fn takes(&mut self, now: Instant, arrived: &Arrived<'_>) -> bool {
        if self.current() == Some(arrived.layer) {
            if self.current != self.target && !arrived.late {
                self.turn(arrived);
            }
            return true;
        }
        if let Some(target) = self.target.filter(|target| target.layer == arrived.layer)
            && self.starts(now, target.cell, arrived)
        {
            self.current = self.target;
            self.waiting = None;
            let (source, rate) = (&arrived.media.numbers, rate(arrived.media.codec));
            self.rewrite.begin(arrived.due, (arrived.layer, target.cell), source, rate);
            return true;
        }

        // A repair of the layer that was left fits into its gap.
        arrived.late && self.current.is_some()
    }

    fn starts(&self, now: Instant, cell: Cell, arrived: &Arrived<'_>) -> bool {
        if arrived.late && self.rewrite.passed(arrived.layer, arrived.media.numbers.sequence) {
            return false;
        }
        if self.current.is_some() && self.rewrite.ahead_of(arrived.due) > BEHIND_MAX {
            return false;
        }
        let wait = if arrived.readable { WAIT } else { BLIND_WAIT };
        let waited = |since: Instant| now.saturating_duration_since(since) >= wait;
        let blind = self.current.is_none() || !arrived.readable;
        let begins = arrived.boundary && arrived.frame.wanted & cell.bit() != 0;

        arrived.frame.starts & cell.bit() != 0
            || (begins && blind && self.waiting.is_none_or(waited))
    }

    /// Comes closer to the target within the stream, if this packet allows it.
    fn turn(&mut self, arrived: &Arrived<'_>) {
        let (Some(Aim { layer, cell }), Some(target)) = (self.current, self.target) else { return };
        if target.layer != layer {
            return;
        }
        let Some(next) = next_cell(cell, target.cell, arrived) else { return };
        self.rewrite.turn(layer, next, &arrived.media.numbers);
        self.current = Some(Aim { layer, cell: next });
        if next.spatial == target.cell.spatial {
            self.waiting = None;
        }
    }
}

/// The cell that a packet allows to turn to: the target; else its spatial layer; else, in the
/// spatial layer that is sent, its temporal layer or as close to it as is allowed.
fn next_cell(current: Cell, target: Cell, arrived: &Arrived<'_>) -> Option<Cell> {
    let Frame { starts, switches, from, .. } = arrived.frame;
    let mut allowed = starts;
    if arrived.fresh {
        allowed |= arrived.scaling.below(current);
    }
    if from & current.bit() != 0 {
        allowed |= switches;
    }
    if allowed == 0 {
        return None;
    }
    let fewer = current.temporal.min(target.temporal)..=target.temporal;
    let ways = std::iter::once(target)
        .chain(std::iter::once(Cell { temporal: current.temporal, ..target }))
        .chain(fewer.rev().map(|temporal| Cell { temporal, ..current }));

    ways.filter(|cell| *cell != current).find(|cell| allowed & cell.bit() != 0)
}
