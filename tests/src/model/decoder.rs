//! A decoder that puts up with loss and with nothing else: it waits for repairs, gives up on what
//! does not come, and notes as a fault whatever no publisher's one unbroken stream would show.

use super::payload::{self, Numbers, Piece};
use super::picture::Picture;
use relay_wire::control::Codec;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A packet is waited for this long, of video and of sound.
const PATIENCE: Duration = Duration::from_millis(1000);
const PATIENCE_SOUND: Duration = Duration::from_millis(150);
/// Frames that cannot be decoded are put up with this long before a keyframe is asked for.
const ASK_AFTER: Duration = Duration::from_millis(200);
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Frames that are remembered as decoded.
const KNOWN_MAX: usize = 64;
/// Faults that are told; there is no use in more.
const FAULTS_MAX: usize = 8;
/// Frames of one encoding keep their distance in time; after a longer pause it may be measured
/// by arrival.
const PAUSE: Duration = Duration::from_millis(400);
/// How wrong a measurement by arrival may be: the way's delay may have changed, and a keyframe's
/// first packet may come as a repair.
const STEP_MAX: Duration = Duration::from_millis(200);

/// What became of one stream.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Pictures decoded, and frames of sound.
    pub frames: u64,
    /// Those of them that need no other.
    pub keyframes: u64,
    /// Pictures that came whole, and something that they build on did not.
    pub undecodable: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Times at which another layer went on.
    pub switches: u64,
    /// The layer of the last picture, of simulcast or the highest spatial one, low to high.
    pub layer: Option<u8>,
    /// When the last frame was decoded.
    pub last: Option<Instant>,
    /// The longest time between two frames since somebody began to watch for it.
    pub longest_freeze: Duration,
    /// What no publisher's stream would show.
    pub faults: Vec<String>,
}

impl Report {
    /// Adds what another stream brought.
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.keyframes += other.keyframes;
        self.undecodable += other.undecodable;
        self.lost += other.lost;
        self.switches += other.switches;
    }
}

/// A packet as it came.
pub(crate) struct Arrived<'a> {
    pub(crate) codec: Codec,
    /// Extended sequence number.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: &'a [u8],
}

struct Held {
    at: Instant,
    codec: Codec,
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

/// A frame that is being put together.
struct Frame {
    timestamp: u32,
    numbers: Option<Numbers>,
    bytes: Vec<u8>,
    /// A step of its numbers that is none of the usual ones.
    step: Option<String>,
}

/// A picture of which a frame came.
#[derive(Clone, Copy)]
struct Open {
    timestamp: u32,
    layer: u8,
    keyframe: bool,
    /// Something of it cannot be decoded.
    broken: bool,
}

/// Where the last frame stood in time.
struct Time {
    stream: u8,
    timestamp: u32,
    captured: Duration,
}

/// The receiver of one stream.
pub struct Decoder {
    publisher: u32,
    report: Report,
    next: Option<u64>,
    held: BTreeMap<u64, Held>,
    frame: Option<Frame>,
    open: Option<Open>,
    /// The next payload need not go on from the last one.
    adrift: bool,
    /// Packets that never came since the last frame began.
    lost: u64,
    /// A frame or a picture did not end: only a keyframe may follow.
    cut: bool,
    /// Something was lost since the last keyframe.
    torn: bool,
    numbers: Option<Numbers>,
    /// The base layer: index and number of its last frame.
    base: Option<(u8, u32)>,
    time: Option<Time>,
    known: BTreeSet<u32>,
    undecodable_since: Option<Instant>,
    asked: Option<Instant>,
    watched: Option<Instant>,
}

impl Decoder {
    /// A decoder that expects this publisher's frames.
    pub(crate) fn new(publisher: u32) -> Self {
        Self {
            publisher,
            report: Report::default(),
            next: None,
            held: BTreeMap::new(),
            frame: None,
            open: None,
            adrift: true,
            lost: 0,
            cut: false,
            torn: true,
            numbers: None,
            base: None,
            time: None,
            known: BTreeSet::new(),
            undecodable_since: None,
            asked: None,
            watched: None,
        }
    }

    /// What became of the stream.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Begins to watch for freezes. Faults that were are forgotten.
    pub fn watch(&mut self, now: Instant) {
        self.report.longest_freeze = Duration::ZERO;
        self.report.faults.clear();
        self.watched = Some(now);
    }

    /// The longest freeze since `watch`, one that lasts included.
    pub fn freeze(&self, now: Instant) -> Duration {
        let since = self.report.last.max(self.watched);
        let lasting = since.map_or(Duration::ZERO, |since| now - since);

        self.report.longest_freeze.max(lasting)
    }

    pub(crate) fn receive(&mut self, now: Instant, packet: &Arrived<'_>) {
        let next = *self.next.get_or_insert(packet.sequence);
        if packet.sequence < next {
            if self.report.frames > 0 || self.frame.is_some() {
                return;
            }
            self.next = Some(packet.sequence);
        }
        let held = Held {
            at: now,
            codec: packet.codec,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: packet.payload.to_vec(),
        };
        if self.held.insert(packet.sequence, held).is_some() {
            self.fault(&format!("packet {} came twice", packet.sequence));
        }
        self.advance(now);
    }

    /// Takes what is in order, and gives up on what does not come.
    pub(crate) fn advance(&mut self, now: Instant) {
        while let (Some(next), Some((&first, held))) = (self.next, self.held.first_key_value()) {
            if first > next {
                if now < held.at + patience(held.codec) {
                    return;
                }
                self.report.lost += first - next;
                self.lost += first - next;
                (self.frame, self.adrift, self.torn) = (None, true, true);
            }
            self.next = Some(first + 1);
            let held = self.held.remove(&first).expect("it was seen");
            self.take(now, first, &held);
        }
    }

    /// When `advance` is next needed.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.held.first_key_value().map(|(_, held)| held.at + patience(held.codec))
    }

    /// Whether the publisher is to be asked for a keyframe now.
    pub(crate) fn wants_keyframe(&mut self, now: Instant) -> bool {
        let Some(since) = self.undecodable_since else { return false };
        let asked = self.asked.is_some_and(|asked| now < asked + ASK_AGAIN);
        if now < since + ASK_AFTER || asked {
            return false;
        }
        self.asked = Some(now);

        true
    }

    fn fault(&mut self, what: &str) {
        if self.report.faults.len() < FAULTS_MAX {
            self.report.faults.push(format!("after {} frames: {what}", self.report.frames));
        }
    }

    fn take(&mut self, now: Instant, sequence: u64, held: &Held) {
        if held.payload.is_empty() {
            return;
        }
        let Some(piece) = payload::read(held.codec, &held.payload) else {
            let bytes = &held.payload[..held.payload.len().min(12)];
            self.fault(&format!("packet {sequence}: no payload of {:?}: {bytes:02x?}", held.codec));
            self.adrift = true;
            return;
        };
        if self.frame.as_ref().is_some_and(|frame| frame.timestamp != held.timestamp) {
            self.cut = true;
            self.frame = None;
        }
        if self.open.take_if(|open| open.timestamp != held.timestamp).is_some() && self.lost == 0 {
            self.cut = true;
        }
        let end = piece.end.unwrap_or(held.marker);
        if !self.put_together(sequence, held.timestamp, piece) {
            return;
        }
        if end {
            let frame = self.frame.take().expect("it was begun");
            self.finish(held.codec, &frame);
        }
        if held.marker || held.codec == Codec::Opus {
            self.conclude(now);
        }
    }

    /// Adds a payload to its frame; false when it is of none.
    fn put_together(&mut self, sequence: u64, timestamp: u32, piece: Piece) -> bool {
        let Some(frame) = &mut self.frame else { return self.begin(sequence, timestamp, piece) };
        let other = piece.start == Some(true) || piece.numbers != frame.numbers;
        frame.bytes.extend(piece.bytes);
        if other {
            self.fault(&format!("packet {sequence}: another frame within a frame"));
        }

        true
    }

    /// Begins a frame; false when the payload does not.
    fn begin(&mut self, sequence: u64, timestamp: u32, piece: Piece) -> bool {
        if piece.start == Some(false) {
            if !self.adrift {
                self.fault(&format!("packet {sequence}: a frame without a beginning"));
            }
            self.adrift = true;
            return false;
        }
        self.adrift = false;
        let step = piece.numbers.and_then(|numbers| self.number(sequence, numbers));
        self.lost = 0;
        self.frame = Some(Frame { timestamp, numbers: piece.numbers, bytes: piece.bytes, step });

        true
    }

    /// Pictures are numbered without a gap; where packets are missing, at most as many are. Says
    /// what is wrong with a step.
    fn number(&mut self, sequence: u64, numbers: Numbers) -> Option<String> {
        let last = self.numbers.replace(numbers)?;
        let step = u64::from(numbers.picture.wrapping_sub(last.picture) & 0x7fff);
        let same = step == 0 && numbers.spatial > last.spatial;
        let broken = !same && (step == 0 || step > 1 + self.lost);
        let base = last.tl0.wrapping_add(u8::from(!same && numbers.temporal == 0));
        let wrong = broken || (self.lost == 0 && numbers.tl0 != base);

        wrong.then(|| format!("packet {sequence}: {last:?}, {} lost, then {numbers:?}", self.lost))
    }

    fn finish(&mut self, codec: Codec, frame: &Frame) {
        let Some(picture) = Picture::read(&frame.bytes) else {
            return self.fault(&format!("a frame of {} bytes that nobody sent", frame.bytes.len()));
        };
        if picture.publisher != self.publisher {
            return self.fault(&format!("somebody else's frame: {picture:?}"));
        }
        let keyframe = picture.references.is_empty() && codec != Codec::Opus;
        let switched = self.time.as_ref().is_some_and(|time| time.stream != picture.stream);
        if std::mem::take(&mut self.cut) && !keyframe && !self.torn {
            self.fault(&format!("it was cut off, and no keyframe followed: {picture:?}"));
        }
        // Where layers are left out, the relay keeps room for the numbers of what may still come;
        // a keyframe does without it.
        let roomy = codec == Codec::Vp9 && keyframe;
        if let Some(step) = frame.step.as_ref().filter(|_| !roomy) {
            self.fault(step);
        }
        self.check_time(codec, frame, &picture);
        if let Some(numbers) = frame.numbers {
            self.check_base(numbers, &picture);
        }
        if keyframe {
            self.known.clear();
            self.torn = false;
        }
        let missing = picture.references.iter().any(|number| !self.known.contains(number));
        let broken = missing || (switched && !picture.references.is_empty());
        if broken && !self.torn {
            self.fault(&format!("it builds on what did not come: {picture:?}"));
        }
        if !broken {
            self.know(&picture);
        }
        let before = self.open;
        self.open = Some(Open {
            timestamp: frame.timestamp,
            layer: picture.stream + picture.spatial,
            keyframe: keyframe || before.is_some_and(|open| open.keyframe),
            broken: broken || before.is_some_and(|open| open.broken),
        });
    }

    fn know(&mut self, picture: &Picture) {
        if !self.known.insert(picture.number) {
            self.fault(&format!("a frame came twice: {picture:?}"));
        }
        if self.known.len() > KNOWN_MAX {
            self.known.pop_first();
        }
    }

    /// A picture is there, with as many layers as came.
    fn conclude(&mut self, now: Instant) {
        let Some(open) = self.open.take() else { return };
        if open.broken {
            self.report.undecodable += 1;
            self.undecodable_since.get_or_insert(now);
            return;
        }
        let report = &mut self.report;
        let since = report.last.max(self.watched);
        if let Some(since) = since.filter(|_| self.watched.is_some()) {
            report.longest_freeze = report.longest_freeze.max(now - since);
        }
        report.frames += 1;
        report.keyframes += u64::from(open.keyframe);
        report.switches += u64::from(report.layer.is_some_and(|layer| layer != open.layer));
        report.layer = Some(open.layer);
        report.last = Some(now);
        self.undecodable_since = None;
    }

    /// Time goes on, and with it the frames' times: exactly within an encoding.
    fn check_time(&mut self, codec: Codec, frame: &Frame, picture: &Picture) {
        let rate = if codec == Codec::Opus { 48_000 } else { 90_000 };
        let time =
            Time { stream: picture.stream, timestamp: frame.timestamp, captured: picture.captured };
        let Some(last) = self.time.replace(time) else { return };
        let ticks = i64::from(frame.timestamp.wrapping_sub(last.timestamp) as i32);
        if ticks == 0 && picture.spatial > 0 && picture.captured == last.captured {
            return;
        }
        if ticks <= 0 {
            return self.fault(&format!("time steps by {ticks} ticks with {picture:?}"));
        }
        let taken = |at: Duration| at.as_micros() as i64 * rate / 1_000_000;
        let off = (ticks - (taken(picture.captured) - taken(last.captured))).unsigned_abs();
        let apart = picture.captured.abs_diff(last.captured);
        let measured = last.stream != picture.stream || apart > PAUSE;
        let bound = if measured { STEP_MAX.as_millis() as u64 * rate as u64 / 1000 } else { 2 };
        if off > bound {
            let from = last.stream;
            self.fault(&format!(
                "{off} of {ticks} ticks too many, {apart:?} after {from}: {picture:?}"
            ));
        }
    }

    /// A decoder knows by the descriptor alone on which base-layer frame the next one builds.
    fn check_base(&mut self, numbers: Numbers, picture: &Picture) {
        if (numbers.temporal, numbers.spatial) != (picture.temporal, picture.spatial) {
            self.fault(&format!("{numbers:?} is said of {picture:?}"));
        }
        if numbers.temporal > 0 || numbers.spatial > 0 {
            return;
        }
        let last = self.base.replace((numbers.tl0, picture.number));
        let Some((index, number)) = last else { return };
        let next = numbers.tl0 == index.wrapping_add(1);
        if next && picture.references.iter().any(|reference| *reference != number) {
            self.fault(&format!("frame {number} is said to be what {picture:?} builds on"));
        }
    }
}

fn patience(codec: Codec) -> Duration {
    if codec == Codec::Opus { PATIENCE_SOUND } else { PATIENCE }
}
