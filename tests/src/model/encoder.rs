//! A source's encodings: each with numbers, clock and temporal layers of its own, as libwebrtc has
//! them.

use super::payload::{self, Vp8};
use super::picture::Picture;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use relay_wire::control::Codec;
use std::time::Duration;

/// Temporal layers of VP8, frame after frame (libwebrtc's pattern of three).
const PATTERN: [u8; 4] = [0, 2, 1, 2];
/// Bytes of a frame of the highest encoding; each one below has a third.
const FRAME_BYTES: usize = 1900;
/// A keyframe is this many times as long.
const KEYFRAME_RATIO: usize = 3;
/// Bytes of a frame of sound.
const SOUND_BYTES: usize = 100;
/// Fewest bytes of a frame.
const FRAME_BYTES_MIN: usize = 60;

/// How a source is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) codec: Codec,
    /// Encodings of simulcast.
    pub(crate) streams: u8,
}

/// A packet that an encoder wants sent.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// The encoding, low to high.
    pub(crate) stream: u8,
    /// Extended sequence number.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) payload: Vec<u8>,
}

/// One encoding.
struct Stream {
    sequence: u64,
    /// RTP time when the world began.
    origin: u32,
    number: u32,
    picture: u16,
    tl0: u8,
    /// Frames since the keyframe.
    position: usize,
    /// Number of the newest frame of each temporal layer.
    newest: [u32; 3],
    keyframe: bool,
    active: bool,
}

/// The encodings of one source.
pub(crate) struct Encoder {
    shape: Shape,
    publisher: u32,
    streams: Vec<Stream>,
}

impl Encoder {
    pub(crate) fn new(shape: Shape, publisher: u32, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut stream = || Stream {
            // Like libwebrtc: a receiver that misses the first packets must not guess a rollover.
            sequence: random.random_range(1..0x8000),
            origin: random.random(),
            number: 0,
            picture: random.random_range(0..0x8000),
            tl0: random.random(),
            position: 0,
            newest: [0; 3],
            keyframe: true,
            active: true,
        };

        Self { shape, publisher, streams: (0..shape.streams).map(|_| stream()).collect() }
    }

    /// The next frame of an encoding is a keyframe.
    pub(crate) fn refresh(&mut self, stream: usize) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.keyframe = true;
        }
    }

    /// Stops an encoding, or starts it again with a keyframe.
    pub(crate) fn set_active(&mut self, stream: usize, active: bool) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.active = active;
            stream.keyframe = true;
        }
    }

    /// Encodes what was taken at this time since the world began.
    pub(crate) fn encode(&mut self, captured: Duration) -> Vec<Packet> {
        let mut packets = Vec::new();
        let top = self.streams.len() - 1;
        for (index, stream) in self.streams.iter_mut().enumerate().filter(|(_, s)| s.active) {
            let shrink = 3_usize.pow((top - index) as u32);
            stream
                .encode(self.shape.codec, self.publisher, index as u8, shrink, captured)
                .into_iter()
                .for_each(|packet| packets.push(packet));
        }

        packets
    }
}

impl Stream {
    fn encode(
        &mut self,
        codec: Codec,
        publisher: u32,
        index: u8,
        shrink: usize,
        captured: Duration,
    ) -> Vec<Packet> {
        let sound = codec == Codec::Opus;
        let keyframe = std::mem::take(&mut self.keyframe) && !sound;
        let (temporal, references) = self.place(codec, keyframe);
        let picture = Picture {
            publisher,
            stream: index,
            spatial: 0,
            temporal,
            number: self.number,
            references,
            captured,
        };
        let len = match (sound, keyframe) {
            (true, _) => SOUND_BYTES,
            (false, false) => FRAME_BYTES / shrink,
            (false, true) => FRAME_BYTES / shrink * KEYFRAME_RATIO,
        };
        let frame = picture.write(len.max(FRAME_BYTES_MIN));
        let sync = temporal > 0 && picture.references == [self.newest[0]];
        let vp8 = Vp8 { picture: self.picture, tl0: self.tl0, temporal, sync };
        self.newest[usize::from(temporal)] = self.number;
        self.number += 1;

        self.packets(codec, index, captured, payload::split(codec, vp8, keyframe, &frame))
    }

    /// Temporal layer of the next frame, and the frames that it builds on.
    fn place(&mut self, codec: Codec, keyframe: bool) -> (u8, Vec<u32>) {
        self.position = if keyframe { 0 } else { self.position + 1 };
        self.picture = (self.picture + 1) & 0x7fff;
        let temporal = match codec {
            Codec::Vp8 => PATTERN[self.position % PATTERN.len()],
            Codec::Opus | Codec::H264 | Codec::Vp9 | Codec::Av1 => 0,
        };
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        let references = match (codec, keyframe) {
            (Codec::Opus, _) | (_, true) => Vec::new(),
            _ if temporal == 2 && self.position % PATTERN.len() == 3 => vec![self.newest[1]],
            _ => vec![self.newest[0]],
        };

        (temporal, references)
    }

    fn packets(
        &mut self,
        codec: Codec,
        stream: u8,
        captured: Duration,
        payloads: Vec<Vec<u8>>,
    ) -> Vec<Packet> {
        let rate = if codec == Codec::Opus { 48_000 } else { 90_000 };
        let ticks = (captured.as_micros() * rate / 1_000_000) as u32;
        let timestamp = self.origin.wrapping_add(ticks);
        let last = payloads.len() - 1;
        let packet = |(index, payload)| {
            let sequence = self.sequence + index as u64;
            let marker = index == last && codec != Codec::Opus;
            Packet { stream, sequence, timestamp, marker, payload }
        };
        let packets: Vec<_> = payloads.into_iter().enumerate().map(packet).collect();
        self.sequence += packets.len() as u64;

        packets
    }
}
