//! One WebSocket: a task that reads and writes, bounded both ways.

use crate::Limits;
use crate::accept::Slot;
use crate::hub::{Client, Outgoing};
use crate::metrics::Metrics;
use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use signalling_switchboard::ConnectionId;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

/// How often a WebSocket ping goes out; its pong shows that the client lives.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// How long the client may take to answer our close: it must be able to read what came before.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The hub that a WebSocket belongs to; each of these is false when it has ended.
pub(crate) trait Port: Send + Sync {
    /// What is told at the opening.
    type Opening: Send;
    /// Whether messages are text; else they are binary.
    const TEXT: bool;
    /// A WebSocket is open.
    fn connect(
        &self,
        id: ConnectionId,
        opening: Self::Opening,
        client: Client,
    ) -> impl Future<Output = bool> + Send;
    /// It got a message; the permit bounds how many wait.
    fn frame(
        &self,
        id: ConnectionId,
        bytes: Bytes,
        pending: OwnedSemaphorePermit,
    ) -> impl Future<Output = bool> + Send;
    /// It is gone; comes once for each `connect`.
    fn disconnected(&self, id: ConnectionId) -> impl Future<Output = bool> + Send;
}

/// What a WebSocket's task needs.
pub(crate) struct Connection<P> {
    pub(crate) id: ConnectionId,
    pub(crate) hub: P,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    /// Its place among the connections, held until the end.
    pub(crate) slot: Slot,
}

/// Why reading or writing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The client closed, or the line broke.
    Lost,
    /// We closed after a last message, with this code.
    Closed(u16),
    /// A message was longer than the limit.
    TooLong,
    /// Nothing came for too long.
    Silent,
    /// The client did not take what was written, or its queue was full.
    Slow,
    /// The hub has ended.
    Shutdown,
}

impl<P: Port> Connection<P> {
    /// Runs the WebSocket to its end.
    pub(crate) async fn run(self, socket: WebSocket, opening: P::Opening) {
        let (queue, outgoing) = mpsc::channel(self.limits.client_queue);
        let (alive, mut forgotten) = oneshot::channel();
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let client = Client { queue, alive, queued_bytes: Arc::clone(&queued_bytes) };
        if !self.hub.connect(self.id, opening, client).await {
            return;
        }

        self.metrics.websockets.inc();
        let (mut sink, mut stream) = socket.split();
        let end = tokio::select! {
            end = self.read(&mut stream) => end,
            end = self.write(&mut sink, outgoing, &queued_bytes) => end,
            _ = &mut forgotten => End::Slow,
        };
        self.close(end, &mut sink, &mut stream).await;
        self.metrics.websockets.dec();
        self.hub.disconnected(self.id).await;
        drop(self.slot);
    }

    async fn read(&self, stream: &mut SplitStream<WebSocket>) -> End {
        let pending = Arc::new(Semaphore::new(self.limits.client_pending));
        let mut pace = Pace::new(self.limits.client_messages_per_second);
        loop {
            let Ok(message) = timeout(self.limits.client_silence, stream.next()).await else {
                return End::Silent;
            };
            let bytes = match message {
                Some(Ok(Message::Binary(bytes))) if !P::TEXT => bytes,
                Some(Ok(Message::Text(text))) if P::TEXT => Bytes::from(text),
                Some(Ok(Message::Binary(_) | Message::Text(_))) => Bytes::new(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(_))) | None => return End::Lost,
                Some(Err(error)) if is_too_long(&error) => return End::TooLong,
                Some(Err(_)) => return End::Lost,
            };
            if bytes.is_empty() {
                self.metrics.malformed.inc();
                continue;
            }
            if let Some(wait) = pace.wait(Instant::now()) {
                self.metrics.limit("client_messages_per_second");
                tokio::time::sleep(wait).await;
            }
            let Ok(permit) = Arc::clone(&pending).acquire_owned().await else {
                return End::Shutdown;
            };
            if !self.hub.frame(self.id, bytes, permit).await {
                return End::Shutdown;
            }
        }
    }

    async fn write(
        &self,
        sink: &mut SplitSink<WebSocket, Message>,
        mut queue: mpsc::Receiver<Outgoing>,
        queued_bytes: &AtomicUsize,
    ) -> End {
        let mut pings = tokio::time::interval(PING_INTERVAL);
        loop {
            let message = tokio::select! {
                outgoing = queue.recv() => match outgoing {
                    Some(Outgoing::Message(bytes)) => Message::Binary(bytes.into()),
                    Some(Outgoing::Text(text)) => Message::Text(text.into()),
                    Some(Outgoing::Close(_alive, code)) => return End::Closed(code),
                    None => return End::Slow,
                },
                _ = pings.tick() => Message::Ping(Bytes::new()),
            };
            let bytes = match &message {
                Message::Binary(bytes) => bytes.len(),
                Message::Text(text) => text.len(),
                _ => 0,
            };
            let sent = timeout(self.limits.client_write_timeout, sink.send(message)).await;
            queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
            match sent {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return End::Lost,
                Err(_) => return End::Slow,
            }
        }
    }

    async fn close(
        &self,
        end: End,
        sink: &mut SplitSink<WebSocket, Message>,
        stream: &mut SplitStream<WebSocket>,
    ) {
        let (code, reason) = match end {
            End::Lost => return,
            End::Closed(code) => (code, ""),
            End::Shutdown => (close_code::AWAY, "the server stops"),
            End::TooLong => (close_code::SIZE, "message too long"),
            End::Silent => (close_code::POLICY, "nothing heard for too long"),
            End::Slow => (close_code::POLICY, "messages were not read fast enough"),
        };
        match end {
            End::TooLong => self.metrics.limit("message_bytes"),
            End::Silent => self.metrics.limit("client_silence"),
            End::Slow => self.metrics.limit("client_slow"),
            End::Lost | End::Closed(_) | End::Shutdown => {}
        }

        // Closing a TCP connection with unread input resets it, and the client would lose what
        // was sent last: read on until it has closed as well.
        let farewell = async {
            let frame = CloseFrame { code, reason: reason.into() };
            if sink.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = stream.next().await {}
            }
        };
        let _ = timeout(CLOSE_TIMEOUT, farewell).await;
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    error.to_string().starts_with("Space limit exceeded")
}

/// A token bucket with room for two seconds' worth.
struct Pace {
    per_second: f64,
    allowance: f64,
    at: Instant,
}

impl Pace {
    fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, allowance: 2.0 * per_second, at: Instant::now() }
    }

    /// Takes one; how long to wait if that is too early.
    fn wait(&mut self, now: Instant) -> Option<Duration> {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        self.allowance = (self.allowance + gained).min(2.0 * self.per_second) - 1.0;
        self.at = now;

        (self.allowance < 0.0).then(|| Duration::from_secs_f64(-self.allowance / self.per_second))
    }
}
