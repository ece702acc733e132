//! What all participants of a run share.

use super::signal::Target;
use super::source::Shape;
use super::stamp::Clock;
use crate::token::ApiKey;
use anyhow::Error;
use std::collections::HashSet;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// What a participant reports.
pub(super) enum News {
    /// Its media connection stands, this long after it began to join.
    Joined(Duration),
    /// A packet of every publisher came.
    Receiving,
    /// It is out, and why.
    Failed(Error),
}

/// One run's settings and counters.
pub(super) struct Run {
    /// The server.
    pub(super) target: Target,
    /// Our address on the way there.
    pub(super) ip: IpAddr,
    /// Signs the participants' tokens.
    pub(super) api_key: ApiKey,
    /// The room's name.
    pub(super) room: String,
    /// How many publish.
    pub(super) publishers: usize,
    /// What they send.
    pub(super) shape: Shape,
    /// The time in the stamps.
    pub(super) clock: Clock,
    /// Packets received, measured or not.
    pub(super) received: AtomicU64,
    sent: AtomicU64,
    window_start: AtomicU64,
    window_end: AtomicU64,
    ports: Mutex<HashSet<u16>>,
    news: UnboundedSender<News>,
}

impl Run {
    /// A run that has not begun to measure.
    pub(super) fn new(
        (target, ip): (Target, IpAddr),
        (api_key, room): (ApiKey, String),
        (publishers, shape): (usize, Shape),
        news: UnboundedSender<News>,
    ) -> Self {
        Self {
            target,
            ip,
            api_key,
            room,
            publishers,
            shape,
            clock: Clock::start(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            window_start: AtomicU64::new(u64::MAX),
            window_end: AtomicU64::new(u64::MAX),
            ports: Mutex::default(),
            news,
        }
    }

    /// Times of sending that are measured, in nanoseconds of `clock`; empty until it begins.
    pub(super) fn window(&self) -> Range<u64> {
        self.window_start.load(Ordering::Relaxed)..self.window_end.load(Ordering::Relaxed)
    }

    /// Packets sent from now on are measured.
    pub(super) fn begin(&self) {
        self.window_start.store(self.clock.now(), Ordering::Relaxed);
    }

    /// Packets sent from now on are not measured any more; the measured time.
    pub(super) fn end(&self) -> Duration {
        let end = self.clock.now();
        self.window_end.store(end, Ordering::Relaxed);

        Duration::from_nanos(end.saturating_sub(self.window().start))
    }

    /// Counts a packet sent at `sent`.
    pub(super) fn count_sent(&self, sent: u64) {
        if self.window().contains(&sent) {
            self.sent.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Packets that publishers sent during the measured time.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Remembers a client's UDP port, whose drops count.
    pub(super) fn add_port(&self, port: u16) {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).insert(port);
    }

    /// Datagrams that the kernel dropped because a client's receive buffer was full.
    pub(super) fn receive_drops(&self) -> u64 {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner);
        let tables = ["/proc/net/udp", "/proc/net/udp6"].map(std::fs::read_to_string);
        let lines = tables.iter().flatten().flat_map(|table| table.lines().skip(1));

        lines.filter_map(|line| drops_of(line, &ports)).sum()
    }

    /// Tells the conductor something.
    pub(super) fn tell(&self, news: News) {
        // Nobody listens any more when a run is over.
        let _ = self.news.send(news);
    }
}

/// The last column of a line of `/proc/net/udp`, if its local port is one of `ports`.
fn drops_of(line: &str, ports: &HashSet<u16>) -> Option<u64> {
    let local = line.split_whitespace().nth(1)?;
    let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    if !ports.contains(&port) {
        return None;
    }

    line.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_read_of_our_ports_only() {
        let line = " 671: 0100007F:1F40 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 \
                    0 2021 2 0000000000000000 17";

        assert_eq!(drops_of(line, &HashSet::from([8000])), Some(17));
        assert_eq!(drops_of(line, &HashSet::from([8001])), None);
        assert_eq!(drops_of("", &HashSet::new()), None);
    }
}
