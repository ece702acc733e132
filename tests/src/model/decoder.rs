//! A decoder that puts up with loss and with nothing else: it waits for repairs, gives up on what
//! does not come, and notes as a fault whatever no publisher's one unbroken stream would show.

use super::payload::{self, Piece, Vp8};
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
    /// Frames decoded.
    pub frames: u64,
    /// Those of them that need no other.
    pub keyframes: u64,
    /// Frames that came whole, and something that they build on did not.
    pub undecodable: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Times at which another encoding went on.
    pub switches: u64,
    /// The encoding of the last frame, low to high.
    pub stream: Option<u8>,
    /// When the last frame was decoded.
    pub last: Option<Instant>,
    /// The longest time between two frames since somebody began to watch for it.
    pub longest_freeze: Duration,
    /// What no publisher's stream would show.
    pub faults: Vec<String>,
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
    vp8: Option<Vp8>,
    bytes: Vec<u8>,
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
    /// The next payload need not go on from the last one.
    adrift: bool,
    /// Packets that never came since the last frame began.
    lost: u64,
    /// A frame ended without its marker.
    cut: bool,
    /// Something was lost since the last keyframe.
    torn: bool,
    vp8: Option<Vp8>,
    /// VP8's base layer: index and number of its last frame.
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
            adrift: true,
            lost: 0,
            cut: false,
            torn: true,
            vp8: None,
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
        if !self.put_together(sequence, held.timestamp, piece) {
            return;
        }
        if held.marker || held.codec == Codec::Opus {
            let frame = self.frame.take().expect("it was begun");
            self.finish(now, held.codec, &frame);
        }
    }

    /// Adds a payload to its frame; false when it is of none.
    fn put_together(&mut self, sequence: u64, timestamp: u32, piece: Piece) -> bool {
        let Some(frame) = &mut self.frame else { return self.begin(sequence, timestamp, piece) };
        let other = piece.start == Some(true) || piece.vp8 != frame.vp8;
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
        if let Some(vp8) = piece.vp8 {
            self.number(sequence, vp8);
        }
        self.lost = 0;
        self.frame = Some(Frame { timestamp, vp8: piece.vp8, bytes: piece.bytes });

        true
    }

    /// Frames are numbered without a gap; where packets are missing, at most as many frames are.
    fn number(&mut self, sequence: u64, vp8: Vp8) {
        let Some(last) = self.vp8.replace(vp8) else { return };
        let step = u64::from(vp8.picture.wrapping_sub(last.picture) & 0x7fff);
        if step == 0 || step > 1 + self.lost {
            let lost = self.lost;
            self.fault(&format!("packet {sequence}: {last:?}, {lost} lost, then {vp8:?}"));
        }
        let expected = last.tl0.wrapping_add(u8::from(vp8.temporal == 0));
        if self.lost == 0 && vp8.tl0 != expected {
            self.fault(&format!("packet {sequence}: base layer: {last:?}, then {vp8:?}"));
        }
    }

    fn finish(&mut self, now: Instant, codec: Codec, frame: &Frame) {
        let Some(picture) = Picture::read(&frame.bytes) else {
            return self.fault(&format!("a frame of {} bytes that nobody sent", frame.bytes.len()));
        };
        if picture.publisher != self.publisher {
            return self.fault(&format!("somebody else's frame: {picture:?}"));
        }
        let (sound, keyframe) = (codec == Codec::Opus, picture.references.is_empty());
        let switched = self.report.stream.is_some_and(|stream| stream != picture.stream);
        if std::mem::take(&mut self.cut) && !keyframe && !self.torn {
            self.fault(&format!("a frame was cut off, and no keyframe followed: {picture:?}"));
        }
        self.check_time(codec, frame, &picture);
        if let Some(vp8) = frame.vp8 {
            self.check_base(vp8, &picture);
        }
        if keyframe && !sound {
            self.known.clear();
            self.torn = false;
        }
        let missing = picture.references.iter().any(|number| !self.known.contains(number));
        if missing || (switched && !keyframe) {
            if !self.torn {
                self.fault(&format!("it builds on what did not come: {picture:?}"));
            }
            self.report.undecodable += 1;
            self.undecodable_since.get_or_insert(now);
            return;
        }
        self.report.keyframes += u64::from(keyframe && !sound);
        self.show(now, &picture, switched);
    }

    fn show(&mut self, now: Instant, picture: &Picture, switched: bool) {
        if !self.known.insert(picture.number) {
            self.fault(&format!("a frame came twice: {picture:?}"));
        }
        if self.known.len() > KNOWN_MAX {
            self.known.pop_first();
        }
        let report = &mut self.report;
        let since = report.last.max(self.watched);
        if let Some(since) = since.filter(|_| self.watched.is_some()) {
            report.longest_freeze = report.longest_freeze.max(now - since);
        }
        report.frames += 1;
        report.switches += u64::from(switched);
        report.stream = Some(picture.stream);
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
    fn check_base(&mut self, vp8: Vp8, picture: &Picture) {
        if vp8.temporal != picture.temporal {
            self.fault(&format!("{vp8:?} is said of {picture:?}"));
        }
        if vp8.temporal > 0 {
            return;
        }
        let last = self.base.replace((vp8.tl0, picture.number));
        let Some((index, number)) = last else { return };
        let next = vp8.tl0 == index.wrapping_add(1);
        if next && picture.references.iter().any(|reference| *reference != number) {
            self.fault(&format!("frame {number} is said to be what {picture:?} builds on"));
        }
    }
}

fn patience(codec: Codec) -> Duration {
    if codec == Codec::Opus { PATIENCE_SOUND } else { PATIENCE }
}
