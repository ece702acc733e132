//! Frames out of packets: whole ones only, each with what it builds on.

pub(crate) mod av1;
pub(crate) mod h264;
pub(crate) mod vp8;
pub(crate) mod vp9;

use crate::order::Packet;
use relay_wire::control::Codec;

/// Bytes of the longest frame.
const FRAME_MAX: usize = 8 << 20;

/// A picture, or a packet of sound, as a decoder takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When it is due: microseconds since the log's start.
    pub time_us: u64,
    /// In which codec.
    pub codec: Codec,
    /// Whether a decoder may start here.
    pub keyframe: bool,
    /// Width and height of the coded picture, where a keyframe tells it.
    pub size: Option<(u16, u16)>,
    /// Coordination of video orientation, if it was told.
    pub orientation: Option<u8>,
    /// VP8, VP9: the frame; H.264: Annex B; AV1: the temporal unit, no delimiter; Opus: the packet.
    pub data: Vec<u8>,
}

/// A picture's data and what it tells of itself.
struct Picture {
    keyframe: bool,
    size: Option<(u16, u16)>,
    data: Vec<u8>,
}

/// Assembles the frames of a track from its packets in order. After a loss frames are left out up
/// to the next keyframe: what they build on is not there.
#[derive(Debug, Default)]
pub struct Assembler {
    /// Packets of the frame that is being assembled, without a gap.
    packets: Vec<Packet>,
    bytes: usize,
    /// The sequence number after the last packet.
    next: Option<u64>,
    /// The last packet was the last of a frame.
    ended: bool,
    /// The codec of what a decoder has everything of.
    unbroken: Option<Codec>,
    /// Frames that were left out.
    pub left_out: u64,
}

impl Assembler {
    /// Takes the next packet in order; returns the frame that it completes.
    pub fn push(&mut self, packet: Packet) -> Option<Frame> {
        if packet.payload.is_empty() {
            // Padding that probes the bandwidth: it has a number, and nothing else.
            self.next = self.next.filter(|next| *next == packet.sequence).map(|next| next + 1);
            return None;
        }
        if packet.codec == Codec::Opus {
            return Some(sound(packet));
        }
        let follows = self.next == Some(packet.sequence);
        self.next = Some(packet.sequence.saturating_add(1));
        let begins = self.packets.first().is_none_or(|first| !belongs(first, &packet));
        if !follows || begins {
            self.break_off();
            let starts = self.ended && follows || starts(&packet);
            if !starts {
                self.unbroken = None;
                self.ended = packet.marker;
                return None;
            }
            self.unbroken = self.unbroken.filter(|codec| follows && *codec == packet.codec);
        }
        self.ended = packet.marker;
        self.bytes += packet.payload.len();
        if self.bytes > FRAME_MAX {
            self.break_off();
            return None;
        }
        self.packets.push(packet);

        if self.ended { self.complete() } else { None }
    }

    /// Leaves out what has begun and has not ended.
    fn break_off(&mut self) {
        if !self.packets.is_empty() {
            self.left_out += 1;
            self.unbroken = None;
        }
        self.packets.clear();
        self.bytes = 0;
    }

    fn complete(&mut self) -> Option<Frame> {
        let packets = std::mem::take(&mut self.packets);
        self.bytes = 0;
        let first = packets.first()?;
        let (codec, time_us) = (first.codec, first.time_us);
        let orientation = packets.iter().find_map(|packet| packet.orientation);
        let payloads = packets.iter().map(|packet| packet.payload.as_slice());
        let picture = match codec {
            Codec::Vp8 => vp8::picture(payloads),
            Codec::Vp9 => vp9::picture(payloads),
            Codec::H264 => h264::picture(payloads),
            Codec::Av1 => av1::picture(payloads),
            Codec::Opus => None,
        };
        let picture = picture.filter(|picture| picture.keyframe || self.unbroken == Some(codec));
        let Some(Picture { keyframe, size, data }) = picture else {
            self.left_out += 1;
            self.unbroken = None;
            return None;
        };
        self.unbroken = Some(codec);

        Some(Frame { time_us, codec, keyframe, size, orientation, data })
    }
}

/// Whether two packets are of one picture.
fn belongs(first: &Packet, packet: &Packet) -> bool {
    first.timestamp == packet.timestamp && first.codec == packet.codec
}

/// Whether a picture's first packet shows that it is the first.
fn starts(packet: &Packet) -> bool {
    let payload = &packet.payload;
    match packet.codec {
        Codec::Opus => true,
        Codec::Vp8 => relay_wire::vp8::Descriptor::parse(payload)
            .is_some_and(|descriptor| descriptor.is_frame_start()),
        Codec::Vp9 => relay_wire::vp9::Descriptor::parse(payload).is_some_and(|descriptor| {
            descriptor.start && descriptor.layers.is_none_or(|layers| layers.spatial == 0)
        }),
        Codec::H264 => relay_wire::h264::is_keyframe(payload),
        Codec::Av1 => relay_wire::av1::is_keyframe(payload),
    }
}

fn sound(packet: Packet) -> Frame {
    Frame {
        time_us: packet.time_us,
        codec: packet.codec,
        keyframe: true,
        size: None,
        orientation: None,
        data: packet.payload,
    }
}
