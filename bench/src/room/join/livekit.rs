//! Joins as LiveKit's clients do: tracks are announced, then offered; the server offers others'.

use super::Venue;
use super::signal::{Signal, description};
use crate::room::cast::{Cast, RIDS};
use crate::rtc::{Kind, Local, Offered, Remote};
use anyhow::{Context, Result, bail};
use livekit_protocol::{
    AddTrackRequest, DisconnectReason, ParticipantInfo, SimulcastCodec, TrackSource, TrackType,
    UpdateTrackSettings, VideoLayer, VideoQuality, signal_request, signal_response,
};
use std::time::Instant;
use tokio::sync::watch;

/// Layers, the largest first.
const QUALITIES: [VideoQuality; 3] = [VideoQuality::High, VideoQuality::Medium, VideoQuality::Low];

/// A participant while it is in the room.
struct Attendance<'a> {
    venue: &'a Venue,
    /// Which one, and when it began to join.
    who: (usize, Instant),
    signal: Signal,
    offered: Vec<Offered>,
    /// Tracks that the server has not taken note of.
    unannounced: usize,
    /// Our side, until the server's is known.
    publisher: Option<Local>,
    subscriber: Local,
    /// Our side's answers go on after the first has opened the connection.
    is_subscribed: bool,
}

/// Joins, and stays until `stop` turns true.
pub(super) async fn attend(
    venue: &Venue,
    participant: usize,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let who = (participant, Instant::now());
    let receives = venue.run.cast.participants[participant].receives;
    let token = venue.token(participant);
    let signal = Signal::connect(&venue.target, &token, receives).await?;
    let offered = venue.offered(participant);
    let mut attendance = Attendance {
        venue,
        who,
        signal,
        unannounced: offered.len(),
        publisher: (!offered.is_empty()).then(|| venue.local()).transpose()?,
        subscriber: venue.local()?,
        offered,
        is_subscribed: false,
    };
    loop {
        let message = tokio::select! {
            message = attendance.signal.next() => message?,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        attendance.message(message).await?;
    }

    attendance.signal.leave().await
}

impl Attendance<'_> {
    async fn message(&mut self, message: signal_response::Message) -> Result<()> {
        match message {
            signal_response::Message::Join(join) => {
                self.choose(&join.other_participants).await?;
                self.announce().await
            }
            signal_response::Message::Update(update) => self.choose(&update.participants).await,
            signal_response::Message::TrackPublished(_) => {
                self.unannounced = self.unannounced.saturating_sub(1);
                if self.unannounced == 0 { self.offer().await } else { Ok(()) }
            }
            signal_response::Message::Answer(answer) => {
                let local = self.publisher.take().context("an answer without an offer")?;
                self.venue.publish(self.who, local, &self.offered, &answer.sdp)
            }
            signal_response::Message::Offer(offer) => self.answer(&offer.sdp, offer.id).await,
            signal_response::Message::Leave(leave) => {
                let reason = DisconnectReason::try_from(leave.reason);
                bail!("the server ended it: {}", reason.map_or("?", |reason| reason.as_str_name()));
            }
            _ => Ok(()),
        }
    }

    /// Asks for one layer of others' pictures: participants in turn for the large, the middle and
    /// the small one.
    async fn choose(&mut self, others: &[ParticipantInfo]) -> Result<()> {
        let Cast { participants, .. } = &self.venue.run.cast;
        let of = &participants[self.who.0];
        if !self.venue.run.cast.is_layered() || !of.receives {
            return Ok(());
        }
        let track_sids: Vec<_> = others
            .iter()
            .filter(|other| other.identity != of.identity)
            .flat_map(|other| &other.tracks)
            .filter(|track| track.r#type() == TrackType::Video)
            .map(|track| track.sid.clone())
            .collect();
        if track_sids.is_empty() {
            return Ok(());
        }
        let quality = QUALITIES[self.who.0 % QUALITIES.len()].into();
        let settings = UpdateTrackSettings { track_sids, quality, ..Default::default() };

        self.signal.send(signal_request::Message::TrackSetting(settings)).await
    }

    async fn announce(&mut self) -> Result<()> {
        for track in &self.offered {
            let request = announcement(track);
            self.signal.send(signal_request::Message::AddTrack(request)).await?;
        }

        Ok(())
    }

    async fn offer(&mut self) -> Result<()> {
        let local = self.publisher.as_ref().context("a track that nobody announced")?;
        let offer = description("offer", local.offer(&self.offered), 1);

        self.signal.send(signal_request::Message::Offer(offer)).await
    }

    async fn answer(&mut self, sdp: &str, id: u32) -> Result<()> {
        let remote = Remote::read(sdp).context("the server's offer")?;
        let answer = description("answer", self.subscriber.answer(&remote), id);
        self.signal.send(signal_request::Message::Answer(answer)).await?;
        if self.is_subscribed {
            return Ok(());
        }
        self.is_subscribed = true;
        let local = self.subscriber.for_connection();

        self.venue.subscribe(self.who, local, &remote, false)
    }
}

/// What announces a track.
pub(in crate::room) fn announcement(track: &Offered) -> AddTrackRequest {
    let (kind, source) = match track.kind {
        Kind::Audio => (TrackType::Audio, TrackSource::Microphone),
        Kind::Video => (TrackType::Video, TrackSource::Camera),
    };
    let (width, height) = if track.kind == Kind::Video { (1_280, 720) } else { (0, 0) };
    let qualities = [VideoQuality::High, VideoQuality::Medium, VideoQuality::Low];
    let layers =
        track.rids.iter().zip(qualities).enumerate().map(|(layer, (rid, quality))| VideoLayer {
            quality: quality.into(),
            width: width >> layer,
            height: height >> layer,
            rid: (*rid).to_owned(),
            ..Default::default()
        });
    debug_assert!(track.rids.is_empty() || track.rids == RIDS);
    let codec =
        SimulcastCodec { codec: "vp8".to_owned(), cid: track.track.clone(), ..Default::default() };

    AddTrackRequest {
        cid: track.track.clone(),
        name: track.track.clone(),
        r#type: kind.into(),
        source: source.into(),
        width,
        height,
        layers: layers.collect(),
        simulcast_codecs: if track.rids.is_empty() { Vec::new() } else { vec![codec] },
        ..Default::default()
    }
}
