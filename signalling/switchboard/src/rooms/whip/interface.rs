//! What is asked over HTTP, and what is answered.

use crate::sdp::SdpError;
use crate::token::Claims;
use crate::{IceServer, JoinError, LeaveReason};
use relay_wire::control::Kind;

/// One HTTP request, numbered by the driver and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionRole {
    /// WHIP: its client publishes.
    Publish,
    /// WHEP: its client plays.
    Play,
}

/// An offer that shall become a session.
#[derive(Clone, Debug)]
pub struct SessionOffer {
    /// What for.
    pub role: SessionRole,
    /// The verified token; its room is where the session takes place.
    pub claims: Claims,
    /// Whose sound and pictures a player wants; `None`: the room's first.
    pub participant: Option<String>,
    /// The session description.
    pub sdp: String,
}

/// What names a session, and whoever may touch it.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// What the session is for, as the address says.
    pub role: SessionRole,
    /// The resource's id, as `SessionReply::Created` gave it.
    pub resource: String,
    /// The verified token; it must be of the session's identity and room.
    pub claims: Claims,
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum SessionRequest {
    /// `POST`: a new session.
    Offer(Box<SessionOffer>),
    /// `PATCH`: candidates, or an ICE restart (RFC 9725, section 4.3).
    Patch {
        /// Which session.
        session: Box<Credentials>,
        /// The header `If-Match`.
        if_match: Option<String>,
        /// The fragment of a session description (RFC 8840).
        fragment: String,
    },
    /// `DELETE`: the end of a session.
    Delete(Box<Credentials>),
}

/// What is answered; each request is answered once.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionReply {
    /// 201: the session is there.
    Created {
        /// The unguessable id of its resource.
        resource: String,
        /// The entity tag of its ICE generation, without quotes.
        etag: String,
        /// The answer.
        sdp: String,
        /// STUN and TURN servers for the client.
        ice_servers: Vec<IceServer>,
    },
    /// 204: candidates were taken.
    Trickled,
    /// 200: ICE begins anew.
    Restarted {
        /// The entity tag of the new ICE generation, without quotes.
        etag: String,
        /// Our credentials and candidates.
        fragment: String,
    },
    /// 200: the session has ended.
    Deleted,
    /// Not done.
    Refused(SessionError),
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The session description or fragment cannot be used.
    #[error("{0}")]
    Sdp(#[from] SdpError),
    /// Nothing that could be published or played.
    #[error("the offer has no m-line of audio or video: sendonly for WHIP, recvonly for WHEP")]
    NoMedia,
    /// More than one m-line of a kind.
    #[error("the offer has more than one m-line of a kind: one audio and one video at most")]
    Repeated,
    /// No codec that both know.
    #[error("none of the offer's {} codecs is spoken here", name(*.0))]
    Codecs(Kind),
    /// The token does not permit publishing.
    #[error("the token does not permit it (video.canPublish, video.canPublishSources)")]
    MayNotPublish,
    /// The token does not permit receiving.
    #[error("the token does not permit it (video.canSubscribe)")]
    MayNotSubscribe,
    /// Nobody may join now.
    #[error("{0}")]
    Join(#[from] JoinError),
    /// As many sessions as there may be.
    #[error("the server has reached its limit of sessions; try again later")]
    Full,
    /// No such session.
    #[error("there is no such session (any more)")]
    Unknown,
    /// The token is somebody else's.
    #[error("the token is not that of the session's identity and room")]
    NotYours,
    /// `If-Match` is missing.
    #[error("If-Match is required: the ETag to trickle, * to restart ICE (RFC 9725, section 4.3)")]
    NoPrecondition,
    /// `If-Match` names another ICE generation.
    #[error("If-Match does not name the session's ETag: ICE was restarted meanwhile")]
    Precondition,
    /// Another request on the session is under way.
    #[error("another request on this session is under way")]
    Busy,
    /// Requests come too fast.
    #[error("too many requests; try again in a moment")]
    TooFast,
    /// The session ended before it was answered.
    #[error("the session has ended: {}", .0.label())]
    Ended(LeaveReason),
}

impl SessionError {
    /// The HTTP status that says so.
    pub fn status(self) -> u16 {
        match self {
            Self::Sdp(SdpError::TooLarge) => 413,
            Self::Sdp(SdpError::Malformed | SdpError::Mid) => 400,
            Self::Sdp(SdpError::Transport | SdpError::Setup) | Self::NoMedia | Self::Repeated => {
                422
            }
            Self::Codecs(_) => 406,
            Self::MayNotPublish | Self::MayNotSubscribe | Self::NotYours => 403,
            // The token is sound: it is its grants that do not suffice.
            Self::Join(JoinError::NotPermitted) => 403,
            Self::Join(error) => error.status(),
            Self::Full => 503,
            Self::Unknown => 404,
            Self::NoPrecondition => 428,
            Self::Precondition => 412,
            Self::Busy | Self::Ended(LeaveReason::DuplicateIdentity) => 409,
            Self::TooFast => 429,
            Self::Ended(LeaveReason::ConnectionTimeout | LeaveReason::NegotiationTimeout) => 504,
            Self::Ended(_) => 503,
        }
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Audio => "audio",
        Kind::Video => "video",
    }
}
