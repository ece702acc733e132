//! What has happened so far, as plain numbers for `/metrics`.

/// A bound that was hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `Limits::rooms`.
    Rooms,
    /// `Limits::room_participants`.
    RoomParticipants,
    /// `Limits::participant_tracks`.
    ParticipantTracks,
    /// `Limits::pending_tracks`.
    PendingTracks,
    /// `Limits::subscriber_sections`.
    SubscriberSections,
    /// `Limits::message_bytes`.
    MessageBytes,
    /// `Limits::messages_a_second`.
    MessageRate,
    /// `Limits::malformed_messages`.
    MalformedMessages,
    /// `Limits::name_bytes`.
    NameBytes,
    /// `Limits::metadata_bytes`.
    MetadataBytes,
    /// `Limits::relay_questions`.
    RelayQuestions,
    /// `Limits::sessions`.
    Sessions,
    /// `PATCH`es of one session in a second.
    SessionRate,
}

impl Limit {
    /// Every limit, in the order of `Counters::limits_hit`.
    pub const ALL: [Self; 13] = [
        Self::Rooms,
        Self::RoomParticipants,
        Self::ParticipantTracks,
        Self::PendingTracks,
        Self::SubscriberSections,
        Self::MessageBytes,
        Self::MessageRate,
        Self::MalformedMessages,
        Self::NameBytes,
        Self::MetadataBytes,
        Self::RelayQuestions,
        Self::Sessions,
        Self::SessionRate,
    ];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rooms => "rooms",
            Self::RoomParticipants => "room_participants",
            Self::ParticipantTracks => "participant_tracks",
            Self::PendingTracks => "pending_tracks",
            Self::SubscriberSections => "subscriber_sections",
            Self::MessageBytes => "message_bytes",
            Self::MessageRate => "message_rate",
            Self::MalformedMessages => "malformed_messages",
            Self::NameBytes => "name_bytes",
            Self::MetadataBytes => "metadata_bytes",
            Self::RelayQuestions => "relay_questions",
            Self::Sessions => "sessions",
            Self::SessionRate => "session_rate",
        }
    }
}

/// Why a participant left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// The client said so.
    Client,
    /// The same identity joined again.
    DuplicateIdentity,
    /// This server stops.
    ServerShutdown,
    /// Its connection was lost and did not come back in time.
    ConnectionTimeout,
    /// Its media connection failed or never came up.
    MediaFailure,
    /// It did not answer an offer in time.
    NegotiationTimeout,
    /// The relay started afresh, or lost its transport.
    RelayReset,
    /// The relay had no room for it.
    RelayFull,
    /// It sent too many malformed messages.
    Malformed,
    /// An administrator removed it.
    Removed,
    /// An administrator ended the room.
    RoomDeleted,
    /// The room was over: only those were left for whom none is kept.
    RoomClosed,
}

impl LeaveReason {
    /// Every reason, in the order of `Counters::leaves`.
    pub const ALL: [Self; 12] = [
        Self::Client,
        Self::DuplicateIdentity,
        Self::ServerShutdown,
        Self::ConnectionTimeout,
        Self::MediaFailure,
        Self::NegotiationTimeout,
        Self::RelayReset,
        Self::RelayFull,
        Self::Malformed,
        Self::Removed,
        Self::RoomDeleted,
        Self::RoomClosed,
    ];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::DuplicateIdentity => "duplicate_identity",
            Self::ServerShutdown => "server_shutdown",
            Self::ConnectionTimeout => "connection_timeout",
            Self::MediaFailure => "media_failure",
            Self::NegotiationTimeout => "negotiation_timeout",
            Self::RelayReset => "relay_reset",
            Self::RelayFull => "relay_full",
            Self::Malformed => "malformed",
            Self::Removed => "removed",
            Self::RoomDeleted => "room_deleted",
            Self::RoomClosed => "room_closed",
        }
    }
}

/// Times from the upgrade to media, as a cumulative histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JoinTimes {
    /// Joins that took at most the bound of the same index in `BOUNDS_MS`.
    pub buckets: [u64; 8],
    /// Joins that came to media.
    pub count: u64,
    /// Their times together, milliseconds.
    pub sum_ms: u64,
}

impl JoinTimes {
    /// Upper bounds of the buckets, milliseconds.
    pub const BOUNDS_MS: [u64; 8] = [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

    pub(crate) fn record(&mut self, ms: u64) {
        self.count += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
        for (bucket, bound) in self.buckets.iter_mut().zip(Self::BOUNDS_MS) {
            *bucket += u64::from(ms <= bound);
        }
    }
}

/// Gauges (the first eight) and counters of a switchboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Rooms now.
    pub rooms: u64,
    /// Participants now.
    pub participants: u64,
    /// Signalling connections now.
    pub connections: u64,
    /// Tracks now, pending ones included.
    pub tracks: u64,
    /// Subscriptions now, as clients have answered them.
    pub subscriptions: u64,
    /// Requests to the relay that wait for their answer now.
    pub requests_pending: u64,
    /// WHIP publishers now.
    pub publishers: u64,
    /// WHEP players now.
    pub players: u64,
    /// Participants that joined.
    pub joins: u64,
    /// Participants that came back on a new connection.
    pub resumes: u64,
    /// Resumes of participants that are not known.
    pub resumes_refused: u64,
    /// Participants that left, by `LeaveReason`.
    pub leaves: [u64; LeaveReason::ALL.len()],
    /// Limits hit, by `Limit`.
    pub limits_hit: [u64; Limit::ALL.len()],
    /// Messages from clients.
    pub messages_in: u64,
    /// Messages to clients.
    pub messages_out: u64,
    /// Messages or session descriptions that could not be read.
    pub malformed: u64,
    /// Requests that the token does not permit.
    pub denied: u64,
    /// Requests that the relay refused.
    pub refused: u64,
    /// Times from the upgrade to media.
    pub join_times: JoinTimes,
}

impl Counters {
    /// Limits hit with their labels.
    pub fn limits_hit(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Limit::ALL.iter().zip(self.limits_hit).map(|(limit, hits)| (limit.label(), hits))
    }

    /// Participants that left with the labels of the reasons.
    pub fn leaves(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        LeaveReason::ALL.iter().zip(self.leaves).map(|(reason, left)| (reason.label(), left))
    }

    pub(crate) fn hit(&mut self, limit: Limit) {
        self.limits_hit[limit as usize] += 1;
    }

    pub(crate) fn left(&mut self, reason: LeaveReason) {
        self.leaves[reason as usize] += 1;
    }
}
