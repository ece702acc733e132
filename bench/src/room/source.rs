//! Cameras and microphones that never were: packets of VP8's and Opus' shape, frame by frame.

use crate::rtc::Kind;
use crate::stamp::{self, Stamp};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::ops::Range;
use std::time::Duration;

/// Extended descriptor with a picture id of 15 bits (RFC 7741, section 4.2): its length in bytes.
const DESCRIPTOR_LEN: usize = 4;
/// The frame header of a keyframe (RFC 6386, section 9.1): tag, start code, dimensions.
const KEYFRAME_HEADER: [u8; 10] = [0x10, 0x10, 0, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02];
/// The tag of any other frame.
const FRAME_HEADER: [u8; 3] = [0x11, 0x10, 0];
/// Where the stamp of a picture's packet begins: what servers rewrite or read stands before it.
const VIDEO_PREFIX: usize = DESCRIPTOR_LEN + KEYFRAME_HEADER.len();
/// Bytes of a payload at least: everything above and a stamp.
pub(super) const PAYLOAD_MIN: usize = VIDEO_PREFIX + stamp::PAYLOAD_MIN;
/// Packets of sound a second, of 20 ms each.
pub(super) const AUDIO_RATE: u64 = 50;
/// Bytes of a packet of sound.
pub(super) const AUDIO_BYTES: usize = 160;
/// A keyframe is as many times the mean.
const KEYFRAME_FACTOR: f64 = 4.0;
/// Frames are this share smaller or larger than the mean.
const FRAME_VARIES: f64 = 0.5;

/// Size, rate and rhythm of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    /// Sound or pictures.
    pub(super) kind: Kind,
    /// Bytes of each payload but a frame's last.
    pub(super) payload_bytes: usize,
    /// Packets a second, in the mean and without keyframes.
    pub(super) packets_per_second: u64,
    /// Frames a second; a frame's packets leave together.
    pub(super) frames_per_second: u64,
    /// Time between keyframes that nobody asked for; 0 is never.
    pub(super) keyframe_seconds: u64,
}

impl Shape {
    /// Opus at 64 kbit/s.
    pub(super) const AUDIO: Self = Self {
        kind: Kind::Audio,
        payload_bytes: AUDIO_BYTES,
        packets_per_second: AUDIO_RATE,
        frames_per_second: AUDIO_RATE,
        keyframe_seconds: 0,
    };

    /// Bytes of each payload at least, and what is before the stamp.
    fn prefix(&self) -> usize {
        match self.kind {
            Kind::Audio => 0,
            Kind::Video => VIDEO_PREFIX,
        }
    }

    fn clock_rate(&self) -> u64 {
        match self.kind {
            Kind::Audio => 48_000,
            Kind::Video => 90_000,
        }
    }
}

/// The stamp in a payload that came; `None` if it was changed on the way.
pub(super) fn read_stamp(payload: &[u8]) -> Option<Stamp> {
    let read = |bytes: &[u8]| Stamp::read(bytes, bytes.len());

    read(payload).or_else(|| read(payload.get(VIDEO_PREFIX..)?))
}

/// Whether a payload is a picture's, not sound's.
pub(super) fn is_picture(payload: &[u8]) -> bool {
    !Stamp::begins(payload)
}

/// Whether a picture's payload begins a keyframe.
pub(super) fn begins_keyframe(payload: &[u8]) -> bool {
    payload.first() == Some(&0x90) && payload.get(DESCRIPTOR_LEN).is_some_and(|tag| tag & 1 == 0)
}

/// A frame that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Numbers of its packets: they count from 0 over all frames.
    pub(super) packets: Range<u64>,
    /// Media time.
    pub(super) timestamp: u32,
    number: u64,
    last_bytes: usize,
    keyframe: bool,
}

/// One stream's camera or microphone.
pub(super) struct Source {
    shape: Shape,
    flow: u32,
    frame: u64,
    packets: u64,
    keyframe: bool,
    random: StdRng,
}

impl Source {
    /// A source of the packets of a flow.
    pub(super) fn new(shape: Shape, flow: u32) -> Self {
        let random = StdRng::seed_from_u64(flow.into());

        Self { shape, flow, frame: 0, packets: 0, keyframe: true, random }
    }

    /// The next frame will be a keyframe.
    pub(super) fn request_keyframe(&mut self) {
        self.keyframe = true;
    }

    /// When the next frame is due, since the source began.
    pub(super) fn due(&self) -> Duration {
        Duration::from_nanos(self.frame * 1_000_000_000 / self.shape.frames_per_second)
    }

    /// Bytes of each payload but a frame's last.
    pub(super) fn payload_bytes(&self) -> usize {
        self.shape.payload_bytes
    }

    /// The next frame: its size varies about the mean.
    pub(super) fn begin_frame(&mut self) -> Frame {
        let Shape { frames_per_second, keyframe_seconds, payload_bytes, .. } = self.shape;
        let between = keyframe_seconds * frames_per_second;
        let periodic = between > 0 && self.frame.is_multiple_of(between);
        let keyframe = std::mem::take(&mut self.keyframe) || periodic;
        let (count, last_bytes) = self.size(keyframe);
        let frame = Frame {
            packets: self.packets..self.packets + count,
            timestamp: (self.frame * self.shape.clock_rate() / frames_per_second) as u32,
            number: self.frame,
            last_bytes: last_bytes.clamp(PAYLOAD_MIN.min(payload_bytes), payload_bytes),
            keyframe,
        };
        self.frame += 1;
        self.packets = frame.packets.end;

        frame
    }

    /// Packets of a frame, and bytes of its last.
    fn size(&mut self, keyframe: bool) -> (u64, usize) {
        let Shape { kind, payload_bytes, packets_per_second, frames_per_second, .. } = self.shape;
        if kind == Kind::Audio {
            return (1, payload_bytes);
        }
        // A frame that is not whole packets long takes half a packet more in the mean.
        let mean = (packets_per_second as f64 / frames_per_second as f64 - 0.5).max(0.0);
        let factor = if keyframe {
            KEYFRAME_FACTOR
        } else {
            self.random.random_range(1.0 - FRAME_VARIES..1.0 + FRAME_VARIES)
        };
        let packets = mean * factor;

        (packets.floor() as u64 + 1, (packets.fract() * payload_bytes as f64) as usize)
    }

    /// Appends the payload of a frame's packet, sent at `sent` (nanoseconds since 1970).
    pub(super) fn append(&self, frame: &Frame, number: u64, sent: u64, out: &mut Vec<u8>) {
        let is_last = number + 1 == frame.packets.end;
        let bytes = if is_last { frame.last_bytes } else { self.shape.payload_bytes };
        if self.shape.kind == Kind::Video {
            let first = number == frame.packets.start;
            let picture = (frame.number as u16 | 0x8000).to_be_bytes();
            let start = out.len();
            out.extend_from_slice(&[0x80 | u8::from(first) << 4, 0x80, picture[0], picture[1]]);
            match (first, frame.keyframe) {
                (true, true) => out.extend_from_slice(&KEYFRAME_HEADER),
                (true, false) => out.extend_from_slice(&FRAME_HEADER),
                (false, _) => {}
            }
            out.resize(start + VIDEO_PREFIX, 0x5a);
        }
        let stamp = Stamp { flow: self.flow, number, sent };
        stamp.append(bytes.saturating_sub(self.shape.prefix()).max(stamp::PAYLOAD_MIN), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        kind: Kind::Video,
        payload_bytes: 1150,
        packets_per_second: 125,
        frames_per_second: 30,
        keyframe_seconds: 0,
    };

    #[test]
    fn frames_vary_and_their_packets_are_of_the_rate_in_the_mean() {
        let mut source = Source::new(SHAPE, 0);
        source.begin_frame();
        let frames: Vec<_> = (0..3_000).map(|_| source.begin_frame()).collect();

        assert!(frames.windows(2).all(|pair| pair[0].packets.end == pair[1].packets.start));
        assert!(frames.iter().all(|frame| (2..=6).contains(&frame.packets.clone().count())));
        let packets: usize = frames.iter().map(|frame| frame.packets.clone().count()).sum();
        assert!((12_000..13_000).contains(&packets), "{packets} in 100 s");
        assert!(frames.iter().any(|frame| frame.last_bytes != frames[0].last_bytes));
    }

    #[test]
    fn frame_starts_once_and_is_a_larger_keyframe_on_request() {
        let mut source = Source::new(SHAPE, 2);
        for wanted in [true, false, true] {
            let frame = source.begin_frame();
            let payloads: Vec<_> = frame
                .packets
                .clone()
                .map(|number| {
                    let mut payload = Vec::new();
                    source.append(&frame, number, 5, &mut payload);
                    payload
                })
                .collect();

            assert_eq!(begins_keyframe(&payloads[0]), wanted);
            assert_eq!(payloads.len() > 10, wanted);
            assert!(payloads[1..].iter().all(|payload| payload[0] == 0x80));
            let (last, others) = payloads.split_last().unwrap();
            assert!(others.iter().all(|payload| payload.len() == 1150));
            assert!((PAYLOAD_MIN..=1150).contains(&last.len()));
            for (number, payload) in frame.packets.clone().zip(&payloads) {
                let stamp = Stamp { flow: 2, number, sent: 5 };
                assert_eq!(read_stamp(payload), Some(stamp));
            }
            if !wanted {
                source.request_keyframe();
            }
        }
    }

    #[test]
    fn sound_is_a_packet_each_20_ms() {
        let mut source = Source::new(Shape::AUDIO, 1);
        source.begin_frame();
        assert_eq!(source.due(), Duration::from_millis(20));
        let frame = source.begin_frame();
        let mut payload = Vec::new();
        source.append(&frame, frame.packets.start, 9, &mut payload);

        assert_eq!((frame.timestamp, payload.len()), (960, AUDIO_BYTES));
        assert!(read_stamp(&payload).is_some());
    }

    #[test]
    fn keyframes_come_by_themselves_if_they_shall() {
        let mut source = Source::new(Shape { keyframe_seconds: 2, ..SHAPE }, 0);
        let keyframes: Vec<_> = (0..150_u64).filter(|_| source.begin_frame().keyframe).collect();

        assert_eq!(keyframes, [0, 60, 120]);
    }
}
