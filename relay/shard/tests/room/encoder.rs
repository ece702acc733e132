//! A publisher of several layers in one stream.

use crate::scalable::{Frame, Inter, Mode};
use crate::world::{AV1, H264, Sent, Stream, VP8, VP9, World};

/// Bytes of a packet's mark: the frame's number, the packet's place in it, whether it is the last.
pub(crate) const MARK: usize = 10;
/// Packets of a frame.
pub(crate) const PACKETS: u8 = 2;

/// How the layers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// By dependency descriptors of AV1, H.264 and so on.
    Descriptor(u8),
    /// By VP9's payload descriptor.
    Vp9,
    /// By VP8's.
    Vp8,
}

impl Told {
    pub(crate) const ALL: [Self; 6] = [
        Self::Vp8,
        Self::Vp9,
        Self::Descriptor(AV1),
        Self::Descriptor(VP9),
        Self::Descriptor(VP8),
        Self::Descriptor(H264),
    ];
}

/// A picture's packets, ready to be sent.
pub(crate) type Packets = Vec<(Stream, Vec<u8>)>;

#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    pub(crate) mode: Mode,
    pub(crate) told: Told,
    pub(crate) stream: Stream,
    /// Frames by number: what each refers to, and its layers.
    pub(crate) frames: Vec<Frame>,
    pub(crate) keyframes: usize,
    picture: u16,
    tl0: u8,
    started: bool,
}

impl Encoder {
    pub(crate) fn new(spatial: u8, temporal: u8, inter: Inter, told: Told) -> Self {
        let mut stream = Stream::video(30, None);
        stream.fixed.payload_type = match told {
            Told::Descriptor(payload_type) => payload_type,
            Told::Vp9 => VP9,
            Told::Vp8 => VP8,
        };
        stream.fixed.sequence = 65_400;
        Self {
            mode: Mode::new(spatial, temporal, inter),
            told,
            stream,
            frames: Vec::new(),
            keyframes: 0,
            picture: 32_700,
            tl0: 250,
            started: false,
        }
    }

    /// Pictures at 30 a second, keyframes where they are asked for; returns what left.
    pub(crate) fn play(&mut self, world: &mut World, pictures: usize) -> Vec<Sent> {
        let mut sent = Vec::new();
        for _ in 0..pictures {
            let keyframe = world.take_plis().contains(&self.stream.fixed.ssrc) || !self.started;
            for (stream, payload) in self.picture(keyframe) {
                sent.extend(world.receive(&stream.packet(&payload)));
            }
            world.sleep_ms(33);
        }
        sent
    }

    /// The next picture.
    pub(crate) fn picture(&mut self, keyframe: bool) -> Packets {
        self.started = true;
        self.keyframes += usize::from(keyframe);
        self.stream.fixed.timestamp = self.stream.fixed.timestamp.wrapping_add(3000);
        self.picture = (self.picture + 1) & 0x7fff;
        let frames = self.mode.picture(keyframe);
        self.tl0 = self.tl0.wrapping_add(u8::from(frames[0].temporal == 0));
        let top = frames.len() - 1;
        let mut packets = Packets::new();
        for (index, frame) in frames.into_iter().enumerate() {
            for place in 0..PACKETS {
                let (start, end) = (place == 0, place + 1 == PACKETS);
                self.stream.fixed.sequence = self.stream.fixed.sequence.wrapping_add(1);
                self.stream.fixed.marker = end && index == top;
                self.stream.descriptor = self.descriptor(&frame, start, end);
                let mut payload = self.front(&frame, start, end);
                payload.extend(frame.number.to_be_bytes());
                payload.extend([place, u8::from(end)]);
                packets.push((self.stream.clone(), payload));
            }
            self.frames.push(frame);
        }
        packets
    }

    fn descriptor(&self, frame: &Frame, start: bool, end: bool) -> Option<Vec<u8>> {
        let Told::Descriptor(_) = self.told else { return None };
        let mut descriptor = frame.descriptor.clone();
        descriptor.start = start;
        descriptor.end = end;
        descriptor.attached &= start;
        Some(descriptor.write(&self.mode.structure))
    }

    /// The payload's front, as the codec has it.
    fn front(&self, frame: &Frame, start: bool, end: bool) -> Vec<u8> {
        let key = frame.keyframe && frame.spatial == 0 && start;
        let [high, low] = (self.picture | 0x8000).to_be_bytes();
        match self.told {
            Told::Descriptor(AV1) => vec![if key { 0x18 } else { 0x10 }],
            Told::Descriptor(H264) => vec![if key { 0x65 } else { 0x41 }],
            Told::Descriptor(VP9) | Told::Vp9 => self.vp9(frame, start, end),
            Told::Descriptor(_) | Told::Vp8 => {
                let first = if start { 0x90 } else { 0x80 };
                // A frame that builds on the lowest layer only.
                let sync = frame.references.iter().all(|number| {
                    self.frames.get(*number as usize).is_none_or(|frame| frame.temporal == 0)
                });
                let layers = frame.temporal << 6 | u8::from(sync && frame.temporal > 0) << 5;
                vec![first, 0xe0, high, low, self.tl0, layers, u8::from(!key)]
            }
        }
    }

    fn vp9(&self, frame: &Frame, start: bool, end: bool) -> Vec<u8> {
        let key = frame.keyframe;
        let structure = key && start && frame.spatial == 0;
        let inter = u8::from(frame.spatial > 0 && frame.references.contains(&(frame.number - 1)));
        let first = 0xa0
            | u8::from(!key) << 6
            | u8::from(start) << 3
            | u8::from(end) << 2
            | u8::from(structure) << 1
            | u8::from(!self.mode.is_referred_to(frame));
        let [high, low] = (self.picture | 0x8000).to_be_bytes();
        // Every frame builds on lower temporal layers only: all may be switched at.
        let layers = frame.temporal << 5 | 0x10 | frame.spatial << 1 | inter;
        let mut bytes = vec![first, high, low, layers, self.tl0];
        if structure {
            bytes.push((self.mode.spatial - 1) << 5);
        }
        bytes
    }
}
