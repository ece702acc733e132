//! The one task that owns the exchange: inputs in, frames and questions out.

use super::directory::Directory;
use crate::Limits;
use crate::client::Port;
use crate::hub::{Client, Outgoing, now, sleep_until};
use crate::metrics::Metrics;
use crate::webhook::Mouth;
use axum::body::Bytes;
use axum::extract::ws::close_code;
use relay_wire::control::TurnService;
use signalling_bus::Event;
use signalling_switchboard::ConnectionId;
use signalling_switchboard::calls::{
    Answer, CallsCounters, CallsOutbox, Close, Envelope, Exchange,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

/// What the hub of calls is told.
pub(crate) enum Input {
    Connect(ConnectionId, Client),
    Frame {
        connection: ConnectionId,
        bytes: Bytes,
        pending: OwnedSemaphorePermit,
    },
    Disconnected(ConnectionId),
    /// The directory's answer to a question.
    Answer(u64, Answer),
    /// News that this node has published itself.
    Envelope(Envelope),
    /// A message that did not get to its node.
    Undelivered(Envelope),
    Counters(oneshot::Sender<CallsCounters>),
}

/// The way to the hub of calls.
#[derive(Clone)]
pub(crate) struct CallsHandle {
    inputs: mpsc::Sender<Input>,
    connections: Arc<AtomicU64>,
}

impl CallsHandle {
    pub(super) fn new(limits: &Limits) -> (Self, mpsc::Receiver<Input>) {
        let (inputs, receiver) = mpsc::channel(limits.hub_queue);

        (Self { inputs, connections: Arc::new(AtomicU64::new(1)) }, receiver)
    }

    /// A number that no other WebSocket of `/calls` has.
    pub(crate) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.connections.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits for room in the queue; false when the hub has ended.
    pub(super) async fn send(&self, input: Input) -> bool {
        self.inputs.send(input).await.is_ok()
    }

    /// The exchange's counters; `None` when the hub has ended.
    pub(crate) async fn counters(&self) -> Option<CallsCounters> {
        let (reply, answer) = oneshot::channel();
        self.send(Input::Counters(reply)).await;
        answer.await.ok()
    }
}

impl Port for CallsHandle {
    type Opening = ();
    const TEXT: bool = true;

    async fn connect(&self, id: ConnectionId, (): (), client: Client) -> bool {
        self.send(Input::Connect(id, client)).await
    }

    async fn frame(
        &self,
        connection: ConnectionId,
        bytes: Bytes,
        pending: OwnedSemaphorePermit,
    ) -> bool {
        self.send(Input::Frame { connection, bytes, pending }).await
    }

    async fn disconnected(&self, id: ConnectionId) -> bool {
        self.send(Input::Disconnected(id)).await
    }
}

/// Owner of the exchange and of the clients' queues.
pub(super) struct CallsHub {
    exchange: Exchange,
    directory: Directory,
    clients: HashMap<ConnectionId, Client>,
    mouth: Option<Mouth>,
    /// WebSocket tasks that have not said `Disconnected`.
    open: usize,
    stopping: bool,
    out: CallsOutbox,
    metrics: Arc<Metrics>,
    limits: Limits,
}

impl CallsHub {
    pub(super) fn new(
        exchange: Exchange,
        directory: Directory,
        mouth: Option<Mouth>,
        metrics: Arc<Metrics>,
        limits: Limits,
    ) -> Self {
        let (clients, out) = (HashMap::new(), CallsOutbox::default());
        let (open, stopping) = (0, false);
        Self { exchange, directory, clients, mouth, open, stopping, out, metrics, limits }
    }

    /// Runs until `stopped` turns true, then says good-bye to everybody.
    pub(super) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut events: mpsc::Receiver<Event>,
        mut turn: watch::Receiver<TurnService>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut has_turn = true;
        loop {
            let timeout = self.exchange.next_timeout();
            tokio::select! {
                Some(input) = inputs.recv() => self.input(input),
                Some(event) = events.recv() => self.event(event),
                changed = turn.changed(), if has_turn => match changed {
                    Ok(()) => self.exchange.turn(turn.borrow_and_update().clone()),
                    Err(_) => has_turn = false,
                },
                () = sleep_until(timeout) => self.exchange.advance(now(), &mut self.out),
                _ = stopped.wait_for(|stopped| *stopped) => break,
            }
            self.flush();
        }
        self.stopping = true;
        self.exchange.shutdown(&mut self.out);
        self.flush();
        let deadline = tokio::time::Instant::now() + self.limits.shutdown;
        while self.open > 0 {
            tokio::select! {
                Some(input) = inputs.recv() => self.input(input),
                () = tokio::time::sleep_until(deadline) => break,
            }
        }
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Connect(id, client) => {
                self.open += 1;
                if !self.stopping {
                    self.clients.insert(id, client);
                    self.exchange.connect(now(), id);
                }
            }
            Input::Frame { connection, bytes, pending } => {
                self.metrics.messages_in.inc();
                // A text message of a WebSocket is UTF-8 (RFC 6455, section 5.6).
                let text = std::str::from_utf8(&bytes).unwrap_or_default();
                self.exchange.receive(now(), connection, text, &mut self.out);
                drop(pending);
            }
            Input::Disconnected(id) => {
                self.open = self.open.saturating_sub(1);
                self.clients.remove(&id);
                self.exchange.disconnected(now(), id, &mut self.out);
            }
            Input::Answer(number, answer) => {
                self.exchange.answer(now(), number, answer, &mut self.out);
            }
            Input::Envelope(envelope) => self.exchange.envelope(now(), envelope, &mut self.out),
            Input::Undelivered(envelope) => {
                self.exchange.undelivered(now(), envelope, &mut self.out);
            }
            Input::Counters(reply) => {
                let _ = reply.send(self.exchange.counters());
            }
        }
    }

    /// What other nodes say, and what becomes of them.
    fn event(&mut self, event: Event) {
        match event {
            Event::Message { payload, .. } | Event::Published { payload, .. } => {
                match serde_json::from_slice(&payload) {
                    Ok(envelope) => self.exchange.envelope(now(), envelope, &mut self.out),
                    Err(error) => tracing::warn!(%error, "a node says what cannot be read"),
                }
            }
            Event::NodeDown(node) => self.exchange.node_down(now(), &node, &mut self.out),
            Event::Gap => self.exchange.gap(now(), &mut self.out),
            // Rooms are not placed by calls.
            Event::NodeUp(_) | Event::RoomTaken { .. } => {}
        }
    }

    fn flush(&mut self) {
        for (id, text) in self.out.frames.drain(..) {
            let Some(client) = self.clients.get(&id) else { continue };
            self.metrics.messages_out.inc();
            let len = text.len();
            if !client.queue(Outgoing::Text(text), len, &self.limits, &self.metrics) {
                self.clients.remove(&id);
            }
        }
        for (id, close) in self.out.closes.drain(..) {
            let code = match close {
                Close::Normal => close_code::NORMAL,
                Close::Policy => close_code::POLICY,
                Close::Away => close_code::AWAY,
            };
            if let Some(client) = self.clients.remove(&id) {
                client.close(code);
            }
        }
        for decided in self.out.decisions.drain(..) {
            let (caller, tenant) = (&decided.caller.identity, &decided.caller.tenant);
            let (callee, outcome) = (&decided.callee, decided.outcome);
            tracing::info!(target: "audit", ?tenant, ?caller, ?callee, outcome, "call decided");
        }
        for event in self.out.events.drain(..) {
            if let Some(mouth) = &self.mouth {
                mouth.tell(event);
            }
        }
        for (number, question) in self.out.questions.drain(..) {
            self.directory.ask(number, question);
        }
        let lost = self.directory.carry_out(&mut self.out);
        for _ in 0..lost {
            self.metrics.limit("calls_deeds");
        }
    }
}
