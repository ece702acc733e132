//! The one task that owns the switchboard: inputs in, messages and requests out.

use crate::client::Port;
use crate::link::{LinkEvent, Relay};
use crate::metrics::Metrics;
use crate::webhook::Mouth;
use crate::{Limits, ServeError};
use axum::body::Bytes;
use axum::extract::ws::close_code;
use relay_wire::control::{Event, Message, TurnService};
use signalling_switchboard::token::Claims;
use signalling_switchboard::{
    AdminError, AdminRequest, AdminResponse, ConnectionId, Counters, Join, JoinError, Now, Outbox,
    RequestId, SessionReply, SessionRequest, Switchboard,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

/// What the hub is told.
pub(crate) enum Input {
    /// May the holder of this token join now?
    Admissible { claims: Box<Claims>, reply: oneshot::Sender<Result<(), JoinError>> },
    /// A WebSocket is open.
    Connect { connection: ConnectionId, join: Box<Join>, client: Client },
    /// A client sent a message; the permit bounds how many of its messages wait here.
    Frame { connection: ConnectionId, bytes: Bytes, pending: OwnedSemaphorePermit },
    /// A WebSocket is gone; comes once for each `Connect`.
    Disconnected(ConnectionId),
    /// An administrator asks for something.
    Administer {
        claims: Box<Claims>,
        request: AdminRequest,
        reply: oneshot::Sender<Result<AdminResponse, AdminError>>,
    },
    /// A WHIP or WHEP request.
    Session { request: Box<SessionRequest>, reply: oneshot::Sender<SessionReply> },
    /// What are the counters now?
    Counters(oneshot::Sender<Counters>),
}

/// The hub's end of a WebSocket. Dropping it ends the WebSocket at once.
pub(crate) struct Client {
    /// What is to be written.
    pub(crate) queue: mpsc::Sender<Outgoing>,
    /// Bytes in the queue: grows here, shrinks as they are written.
    pub(crate) queued_bytes: Arc<AtomicUsize>,
    /// Its drop is the sign to end.
    pub(crate) alive: oneshot::Sender<()>,
}

/// What is written to a WebSocket.
pub(crate) enum Outgoing {
    /// An encoded `SignalResponse`.
    Message(Vec<u8>),
    /// A frame of `/calls`.
    Text(String),
    /// The end, after what was queued before, with its code (RFC 6455, section 7.4); carries the
    /// sign of life until then.
    Close(oneshot::Sender<()>, u16),
}

impl Client {
    /// Queues a message of `bytes`; false when the client does not keep up, which is counted:
    /// it is to be dropped then.
    pub(crate) fn queue(
        &self,
        message: Outgoing,
        bytes: usize,
        limits: &Limits,
        metrics: &Metrics,
    ) -> bool {
        let queued = self.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        if queued + bytes > limits.client_queue_bytes {
            metrics.limit("client_queue_bytes");
            return false;
        }
        if self.queue.try_send(message).is_err() {
            metrics.limit("client_queue");
            return false;
        }

        true
    }

    /// Ends the WebSocket after what is queued.
    pub(crate) fn close(self, code: u16) {
        // A full queue drops the sign of life: the WebSocket ends at once.
        let _ = self.queue.try_send(Outgoing::Close(self.alive, code));
    }
}

/// The way to the hub.
#[derive(Clone)]
pub(crate) struct HubHandle {
    inputs: mpsc::Sender<Input>,
    relay_up: Arc<AtomicBool>,
    connections: Arc<AtomicU64>,
}

impl HubHandle {
    /// Whether the relay is there.
    pub(crate) fn relay_up(&self) -> bool {
        self.relay_up.load(Ordering::Relaxed)
    }

    /// A number that no other WebSocket has.
    pub(crate) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits for room in the hub's queue; false when the hub has ended.
    pub(crate) async fn send(&self, input: Input) -> bool {
        self.inputs.send(input).await.is_ok()
    }

    /// Whether the holder of a token may join now; `None` when the hub has ended.
    pub(crate) async fn admissible(&self, claims: &Claims) -> Option<Result<(), JoinError>> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Admissible { claims: Box::new(claims.clone()), reply }).await;
        answer.await.ok()
    }

    /// The reply to a WHIP or WHEP request; `None` when the hub has ended.
    pub(crate) async fn session(&self, request: SessionRequest) -> Option<SessionReply> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Session { request: Box::new(request), reply }).await;
        answer.await.ok()
    }

    /// The switchboard's counters; `None` when the hub has ended.
    pub(crate) async fn counters(&self) -> Option<Counters> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Counters(reply)).await;
        answer.await.ok()
    }
}

impl Port for HubHandle {
    type Opening = Box<Join>;
    const TEXT: bool = false;

    async fn connect(&self, connection: ConnectionId, join: Box<Join>, client: Client) -> bool {
        self.send(Input::Connect { connection, join, client }).await
    }

    async fn frame(
        &self,
        connection: ConnectionId,
        bytes: Bytes,
        pending: OwnedSemaphorePermit,
    ) -> bool {
        self.send(Input::Frame { connection, bytes, pending }).await
    }

    async fn disconnected(&self, connection: ConnectionId) -> bool {
        self.send(Input::Disconnected(connection)).await
    }
}

/// Owner of the switchboard, the link and the clients' queues.
pub(crate) struct Hub {
    switchboard: Switchboard,
    relay: Relay,
    clients: HashMap<ConnectionId, Client>,
    /// Who waits for the reply to a WHIP or WHEP request; the switchboard replies to each.
    sessions: HashMap<RequestId, oneshot::Sender<SessionReply>>,
    next_request: u64,
    /// WebSocket tasks that have not said `Disconnected`.
    open: usize,
    /// Whether nobody is let in any more.
    stopping: bool,
    out: Outbox,
    inputs: mpsc::Receiver<Input>,
    relay_up: Arc<AtomicBool>,
    /// Where events for the back end go, if anybody listens.
    mouth: Option<Mouth>,
    /// What calls are to know of TURN.
    turn: watch::Sender<TurnService>,
    metrics: Arc<Metrics>,
    limits: Limits,
}

impl Hub {
    /// A hub and the way to it.
    pub(crate) fn new(
        switchboard: Switchboard,
        relay: Relay,
        mouth: Option<Mouth>,
        metrics: Arc<Metrics>,
        limits: Limits,
    ) -> (Self, HubHandle) {
        let (sender, inputs) = mpsc::channel(limits.hub_queue);
        let relay_up = Arc::new(AtomicBool::new(false));
        let handle = HubHandle {
            inputs: sender,
            relay_up: Arc::clone(&relay_up),
            connections: Arc::new(AtomicU64::new(1)),
        };
        let hub = Self {
            switchboard,
            relay,
            clients: HashMap::new(),
            sessions: HashMap::new(),
            next_request: 0,
            open: 0,
            stopping: false,
            out: Outbox::default(),
            inputs,
            relay_up,
            mouth,
            turn: watch::Sender::default(),
            metrics,
            limits,
        };

        (hub, handle)
    }

    /// The TURN service of the relay, now and as it changes.
    pub(crate) fn turn(&self) -> watch::Receiver<TurnService> {
        self.turn.subscribe()
    }

    /// Runs until `stop` resolves, then says good-bye to everybody.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        tokio::pin!(stop);
        let result = loop {
            let timeout = self.switchboard.next_timeout();
            tokio::select! {
                Some(input) = self.inputs.recv() => self.input(input),
                event = self.relay.next() => match event {
                    LinkEvent::Ended => break Err(ServeError::RelayStopped),
                    event => self.link(event),
                },
                () = sleep_until(timeout) => self.switchboard.advance(now(), &mut self.out),
                () = &mut stop => break Ok(()),
            }
            self.flush();
        };
        self.shutdown().await;

        result
    }

    async fn shutdown(mut self) {
        self.stopping = true;
        self.switchboard.shutdown(now(), &mut self.out);
        self.flush();
        let deadline = tokio::time::Instant::now() + self.limits.shutdown;
        while self.open > 0 {
            tokio::select! {
                Some(input) = self.inputs.recv() => self.input(input),
                () = tokio::time::sleep_until(deadline) => break,
            }
            self.flush();
        }
        self.clients.clear();
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Admissible { claims, reply } => {
                // The asker may have gone: then nobody needs the answer.
                let _ = reply.send(self.switchboard.admissible(&claims));
            }
            Input::Connect { connection, join, client } => {
                self.open += 1;
                if self.stopping {
                    return;
                }
                self.clients.insert(connection, client);
                self.switchboard.connect(now(), connection, *join, &mut self.out);
            }
            Input::Frame { connection, bytes, pending } => {
                self.metrics.messages_in.inc();
                self.switchboard.receive(now(), connection, &bytes, &mut self.out);
                drop(pending);
            }
            Input::Disconnected(connection) => {
                self.open = self.open.saturating_sub(1);
                self.clients.remove(&connection);
                self.switchboard.disconnected(now(), connection, &mut self.out);
            }
            Input::Administer { claims, request, reply } => {
                let outcome = self.switchboard.administer(now(), &claims, request, &mut self.out);
                let _ = reply.send(outcome);
            }
            Input::Session { request, reply } => {
                if self.stopping {
                    return;
                }
                self.next_request += 1;
                let id = RequestId(self.next_request);
                self.sessions.insert(id, reply);
                self.switchboard.session(now(), id, *request, &mut self.out);
            }
            Input::Counters(reply) => {
                let _ = reply.send(self.switchboard.counters());
            }
        }
    }

    fn link(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up => self.relay_up.store(true, Ordering::Relaxed),
            LinkEvent::Down | LinkEvent::Ended => {
                self.relay_up.store(false, Ordering::Relaxed);
                let reset = Message::Event(Event::Reset);
                self.switchboard.relay(now(), reset, &mut self.out);
            }
            LinkEvent::Message(message) => {
                if let Message::Event(Event::Turn(turn)) = &message {
                    self.turn.send_replace(turn.clone());
                }
                self.switchboard.relay(now(), message, &mut self.out);
            }
        }
    }

    fn flush(&mut self) {
        for (connection, bytes) in self.out.messages.drain(..) {
            let Some(client) = self.clients.get(&connection) else {
                continue;
            };
            self.metrics.messages_out.inc();
            let len = bytes.len();
            if !client.queue(Outgoing::Message(bytes), len, &self.limits, &self.metrics) {
                self.clients.remove(&connection);
            }
        }
        for connection in self.out.closes.drain(..) {
            if let Some(client) = self.clients.remove(&connection) {
                client.close(close_code::NORMAL);
            }
        }
        for (request, reply) in self.out.replies.drain(..) {
            if let Some(waiting) = self.sessions.remove(&request) {
                // The asker may have gone: its session ends by itself when no media comes.
                let _ = waiting.send(reply);
            }
        }
        for request in self.out.requests.drain(..) {
            self.relay.send(request, &self.metrics);
        }
        for event in self.out.events.drain(..) {
            if let Some(mouth) = &self.mouth {
                mouth.tell(event);
            }
        }
    }
}

pub(crate) async fn sleep_until(timeout: Option<Instant>) {
    match timeout {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The clock, for the switchboard and for tokens.
pub(crate) fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let unix_ms = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);

    Now { instant: Instant::now(), unix_ms }
}
