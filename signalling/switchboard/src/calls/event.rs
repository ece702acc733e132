//! What clients are told on `/calls`.

use super::frame::Signal;
use crate::rooms::IceServer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Somebody, as others see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Who, within the tenant.
    pub identity: String,
    /// The name, for people.
    pub name: String,
}

/// How a call, or somebody's part in it, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The called person did not want it.
    Declined,
    /// The called person's devices are busy.
    Busy,
    /// Nobody answered.
    Timeout,
    /// The caller gave up.
    Cancelled,
    /// Somebody left.
    Hangup,
    /// The called person went away while it rang.
    Unavailable,
    /// Another device of the person took it.
    AnsweredElsewhere,
    /// Both called each other, and the other call goes on.
    Merged,
    /// The device, or the node that held the call, was lost.
    Lost,
    /// No way was found for media.
    Failed,
}

impl Reason {
    /// Its word, as in frames.
    pub fn word(self) -> &'static str {
        match self {
            Self::Declined => "declined",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Hangup => "hangup",
            Self::Unavailable => "unavailable",
            Self::AnsweredElsewhere => "answered_elsewhere",
            Self::Merged => "merged",
            Self::Lost => "lost",
            Self::Failed => "failed",
        }
    }
}

/// How somebody appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Connected, and in no call.
    Online,
    /// Connected, and in a call.
    Busy,
    /// Connected, and wants no calls.
    DoNotDisturb,
    /// Not connected, or not to be seen.
    Offline,
}

/// Somebody and how they appear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Who.
    pub identity: String,
    /// The name, for people; empty when offline.
    pub name: String,
    /// How.
    pub state: State,
}

/// What a person has set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Wants no calls now.
    pub do_not_disturb: bool,
    /// Who may neither call nor see the person.
    pub blocked: BTreeSet<String>,
}

/// Something a person is told, now or when next connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its id, `NO_...`.
    pub notice: String,
    /// `missed_call`.
    pub kind: String,
    /// Who caused it.
    pub from: Person,
    /// The call.
    pub call: String,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// From when it is worth nothing.
    pub expires_ms: u64,
}

/// A STUN or TURN server, as W3C's `RTCIceServer` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ice {
    /// URLs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// TURN user name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// TURN password.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub credential: String,
}

impl From<IceServer> for Ice {
    fn from(server: IceServer) -> Self {
        let IceServer { urls, username, credential } = server;
        Self { urls, username, credential }
    }
}

/// A way that media takes, or is to take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "via", rename_all = "snake_case")]
pub enum Way {
    /// Between the two, or over TURN.
    Direct {
        /// The other.
        peer: Person,
        /// Whether this device makes the offers.
        offerer: bool,
        /// For the peer connection.
        ice_servers: Vec<Ice>,
    },
    /// Through the SFU.
    Server {
        /// The room.
        room: String,
        /// Its WebSocket; empty: the server that serves `/calls`.
        url: String,
        /// A LiveKit token to join it.
        token: String,
    },
}

/// Where a route stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RouteState {
    /// It is to be tried.
    Proposed {
        /// Which way, with what that takes.
        #[serde(flatten)]
        way: Way,
        /// Why.
        reason: String,
    },
    /// All are there: the old one may end.
    Switched {
        /// Why.
        reason: String,
    },
    /// It does not come about: the old one stays.
    Failed {
        /// Why.
        reason: String,
    },
}

/// Something that a device is told of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CallEvent {
    /// Somebody calls.
    Incoming {
        /// The call.
        call: String,
        /// Who.
        from: Person,
        /// With video.
        video: bool,
        /// Who is in it, or rings.
        participants: Vec<Person>,
        /// When the ringing ends.
        expires_ms: u64,
    },
    /// It rings at somebody's.
    Ringing {
        /// The call.
        call: String,
        /// Whose.
        identity: String,
    },
    /// Somebody is in now.
    Accepted {
        /// The call.
        call: String,
        /// Who.
        identity: String,
        /// The name.
        name: String,
        /// On which device.
        device: String,
    },
    /// Somebody does not come into a call that goes on.
    Declined {
        /// The call.
        call: String,
        /// Who.
        identity: String,
        /// Why.
        reason: Reason,
    },
    /// Somebody has left a call that goes on.
    Left {
        /// The call.
        call: String,
        /// Who.
        identity: String,
        /// Why.
        reason: Reason,
    },
    /// The call is over for this device: nothing of it follows.
    Ended {
        /// The call.
        call: String,
        /// Why.
        reason: Reason,
        /// The call that goes on instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        into: Option<String>,
    },
    /// From the other's peer connection.
    P2p {
        /// The call.
        call: String,
        /// Of the route.
        epoch: u64,
        /// Whose.
        from: String,
        /// What.
        #[serde(flatten)]
        signal: Signal,
    },
    /// News of the way that media takes.
    Route {
        /// The call.
        call: String,
        /// Grows with each proposal.
        epoch: u64,
        /// What.
        #[serde(flatten)]
        state: RouteState,
    },
}

impl CallEvent {
    /// The call that it is about.
    pub fn call(&self) -> &str {
        match self {
            Self::Incoming { call, .. }
            | Self::Ringing { call, .. }
            | Self::Accepted { call, .. }
            | Self::Declined { call, .. }
            | Self::Left { call, .. }
            | Self::Ended { call, .. }
            | Self::P2p { call, .. }
            | Self::Route { call, .. } => call,
        }
    }
}

/// Every event there is; each gets its `seq` from the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Event {
    Call(CallEvent),
    Other(Other),
}

/// What is not about a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Other {
    Presence(Presence),
    Settings(Settings),
    Notice(Notice),
    NoticeGone { notice: String },
}

/// Why an asked thing is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The word for programs.
    pub code: Code,
    /// JSON pointer of the member that is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// For people.
    pub message: String,
    /// When to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Fault {
    pub(crate) fn new(code: Code, message: &str) -> Self {
        Self { code, field: None, message: message.to_owned(), retry_after_ms: None }
    }
}

/// Codes of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A member is missing or wrong.
    BadMessage,
    /// There is no such type.
    UnknownType,
    /// The call is not known here, or not the asker's.
    UnknownCall,
    /// Not now.
    WrongState,
    /// More than are taken.
    TooMany,
    /// Longer than is taken.
    TooLarge,
    /// An id was left out.
    OutOfOrder,
    /// The id was used, and its answer is not kept any more.
    Duplicate,
    /// The other cannot be called; why is not told.
    Unavailable,
    /// What this needs is away for the moment.
    Away,
    /// No more fit into the call.
    Full,
    /// The token does not permit it.
    NotPermitted,
}
