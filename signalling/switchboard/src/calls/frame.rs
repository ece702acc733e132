//! What clients say on `/calls`, taken apart.

use super::reader::{Reader, Wrong};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of identities and other names.
pub(crate) const NAME_BYTES_MAX: usize = 256;
/// Bytes of the name of a device.
pub(crate) const DEVICE_BYTES_MAX: usize = 64;
/// Identities that are watched, or blocked at once.
const IDENTITIES_MAX: usize = 500;
/// Bytes of a session description.
const SDP_BYTES_MAX: usize = 48 << 10;
/// Bytes of an ICE candidate.
const CANDIDATE_BYTES_MAX: usize = 2 << 10;
/// Bytes of a reason that a client gives.
const REASON_BYTES_MAX: usize = 64;
/// Version of the protocol.
pub(crate) const VERSION: u64 = 1;

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Frame {
    Hello(Hello),
    Ack { seq: u64 },
    Request { id: u64, request: Result<Request, Bad> },
}

/// The first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) token: String,
    pub(crate) device: String,
    pub(crate) resume: Option<Resume>,
}

/// The session that is to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resume {
    pub(crate) session: String,
    pub(crate) received: u64,
}

/// A frame that is answered with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    Wrong(Wrong),
    UnknownType,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    Ping,
    Watch(Option<Vec<String>>),
    Settings { do_not_disturb: Option<bool>, block: Vec<String>, unblock: Vec<String> },
    Call { to: String, video: bool },
    Add { call: String, to: String },
    Act { call: String, act: Act },
    Seen { notice: String },
}

/// What a device does in a call; travels to the node that holds the call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Act {
    /// It rings.
    Ringing,
    /// The person takes the call on this device.
    Accept,
    /// The person does not want it.
    Decline,
    /// The device cannot take it now.
    Busy,
    /// The caller gives up.
    Cancel,
    /// The person leaves.
    Hangup,
    /// Something for the other's peer connection.
    P2p {
        /// Of the route.
        epoch: u64,
        /// To whom.
        to: String,
        /// What.
        signal: Signal,
    },
    /// Media flows on a proposed route.
    Ready {
        /// Of the route.
        epoch: u64,
    },
    /// A route does not come about, or has broken.
    Failed {
        /// Of the route.
        epoch: u64,
        /// Why, for people.
        reason: String,
    },
    /// The person's device wants media to go another way.
    Wanted {
        /// Through the server, rather than directly.
        server: bool,
        /// Why: `quality`, `recording`, `screen` or another word.
        reason: String,
    },
}

/// What peers tell each other through us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// An SDP offer.
    Offer(Sdp),
    /// An SDP answer.
    Answer(Sdp),
    /// A candidate; `None`: there are no more.
    Candidate(Option<Candidate>),
    /// Asks the offerer for an ICE restart.
    Restart(bool),
}

/// A session description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sdp {
    /// RFC 8866.
    pub sdp: String,
}

/// An ICE candidate, as W3C's `RTCIceCandidateInit` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// `candidate:` and what follows (RFC 8839, section 5.1); empty: no more on this m-line.
    pub candidate: String,
    /// The m-line by its `mid`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdp_mid: Option<String>,
    /// The m-line by its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sdp_m_line_index: Option<u64>,
}

impl Frame {
    /// Reads one text frame. An error is about a frame that cannot even be answered by its id.
    pub(crate) fn parse(text: &str) -> Result<Self, Bad> {
        let value: Value = serde_json::from_str(text).map_err(|_| bad("", "JSON is expected"))?;
        let object = value.as_object().ok_or_else(|| bad("", "a JSON object is expected"))?;
        let reader = Reader::new(object, "");
        let kind = reader.text("type", NAME_BYTES_MAX).map_err(Bad::Wrong)?;
        match kind.as_str() {
            "hello" => hello(reader).map(Self::Hello).map_err(Bad::Wrong),
            "ack" => Ok(Self::Ack { seq: reader.number("seq").map_err(Bad::Wrong)? }),
            kind => {
                let id = reader.number("id").map_err(Bad::Wrong)?;
                if id == 0 {
                    return Err(bad("/id", "ids start at 1"));
                }
                Ok(Self::Request { id, request: request(kind, reader) })
            }
        }
    }
}

fn bad(field: &str, problem: &str) -> Bad {
    Bad::Wrong(Wrong { field: field.to_owned(), problem: problem.to_owned() })
}

fn hello(reader: Reader<'_>) -> Result<Hello, Wrong> {
    if reader.number("version")? != VERSION {
        return Err(reader.wrong("version", "this server speaks version 1"));
    }
    let resume = match reader.get("resume") {
        None | Some(Value::Null) => None,
        Some(_) => {
            let resume = reader.inside("resume", "/resume")?;
            let session = resume.text("session", NAME_BYTES_MAX)?;
            Some(Resume { session, received: resume.number("received")? })
        }
    };

    Ok(Hello {
        token: reader.text("token", crate::token::TOKEN_BYTES_MAX)?,
        device: reader.text("device", DEVICE_BYTES_MAX)?,
        resume,
    })
}

fn request(kind: &str, reader: Reader<'_>) -> Result<Request, Bad> {
    let read = || -> Result<Option<Request>, Wrong> {
        Ok(Some(match kind {
            "ping" => Request::Ping,
            "watch" => match reader.get("identities") {
                Some(Value::Null) => Request::Watch(None),
                Some(_) => Request::Watch(Some(reader.texts(
                    "identities",
                    IDENTITIES_MAX,
                    NAME_BYTES_MAX,
                )?)),
                None => return Err(reader.wrong("identities", "a list or null is expected")),
            },
            "settings" => Request::Settings {
                do_not_disturb: reader.optional_flag("do_not_disturb")?,
                block: reader.texts("block", IDENTITIES_MAX, NAME_BYTES_MAX)?,
                unblock: reader.texts("unblock", IDENTITIES_MAX, NAME_BYTES_MAX)?,
            },
            "call" => Request::Call {
                to: reader.text("to", NAME_BYTES_MAX)?,
                video: reader.flag("video")?,
            },
            "seen" => Request::Seen { notice: reader.text("notice", NAME_BYTES_MAX)? },
            "add" => Request::Add {
                call: reader.text("call", NAME_BYTES_MAX)?,
                to: reader.text("to", NAME_BYTES_MAX)?,
            },
            kind => match act(kind, reader)? {
                Some(act) => Request::Act { call: reader.text("call", NAME_BYTES_MAX)?, act },
                None => return Ok(None),
            },
        }))
    };

    read().map_err(Bad::Wrong)?.ok_or(Bad::UnknownType)
}

fn act(kind: &str, reader: Reader<'_>) -> Result<Option<Act>, Wrong> {
    Ok(Some(match kind {
        "ringing" => Act::Ringing,
        "accept" => Act::Accept,
        "decline" => Act::Decline,
        "busy" => Act::Busy,
        "cancel" => Act::Cancel,
        "hangup" => Act::Hangup,
        "p2p" => Act::P2p {
            epoch: reader.number("epoch")?,
            to: reader.text("to", NAME_BYTES_MAX)?,
            signal: signal(reader)?,
        },
        "route" => route(reader)?,
        _ => return Ok(None),
    }))
}

fn signal(reader: Reader<'_>) -> Result<Signal, Wrong> {
    let names = ["offer", "answer", "candidate", "restart"];
    let mut given = names.into_iter().filter(|name| reader.get(name).is_some());
    let (Some(name), None) = (given.next(), given.next()) else {
        return Err(reader.wrong("offer", "one of offer, answer, candidate, restart is expected"));
    };
    let sdp = |name, path| -> Result<Sdp, Wrong> {
        Ok(Sdp { sdp: reader.inside(name, path)?.text("sdp", SDP_BYTES_MAX)? })
    };
    Ok(match name {
        "offer" => Signal::Offer(sdp("offer", "/offer")?),
        "answer" => Signal::Answer(sdp("answer", "/answer")?),
        "restart" => Signal::Restart(reader.flag("restart")?),
        _ => Signal::Candidate(match reader.get("candidate") {
            Some(Value::Null) => None,
            _ => Some(candidate(reader.inside("candidate", "/candidate")?)?),
        }),
    })
}

fn candidate(reader: Reader<'_>) -> Result<Candidate, Wrong> {
    let mid = reader.text_or_empty("sdp_mid", NAME_BYTES_MAX)?;
    let index = match reader.get("sdp_m_line_index") {
        None | Some(Value::Null) => None,
        Some(_) => Some(reader.number("sdp_m_line_index")?),
    };
    // Browsers send an empty candidate at the end of each generation.
    let candidate = match reader.get("candidate").and_then(Value::as_str) {
        Some("") => String::new(),
        _ => reader.text("candidate", CANDIDATE_BYTES_MAX)?,
    };

    Ok(Candidate { candidate, sdp_mid: (!mid.is_empty()).then_some(mid), sdp_m_line_index: index })
}

fn route(reader: Reader<'_>) -> Result<Act, Wrong> {
    let reason = reader.text_or_empty("reason", REASON_BYTES_MAX)?;
    match reader.text("state", NAME_BYTES_MAX)?.as_str() {
        "ready" => Ok(Act::Ready { epoch: reader.number("epoch")? }),
        "failed" => Ok(Act::Failed { epoch: reader.number("epoch")?, reason }),
        "wanted" => match reader.text("via", NAME_BYTES_MAX)?.as_str() {
            via @ ("server" | "direct") => Ok(Act::Wanted { server: via == "server", reason }),
            _ => Err(reader.wrong("via", "server or direct is expected")),
        },
        _ => Err(reader.wrong("state", "ready, failed or wanted is expected")),
    }
}
