//! What a media log holds.

use super::body;
use crate::bytes::Sink;
use crate::control::{Codec, ParticipantId, TrackId};

/// Bytes of a packet's payload that are kept; longer ones are no media.
pub const PAYLOAD_MAX: usize = 2048;
/// Bytes of a fact.
pub const FACT_MAX: usize = 32 << 10;
/// Speakers of one record.
pub const SPEAKERS_MAX: usize = 16;

/// One entry of a media log. `at_us`: microseconds since the log's start.
#[derive(Clone, Debug, PartialEq)]
pub enum Record<'a> {
    /// The log's first record.
    Start(Start),
    /// A media packet.
    Packet(Packet<'a>),
    /// How a track's clock and its sender's wall clock relate.
    Report(Report),
    /// Something that only signalling knows: JSON, opaque to the relay.
    Fact(Fact<'a>),
    /// Who speaks from now on.
    Speakers(Speakers),
    /// A track was muted or unmuted.
    Mute(Mute),
    /// What could not be written, since the disk was too slow.
    Lost(Lost),
    /// The log's last record: it is whole.
    End(End),
}

/// When the log starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The wall clock at `at_us` 0: microseconds since the Unix epoch.
    pub unix_us: u64,
}

/// A media packet in plain, taken apart; repairs are unwrapped, duplicates left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// When it arrived.
    pub at_us: u64,
    /// Of which track.
    pub track: TrackId,
    /// Layer of simulcast that it is of, low to high: the highest one that is there.
    pub layer: u8,
    /// In which codec.
    pub codec: Codec,
    /// Extended sequence number (RFC 3550, appendix A.1) of the track's one stream, which goes on
    /// over changes of layers.
    pub sequence: u64,
    /// RTP timestamp of the same stream.
    pub timestamp: u32,
    /// The marker bit: the last packet of a picture.
    pub marker: bool,
    /// It came as a retransmission.
    pub repair: bool,
    /// -dBov, 0..=127 (RFC 6464).
    pub audio_level: Option<u8>,
    /// Coordination of video orientation (3GPP TS 26.114), if it was told.
    pub orientation: Option<u8>,
    /// The RTP payload, without padding.
    pub payload: &'a [u8],
}

/// A sender report's clocks (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// When it arrived.
    pub at_us: u64,
    /// Of which track.
    pub track: TrackId,
    /// Of which layer.
    pub layer: u8,
    /// NTP timestamp, 32.32 bits.
    pub ntp: u64,
    /// The RTP timestamp of the same moment.
    pub timestamp: u32,
}

/// JSON of signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact<'a> {
    /// When it was told.
    pub at_us: u64,
    /// At most `FACT_MAX` bytes.
    pub json: &'a [u8],
}

/// Who speaks, loudest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speakers {
    /// Since when.
    pub at_us: u64,
    loudest: [ParticipantId; SPEAKERS_MAX],
    len: usize,
}

impl Speakers {
    /// The loudest `SPEAKERS_MAX` of those who speak.
    pub fn new(at_us: u64, loudest_first: impl IntoIterator<Item = ParticipantId>) -> Self {
        let mut speakers = Self { at_us, loudest: [ParticipantId(0); SPEAKERS_MAX], len: 0 };
        for (place, speaker) in speakers.loudest.iter_mut().zip(loudest_first) {
            *place = speaker;
            speakers.len += 1;
        }

        speakers
    }

    /// Loudest first.
    pub fn loudest_first(&self) -> &[ParticipantId] {
        &self.loudest[..self.len]
    }
}

/// Whether a track is muted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mute {
    /// Since when.
    pub at_us: u64,
    /// The track.
    pub track: TrackId,
    /// Whether it is muted from now on.
    pub muted: bool,
}

/// Records that are missing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// When writing went on.
    pub at_us: u64,
    /// When the first of them was due.
    pub since_us: u64,
    /// How many.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// When the log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When nobody recorded any more.
    pub at_us: u64,
}

impl<'a> Record<'a> {
    /// Reads a record's body; what stands behind its fields is of a later version, and skipped.
    pub fn parse(kind: u8, body: &'a [u8]) -> Option<Self> {
        body::parse(kind, body)
    }

    /// Its number in the log.
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Start(_) => body::START,
            Self::Packet(_) => body::PACKET,
            Self::Report(_) => body::REPORT,
            Self::Fact(_) => body::FACT,
            Self::Speakers(_) => body::SPEAKERS,
            Self::Mute(_) => body::MUTE,
            Self::Lost(_) => body::LOST,
            Self::End(_) => body::END,
        }
    }

    /// Appends its body.
    pub(super) fn write(&self, sink: &mut Sink<'_>) {
        body::write(self, sink);
    }

    /// Microseconds since the log's start.
    pub fn at_us(&self) -> u64 {
        match self {
            Self::Start(_) => 0,
            Self::Packet(packet) => packet.at_us,
            Self::Report(report) => report.at_us,
            Self::Fact(fact) => fact.at_us,
            Self::Speakers(speakers) => speakers.at_us,
            Self::Mute(mute) => mute.at_us,
            Self::Lost(lost) => lost.at_us,
            Self::End(end) => end.at_us,
        }
    }
}
