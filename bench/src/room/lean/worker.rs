//! A thread with its share of the clients: one wait for all of them, then whatever is due.

use super::client::{Client, Tools};
use crate::net::datagrams::{Receiver, Sends};
use crate::net::sockets::{self, Readiness, wait};
use crate::room::cast::LAYERS_MAX;
use crate::room::run::{News, Run};
use crate::tally::Tally;
use anyhow::{Context, Result};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The longest wait: new clients are taken up at least as often.
const PAUSE_MAX: Duration = Duration::from_millis(5);
/// Time between looks at what is due of every client.
const ROUND: Duration = Duration::from_millis(20);
/// The same in the measured time, when nobody joins.
const MEASURED_ROUND: Duration = Duration::from_millis(100);
/// In the measured time what has arrived is left to gather so long: a wake-up for each socket costs
/// more than its packets. The kernel notes when they came.
const GATHER: Duration = Duration::from_millis(2);
/// Bytes of a packet with what its protection needs beyond.
const BUFFER_BYTES: usize = 4_096;

/// What a thread, or all of them, counted.
pub(in crate::room) struct Outcome {
    /// Packets by their stamps. What it says was sent is by the numbers of those that came.
    pub(in crate::room) tally: Tally,
    /// By layer: packets that came.
    pub(in crate::room) by_layer: [u64; LAYERS_MAX],
    /// Datagrams that did not fit into receive buffers.
    pub(in crate::room) drops: u64,
}

impl Default for Outcome {
    fn default() -> Self {
        Self { tally: Tally::new(0, 0), by_layer: [0; LAYERS_MAX], drops: 0 }
    }
}

impl Outcome {
    /// Adds another's.
    pub(in crate::room) fn add(&mut self, other: &Self) {
        self.tally.merge(&other.tally);
        self.drops += other.drops;
        for (sum, count) in self.by_layer.iter_mut().zip(other.by_layer) {
            *sum += count;
        }
    }
}

/// A thread's state.
pub(super) struct Worker {
    run: Arc<Run>,
    arrivals: mpsc::Receiver<Client>,
    stop: Arc<AtomicBool>,
    /// Clients that are out have left a hole: numbers are tokens of the wait.
    clients: Vec<Option<Client>>,
    frames: BinaryHeap<Reverse<(Instant, usize, usize)>>,
    readiness: Readiness,
    receiver: Receiver,
    sends: Sends,
    buffer: Vec<u8>,
    outcome: Outcome,
}

impl Worker {
    /// A thread that serves nobody yet.
    pub(super) fn new(
        run: Arc<Run>,
        arrivals: mpsc::Receiver<Client>,
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        Ok(Self {
            run,
            arrivals,
            stop,
            clients: Vec::new(),
            frames: BinaryHeap::new(),
            readiness: Readiness::new()?,
            receiver: Receiver::new(),
            sends: Sends::default(),
            buffer: Vec::with_capacity(BUFFER_BYTES),
            outcome: Outcome::default(),
        })
    }

    /// Serves until it is told to stop.
    pub(super) fn run(mut self) -> Result<Outcome> {
        // Sleeps are to end when they should, not up to 50 us later.
        // SAFETY: this call only changes an attribute of the calling thread.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000) };
        let mut next_round = Instant::now();
        let mut next_look = next_round;
        while !self.stop.load(Ordering::Relaxed) {
            while let Ok(client) = self.arrivals.try_recv() {
                self.take(client)?;
            }
            if self.wait(next_look)? {
                self.receive();
                next_look = Instant::now() + self.run.choose(Duration::ZERO, GATHER);
            }
            self.send_frames();
            let now = Instant::now();
            if now >= next_round {
                next_round = now + self.run.choose(ROUND, MEASURED_ROUND);
                self.advance(now);
            }
        }
        let sockets = self.clients.iter().flatten();
        let drops = sockets.map(|client| sockets::receive_drops(&client.connection.socket));
        self.outcome.drops = drops.sum();

        Ok(self.outcome)
    }

    /// Waits until a frame is due or, from `next_look` on, something has arrived: true if so.
    fn wait(&mut self, next_look: Instant) -> Result<bool> {
        let now = Instant::now();
        let until = |due: Instant| due.saturating_duration_since(now);
        let pause = self.frames.peek().map_or(PAUSE_MAX, |Reverse((due, ..))| until(*due));
        let rest = until(next_look);
        if rest.is_zero() {
            self.readiness.wait(pause.min(PAUSE_MAX))?;
            return Ok(self.readiness.len() > 0);
        }
        wait(&mut [], pause.min(rest))?;

        Ok(false)
    }

    fn take(&mut self, mut client: Client) -> Result<()> {
        let number = self.clients.len();
        self.readiness.watch_arrivals(&client.connection.socket, number).context("cannot wait")?;
        client.flows = self.outcome.tally.add_flows(self.run.cast.flows());
        self.clients.push(Some(client));
        let now = Instant::now();
        self.with(number, |client, tools| client.advance(tools, now));

        Ok(())
    }

    fn receive(&mut self) {
        let now = Instant::now();
        for index in 0..self.readiness.len() {
            let number = self.readiness.token(index);
            self.with(number, |client, tools| client.receive(tools, now));
        }
    }

    fn advance(&mut self, now: Instant) {
        for number in 0..self.clients.len() {
            self.with(number, |client, tools| client.advance(tools, now));
        }
    }

    /// Does something with a client: one that says so is connected, one that fails is out.
    fn with(
        &mut self,
        number: usize,
        act: impl FnOnce(&mut Client, &mut Tools<'_>) -> Result<bool>,
    ) {
        let Self { run, clients, receiver, buffer, outcome, .. } = self;
        let Outcome { tally, by_layer, .. } = outcome;
        let Some(client) = clients.get_mut(number).and_then(Option::as_mut) else { return };
        let mut tools = Tools { run, receiver, buffer, tally, by_layer };
        match act(client, &mut tools) {
            Ok(false) => {}
            Ok(true) => {
                for (index, sender) in client.senders.iter().enumerate() {
                    self.frames.extend(sender.due().map(|due| Reverse((due, number, index))));
                }
            }
            Err(error) => {
                let error = error.context(client.identity.clone());
                self.run.tell(News::Failed(error));
                self.clients[number] = None;
            }
        }
    }

    fn send_frames(&mut self) {
        let now = Instant::now();
        while let Some(&Reverse((due, number, index))) = self.frames.peek()
            && due <= now
        {
            self.frames.pop();
            let Self { run, clients, sends, buffer, .. } = self;
            let Some(client) = clients[number].as_mut() else { continue };
            let sender = &mut client.senders[index];
            sender.skip_late(now, run);
            sender.send(run, &mut client.connection, sends, buffer);
            self.frames.extend(sender.due().map(|due| Reverse((due, number, index))));
        }
    }
}
