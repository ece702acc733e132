//! Calls: who is there, who rings, who may call whom, and which way media goes.
//!
//! A session is on the node of its WebSocket, a call on the node of its caller; they speak by
//! envelopes only, so that one node and many are the same.

mod call;
mod envelope;
mod event;
mod exchange;
mod frame;
mod interface;
mod policy;
mod reader;
mod session;

pub use envelope::{Ask, Changed, Envelope, News, Party, User};
pub use event::{
    CallEvent, Code, Fault, Ice, Notice, Person, Presence, Reason, RouteState, Settings, State, Way,
};
pub use exchange::{CallsCounters, Exchange};
pub use frame::{Act, Candidate, Sdp, Signal};
pub use interface::{
    Answer, CallsConfig, CallsLimits, CallsOutbox, CallsTimes, Change, Close, Decided, Deed, Facts,
    Question, Seen, Verdict,
};
