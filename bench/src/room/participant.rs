//! One participant: joins, publishes or subscribes, counts, leaves.

use super::peer::{Peer, never};
use super::run::{News, Run};
use super::signal::Signal;
use super::source::Source;
use super::stamp::Stamp;
use super::tally::Tally;
use anyhow::{Context, Result, bail};
use livekit_protocol::{
    AddTrackRequest, DisconnectReason, LeaveRequest, Ping, SessionDescription, TrackSource,
    TrackType, leave_request, signal_request, signal_response,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use str0m::Event;
use str0m::change::SdpPendingOffer;
use str0m::media::Mid;
use tokio::sync::watch;
use tokio::time::sleep_until;

/// Whether a participant sends or receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Sends one video track; receives nothing.
    Publisher(u32),
    /// Receives every track.
    Subscriber(u32),
}

impl Role {
    /// The identity in the token.
    pub(super) fn identity(self) -> String {
        match self {
            Self::Publisher(number) => format!("publisher-{number}"),
            Self::Subscriber(number) => format!("subscriber-{number}"),
        }
    }
}

/// What woke a participant.
enum Wake {
    Signal(Box<signal_response::Message>),
    Subscriber,
    Publisher,
    Ping,
    Stop,
}

/// A publisher's track and the connection it goes out on.
struct Publication {
    peer: Peer,
    cid: String,
    source: Source,
    mid: Option<Mid>,
    pending: Option<SdpPendingOffer>,
    /// When its first frame left, once connected.
    began: Option<Instant>,
}

/// A participant while it is in the room.
pub(super) struct Participant {
    run: Arc<Run>,
    role: Role,
    began: Instant,
    signal: Signal,
    subscriber: Peer,
    publication: Option<Publication>,
    ping_interval: Duration,
    next_ping: Instant,
    tally: Tally,
    /// Publishers not seen yet.
    missing: Vec<bool>,
}

impl Participant {
    /// Joins with a token and stays until `stop` turns true; what it received.
    pub(super) async fn participate(
        run: Arc<Run>,
        role: Role,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Tally> {
        let began = Instant::now();
        let auto_subscribe = matches!(role, Role::Subscriber(_));
        let token = run.api_key.token(&role.identity(), &run.room);
        let signal = Signal::connect(&run.target, &token, auto_subscribe).await?;
        let mut participant = Self {
            role,
            began,
            signal,
            subscriber: Peer::new(run.ip)?,
            publication: None,
            ping_interval: Duration::from_secs(5),
            next_ping: never(),
            tally: Tally::new(run.publishers),
            missing: vec![true; run.publishers],
            run,
        };
        participant.run.add_port(participant.subscriber.port());

        loop {
            match participant.wake(&mut stop).await? {
                Wake::Signal(message) => participant.message(*message).await?,
                Wake::Subscriber => participant.receive()?,
                Wake::Publisher => participant.publish()?,
                Wake::Ping => participant.ping().await?,
                Wake::Stop => break,
            }
        }
        participant.leave().await?;

        Ok(participant.tally)
    }

    async fn wake(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Wake> {
        let publication = self.publication.as_ref();
        let publisher = async {
            match publication {
                Some(publication) => publication.ready().await,
                None => std::future::pending().await,
            }
        };

        tokio::select! {
            message = self.signal.next() => Ok(Wake::Signal(Box::new(message?))),
            ready = self.subscriber.ready() => ready.map(|()| Wake::Subscriber),
            ready = publisher => ready.map(|()| Wake::Publisher),
            () = sleep_until(self.next_ping.into()) => Ok(Wake::Ping),
            _ = stop.wait_for(|stop| *stop) => Ok(Wake::Stop),
        }
    }

    async fn message(&mut self, message: signal_response::Message) -> Result<()> {
        match message {
            signal_response::Message::Join(join) => {
                let seconds = u64::try_from(join.ping_interval.max(1)).unwrap_or(5);
                self.ping_interval = Duration::from_secs(seconds);
                self.next_ping = Instant::now() + self.ping_interval;
                if let Role::Publisher(number) = self.role {
                    self.add_track(number).await?;
                }
            }
            signal_response::Message::Offer(offer) => {
                let sdp = self.subscriber.answer(&offer.sdp)?;
                let answer = description("answer", sdp, offer.id);
                self.signal.send(signal_request::Message::Answer(answer)).await?;
                self.receive()?;
            }
            signal_response::Message::TrackPublished(_) => self.offer_track().await?,
            signal_response::Message::Answer(answer) => {
                if let Some(publication) = &mut self.publication
                    && let Some(pending) = publication.pending.take()
                {
                    publication.peer.accept(pending, &answer.sdp)?;
                }
            }
            signal_response::Message::Leave(leave) => {
                let reason = DisconnectReason::try_from(leave.reason);
                bail!("the server ended it: {}", reason.map_or("?", |reason| reason.as_str_name()));
            }
            _ => {}
        }

        Ok(())
    }

    async fn add_track(&mut self, number: u32) -> Result<()> {
        let cid = format!("{}-camera", self.role.identity());
        let peer = Peer::new(self.run.ip)?;
        self.run.add_port(peer.port());
        self.publication = Some(Publication {
            peer,
            cid: cid.clone(),
            source: Source::new(self.run.shape, number),
            mid: None,
            pending: None,
            began: None,
        });
        let request = AddTrackRequest {
            cid,
            name: "camera".to_owned(),
            r#type: TrackType::Video.into(),
            source: TrackSource::Camera.into(),
            width: 1280,
            height: 720,
            ..Default::default()
        };

        self.signal.send(signal_request::Message::AddTrack(request)).await
    }

    async fn offer_track(&mut self) -> Result<()> {
        let publication = self.publication.as_mut().context("a track that nobody published")?;
        let (sdp, mid, pending) = publication.peer.offer_video(&publication.cid)?;
        publication.mid = Some(mid);
        publication.pending = Some(pending);
        let offer = description("offer", sdp, 1);

        self.signal.send(signal_request::Message::Offer(offer)).await
    }

    fn receive(&mut self) -> Result<()> {
        self.subscriber.turn()?;
        while let Some(event) = self.subscriber.events.pop_front() {
            match event {
                Event::Connected if matches!(self.role, Role::Subscriber(_)) => {
                    self.run.tell(News::Joined(self.began.elapsed()));
                }
                Event::RtpPacket(packet) => self.count(&packet.payload),
                _ => {}
            }
        }

        Ok(())
    }

    fn count(&mut self, payload: &[u8]) {
        let Some(stamp) = Stamp::parse(payload) else { return };
        self.run.received.fetch_add(1, Ordering::Relaxed);
        self.tally.count(stamp, &self.run.window(), self.run.clock.now());
        let Some(missing) = self.missing.get_mut(stamp.publisher as usize) else { return };
        if std::mem::take(missing) && !self.missing.contains(&true) {
            self.run.tell(News::Receiving);
        }
    }

    fn publish(&mut self) -> Result<()> {
        let Some(publication) = &mut self.publication else { return Ok(()) };
        publication.peer.turn()?;
        while let Some(event) = publication.peer.events.pop_front() {
            match event {
                Event::Connected => {
                    publication.began = Some(Instant::now());
                    self.run.tell(News::Joined(self.began.elapsed()));
                }
                Event::KeyframeRequest(_) => publication.source.request_keyframe(),
                _ => {}
            }
        }

        publication.send_due_frame(&self.run)
    }

    async fn ping(&mut self) -> Result<()> {
        self.next_ping = Instant::now() + self.ping_interval;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp = i64::try_from(since.as_millis()).unwrap_or_default();
        let ping = Ping { timestamp, rtt: 0 };

        self.signal.send(signal_request::Message::PingReq(ping)).await
    }

    async fn leave(&mut self) -> Result<()> {
        let leave = LeaveRequest {
            reason: DisconnectReason::ClientInitiated.into(),
            action: leave_request::Action::Disconnect.into(),
            ..Default::default()
        };

        self.signal.send(signal_request::Message::Leave(leave)).await
    }
}

impl Publication {
    async fn ready(&self) -> Result<()> {
        tokio::select! {
            ready = self.peer.ready() => ready,
            () = sleep_until(self.next_frame().into()) => Ok(()),
        }
    }

    fn next_frame(&self) -> Instant {
        self.began.map_or_else(never, |began| began + self.source.due())
    }

    fn send_due_frame(&mut self, run: &Run) -> Result<()> {
        let Some(mid) = self.mid.filter(|_| self.next_frame() <= Instant::now()) else {
            return Ok(());
        };
        let frame = self.source.begin_frame();
        for number in frame.clone() {
            let sent = run.clock.now();
            let packet = self.source.packet(&frame, number, sent);
            // Sequence numbers start away from 0, and below the first roll-over.
            self.peer.write(mid, packet.number + 1_000, packet)?;
            run.count_sent(sent);
        }

        self.peer.flush()
    }
}

fn description(kind: &str, sdp: String, id: u32) -> SessionDescription {
    SessionDescription { r#type: kind.to_owned(), sdp, id, ..Default::default() }
}
