//! What all participants of a run share.

use super::cast::Cast;
use crate::stamp::Stamp;
use anyhow::Error;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

/// What a participant reports.
pub(super) enum News {
    /// Its media connection stands, this long after it began to join.
    Joined(Duration),
    /// A packet of every wanted track came, this long after it began to join.
    Receiving(Duration),
    /// What its handshake agreed on for SRTP.
    Profile(&'static str),
    /// It is out, and why.
    Failed(Error),
}

/// One run's counters.
pub(super) struct Run {
    /// Who sends and receives what.
    pub(super) cast: Cast,
    /// Packets received, measured or not.
    pub(super) received: AtomicU64,
    /// Packets that were due and that a full socket did not take.
    pub(super) held_back: AtomicU64,
    /// Whether all who send have joined.
    published: watch::Sender<bool>,
    /// Time after which somebody else speaks.
    speakers_every: Option<Duration>,
    /// By flow: packets sent in the measured time.
    sent: Vec<AtomicU64>,
    window_start: AtomicU64,
    window_end: AtomicU64,
    news: UnboundedSender<News>,
}

impl Run {
    /// A run that has not begun to measure.
    pub(super) fn new(
        cast: Cast,
        speakers_every: Option<Duration>,
        news: UnboundedSender<News>,
    ) -> Self {
        Self {
            sent: (0..cast.flows()).map(|_| AtomicU64::new(0)).collect(),
            cast,
            received: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
            published: watch::Sender::new(false),
            speakers_every,
            window_start: AtomicU64::new(u64::MAX),
            window_end: AtomicU64::new(u64::MAX),
            news,
        }
    }

    /// Times of sending that are measured, in nanoseconds since 1970; empty until it begins.
    pub(super) fn window(&self) -> Range<u64> {
        self.window_start.load(Ordering::Relaxed)..self.window_end.load(Ordering::Relaxed)
    }

    /// One of two values: the latter from when it measures.
    pub(super) fn choose<T>(&self, otherwise: T, measured: T) -> T {
        let Range { start, end } = self.window();

        if start < end { measured } else { otherwise }
    }

    /// Packets sent from `now` on are measured.
    pub(super) fn begin(&self, now: u64) {
        self.window_start.store(now, Ordering::Relaxed);
    }

    /// Packets sent from `now` on are not measured any more.
    pub(super) fn end(&self, now: u64) {
        self.window_end.store(now, Ordering::Relaxed);
    }

    /// Counts a packet that was sent.
    pub(super) fn count_sent(&self, stamp: Stamp) {
        if self.window().contains(&stamp.sent)
            && let Some(sent) = self.sent.get(stamp.flow as usize)
        {
            sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Packets that publishers sent during the measured time, by flow.
    pub(super) fn sent(&self) -> Vec<u64> {
        self.sent.iter().map(|sent| sent.load(Ordering::Relaxed)).collect()
    }

    /// Whether the owner of a flow speaks, so long after it began: everybody in turn, if who speaks
    /// changes; else the first.
    pub(super) fn speaks(&self, flow: u32, since: Duration) -> bool {
        let (stream, _) = Cast::stream(flow);
        let speaker = match self.speakers_every {
            Some(every) => (since.as_secs_f64() / every.as_secs_f64()) as usize,
            None => 0,
        };
        let owner = self.cast.streams.get(stream).map(|stream| stream.owner);

        owner == Some(speaker % self.cast.senders().max(1))
    }

    /// All who send have joined: those who wait for tracks may go on.
    pub(super) fn set_published(&self) {
        self.published.send_replace(true);
    }

    /// Waits until all who send have joined.
    pub(super) async fn published(&self) {
        let mut published = self.published.subscribe();
        // The sender lives as long as this value.
        let _ = published.wait_for(|published| *published).await;
    }

    /// Tells the conductor something.
    pub(super) fn tell(&self, news: News) {
        // Nobody listens any more when a run is over.
        let _ = self.news.send(news);
    }

    /// Tells that a participant is connected that began to join at `began`.
    pub(super) fn tell_joined(&self, began: Instant) {
        self.tell(News::Joined(began.elapsed()));
    }
}
