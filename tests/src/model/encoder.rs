//! A source's encodings: each with numbers, clock and temporal layers of its own, as libwebrtc has
//! them.

use super::payload::{self, Numbers};
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
    /// Spatial layers within each of them; they build on one another in keyframes only.
    pub(crate) layers: u8,
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
    /// Number of the newest frame of each spatial layer's temporal layers.
    newest: [[u32; 3]; 3],
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
            newest: [[0; 3]; 3],
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
        let (shape, publisher) = (self.shape, self.publisher);
        let top = u32::from(shape.streams.max(shape.layers) - 1);
        let active = self.streams.iter_mut().enumerate().filter(|(_, stream)| stream.active);

        active
            .flat_map(|(index, stream)| {
                let keyframe = stream.advance(shape.codec);
                (0..shape.layers)
                    .flat_map(move |spatial| {
                        let shrink = 3_usize.pow(top - (index as u32).max(spatial.into()));
                        let picture = Picture {
                            publisher,
                            stream: index as u8,
                            spatial,
                            captured,
                            ..stream.picture(shape.codec, keyframe, spatial)
                        };
                        stream.encode(shape, keyframe, shrink, &picture)
                    })
                    .collect::<Vec<_>>()
            })
            .collect()
    }
}

impl Stream {
    /// Goes on to the next picture; true when it is a keyframe.
    fn advance(&mut self, codec: Codec) -> bool {
        let keyframe = std::mem::take(&mut self.keyframe) && codec != Codec::Opus;
        self.position = if keyframe { 0 } else { self.position + 1 };
        self.picture = (self.picture + 1) & 0x7fff;
        self.tl0 = self.tl0.wrapping_add(u8::from(self.temporal(codec) == 0));

        keyframe
    }

    fn temporal(&self, codec: Codec) -> u8 {
        match codec {
            Codec::Vp8 | Codec::Vp9 => PATTERN[self.position % PATTERN.len()],
            Codec::Opus | Codec::H264 | Codec::Av1 => 0,
        }
    }

    /// The next frame: its number, and what it builds on.
    fn picture(&mut self, codec: Codec, keyframe: bool, spatial: u8) -> Picture {
        let temporal = self.temporal(codec);
        let newest = self.newest[usize::from(spatial)];
        let references = match (codec, keyframe) {
            (Codec::Opus, _) => Vec::new(),
            (_, true) => spatial.checked_sub(1).map(|_| self.number - 1).into_iter().collect(),
            _ if self.position % PATTERN.len() == 3 && temporal == 2 => vec![newest[1]],
            _ => vec![newest[0]],
        };
        self.newest[usize::from(spatial)][usize::from(temporal)] = self.number;
        self.number += 1;

        Picture {
            publisher: 0,
            stream: 0,
            spatial,
            temporal,
            number: self.number - 1,
            references,
            captured: Duration::ZERO,
        }
    }

    fn encode(
        &mut self,
        shape: Shape,
        keyframe: bool,
        shrink: usize,
        picture: &Picture,
    ) -> Vec<Packet> {
        let len = match (shape.codec, keyframe) {
            (Codec::Opus, _) => SOUND_BYTES,
            (_, false) => FRAME_BYTES / shrink,
            (_, true) => FRAME_BYTES / shrink * KEYFRAME_RATIO,
        };
        let frame = picture.write(len.max(FRAME_BYTES_MIN));
        let numbers = Numbers {
            picture: self.picture,
            tl0: self.tl0,
            temporal: picture.temporal,
            spatial: picture.spatial,
            sync: self.position % PATTERN.len() != 3 && (picture.temporal > 0 || shape.layers > 1),
        };
        let ends = picture.spatial + 1 == shape.layers && shape.codec != Codec::Opus;
        let payloads = payload::split(shape.codec, numbers, keyframe, &frame);

        self.packets(shape.codec, picture, ends, payloads)
    }

    fn packets(
        &mut self,
        codec: Codec,
        picture: &Picture,
        ends: bool,
        payloads: Vec<Vec<u8>>,
    ) -> Vec<Packet> {
        let rate = if codec == Codec::Opus { 48_000 } else { 90_000 };
        let ticks = (picture.captured.as_micros() * rate / 1_000_000) as u32;
        let timestamp = self.origin.wrapping_add(ticks);
        let last = payloads.len() - 1;
        let packet = |(index, payload)| {
            let sequence = self.sequence + index as u64;
            let marker = index == last && ends;
            Packet { stream: picture.stream, sequence, timestamp, marker, payload }
        };
        let packets: Vec<_> = payloads.into_iter().enumerate().map(packet).collect();
        self.sequence += packets.len() as u64;

        packets
    }
}
