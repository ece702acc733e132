//! How clients get into a room: one file for each kind of signalling.

mod http;
mod janus;
mod livekit;
mod signal;
mod whip;

pub(super) use janus::JanusRoom;
pub(super) use livekit::announcement;
pub(super) use signal::{Signal, Target, description};

use super::cast::{Cast, LAYERS_MAX, RIDS};
use super::lean::{Client, Sender, Threads, Wants};
use super::run::Run;
use super::source::Source;
use crate::impair::Impairments;
use crate::rtc::rtp::Stream;
use crate::rtc::{AUDIO_LEVEL, Connection, Identity, Kind, Local, MID, Offered, RID, Remote};
use crate::token::ApiKey;
use anyhow::{Context, Result};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// A kind of signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Join {
    /// LiveKit's protocol, by WebSocket.
    Livekit,
    /// Publishers by WHIP, subscribers by WHEP: at /whip/ROOM and /whep/ROOM of the server.
    Whip,
    /// Janus' VideoRoom, by WebSocket.
    Janus,
}

/// The room that clients are to get into, and what they need for it.
pub(super) struct Venue {
    /// Counters, and who sends what.
    pub(super) run: Arc<Run>,
    /// Threads of lean clients.
    pub(super) threads: Threads,
    /// The certificate of lean clients.
    pub(super) identity: Identity,
    /// The server.
    pub(super) target: Target,
    /// Our address on the way there.
    pub(super) ip: IpAddr,
    /// The room's name.
    pub(super) room: String,
    /// Signs tokens.
    pub(super) api_key: ApiKey,
    /// What is known of a Janus.
    pub(super) janus: JanusRoom,
    /// What is to be on the way there.
    pub(super) impairments: Option<Impairments>,
}

/// Joins with a lean client, and stays until `stop` turns true.
pub(super) async fn attend(
    venue: Arc<Venue>,
    join: Join,
    participant: usize,
    stop: watch::Receiver<bool>,
) -> Result<()> {
    match join {
        Join::Livekit => livekit::attend(&venue, participant, stop).await,
        Join::Whip => whip::attend(&venue, participant, stop).await,
        Join::Janus => janus::attend(&venue, participant, stop).await,
    }
}

impl Venue {
    /// A participant's token.
    pub(super) fn token(&self, participant: usize) -> String {
        self.api_key.token(&self.run.cast.participants[participant].identity, &self.room)
    }

    /// A new connection's own side.
    fn local(&self) -> Result<Local> {
        Local::new(self.ip, &self.identity)
    }

    /// Begins to connect, over whatever is to be on the way; `offered` says whose the offer was.
    fn connect(&self, local: Local, remote: &Remote, offered: bool) -> Result<Connection> {
        let mut remote = remote.clone();
        if let Some(impairments) = &self.impairments {
            let candidates = remote.candidates.into_iter().filter(|c| local.reaches(*c));
            remote.candidates =
                candidates.map(|c| impairments.towards(c)).collect::<Result<_>>()?;
        }

        Connection::new(local, &remote, &self.identity, offered, Instant::now())
    }

    /// What a participant offers to send.
    pub(super) fn offered(&self, participant: usize) -> Vec<Offered> {
        let Cast { participants, streams } = &self.run.cast;
        let of = &participants[participant];
        let track = |&index: &usize| Offered {
            kind: streams[index].kind(),
            mid: (index - of.sends[0]).to_string(),
            track: format!("{}-{}", of.identity, streams[index].name()),
            ssrc: Some(rand::random()),
            rids: match streams[index].layers.len() {
                LAYERS_MAX => RIDS.to_vec(),
                _ => Vec::new(),
            },
        };

        of.sends.iter().map(track).collect()
    }

    /// An offer to receive what others send: an m-line for each kind.
    fn wished(&self) -> Vec<Offered> {
        let kinds = [Kind::Audio, Kind::Video]
            .into_iter()
            .filter(|kind| self.run.cast.streams.iter().any(|stream| stream.kind() == *kind));
        let wish = |(number, kind): (usize, Kind)| Offered {
            kind,
            mid: number.to_string(),
            track: String::new(),
            ssrc: None,
            rids: Vec::new(),
        };

        kinds.enumerate().map(wish).collect()
    }

    /// Connects to send what was offered, as the server has answered.
    fn publish(
        &self,
        (participant, began): (usize, Instant),
        local: Local,
        offered: &[Offered],
        answer: &str,
    ) -> Result<()> {
        let remote = Remote::read(answer).context("the server's answer")?;
        let of = &self.run.cast.participants[participant];
        let mut senders = Vec::new();
        for (&index, track) in of.sends.iter().zip(offered) {
            senders.extend(self.senders(index, track, &remote)?);
        }
        let connection = self.connect(local, &remote, true)?;
        let wants = Wants::new(Vec::new());
        let identity = of.identity.clone();

        self.threads.serve(Client::new(identity, began, connection, (senders, wants), true))
    }

    fn senders(&self, index: usize, track: &Offered, remote: &Remote) -> Result<Vec<Sender>> {
        let section = remote
            .section(&track.mid)
            .with_context(|| format!("the server refused a track of {}", track.kind.name()))?;
        let payload_type = section
            .payload_type
            .with_context(|| format!("the server does not take {}", track.kind.codec()))?;
        let level = section.extension(AUDIO_LEVEL).filter(|_| track.kind == Kind::Audio);
        let layers = self.run.cast.streams[index].layers.iter().enumerate();

        Ok(layers
            .map(|(layer, shape)| {
                let mut extensions = Vec::new();
                let rid = track.rids.get(layer).copied();
                extensions.extend(section.extension(MID).zip(Some(track.mid.as_str())));
                extensions.extend(section.extension(RID).zip(rid));
                let ssrc = track.ssrc.unwrap_or_default().wrapping_add(layer as u32);
                let flow = Cast::flow(index, layer);
                let stream = Stream::new(ssrc, payload_type, &extensions, level);
                Sender::new(Source::new(*shape, flow), stream, flow)
            })
            .collect())
    }

    /// Connects to receive; `offered` says whose the offer was.
    fn subscribe(
        &self,
        (participant, began): (usize, Instant),
        local: Local,
        remote: &Remote,
        offered: bool,
    ) -> Result<()> {
        let connection = self.connect(local, remote, offered)?;
        let of = &self.run.cast.participants[participant];
        let wants = Wants::new(self.run.cast.wanted(participant));
        let (identity, is_join) = (of.identity.clone(), of.sends.is_empty());

        self.threads.serve(Client::new(identity, began, connection, (Vec::new(), wants), is_join))
    }
}
