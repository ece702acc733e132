//! A subscriber sees one unbroken stream: how numbers of the source become numbers of the egress.
//!
//! A segment maps an unbroken run of one layer by constant offsets. What the publisher lost stays
//! a gap of the egress, so a repair that comes later fits into its place. A pause, a layer switch
//! and a packet left out each begin a new segment behind the newest number sent.

use relay_wire::rtp::sequence::newer;
use std::time::{Duration, Instant};

/// Older segments that are remembered: repairs and requests may still refer to them.
const SEGMENTS: usize = 24;
/// Picture ids have 15 bits (RFC 7741, section 4.2).
const PICTURE_MASK: u16 = 0x7fff;
/// Source time is believed over arrival time across a pause when they differ by less than this.
const DRIFT_MAX: Duration = Duration::from_secs(1);

/// The numbers of a packet that are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Extended sequence number.
    pub(super) sequence: u64,
    /// RTP time.
    pub(super) timestamp: u32,
    /// VP8 picture id, 15 bits.
    pub(super) picture: u16,
    /// VP8 index of temporal base-layer frames.
    pub(super) tl0: u8,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    layer: u8,
    source: u64,
    egress: u64,
    timestamp: u32,
    picture: u16,
    tl0: u8,
}

impl Segment {
    fn map(&self, source: &Numbers) -> Numbers {
        Numbers {
            sequence: source.sequence - self.source + self.egress,
            timestamp: source.timestamp.wrapping_add(self.timestamp),
            picture: source.picture.wrapping_add(self.picture) & PICTURE_MASK,
            tl0: source.tl0.wrapping_add(self.tl0),
        }
    }
}

/// What becomes of a packet without payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    /// Its number is given to the next packet.
    Closed,
    /// Its number was passed already: it must be sent, empty.
    Fill(Numbers),
    /// It has no place in the egress.
    Nothing,
}

/// Where the numbers of an SSRC ended: another subscription may go on from there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    /// The next sequence number.
    pub(super) next: u16,
    timestamp: u32,
    at: Option<Instant>,
    picture: u16,
    tl0: u8,
}

impl Tail {
    /// Of an SSRC that was never used.
    pub(super) fn fresh(next: u16) -> Self {
        Self { next, ..Self::default() }
    }
}

/// The mapping of one subscription.
pub(super) struct Rewrite {
    current: Segment,
    started: bool,
    /// Behind the newest number sent.
    next: u64,
    timestamp: u32,
    at: Option<Instant>,
    picture: u16,
    tl0: u8,
    /// Ring of older segments, the newest at `newest`.
    older: Box<[Option<Segment>; SEGMENTS]>,
    newest: usize,
}

impl Rewrite {
    /// Goes on behind `tail`. A fresh one should begin below 0x8000: a receiver that misses the
    /// first packets must not guess a rollover (RFC 3711, section 3.3.1).
    pub(super) fn new(tail: Tail) -> Self {
        let none = Segment { layer: 0, source: 0, egress: 0, timestamp: 0, picture: 0, tl0: 0 };
        Self {
            current: none,
            started: false,
            next: 0x1_0000 + u64::from(tail.next),
            timestamp: tail.timestamp,
            at: tail.at,
            picture: tail.picture,
            tl0: tail.tl0,
            older: Box::new([None; SEGMENTS]),
            newest: 0,
        }
    }

    /// Where the numbers end now.
    pub(super) fn tail(&self) -> Tail {
        Tail {
            next: self.next as u16,
            timestamp: self.timestamp,
            at: self.at,
            picture: self.picture,
            tl0: self.tl0,
        }
    }

    /// The number behind the newest one sent.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Difference of egress time and source time in what is sent now.
    pub(super) fn timestamp_offset(&self) -> u32 {
        self.current.timestamp
    }

    /// How long after this time the newest packet sent was due.
    pub(super) fn ahead_of(&self, due: Instant) -> Duration {
        self.at.map_or(Duration::ZERO, |at| at.saturating_duration_since(due))
    }

    /// Begins a segment: the packet of `source` numbers is the next one sent. `now` is when it was
    /// due, `rate` the media clock in Hz.
    pub(super) fn begin(&mut self, now: Instant, layer: u8, source: &Numbers, rate: u32) {
        let timestamp = self.next_timestamp(now, layer, source, rate);
        let segment = Segment {
            layer,
            source: source.sequence,
            egress: self.next,
            timestamp: timestamp.wrapping_sub(source.timestamp),
            picture: self.picture.wrapping_add(1).wrapping_sub(source.picture) & PICTURE_MASK,
            tl0: self.tl0.wrapping_add(1).wrapping_sub(source.tl0),
        };
        self.push(segment);
        self.started = true;
    }

    /// The egress numbers of a packet, if it has a place; it counts as sent.
    pub(super) fn place(&mut self, now: Instant, layer: u8, source: &Numbers) -> Option<Numbers> {
        let numbers = self.map(layer, source)?;
        self.next = self.next.max(numbers.sequence + 1);
        self.note_time(now, numbers.timestamp);
        if picture_ahead(numbers.picture, self.picture) {
            self.picture = numbers.picture;
        }
        if numbers.tl0.wrapping_sub(self.tl0) < 0x80 {
            self.tl0 = numbers.tl0;
        }

        Some(numbers)
    }

    /// The egress numbers of a packet, if it has a place.
    pub(super) fn map(&self, layer: u8, source: &Numbers) -> Option<Numbers> {
        if !self.started {
            return None;
        }
        if self.current.layer == layer && self.current.source <= source.sequence {
            return Some(self.current.map(source));
        }
        let mut end = u64::MAX;
        for segment in self.segments() {
            if segment.layer == layer && segment.source <= source.sequence {
                return Some(segment.map(source)).filter(|egress| egress.sequence < end);
            }
            end = segment.egress;
        }

        None
    }

    /// Whether packets from this one on were sent already, or passed over.
    pub(super) fn passed(&self, layer: u8, sequence: u64) -> bool {
        let mut end = self.next;
        for segment in self.segments().filter(|_| self.started) {
            if segment.layer == layer && segment.source + (end - segment.egress) > sequence {
                return true;
            }
            end = segment.egress;
        }

        false
    }

    /// Leaves a packet out.
    pub(super) fn skip(&mut self, now: Instant, layer: u8, source: &Numbers) -> Skip {
        let Some(numbers) = self.map(layer, source) else { return Skip::Nothing };
        if numbers.sequence < self.next {
            return Skip::Fill(numbers);
        }
        let source = source.sequence + 1;
        let segment = Segment { source, egress: numbers.sequence, ..self.current };
        self.push(segment);
        // What is missing in front of it may still come, with a time up to this one's, and with as
        // many pictures as packets.
        let missing = numbers.sequence - self.next;
        self.note_time(now, numbers.timestamp);
        self.picture = self.picture.wrapping_add(missing as u16) & PICTURE_MASK;
        self.tl0 = self.tl0.wrapping_add(missing as u8);
        self.next = numbers.sequence;

        Skip::Closed
    }

    /// The layer and extended source number of an egress number that was sent, or passed over.
    pub(super) fn source(&self, egress: u16) -> Option<(u8, u64)> {
        if !self.started {
            return None;
        }
        let newest = self.next - 1;
        let egress = newest - u64::from((newest as u16).wrapping_sub(egress));
        let segment = self.segments().find(|segment| segment.egress <= egress)?;

        Some((segment.layer, egress - segment.egress + segment.source))
    }

    /// Forgets how older packets were mapped: none of them can be sent again.
    pub(super) fn forget(&mut self) {
        *self.older = [None; SEGMENTS];
        self.started = false;
    }

    fn next_timestamp(&self, now: Instant, layer: u8, source: &Numbers, rate: u32) -> u32 {
        let Some(at) = self.at else { return source.timestamp };
        let elapsed = now.saturating_duration_since(at);
        let ticks = (elapsed.as_micros() * u128::from(rate) / 1_000_000) as u32;
        let by_arrival = self.timestamp.wrapping_add(ticks.max(1));
        let by_source = source.timestamp.wrapping_add(self.current.timestamp);
        let same_run = self.current.egress > 0
            && layer == self.current.layer
            && source.sequence.wrapping_sub(self.current.source) < 0x1_0000;
        let drift = by_source.wrapping_sub(by_arrival) as i32;
        let believable = u64::from(drift.unsigned_abs()) < u64::from(rate) * DRIFT_MAX.as_secs();
        if same_run && believable && ahead(by_source, self.timestamp) {
            return by_source;
        }

        by_arrival
    }

    fn note_time(&mut self, now: Instant, timestamp: u32) {
        if self.at.is_none() || ahead(timestamp, self.timestamp) {
            self.timestamp = timestamp;
            self.at = Some(now);
        }
    }

    /// Segments, the newest first.
    fn segments(&self) -> impl Iterator<Item = &Segment> {
        let older = (0..SEGMENTS)
            .map_while(|back| self.older[(self.newest + SEGMENTS - back) % SEGMENTS].as_ref());

        std::iter::once(&self.current).chain(older)
    }

    /// A segment that sent nothing is replaced.
    fn push(&mut self, segment: Segment) {
        if self.started && self.current.egress < segment.egress {
            self.newest = (self.newest + 1) % SEGMENTS;
            self.older[self.newest] = Some(self.current);
        }
        self.current = segment;
    }
}

fn ahead(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 0x8000_0000
}

fn picture_ahead(a: u16, b: u16) -> bool {
    newer(a << 1, b << 1)
}
