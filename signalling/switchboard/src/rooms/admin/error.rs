//! Why a request of an administrator fails, as Twirp says it (Twirp wire protocol, v7).

use serde::Serialize;

/// Twirp's error codes that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// No such method, HTTP method or content type.
    BadRoute,
    /// The token is missing, wrong, or lacks a grant.
    Unauthenticated,
    /// The body cannot be read.
    Malformed,
    /// A field has a value that it cannot have.
    InvalidArgument,
    /// No such room, participant or track.
    NotFound,
    /// It is there already.
    AlreadyExists,
    /// The server does not do this.
    FailedPrecondition,
    /// A limit is reached.
    ResourceExhausted,
    /// The server is stopping.
    Unavailable,
}

impl ErrorCode {
    /// The HTTP status that goes with it.
    pub fn status(self) -> u16 {
        match self {
            Self::BadRoute | Self::NotFound => 404,
            Self::Unauthenticated => 401,
            Self::Malformed | Self::InvalidArgument => 400,
            Self::AlreadyExists => 409,
            Self::FailedPrecondition => 412,
            Self::ResourceExhausted => 429,
            Self::Unavailable => 503,
        }
    }
}

/// A request of an administrator that fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{msg}")]
pub struct AdminError {
    /// What kind of failure it is.
    pub code: ErrorCode,
    /// What is wrong, for people.
    pub msg: String,
}

impl AdminError {
    /// An error with this code and text.
    pub fn new(code: ErrorCode, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into() }
    }

    /// The body of the HTTP response: JSON, whatever the request was.
    pub fn body(&self) -> Vec<u8> {
        // Two strings always have a JSON form.
        serde_json::to_vec(self).expect("an error is JSON")
    }

    pub(super) fn no_room() -> Self {
        Self::new(ErrorCode::NotFound, "requested room does not exist")
    }

    pub(super) fn no_participant() -> Self {
        Self::new(ErrorCode::NotFound, "participant does not exist")
    }

    pub(super) fn no_track() -> Self {
        Self::new(ErrorCode::NotFound, "track is not found")
    }

    pub(super) fn invalid(msg: &str) -> Self {
        Self::new(ErrorCode::InvalidArgument, msg)
    }
}
