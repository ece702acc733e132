//! Joins Janus' VideoRoom by its WebSocket API: publishers by `joinandconfigure`, subscribers by
//! one handle for all feeds.

use super::Venue;
use super::signal::{self, Line};
use crate::rtc::Remote;
use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OnceCell, watch};
use tokio::time::{sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;

/// Time for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between signs of life: Janus ends sessions after a minute without.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How Janus' refusal of a feed ends that it does not know.
const NO_SUCH_FEED: &str = "(428)";
/// Time for a feed to be there, and between two looks.
const FEED_MAX: Duration = Duration::from_secs(5);
const FEED_PAUSE: Duration = Duration::from_millis(20);
/// Publishers that a room takes.
const PUBLISHERS_MAX: u32 = 10_000;

/// A room as Janus knows it.
#[derive(Default)]
pub(in crate::room) struct JanusRoom {
    wanted: Option<String>,
    room: OnceCell<u64>,
    /// By participant: the number of what it publishes.
    feeds: Mutex<BTreeMap<usize, u64>>,
}

impl JanusRoom {
    /// The room of a number, or a new one.
    pub(in crate::room) fn new(wanted: Option<String>) -> Self {
        Self { wanted, ..Default::default() }
    }

    fn add_feed(&self, participant: usize, feed: u64) {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner).insert(participant, feed);
    }

    fn feeds_but(&self, participant: usize) -> Vec<u64> {
        let feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);

        feeds.iter().filter(|(of, _)| **of != participant).map(|(_, feed)| *feed).collect()
    }
}

/// A session with Janus.
struct Session {
    line: Line,
    id: Option<u64>,
    transactions: u64,
    next_sign: Instant,
}

/// Joins, and stays until `stop` turns true.
pub(super) async fn attend(
    venue: &Venue,
    participant: usize,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let who = (participant, Instant::now());
    let mut session = Session::open(venue.target.url()).await?;
    let room = *venue.janus.room.get_or_try_init(|| make_room(venue)).await?;
    let of = &venue.run.cast.participants[participant];
    if !of.sends.is_empty() {
        publish(venue, who, &mut session, room).await?;
    }
    if of.receives {
        tokio::select! {
            () = venue.run.published() => {}
            error = session.stay() => return error,
        }
        subscribe(venue, who, &mut session, room).await?;
    }
    let ended = tokio::select! {
        error = session.stay() => Some(error),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    if let Some(error) = ended {
        return error;
    }
    session.request(json!({ "janus": "destroy" })).await?;

    Ok(())
}

/// Makes a new room, or finds the one that was asked for.
async fn make_room(venue: &Venue) -> Result<u64> {
    if let Some(room) = &venue.janus.wanted {
        return room.parse().context("Janus' rooms have numbers: --room must be one");
    }
    let room = u64::from(rand::random::<u32>()) + 1;
    let mut session = Session::open(venue.target.url()).await?;
    let handle = session.attach().await?;
    let body = json!({
        "request": "create",
        "room": room,
        "publishers": PUBLISHERS_MAX,
        "videocodec": "vp8",
        "audiocodec": "opus",
        "audiolevel_ext": true,
        "notify_joining": false,
    });
    session.message(handle, body, None).await?;
    session.request(json!({ "janus": "destroy" })).await?;

    Ok(room)
}

async fn publish(
    venue: &Venue,
    who: (usize, Instant),
    session: &mut Session,
    room: u64,
) -> Result<()> {
    let (local, offered) = (venue.local()?, venue.offered(who.0));
    let handle = session.attach().await?;
    let body = json!({
        "request": "joinandconfigure",
        "room": room,
        "ptype": "publisher",
        "display": venue.run.cast.participants[who.0].identity,
    });
    let offer = json!({ "type": "offer", "sdp": local.offer(&offered) });
    let answer = session.message(handle, body, Some(offer)).await?;
    let feed = answer["plugindata"]["data"]["id"].as_u64().context("Janus named no feed")?;
    venue.janus.add_feed(who.0, feed);
    let sdp = answer["jsep"]["sdp"].as_str().context("Janus answered without a description")?;

    venue.publish(who, local, &offered, sdp)
}

async fn subscribe(
    venue: &Venue,
    who: (usize, Instant),
    session: &mut Session,
    room: u64,
) -> Result<()> {
    let handle = session.attach().await?;
    let feeds = venue.janus.feeds_but(who.0);
    let streams: Vec<_> = feeds.into_iter().map(|feed| json!({ "feed": feed })).collect();
    let body = json!({
        "request": "join", "room": room, "ptype": "subscriber", "streams": streams,
    });
    let offer = loop {
        match session.message(handle, body.clone(), None).await {
            // A feed is there once Janus' own thread has seen the publisher's DTLS to its end.
            Err(error)
                if error.to_string().ends_with(NO_SUCH_FEED) && who.1.elapsed() < FEED_MAX =>
            {
                sleep(FEED_PAUSE).await;
            }
            offer => break offer?,
        }
    };
    let sdp = offer["jsep"]["sdp"].as_str().context("Janus offered no description")?;
    let remote = Remote::read(sdp).context("Janus' offer")?;
    let local = venue.local()?;
    let answer = json!({ "type": "answer", "sdp": local.answer(&remote) });
    session.message(handle, json!({ "request": "start", "room": room }), Some(answer)).await?;

    venue.subscribe(who, local, &remote, false)
}

impl Session {
    async fn open(url: &str) -> Result<Self> {
        let mut request = url.into_client_request()?;
        let protocol = HeaderValue::from_static("janus-protocol");
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        let line = signal::open(url, request, "Janus' WebSocket API").await?;
        let next_sign = Instant::now() + KEEP_ALIVE;
        let mut session = Self { line, id: None, transactions: 0, next_sign };
        let answer = session.request(json!({ "janus": "create" })).await?;
        session.id = Some(answer["data"]["id"].as_u64().context("Janus named no session")?);

        Ok(session)
    }

    async fn attach(&mut self) -> Result<u64> {
        let plugin = "janus.plugin.videoroom";
        let answer = self.request(json!({ "janus": "attach", "plugin": plugin })).await?;

        answer["data"]["id"].as_u64().context("Janus named no handle")
    }

    /// A request to the VideoRoom, with or without a description; its answer.
    async fn message(&mut self, handle: u64, body: Value, jsep: Option<Value>) -> Result<Value> {
        let request = body["request"].as_str().unwrap_or_default().to_owned();
        let mut message = json!({ "janus": "message", "handle_id": handle, "body": body });
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        let answer = self.request(message).await?;
        let data = &answer["plugindata"]["data"];
        if let Some(reason) = data["error"].as_str() {
            bail!("Janus refuses {request}: {reason} ({})", data["error_code"]);
        }

        Ok(answer)
    }

    /// Sends a request and waits for what it led to.
    async fn request(&mut self, mut request: Value) -> Result<Value> {
        self.transactions += 1;
        let transaction = self.transactions.to_string();
        request["transaction"] = transaction.clone().into();
        if let Some(id) = self.id {
            request["session_id"] = id.into();
        }
        self.send(&request).await?;
        let wait = async {
            loop {
                let answer = self.next().await?;
                let of_this = answer["transaction"].as_str() == Some(&transaction);
                if of_this && answer["janus"] != "ack" {
                    return Ok(answer);
                }
            }
        };
        let answer = timeout(ANSWER_TIMEOUT, wait).await;

        answer.with_context(|| format!("Janus does not answer: {}", request["janus"]))?
    }

    async fn send(&mut self, request: &Value) -> Result<()> {
        let text = Message::text(request.to_string());

        self.line.send(text).await.context("the signalling line broke")
    }

    /// The next message; an error if Janus ended something.
    async fn next(&mut self) -> Result<Value> {
        loop {
            let frame = self.line.next().await.context("Janus closed the signalling line")?;
            let Message::Text(text) = frame.context("the signalling line broke")? else { continue };
            let message: Value = serde_json::from_str(&text).context("Janus sent no JSON")?;
            match message["janus"].as_str() {
                Some("error") => {
                    let error = &message["error"];
                    bail!("Janus refuses: {} ({})", error["reason"], error["code"]);
                }
                Some("hangup") => bail!("Janus hung up: {}", message["reason"]),
                Some("timeout") => bail!("Janus ended the session: it heard nothing of us"),
                _ => return Ok(message),
            }
        }
    }

    /// Keeps the session; returns when Janus ends it.
    async fn stay(&mut self) -> Result<()> {
        loop {
            let next_sign = self.next_sign;
            tokio::select! {
                message = self.next() => drop(message?),
                () = sleep_until(next_sign.into()) => {
                    self.next_sign = Instant::now() + KEEP_ALIVE;
                    let id = self.id;
                    let sign = json!({
                        "janus": "keepalive", "session_id": id, "transaction": "k",
                    });
                    self.send(&sign).await?;
                }
            }
        }
    }
}
