//! What goes into an exchange and what comes out.

use super::envelope::{Envelope, News, Party, User};
use super::event::{Notice, Presence, Settings};
use crate::rooms::{ConnectionId, RoomEvent};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Terms on which calls are run.
#[derive(Clone, Debug)]
pub struct CallsConfig {
    /// This node's name; ids of its calls carry it.
    pub node: String,
    /// Where clients find the rooms of this node; empty: at the server that they are at.
    pub url: String,
    /// API secrets by key name: they verify tokens, and sign those for rooms.
    pub keys: BTreeMap<String, String>,
    /// Whether a back end wants to hear of calls.
    pub webhooks: bool,
    /// Bounds.
    pub limits: CallsLimits,
    /// Times.
    pub times: CallsTimes,
}

/// Bounds of everything that a client can make grow.
#[derive(Clone, Copy, Debug)]
pub struct CallsLimits {
    /// Bytes of one frame of a client.
    pub frame_bytes: usize,
    /// Frames of one connection in a second, sustained, and at once.
    pub frames: (u32, u32),
    /// Frames that cannot be read, after which a connection is closed.
    pub malformed_frames: u32,
    /// Answers that are kept to be repeated.
    pub answers: usize,
    /// Requests of one session that wait for their answer.
    pub waiting: usize,
    /// Events that a client has not acknowledged, and their bytes.
    pub events: usize,
    /// See `events`.
    pub events_bytes: usize,
    /// Sessions.
    pub sessions: usize,
    /// Sessions of one person on this node.
    pub user_sessions: usize,
    /// Calls on this node.
    pub calls: usize,
    /// Calls that one session rings in, or is in.
    pub session_calls: usize,
    /// People in one call.
    pub participants: usize,
    /// How many calls somebody may make at once; each is earned anew in `call_pause`.
    pub call_burst: u32,
}

impl Default for CallsLimits {
    fn default() -> Self {
        Self {
            frame_bytes: 64 << 10,
            frames: (30, 120),
            malformed_frames: 10,
            answers: 64,
            waiting: 32,
            events: 256,
            events_bytes: 256 << 10,
            sessions: 100_000,
            user_sessions: 32,
            calls: 50_000,
            session_calls: 16,
            participants: 8,
            call_burst: 10,
        }
    }
}

/// Times after which something ends or is tried.
#[derive(Clone, Copy, Debug)]
pub struct CallsTimes {
    /// For the first frame of a connection.
    pub hello: Duration,
    /// How long a session is kept without its connection.
    pub grace: Duration,
    /// How long it rings.
    pub ring: Duration,
    /// For an answer of the directory, or of another node.
    pub answer: Duration,
    /// In which somebody earns one more call.
    pub call_pause: Duration,
    /// For a direct route to carry media.
    pub direct: Duration,
    /// For a route through the server to carry media.
    pub server: Duration,
    /// How long two must be left before media goes directly again.
    pub calm: Duration,
    /// Pause after a direct route has failed.
    pub retry: Duration,
    /// How often devices say that they are in a call; three times as long is lost.
    pub still: Duration,
    /// How long changes of presence are gathered.
    pub gather: Duration,
    /// How long a notice is held.
    pub notice: Duration,
    /// How long TURN credentials are good.
    pub turn_credential: Duration,
    /// How long a token for a room is good.
    pub room_token: Duration,
}

impl Default for CallsTimes {
    fn default() -> Self {
        Self {
            hello: Duration::from_secs(10),
            grace: Duration::from_secs(30),
            ring: Duration::from_secs(30),
            answer: Duration::from_secs(5),
            call_pause: Duration::from_secs(2),
            direct: Duration::from_secs(30),
            server: Duration::from_secs(10),
            calm: Duration::from_secs(5),
            retry: Duration::from_secs(60),
            still: Duration::from_secs(30),
            gather: Duration::from_millis(100),
            notice: Duration::from_secs(7 * 24 * 3_600),
            turn_credential: Duration::from_secs(12 * 3_600),
            room_token: Duration::from_secs(6 * 3_600),
        }
    }
}

/// What is asked of the directory and of the operator; each is answered by its number.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// May one call another, and where is the other? The operator's hook is asked whatever the
    /// directory says: else the time of the answer would tell.
    Reach {
        /// Who calls.
        caller: User,
        /// Whom.
        callee: User,
        /// With video.
        video: bool,
    },
    /// How do these people of a tenant appear? `None`: those who are connected.
    Look {
        /// The tenant.
        tenant: String,
        /// Who.
        identities: Option<Vec<String>>,
    },
    /// What has somebody set, after this change?
    Settings {
        /// Who.
        user: User,
        /// What is to change.
        change: Change,
    },
    /// What has somebody set, and what is held for them?
    Welcome(User),
    /// Take a notice back.
    Seen(User, String),
}

/// A change of settings; what is empty stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Whether calls are wanted.
    pub do_not_disturb: Option<bool>,
    /// Identities to block.
    pub block: Vec<String>,
    /// Identities not to block any more.
    pub unblock: Vec<String>,
}

/// What the directory and the operator say.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// To `Reach`.
    Reach(Facts),
    /// To `Look`; `truncated`: there are more.
    Look {
        /// Who and how.
        seen: Vec<Seen>,
        /// Whether there are more.
        truncated: bool,
    },
    /// To `Settings`.
    Settings(Settings),
    /// To `Welcome`.
    Welcome(Settings, Vec<Notice>),
    /// To `Seen`.
    Seen,
    /// What was asked does not fit in.
    Full,
    /// Nobody answers.
    Away,
}

/// What is known of a call that somebody wants to make.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Where the called person is connected.
    pub places: Vec<Party>,
    /// What the called person has set.
    pub settings: Settings,
    /// What the operator says.
    pub verdict: Verdict,
}

/// What the operator's hook says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// There is no hook.
    #[default]
    None,
    /// The call may be.
    Allow,
    /// It may not.
    Deny,
    /// The hook did not answer, and calls may be then.
    SilentAllow,
    /// The hook did not answer, and calls may not be then.
    SilentDeny,
}

/// Somebody as the directory sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Who and how.
    pub presence: Presence,
    /// Who may not see that.
    pub blocked: BTreeSet<String>,
}

/// What the directory is to note, in order; none of it is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// A session is here, or has changed.
    Register {
        /// Which.
        party: Party,
        /// Whether it is in a call.
        busy: bool,
    },
    /// A session is no more.
    Remove(Party),
    /// A tenant has its first session here: its news are wanted.
    Follow(String),
    /// A tenant has none any more.
    Unfollow(String),
    /// News for the other nodes of the tenant.
    Publish(News),
    /// A notice is to be held.
    Hold(User, Notice),
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// All is said (1000).
    Normal,
    /// The client does not keep to the protocol, or does not keep up (1008).
    Policy,
    /// The server stops (1001).
    Away,
}

/// What a call has caused; drained by the driver after each batch.
#[derive(Debug, Default)]
pub struct CallsOutbox {
    /// Text frames, in order.
    pub frames: Vec<(ConnectionId, String)>,
    /// Connections to close, after their frames; they are forgotten here already.
    pub closes: Vec<(ConnectionId, Close)>,
    /// Questions by number.
    pub questions: Vec<(u64, Question)>,
    /// For the directory, in order.
    pub deeds: Vec<Deed>,
    /// Messages for other nodes, in order.
    pub envelopes: Vec<(String, Envelope)>,
    /// Events for the operator's back end, in order.
    pub events: Vec<RoomEvent>,
    /// Decisions on calls, for the audit log.
    pub decisions: Vec<Decided>,
}

/// A decision on a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Who wanted to call.
    pub caller: User,
    /// Whom.
    pub callee: String,
    /// What was decided, in one word.
    pub outcome: &'static str,
}
