//! Messages between signalling and the relay: numbered requests, answers, events.
//!
//! Signalling chooses every id, and each is unique for the life of its process. One room lives on
//! one shard, so every request names its room.

mod recording;

pub use recording::{LOG_NAME_MAX, RecordingNews, RecordingSpec};

use crate::medialog::LogId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub u64);
    )*};
}

ids! {
    /// A room: participants who can see and hear one another.
    RoomId
    /// One person's (or program's) presence in a room.
    ParticipantId
    /// One peer connection: ICE, DTLS, SRTP and perhaps SCTP with one remote side.
    TransportId
    /// One published source of audio or video, all its layers included.
    TrackId
    /// One track on its way to one participant.
    SubscriptionId
}

/// Version of these messages; both sides of a control socket must speak the same.
pub const VERSION: u16 = 5;

/// What each side of a control socket sends first. Every version's is this one number, so that
/// each side can read what the other speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The sender's `VERSION`.
    pub version: u16,
}

/// Who connects to the relay's control socket; the client's second frame, after its `Hello`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Sends `Request`s and gets `Message`s; there is one at a time.
    Signalling,
    /// Sends `operator::Request`s and gets an answer to each; disturbs nobody.
    Operator,
}

/// A command, its number (echoed in the answer) and the room it is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Echoed in `Message::Answer`.
    pub id: u64,
    /// The room that the command is about; the relay creates it with its first participant.
    pub room: RoomId,
    /// What to do.
    pub command: Command,
}

/// What signalling asks of the relay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Adds a participant, or changes what is known of one. Answered by `Done`.
    Participant(ParticipantSpec),
    /// Removes a participant with all its transports, tracks and subscriptions.
    RemoveParticipant(ParticipantId),
    /// Opens a transport. Answered by `Opened`.
    Open {
        /// Whose transport it is.
        participant: ParticipantId,
        /// The new transport.
        transport: TransportId,
        /// Who opens the data channels on it.
        data: DataRole,
    },
    /// Tells a transport its remote side; sent again after an ICE restart of the remote side.
    Admit {
        /// The transport.
        transport: TransportId,
        /// The remote side's credentials.
        remote: Remote,
    },
    /// Gives a transport new local ICE credentials. Answered by `Opened`.
    RestartIce(TransportId),
    /// Closes a transport, with the tracks and subscriptions on it.
    Close(TransportId),
    /// Expects a track on a transport, or replaces what is known of it.
    Publish(TrackSpec),
    /// Ends a track and its subscriptions.
    Unpublish(TrackId),
    /// The publisher muted or unmuted: a muted track is not forwarded, nor asked for keyframes.
    Mute {
        /// The track.
        track: TrackId,
        /// Whether it is muted now.
        muted: bool,
    },
    /// Forwards a track to a participant, or replaces the terms on which it is forwarded.
    Subscribe(SubscriptionSpec),
    /// Chooses the layers of a subscription, or pauses it.
    Choose {
        /// The subscription.
        subscription: SubscriptionId,
        /// What to forward.
        choice: Choice,
        /// See `SubscriptionSpec`.
        fps_max: Option<u16>,
    },
    /// Ends a subscription.
    Unsubscribe(SubscriptionId),
    /// Sends a data message of the server's own.
    SendData {
        /// Ordered and complete, or as it comes.
        channel: Channel,
        /// Receivers; empty means everybody in the room.
        to: Vec<ParticipantId>,
        /// The message, sent as it is.
        payload: Vec<u8>,
    },
    /// Records the room from now on; refused as `Invalid` while it is recorded.
    Record(RecordingSpec),
    /// Ends the recording; `RecordingNews::Ended` follows when it is on the disk.
    StopRecording,
    /// Puts a fact into the recording that only signalling knows: JSON, at most
    /// `medialog::FACT_MAX` bytes.
    Note(Vec<u8>),
    /// Ends the room with everything in it.
    CloseRoom,
}

/// A participant, as far as the relay needs to know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParticipantSpec {
    /// The participant.
    pub participant: ParticipantId,
    /// What data messages name as their destination.
    pub identity: String,
    /// Encoded protobuf fields that are appended to each data message this participant sends: the
    /// last scalar wins, so a sender cannot pretend to be somebody else.
    pub stamp: Vec<u8>,
    /// Whether data messages of this participant are forwarded.
    pub can_publish_data: bool,
    /// Whether data messages of others reach this participant.
    pub can_subscribe: bool,
}

/// Who opens the data channels on a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataRole {
    /// The client opens them, and we only listen (a publisher transport).
    Accept,
    /// We open `_reliable` and `_lossy`; what others send arrives there (a subscriber transport).
    Open,
}

/// A data channel's delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Channel {
    /// Ordered and complete: label `_reliable`.
    Reliable,
    /// Unordered, never sent again: label `_lossy`.
    Lossy,
}

/// The remote side of a transport, as its session description told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// ICE user name fragment (RFC 8839, section 5.4).
    pub ufrag: String,
    /// ICE password.
    pub pwd: String,
    /// Hash of the certificate that its DTLS handshake must present (RFC 8122).
    pub fingerprint: Fingerprint,
}

/// A certificate's hash (RFC 8122, section 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The hash function.
    pub hash: Hash,
    /// The digest: 32, 48 or 64 bytes.
    pub digest: Vec<u8>,
}

/// Hash functions accepted in fingerprints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hash {
    /// `sha-256`.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
}

/// Codecs that are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// RFC 7741.
    Vp8,
    /// RFC 6184, packetization-mode 1.
    H264,
    /// RFC 9628, profile 0.
    Vp9,
    /// AOMedia's RTP payload format for AV1, profile 0.
    Av1,
}

impl Codec {
    /// All of them, in their numeric order.
    pub const ALL: [Self; 5] = [Self::Opus, Self::Vp8, Self::H264, Self::Vp9, Self::Av1];
}

/// A codec with its payload types on one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecSpec {
    /// The codec.
    pub codec: Codec,
    /// RTP payload type, 0..=127.
    pub payload_type: u8,
    /// Payload type of its retransmissions (RFC 4588), if negotiated.
    pub rtx: Option<u8>,
}

/// Header extension ids on one transport, 1..=14 (RFC 8285, one-byte form); `None`: not negotiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extensions {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`.
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id`.
    pub rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id`.
    pub repaired_rid: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`.
    pub abs_send_time: Option<u8>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`.
    pub transport_cc: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464).
    pub audio_level: Option<u8>,
    /// `urn:3gpp:video-orientation`.
    pub video_orientation: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/playout-delay`.
    pub playout_delay: Option<u8>,
    /// AOMedia's `dependency-descriptor-rtp-header-extension`: the layers within one stream.
    pub dependency_descriptor: Option<u8>,
}

/// A track as its publisher sends it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrackSpec {
    /// The track.
    pub track: TrackId,
    /// Who publishes it.
    pub participant: ParticipantId,
    /// On which transport.
    pub transport: TransportId,
    /// Audio or video.
    pub kind: Kind,
    /// The m-line it comes on, at most 16 bytes.
    pub mid: String,
    /// Codecs that may come, in the order of the answer.
    pub codecs: Vec<CodecSpec>,
    /// SSRCs that the session description announced; others are learnt by mid and rid.
    pub ssrcs: Vec<SsrcSpec>,
    /// Layers of simulcast, low to high; empty without simulcast.
    pub rids: Vec<String>,
    /// Extension ids of the publisher's transport.
    pub extensions: Extensions,
    /// Whether it starts muted.
    pub muted: bool,
}

/// An announced SSRC and the one of its retransmissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SsrcSpec {
    /// The media's SSRC.
    pub ssrc: u32,
    /// The retransmissions' SSRC (`a=ssrc-group:FID`).
    pub rtx: Option<u32>,
}

/// A track as one subscriber receives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubscriptionSpec {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// What is forwarded.
    pub track: TrackId,
    /// To whom.
    pub participant: ParticipantId,
    /// On which transport.
    pub transport: TransportId,
    /// The m-line it goes out on, at most 16 bytes.
    pub mid: String,
    /// SSRC of the media as sent to this subscriber.
    pub ssrc: u32,
    /// SSRC of retransmissions, when RTX was negotiated.
    pub rtx_ssrc: Option<u32>,
    /// The subscriber's payload types.
    pub codecs: Vec<CodecSpec>,
    /// Extension ids of the subscriber's transport.
    pub extensions: Extensions,
    /// What to forward at first.
    pub choice: Choice,
    /// Temporal layers are left out where more frames than these come in a second.
    pub fps_max: Option<u16>,
}

/// Which layer a subscriber wants: of simulcast, or a spatial layer where one stream has them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Choice {
    /// Nothing for now.
    Paused,
    /// The lowest layer.
    Low,
    /// The middle layer, or the highest below it.
    Medium,
    /// The highest layer that is alive.
    High,
}

/// What the relay says: answers in the order of the requests of one room, events as they happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// The answer to the request of this number.
    Answer {
        /// The request's number.
        id: u64,
        /// What came of it.
        answer: Answer,
    },
    /// Something happened.
    Event(Event),
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// Done; nothing to tell.
    Done,
    /// A transport's local side.
    Opened(Opened),
    /// Not done.
    Refused(Refusal),
}

/// The local side of a transport, for the session description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The shard that owns it.
    pub shard: u16,
    /// Local ICE user name fragment; it carries the shard's number.
    pub ufrag: String,
    /// Local ICE password.
    pub pwd: String,
    /// Hash of our certificate.
    pub fingerprint: Fingerprint,
    /// UDP addresses at which it is reached, best first.
    pub candidates: Vec<SocketAddr>,
    /// TCP addresses at which it is reached, best first (passive, RFC 6544).
    pub candidates_tcp: Vec<SocketAddr>,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// The room, participant, transport, track or subscription is not there (any more).
    Unknown,
    /// A limit of the relay is reached.
    Full,
    /// The request contradicts what stands: a bad id, mid, payload type or extension.
    Invalid,
}

/// What happened on the relay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// ICE and DTLS are up.
    Connected(TransportId),
    /// A transport ended by itself; it is already gone.
    Closed(TransportId, CloseReason),
    /// A track's first packet arrived, in this codec.
    Started(TrackId, Codec),
    /// Who speaks now, loudest first; latest wins.
    Speakers(RoomId, Vec<Speaker>),
    /// How well a transport does, each few seconds; latest wins.
    Quality(TransportId, Quality),
    /// How a room's recording fares.
    Recording(RoomId, LogId, RecordingNews),
    /// The relay has nothing (more) of these transports: its process or shard started afresh.
    Reset,
    /// The TURN service that clients may be sent to; latest wins.
    Turn(TurnService),
}

/// A TURN service, and the secret by which signalling makes credentials for it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnService {
    /// Its URLs (RFC 7065), best first; empty when there is no TURN.
    pub urls: Vec<String>,
    /// The newest of its secrets: credentials are made as draft-uberti-behave-turn-rest-00 says.
    pub secret: String,
}

impl fmt::Debug for TurnService {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnService").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// Why a transport ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CloseReason {
    /// It never connected in time.
    ConnectTimeout,
    /// The remote side stopped checking (RFC 7675).
    ConsentLost,
    /// The DTLS handshake failed, or showed another certificate than announced.
    Dtls,
    /// The remote side said good-bye.
    PeerClosed,
    /// It did not take the data messages sent to it.
    DataOverflow,
}

/// A participant who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speaker {
    /// Who.
    pub participant: ParticipantId,
    /// How loud, 0.0..=1.0.
    pub level: f32,
}

/// Measured quality of a transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Fraction of packets lost in the last interval, both directions together, 0.0..=1.0.
    pub loss: f32,
    /// Round trip in milliseconds; 0 when unknown.
    pub rtt_ms: u32,
}
