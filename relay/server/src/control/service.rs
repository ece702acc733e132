//! The control socket's thread: who is served, and who comes next.

use super::client::Client;
use super::queue::Queue;
use crate::RelayHandle;
use relay_wire::control::{Event, Message};
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

/// What the thread owns.
pub(super) struct Service {
    listener: UnixListener,
    queue: Arc<Queue>,
    relay: RelayHandle,
    stop: Arc<AtomicBool>,
    client: Option<Client>,
    /// Has connected and not said hello yet: it may be a probe, which disturbs nobody.
    newcomer: Option<Client>,
}

#[derive(Default)]
struct Readable {
    listener: bool,
    client: bool,
    newcomer: bool,
}

impl Service {
    pub(super) fn new(
        listener: UnixListener,
        queue: Arc<Queue>,
        relay: RelayHandle,
        stop: Arc<AtomicBool>,
    ) -> Self {
        Self { listener, queue, relay, stop, client: None, newcomer: None }
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
            if readable.newcomer {
                self.hear();
            }
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
        // A negative descriptor is ignored.
        let fd = |client: &Option<Client>| client.as_ref().map_or(-1, Client::fd);
        let wake = self.queue.wake();
        let mut polls = [
            poll(self.listener.as_raw_fd(), libc::POLLIN),
            poll(fd(&self.client), wants),
            poll(fd(&self.newcomer), libc::POLLIN),
            poll(wake.fd(), libc::POLLIN),
        ];
        wake.sleep();
        let timeout = if self.has_work() { 0 } else { SLEEP_MAX_MS };
        // SAFETY: the pointer and length are those of a live array.
        let ready = unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as u64, timeout) };
        wake.awake();
        if ready <= 0 {
            return Readable::default();
        }
        if polls[3].revents != 0 {
            wake.clear();
        }

        Readable {
            listener: polls[0].revents != 0,
            client: polls[1].revents & !libc::POLLOUT != 0,
            newcomer: polls[2].revents != 0,
        }
    }

    fn has_work(&self) -> bool {
        let blocked = self.client.as_ref().is_some_and(Client::is_full);

        self.stop.load(Ordering::Acquire)
            || self.queue.overflowed()
            || (!self.queue.is_empty() && !blocked)
    }

    fn attend(&mut self, readable: bool) -> Result<(), String> {
        let Some(client) = &mut self.client else { return Ok(()) };
        if readable {
            client.read(&self.relay)?;
        }

        client.write(&self.queue)
    }

    fn accept(&mut self) {
        let Ok((stream, _)) = self.listener.accept() else { return };
        match Client::greet(stream) {
            Ok(newcomer) => self.newcomer = Some(newcomer),
            Err(reason) => tracing::debug!(%reason, "control socket: a newcomer is gone"),
        }
    }

    /// Lets the newcomer take the client's place once it has said hello.
    fn hear(&mut self) {
        let Some(mut newcomer) = self.newcomer.take() else { return };
        match newcomer.hello() {
            Ok(true) => self.replace(newcomer),
            Ok(false) => self.newcomer = Some(newcomer),
            Err(reason) => tracing::warn!(%reason, "control socket: a newcomer is refused"),
        }
    }

    /// Closes all rooms, then serves the new client, which knows none of them.
    fn replace(&mut self, mut client: Client) {
        self.queue.close();
        self.client = None;
        // Disconnected when all shards are done; a time-out means that one is stuck.
        let closed = self.relay.close_rooms().recv_timeout(CLOSE_TIMEOUT);
        if closed == Err(RecvTimeoutError::Timeout) {
            tracing::error!("control socket: a shard does not close its rooms");
            return;
        }
        self.queue.open(Message::Event(Event::Reset));
        match client.pass_on(&self.relay) {
            Ok(()) => self.client = Some(client),
            Err(reason) => tracing::warn!(%reason, "control socket: a newcomer is refused"),
        }
    }
}
