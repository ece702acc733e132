//! One participant: joins, publishes or subscribes, counts, leaves.

use super::peer::{Peer, never};
use crate::room::cast::Cast;
use crate::room::join::{Signal, Venue, announcement, description};
use crate::room::lean::{Outcome, Wants};
use crate::room::run::News;
use crate::room::source::{self, Source};
use crate::rtc::Offered;
use crate::stamp::{self, Stamp};
use anyhow::{Context, Result, bail};
use livekit_protocol::{DisconnectReason, signal_request, signal_response};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use str0m::Event;
use str0m::change::SdpPendingOffer;
use str0m::media::Mid;
use tokio::sync::watch;
use tokio::time::sleep_until;

/// What woke a participant.
enum Wake {
    Signal(Box<signal_response::Message>),
    Subscriber,
    Publisher,
    Stop,
}

/// A publisher's track and the connection it goes out on.
struct Publication {
    peer: Peer,
    track: Offered,
    source: Source,
    flow: u32,
    mid: Option<Mid>,
    pending: Option<SdpPendingOffer>,
    /// When its first frame left, once connected.
    began: Option<Instant>,
}

/// A participant while it is in the room.
pub(in crate::room) struct Participant {
    venue: Arc<Venue>,
    number: usize,
    began: Instant,
    signal: Signal,
    subscriber: Peer,
    publication: Option<Publication>,
    outcome: Outcome,
    wants: Wants,
}

impl Participant {
    /// Joins, and stays until `stop` turns true; what it received.
    pub(in crate::room) async fn participate(
        venue: Arc<Venue>,
        number: usize,
        mut stop: watch::Receiver<bool>,
    ) -> Result<Outcome> {
        let began = Instant::now();
        let cast = &venue.run.cast;
        let receives = cast.participants[number].receives;
        let mut outcome = Outcome::default();
        outcome.tally.add_flows(cast.flows());
        let mut participant = Self {
            number,
            began,
            signal: Signal::connect(&venue.target, &venue.token(number), receives).await?,
            subscriber: Peer::new(venue.ip)?,
            publication: None,
            outcome,
            wants: Wants::new(cast.wanted(number)),
            venue,
        };
        loop {
            match participant.wake(&mut stop).await? {
                Wake::Signal(message) => participant.message(*message).await?,
                Wake::Subscriber => participant.receive()?,
                Wake::Publisher => participant.publish()?,
                Wake::Stop => break,
            }
        }
        participant.signal.leave().await?;
        participant.outcome.drops = participant.subscriber.receive_drops();

        Ok(participant.outcome)
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
            _ = stop.wait_for(|stop| *stop) => Ok(Wake::Stop),
        }
    }

    async fn message(&mut self, message: signal_response::Message) -> Result<()> {
        match message {
            signal_response::Message::Join(_) => self.add_track().await?,
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

    /// Announces the one track of those who send.
    async fn add_track(&mut self) -> Result<()> {
        let of = &self.venue.run.cast.participants[self.number];
        let offered = self.venue.offered(self.number).pop();
        let Some((track, &stream)) = offered.zip(of.sends.last()) else { return Ok(()) };
        let shape = self.venue.run.cast.streams[stream].layers[0];
        let flow = Cast::flow(stream, 0);
        let request = announcement(&track);
        self.publication = Some(Publication {
            peer: Peer::new(self.venue.ip)?,
            track,
            source: Source::new(shape, flow),
            flow,
            mid: None,
            pending: None,
            began: None,
        });

        self.signal.send(signal_request::Message::AddTrack(request)).await
    }

    async fn offer_track(&mut self) -> Result<()> {
        let publication = self.publication.as_mut().context("a track that nobody published")?;
        let (sdp, mid, pending) = publication.peer.offer_video(&publication.track.track)?;
        publication.mid = Some(mid);
        publication.pending = Some(pending);
        let offer = description("offer", sdp, 1);

        self.signal.send(signal_request::Message::Offer(offer)).await
    }

    fn receive(&mut self) -> Result<()> {
        self.subscriber.turn()?;
        let is_join = self.publication.is_none();
        while let Some(event) = self.subscriber.events.pop_front() {
            match event {
                Event::Connected if is_join => self.venue.run.tell_joined(self.began),
                Event::RtpPacket(packet) => self.count(&packet.payload),
                _ => {}
            }
        }

        Ok(())
    }

    fn count(&mut self, payload: &[u8]) {
        let run = &self.venue.run;
        let Some(stamp) = source::read_stamp(payload) else {
            // Probes of the path are nothing but padding.
            self.outcome.tally.corrupted += u64::from(!payload.is_empty());
            return;
        };
        run.received.fetch_add(1, Ordering::Relaxed);
        if run.window().contains(&stamp.sent) {
            self.outcome.tally.count(stamp, stamp::now());
        }
        if self.wants.note(Cast::stream(stamp.flow).0) {
            run.tell(News::Receiving(self.began.elapsed()));
        }
    }

    fn publish(&mut self) -> Result<()> {
        let Some(publication) = &mut self.publication else { return Ok(()) };
        publication.peer.turn()?;
        while let Some(event) = publication.peer.events.pop_front() {
            match event {
                Event::Connected => {
                    publication.began = Some(Instant::now());
                    self.venue.run.tell_joined(self.began);
                }
                Event::KeyframeRequest(_) => publication.source.request_keyframe(),
                _ => {}
            }
        }

        publication.send_due_frame(&self.venue.run)
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

    fn send_due_frame(&mut self, run: &crate::room::run::Run) -> Result<()> {
        let Some(mid) = self.mid.filter(|_| self.next_frame() <= Instant::now()) else {
            return Ok(());
        };
        let frame = self.source.begin_frame();
        for number in frame.packets.clone() {
            let sent = stamp::now();
            let mut payload = Vec::new();
            self.source.append(&frame, number, sent, &mut payload);
            let marker = number + 1 == frame.packets.end;
            // Sequence numbers start away from 0, and below the first roll-over.
            self.peer.write(mid, number + 1_000, (frame.timestamp, marker), payload)?;
            run.count_sent(Stamp { flow: self.flow, number, sent });
        }

        self.peer.flush()
    }
}
