//! A subscriber sees one unbroken stream: how numbers of the source become numbers of the egress.
//!
//! A segment maps an unbroken run of one layer by constant offsets. What the publisher lost stays
//! a gap of the egress, so a repair that comes later fits into its place. A pause, a switch of
//! layers and a packet left out each begin a new segment behind the newest number sent. A segment
//! remembers the cell that was sent under it: a late packet, or one that is asked for again, has
//! the fate that it would have had in time, so that a sequence number never means two packets.
//!
//! Numbers of frames: VP8's picture ids have no gap where frames were left out, for libwebrtc
//! waits for a missing picture. Those of VP9 and frame numbers of dependency descriptors keep
//! their gaps, because references are told as differences of them. All of them go on behind the
//! newest one after a pause or with another layer of simulcast, for receivers take a number that
//! seems to go back for an old frame.

mod segments;

use super::scaling::Cell;
use segments::{Segment, Segments};
use std::time::{Duration, Instant};

/// Source time is believed over arrival time across a pause when they differ by less than this.
const DRIFT_MAX: Duration = Duration::from_secs(1);

/// The numbers of a packet that are rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Extended sequence number.
    pub(super) sequence: u64,
    /// RTP time.
    pub(super) timestamp: u32,
    /// VP8's or VP9's picture id; as many bits are written as the source has.
    pub(super) picture: u16,
    /// Index of temporal base-layer frames of the same.
    pub(super) tl0: u8,
    /// A dependency descriptor's frame number.
    pub(super) frame: u16,
    /// The last packet of a picture.
    pub(super) marker: bool,
    /// The spatial layer, of several, whose frame ends here: its last packet is a picture's last
    /// one for those who get no higher layer.
    pub(super) ends: Option<u8>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It is sent.
    Send(Numbers),
    /// It is left out, but its number was passed already: it must be sent, empty.
    Fill(Numbers),
    /// It is left out, and its number goes to the next packet; or it has no place.
    Nothing,
}

/// How a packet is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has no payload.
    Padding,
    /// Numbers of frames go on as they do in the source.
    Frame,
    /// Picture ids are to have no gap.
    Picture,
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
    frame: u16,
}

impl Tail {
    /// Of an SSRC that was never used.
    pub(super) fn fresh(next: u16) -> Self {
        Self { next, ..Self::default() }
    }
}

/// The mapping of one subscription.
pub(super) struct Rewrite {
    segments: Segments,
    /// Behind the newest number sent.
    next: u64,
    timestamp: u32,
    at: Option<Instant>,
    picture: u16,
    tl0: u8,
    frame: u16,
    /// RTP time in the source of the picture left out last.
    left_out: Option<u32>,
    /// RTP time of the picture whose end was sent last.
    ended: Option<u32>,
}

impl Rewrite {
    /// Goes on behind `tail`. A fresh one should begin below 0x8000: a receiver that misses the
    /// first packets must not guess a rollover (RFC 3711, section 3.3.1).
    pub(super) fn new(tail: Tail) -> Self {
        Self {
            segments: Segments::new(),
            next: 0x1_0000 + u64::from(tail.next),
            timestamp: tail.timestamp,
            at: tail.at,
            picture: tail.picture,
            tl0: tail.tl0,
            frame: tail.frame,
            left_out: None,
            ended: None,
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
            frame: self.frame,
        }
    }

    /// The number behind the newest one sent.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Difference of egress time and source time in what is sent now.
    pub(super) fn timestamp_offset(&self) -> u32 {
        self.segments.current().timestamp
    }

    /// How long after this time the newest packet sent was due.
    pub(super) fn ahead_of(&self, due: Instant) -> Duration {
        self.at.map_or(Duration::ZERO, |at| at.saturating_duration_since(due))
    }

    /// Begins a segment: the packet of `source` numbers is the next one sent. `due` is when it was
    /// due, `rate` the media clock in Hz.
    pub(super) fn begin(
        &mut self,
        due: Instant,
        (layer, cell): (u8, Cell),
        source: &Numbers,
        rate: u32,
    ) {
        let timestamp = self.next_timestamp(due, layer, source, rate);
        self.left_out = None;
        self.segments.push(Segment {
            layer,
            cell,
            source: source.sequence,
            egress: self.next,
            timestamp: timestamp.wrapping_sub(source.timestamp),
            picture: self.picture.wrapping_add(1).wrapping_sub(source.picture),
            tl0: self.tl0.wrapping_add(1).wrapping_sub(source.tl0),
            frame: self.frame.wrapping_add(1).wrapping_sub(source.frame),
        });
    }

    /// Sends another cell of the same layer from this packet on, which is the newest one.
    pub(super) fn turn(&mut self, layer: u8, cell: Cell, source: &Numbers) {
        let Some((numbers, _)) = self.map(layer, source) else { return };
        let mut segment = *self.segments.current();
        (segment.source, segment.egress) = (source.sequence, numbers.sequence);
        // Where spatial layers do not build on one another, the lower one's part of the picture
        // may be out already, with its marker: this is another picture then.
        if segment.cell.spatial != cell.spatial && self.ended == Some(numbers.timestamp) {
            segment.timestamp = segment.timestamp.wrapping_add(1);
        }
        segment.cell = cell;
        self.segments.push(segment);
    }

    /// What becomes of a packet that belongs to the cells `wanted`; it counts as sent, or is left
    /// out.
    pub(super) fn pass(
        &mut self,
        now: Instant,
        layer: u8,
        source: &Numbers,
        wanted: u16,
        kind: Kind,
    ) -> Passage {
        let Some((numbers, cell)) = self.map(layer, source) else { return Passage::Nothing };
        if wanted & cell.bit() != 0 {
            self.note(now, &numbers);
            return Passage::Send(numbers);
        }
        if numbers.sequence < self.next {
            return Passage::Fill(Numbers { marker: false, ..numbers });
        }
        self.leave_out(now, source, &numbers, kind);

        Passage::Nothing
    }

    /// The egress numbers of a packet, if it has a place, and the cell sent under them.
    pub(super) fn map(&self, layer: u8, source: &Numbers) -> Option<(Numbers, Cell)> {
        let mut end = u64::MAX;
        for segment in self.segments.iter() {
            if segment.layer == layer && segment.source <= source.sequence {
                let numbers = segment.map(source);
                return (numbers.sequence < end).then_some((numbers, segment.cell));
            }
            end = segment.egress;
        }

        None
    }

    /// Whether packets from this one on were sent already, or passed over.
    pub(super) fn passed(&self, layer: u8, sequence: u64) -> bool {
        let mut end = self.next;
        for segment in self.segments.iter() {
            if segment.layer == layer && segment.source + (end - segment.egress) > sequence {
                return true;
            }
            end = segment.egress;
        }

        false
    }

    /// The layer and extended source number of an egress number that was sent, or passed over.
    pub(super) fn source(&self, egress: u16) -> Option<(u8, u64)> {
        let newest = self.next - 1;
        let egress = newest - u64::from((newest as u16).wrapping_sub(egress));
        let segment = self.segments.iter().find(|segment| segment.egress <= egress)?;

        Some((segment.layer, egress - segment.egress + segment.source))
    }

    /// Forgets how older packets were mapped: none of them can be sent again.
    pub(super) fn forget(&mut self) {
        self.segments.clear();
    }

    fn note(&mut self, now: Instant, sent: &Numbers) {
        if sent.marker {
            self.ended = Some(sent.timestamp);
        }
        self.next = self.next.max(sent.sequence + 1);
        self.note_time(now, sent.timestamp);
        if sent.picture.wrapping_sub(self.picture) < 0x8000 {
            self.picture = sent.picture;
        }
        if sent.frame.wrapping_sub(self.frame) < 0x8000 {
            self.frame = sent.frame;
        }
        if sent.tl0.wrapping_sub(self.tl0) < 0x80 {
            self.tl0 = sent.tl0;
        }
    }

    /// Gives the number of a packet, the newest one, to the next.
    fn leave_out(&mut self, now: Instant, source: &Numbers, numbers: &Numbers, kind: Kind) {
        if kind != Kind::Padding {
            self.segments.expect_many();
        }
        let mut segment = *self.segments.current();
        segment.source = source.sequence + 1;
        segment.egress = numbers.sequence;
        if kind == Kind::Picture && self.left_out != Some(source.timestamp) {
            segment.picture = segment.picture.wrapping_sub(1);
            self.left_out = Some(source.timestamp);
        }
        self.segments.push(segment);
        // What is missing in front of it may still come, with a time up to this one's, and with as
        // many frames as packets.
        let missing = numbers.sequence - self.next;
        self.note_time(now, numbers.timestamp);
        self.picture = self.picture.wrapping_add(missing as u16);
        self.frame = self.frame.wrapping_add(missing as u16);
        self.tl0 = self.tl0.wrapping_add(missing as u8);
        self.next = numbers.sequence;
    }

    fn next_timestamp(&self, now: Instant, layer: u8, source: &Numbers, rate: u32) -> u32 {
        let Some(at) = self.at else { return source.timestamp };
        let current = self.segments.current();
        let elapsed = now.saturating_duration_since(at);
        let ticks = (elapsed.as_micros() * u128::from(rate) / 1_000_000) as u32;
        let by_arrival = self.timestamp.wrapping_add(ticks.max(1));
        let by_source = source.timestamp.wrapping_add(current.timestamp);
        let same_run = current.egress > 0
            && layer == current.layer
            && source.sequence.wrapping_sub(current.source) < 0x1_0000;
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
}

fn ahead(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 0x8000_0000
}
