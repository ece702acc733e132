//! What the publisher sends: video in frames of several packets, and audio.

use relay_wire::control::{
    Choice, Codec, CodecSpec, Extensions, Kind, ParticipantId, SsrcSpec, SubscriptionId,
    SubscriptionSpec, TrackId, TrackSpec, TransportId,
};
use relay_wire::rtp::{AudioLevel, Fixed, Writer};

/// Packets of a video frame.
const FRAME: u32 = 8;
/// Bytes of a video packet's payload and of an audio packet's, so that the datagrams are about 1200
/// and 172 bytes long.
const PAYLOADS: [usize; 2] = [1160, 130];
const EXTENSIONS: Extensions = Extensions {
    mid: Some(1),
    rid: None,
    repaired_rid: None,
    abs_send_time: Some(2),
    transport_cc: Some(3),
    audio_level: Some(4),
    video_orientation: None,
    playout_delay: None,
    dependency_descriptor: None,
};

/// One of the publisher's two tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// VP8, a keyframe at first.
    Video,
    /// Opus, with a level of 30 dB below the loudest.
    Audio,
}

/// A packet before protection.
pub struct Plain {
    /// Its RTP header with extensions.
    pub header: Vec<u8>,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Media {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Video, Self::Audio];

    /// Bytes of each packet's payload.
    pub fn payload_len(self) -> usize {
        PAYLOADS[self as usize]
    }

    /// Packets from number `first` on, frame by frame.
    pub fn packets(self, first: u32, count: u32) -> Vec<Plain> {
        (first..first + count).map(|number| self.packet(number)).collect()
    }

    pub(super) fn track(self, publisher: u64) -> TrackSpec {
        TrackSpec {
            track: self.id(),
            participant: ParticipantId(publisher),
            transport: TransportId(publisher),
            kind: self.kind(),
            mid: self.mid().into(),
            codecs: self.codecs(),
            ssrcs: vec![SsrcSpec { ssrc: self.ssrc(), rtx: None }],
            rids: Vec::new(),
            extensions: EXTENSIONS,
            muted: false,
        }
    }

    pub(super) fn subscription(self, subscriber: u64) -> SubscriptionSpec {
        SubscriptionSpec {
            subscription: SubscriptionId(2 * subscriber + self as u64),
            track: self.id(),
            participant: ParticipantId(subscriber),
            transport: TransportId(subscriber),
            mid: self.mid().into(),
            ssrc: 5_000 + self as u32,
            rtx_ssrc: (self == Self::Video).then_some(6_000),
            codecs: self.codecs(),
            extensions: EXTENSIONS,
            choice: Choice::High,
            fps_max: None,
        }
    }

    fn packet(self, number: u32) -> Plain {
        let (frame, place) = match self {
            Self::Video => (number / FRAME, number % FRAME),
            Self::Audio => (number, 0),
        };
        let fixed = Fixed {
            marker: self == Self::Video && place == FRAME - 1,
            payload_type: self.codecs()[0].payload_type,
            sequence: number as u16,
            timestamp: frame * if self == Self::Video { 3_000 } else { 960 },
            ssrc: self.ssrc(),
        };
        let mut header = [0; 64];
        let mut writer = Writer::begin(&mut header, &fixed);
        writer.mid(1, self.mid()).transport_cc(3, number as u16);
        if self == Self::Audio {
            writer.audio_level(4, AudioLevel { voice: true, level: 30 });
        }
        let len = writer.finish().expect("a header that fits");
        let mut payload = match self {
            // Start of partition 0, then picture id and TL0 index (RFC 7741, section 4.2).
            Self::Video if place == 0 => {
                let [high, low] = (frame as u16 | 0x8000).to_be_bytes();
                vec![0x90, 0xe0, high, low, frame as u8, 0x20, u8::from(frame != 0) | 0x10]
            }
            Self::Video => {
                let [high, low] = (frame as u16 | 0x8000).to_be_bytes();
                vec![0x80, 0xe0, high, low, frame as u8, 0x20]
            }
            Self::Audio => Vec::new(),
        };
        payload.resize(self.payload_len(), number as u8);

        Plain { header: header[..len].to_vec(), payload }
    }

    fn id(self) -> TrackId {
        TrackId(1 + self as u64)
    }

    fn ssrc(self) -> u32 {
        10 + self as u32
    }

    fn mid(self) -> &'static str {
        ["0", "1"][self as usize]
    }

    fn kind(self) -> Kind {
        [Kind::Video, Kind::Audio][self as usize]
    }

    fn codecs(self) -> Vec<CodecSpec> {
        let codec = match self {
            Self::Video => CodecSpec { codec: Codec::Vp8, payload_type: 96, rtx: Some(97) },
            Self::Audio => CodecSpec { codec: Codec::Opus, payload_type: 111, rtx: None },
        };

        vec![codec]
    }
}
