//! A camera that never was: packets of VP8's shape and a given size and rate, in bursts by frame.

use super::stamp::{self, Stamp};
use std::time::Duration;

/// VP8's clock rate (RFC 7741).
const CLOCK_RATE: u64 = 90_000;
/// Extended descriptor with a picture id of 15 bits (RFC 7741, section 4.2): its length in bytes.
const DESCRIPTOR_LEN: usize = 4;
/// The frame header of a keyframe (RFC 6386, section 9.1): tag, start code, dimensions.
const KEYFRAME_HEADER: [u8; 10] = [0x10, 0x10, 0, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02];
/// The tag of any other frame.
const FRAME_HEADER: [u8; 3] = [0x11, 0x10, 0];
/// Bytes of a payload at least: everything above and a stamp.
pub(super) const PAYLOAD_MIN: usize = DESCRIPTOR_LEN + KEYFRAME_HEADER.len() + stamp::LEN;

/// Size, rate and rhythm of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Bytes of each RTP payload.
    pub(super) payload_bytes: usize,
    /// Packets a second.
    pub(super) packets_per_second: u64,
    /// Frames a second; a frame's packets leave together.
    pub(super) frames_per_second: u64,
}

/// One packet to send.
pub(super) struct Packet {
    /// Counts from 0.
    pub(super) number: u64,
    /// Media time in 1/90000 s.
    pub(super) timestamp: u32,
    /// Whether the frame ends with it.
    pub(super) marker: bool,
    /// Descriptor, something like VP8, stamp.
    pub(super) payload: Vec<u8>,
}

/// One publisher's camera.
pub(super) struct Source {
    shape: Shape,
    publisher: u32,
    frame: u64,
    keyframe: bool,
}

impl Source {
    pub(super) fn new(shape: Shape, publisher: u32) -> Self {
        Self { shape, publisher, frame: 0, keyframe: true }
    }

    /// The next frame will be a keyframe.
    pub(super) fn request_keyframe(&mut self) {
        self.keyframe = true;
    }

    /// When the next frame is due, since the source began.
    pub(super) fn due(&self) -> Duration {
        Duration::from_nanos(self.frame * 1_000_000_000 / self.shape.frames_per_second)
    }

    /// Numbers of the next frame's packets: the rate divided so that no packet is lost by rounding.
    pub(super) fn begin_frame(&mut self) -> std::ops::Range<u64> {
        let Shape { packets_per_second, frames_per_second, .. } = self.shape;
        let start = self.frame * packets_per_second / frames_per_second;
        self.frame += 1;

        start..self.frame * packets_per_second / frames_per_second
    }

    /// A packet of the frame begun last, sent at `sent` of the run's clock.
    pub(super) fn packet(
        &mut self,
        frame: &std::ops::Range<u64>,
        number: u64,
        sent: u64,
    ) -> Packet {
        let (first, marker) = (number == frame.start, number + 1 == frame.end);
        let frame_number = self.frame - 1;
        let picture = (frame_number as u16 | 0x8000).to_be_bytes();
        let mut payload = vec![number as u8; self.shape.payload_bytes];
        payload[..DESCRIPTOR_LEN].copy_from_slice(&[
            0x80 | u8::from(first) << 4,
            0x80,
            picture[0],
            picture[1],
        ]);
        if first {
            let header: &[u8] = if self.keyframe { &KEYFRAME_HEADER } else { &FRAME_HEADER };
            payload[DESCRIPTOR_LEN..DESCRIPTOR_LEN + header.len()].copy_from_slice(header);
            self.keyframe = false;
        }
        Stamp { publisher: self.publisher, number, sent }.write(&mut payload);
        let timestamp = (frame_number * CLOCK_RATE / self.shape.frames_per_second) as u32;

        Packet { number, timestamp, marker, payload }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape =
        Shape { payload_bytes: 1150, packets_per_second: 125, frames_per_second: 30 };

    #[test]
    fn second_of_video_has_all_its_packets_in_bursts_of_four_or_five() {
        let mut source = Source::new(SHAPE, 0);
        let frames: Vec<_> = (0..30).map(|_| source.begin_frame()).collect();

        assert!(frames.iter().all(|frame| matches!(frame.clone().count(), 4 | 5)));
        assert!(frames.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(frames[29].end, 125);
        assert_eq!(source.due(), Duration::from_secs(1));
    }

    #[test]
    fn frame_starts_once_ends_once_and_is_a_keyframe_on_request() {
        let mut source = Source::new(SHAPE, 2);
        for wanted in [true, false, true] {
            let frame = source.begin_frame();
            let packets: Vec<_> =
                frame.clone().map(|number| source.packet(&frame, number, 5)).collect();

            assert_eq!(packets[0].payload[0], 0x90);
            assert_eq!(packets[0].payload[DESCRIPTOR_LEN] & 1 == 0, wanted);
            assert!(packets[1..].iter().all(|packet| packet.payload[0] == 0x80));
            assert!(packets.iter().all(|packet| packet.payload.len() == 1150));
            assert_eq!(packets.iter().filter(|packet| packet.marker).count(), 1);
            let stamp = Stamp::parse(&packets[1].payload).unwrap();
            assert_eq!((stamp.publisher, stamp.number, stamp.sent), (2, packets[1].number, 5));
            if !wanted {
                source.request_keyframe();
            }
        }
    }
}
