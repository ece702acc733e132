//! What a switchboard is told at its birth: limits, timeouts, what clients are to know.

use relay_wire::control::Codec;
use std::collections::BTreeMap;
use std::time::Duration;

/// SDKs refuse RPC below 1.8.0; above 1.13.6 they would send VP9 and AV1 simulcast in new ways.
const LIVEKIT_VERSION: &str = "1.9.0";

/// VP8 first: clients that ask for a codec we lack fall back to the first one.
const CODECS: [Codec; 5] = [Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1, Codec::Opus];

/// Terms on which rooms are run.
#[derive(Clone, Debug)]
pub struct Config {
    /// STUN and TURN servers named to clients, besides the relay's own.
    pub ice_servers: Vec<IceServer>,
    /// Region told to clients; empty when there is none.
    pub region: String,
    /// This node's name, told to clients.
    pub node: String,
    /// LiveKit version told to clients, by which their SDKs decide what to ask for.
    pub version: String,
    /// Codecs that may be published.
    pub codecs: Vec<Codec>,
    /// API secrets by key name: they sign fresh tokens.
    pub keys: BTreeMap<String, String>,
    /// Whether a back end wants to hear of events.
    pub webhooks: bool,
    /// Whether every room is recorded, from the first participant on.
    pub record_rooms: bool,
    /// Bounds.
    pub limits: Limits,
    /// Times.
    pub timeouts: Timeouts,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            region: String::new(),
            node: String::new(),
            version: LIVEKIT_VERSION.into(),
            codecs: CODECS.to_vec(),
            keys: BTreeMap::new(),
            webhooks: false,
            record_rooms: false,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
        }
    }
}

/// A STUN or TURN server for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceServer {
    /// URLs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// TURN user name; empty for STUN.
    pub username: String,
    /// TURN password; empty for STUN.
    pub credential: String,
}

/// Bounds of everything that a client can make grow.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rooms.
    pub rooms: usize,
    /// Participants in one room, hidden ones included.
    pub room_participants: usize,
    /// Tracks of one participant, pending ones included.
    pub participant_tracks: usize,
    /// Tracks of one participant that were added but not yet offered.
    pub pending_tracks: usize,
    /// m-lines of one subscriber.
    pub subscriber_sections: usize,
    /// WHIP and WHEP sessions.
    pub sessions: usize,
    /// Bytes of one signalling message.
    pub message_bytes: usize,
    /// Messages of one connection in a second, sustained.
    pub messages_a_second: u32,
    /// Messages of one connection at once.
    pub message_burst: u32,
    /// Malformed messages after which a connection is closed.
    pub malformed_messages: u32,
    /// Bytes of identities, names and room names.
    pub name_bytes: usize,
    /// Bytes of metadata, and of all attributes together.
    pub metadata_bytes: usize,
    /// Questions to the relay that wait for their answer.
    pub relay_questions: usize,
    /// Bytes of one data message, announced in session descriptions.
    pub data_message_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rooms: 10_000,
            room_participants: 1_000,
            participant_tracks: 32,
            pending_tracks: 16,
            subscriber_sections: 256,
            sessions: 10_000,
            message_bytes: 512 * 1024,
            messages_a_second: 50,
            message_burst: 500,
            malformed_messages: 10,
            name_bytes: 256,
            metadata_bytes: 64 * 1024,
            relay_questions: 100_000,
            data_message_bytes: 65_535,
        }
    }
}

/// Times after which something ends or is sent.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// What clients are told to ping at.
    pub ping_interval: Duration,
    /// What clients are told to wait for a pong.
    pub ping_timeout: Duration,
    /// Silence after which a connection is taken for lost.
    pub silence: Duration,
    /// How long a participant whose media stood is kept without a connection.
    pub resume: Duration,
    /// How long a participant whose media never stood is kept without a connection.
    pub resume_unconnected: Duration,
    /// How long an offer of ours may stay unanswered.
    pub answer: Duration,
    /// How long the media of a WHIP or WHEP session may take to stand.
    pub connect: Duration,
    /// How often connection quality is told.
    pub quality: Duration,
    /// How long TURN credentials are good: a client refreshes its allocations by them until it
    /// joins or resumes again.
    pub turn_credential: Duration,
    /// How long a room is kept to which nobody has come yet.
    pub empty: Duration,
    /// How long a room is kept that everybody has left.
    pub departure: Duration,
    /// How long a fresh token is good for, at least.
    pub token: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(5),
            ping_timeout: Duration::from_secs(15),
            silence: Duration::from_secs(30),
            resume: Duration::from_secs(30),
            resume_unconnected: Duration::from_secs(15),
            answer: Duration::from_secs(15),
            connect: Duration::from_secs(30),
            quality: Duration::from_secs(5),
            turn_credential: Duration::from_secs(12 * 3_600),
            empty: Duration::from_secs(300),
            departure: Duration::from_secs(20),
            token: Duration::from_secs(600),
        }
    }
}
