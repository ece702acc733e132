//! The control socket's thread: who is served, and who comes next.

use super::client::Client;
use super::operator::{self, Operations, Seats};
use super::queue::Queue;
use crate::RelayHandle;
use relay_wire::control::Role;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// How long a shard may take to close its rooms for a new client.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest sleep, in milliseconds.
const SLEEP_MAX_MS: i32 = 1_000;

/// Connections that have not said who they are; one more ends the oldest.
const NEWCOMERS_MAX: usize = 4;

/// Descriptors that are waited for besides the newcomers'.
const FIXED_POLLS: usize = 3;

/// What the thread owns.
pub(super) struct Service {
    listener: UnixListener,
    queue: Arc<Queue>,
    /// `None` where signalling does not come over the socket.
    relay: Option<RelayHandle>,
    operations: Arc<dyn Operations>,
    operators: Seats,
    stop: Arc<AtomicBool>,
    client: Option<Client>,
    /// Have connected and not said yet who they are: they may be probes, which disturb nobody.
    newcomers: Vec<Client>,
}

#[derive(Default)]
struct Readable {
    listener: bool,
    client: bool,
    newcomers: [bool; NEWCOMERS_MAX],
}

impl Service {
    pub(super) fn new(
        listener: UnixListener,
        queue: Arc<Queue>,
        relay: Option<RelayHandle>,
        operations: Arc<dyn Operations>,
        stop: Arc<AtomicBool>,
    ) -> Self {
        let (operators, newcomers) = (Seats::default(), Vec::new());
        Self { listener, queue, relay, operations, operators, stop, client: None, newcomers }
    }

    /// Serves until it is told to stop.
    pub(super) fn run(mut self) {
        while !self.stop.load(Ordering::Acquire) {
            let readable = self.wait();
            if let Err(reason) = self.attend(readable.client) {
                tracing::warn!(%reason, "control socket: the client is gone");
                self.queue.close();
                self.client = None;
            }
            self.hear(readable.newcomers);
            if readable.listener {
                self.accept();
            }
        }
    }

    /// Sleeps until somebody connects, writes, can be written to, or the relay has something.
    fn wait(&self) -> Readable {
        let poll = |fd: RawFd, events| libc::pollfd { fd, events, revents: 0 };
        let writes = self.client.as_ref().is_some_and(Client::has_unsent);
        let wants = if writes { libc::POLLIN | libc::POLLOUT } else { libc::POLLIN };
        let wake = self.queue.wake();
        // A negative descriptor is ignored.
        let client = self.client.as_ref().map_or(-1, Client::fd);
        let mut polls = [poll(-1, libc::POLLIN); FIXED_POLLS + NEWCOMERS_MAX];
        polls[0].fd = self.listener.as_raw_fd();
        polls[1] = poll(client, wants);
        polls[2].fd = wake.fd();
        for (slot, newcomer) in polls[FIXED_POLLS..].iter_mut().zip(&self.newcomers) {
            slot.fd = newcomer.fd();
        }
        wake.sleep();
        let timeout = if self.has_work() { 0 } else { SLEEP_MAX_MS };
        // SAFETY: the pointer and length are those of a live array.
        let ready = unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as u64, timeout) };
        wake.awake();
        if ready <= 0 {
            return Readable::default();
        }
        if polls[2].revents != 0 {
            wake.clear();
        }

        Readable {
            listener: polls[0].revents != 0,
            client: polls[1].revents & !libc::POLLOUT != 0,
            newcomers: std::array::from_fn(|index| polls[FIXED_POLLS + index].revents != 0),
        }
    }

    fn has_work(&self) -> bool {
        let blocked = self.client.as_ref().is_some_and(Client::is_full);

        self.stop.load(Ordering::Acquire)
            || self.queue.overflowed()
            || (!self.queue.is_empty() && !blocked)
    }

    fn attend(&mut self, readable: bool) -> Result<(), String> {
        let (Some(client), Some(relay)) = (&mut self.client, &self.relay) else { return Ok(()) };
        if readable {
            client.read(relay)?;
        }

        client.write(&self.queue)
    }

    fn accept(&mut self) {
        let Ok((stream, _)) = self.listener.accept() else { return };
        match Client::greet(stream) {
            Ok(newcomer) => {
                if self.newcomers.len() >= NEWCOMERS_MAX {
                    self.newcomers.remove(0);
                }
                self.newcomers.push(newcomer);
            }
            Err(reason) => tracing::debug!(%reason, "control socket: a newcomer is gone"),
        }
    }

    /// Learns who the newcomers are that have said something.
    fn hear(&mut self, readable: [bool; NEWCOMERS_MAX]) {
        let newcomers = std::mem::take(&mut self.newcomers);
        for (mut newcomer, readable) in newcomers.into_iter().zip(readable) {
            if !readable {
                self.newcomers.push(newcomer);
                continue;
            }
            match newcomer.hello() {
                Ok(Some(Role::Signalling)) => self.replace(newcomer),
                Ok(Some(Role::Operator)) => {
                    operator::attend(newcomer, &self.operations, &self.operators);
                }
                Ok(None) => self.newcomers.push(newcomer),
                Err(reason) => tracing::warn!(%reason, "control socket: a newcomer is refused"),
            }
        }
    }

    /// Closes all rooms, then serves the new client, which knows none of them.
    fn replace(&mut self, mut client: Client) {
        let Some(relay) = &self.relay else {
            tracing::warn!("control socket: signalling is refused, it runs in this process");
            return;
        };
        self.queue.close();
        self.client = None;
        // Disconnected when all shards are done; a time-out means that one is stuck.
        let closed = relay.close_rooms().recv_timeout(CLOSE_TIMEOUT);
        if closed == Err(RecvTimeoutError::Timeout) {
            tracing::error!("control socket: a shard does not close its rooms");
            return;
        }
        self.queue.open();
        match client.pass_on(relay) {
            Ok(()) => self.client = Some(client),
            Err(reason) => tracing::warn!(%reason, "control socket: a newcomer is refused"),
        }
    }
}
