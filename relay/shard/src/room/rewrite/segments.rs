//! The runs of packets that were mapped alike.

use super::Numbers;
use crate::room::scaling::Cell;

/// Older segments that are remembered, for repairs and requests may still refer to them: pauses
/// and switches are few.
const FEW: usize = 24;
/// Where layers are left out each picture begins one: two seconds at 60 pictures a second, which
/// is more than the packets that are kept.
const MANY: usize = 128;

/// An unbroken run of one layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) source: u64,
    pub(super) egress: u64,
    pub(super) timestamp: u32,
    pub(super) picture: u16,
    pub(super) frame: u16,
    pub(super) tl0: u8,
    pub(super) layer: u8,
    /// What is sent of the layer.
    pub(super) cell: Cell,
}

impl Segment {
    const NONE: Self = Self {
        source: 0,
        egress: 0,
        timestamp: 0,
        picture: 0,
        frame: 0,
        tl0: 0,
        layer: 0,
        cell: Cell { spatial: 0, temporal: 0 },
    };

    pub(super) fn map(&self, source: &Numbers) -> Numbers {
        Numbers {
            sequence: source.sequence - self.source + self.egress,
            timestamp: source.timestamp.wrapping_add(self.timestamp),
            picture: source.picture.wrapping_add(self.picture),
            tl0: source.tl0.wrapping_add(self.tl0),
            frame: source.frame.wrapping_add(self.frame),
            marker: source.marker || source.ends == Some(self.cell.spatial),
            ends: source.ends,
        }
    }
}

/// The newest segment, and those before it.
pub(super) struct Segments {
    current: Segment,
    started: bool,
    /// Ring of older ones; made with the first of them, made longer with the first layer that is
    /// left out.
    older: Vec<Segment>,
    /// How many of them there are, and the place of the newest.
    count: usize,
    newest: usize,
}

impl Segments {
    pub(super) fn new() -> Self {
        Self { current: Segment::NONE, started: false, older: Vec::new(), count: 0, newest: 0 }
    }

    /// The newest one, or what is left of it after `clear`.
    pub(super) fn current(&self) -> &Segment {
        &self.current
    }

    /// All of them, the newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Segment> {
        let len = self.older.len();
        let older = (0..self.count).map(move |back| &self.older[(self.newest + len - back) % len]);

        self.started.then_some(&self.current).into_iter().chain(older)
    }

    /// Begins a segment; one that sent nothing is replaced.
    pub(super) fn push(&mut self, segment: Segment) {
        if self.started && self.current.egress < segment.egress {
            self.keep();
        }
        self.started = true;
        self.current = segment;
    }

    pub(super) fn clear(&mut self) {
        self.started = false;
        self.count = 0;
    }

    /// Makes room for a segment each picture.
    pub(super) fn expect_many(&mut self) {
        if self.older.len() < MANY {
            self.grow(MANY);
        }
    }

    fn keep(&mut self) {
        if self.older.is_empty() {
            self.grow(FEW);
        }
        self.newest = (self.newest + 1) % self.older.len();
        self.older[self.newest] = self.current;
        self.count = (self.count + 1).min(self.older.len());
    }

    /// The oldest comes first, so that a longer ring goes on behind the newest.
    fn grow(&mut self, len: usize) {
        let mut longer = Vec::with_capacity(len);
        let (old, count) = (self.older.len(), self.count);
        longer.extend((0..count).rev().map(|back| self.older[(self.newest + old - back) % old]));
        longer.resize(len, Segment::NONE);
        self.newest = (count + len - 1) % len;
        self.older = longer;
    }
}
