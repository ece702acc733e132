//! The control socket: signalling in another process speaks to the relay by frames.
//!
//! Both sides first send a `Hello`. One client is served at a time: a newer one replaces the
//! older, all rooms are closed, and the first message after the relay's `Hello` is `Event::Reset`.
//! When no client is connected, calls go on; they end when a new one comes.

mod queue;

use crate::router::Events;
use crate::{RelayHandle, wake::Wake};
use queue::Queue;
use relay_wire::control::{Event, Hello, Message, Request, VERSION};
use relay_wire::frame::{self, Reader};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fs, thread};

/// Bytes that wait to be written to the client before more messages are taken off the queue.
const UNSENT_BYTES: usize = 256 << 10;

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// How long a shard may take to close its rooms for a new client.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the control socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another relay listens on it.
    #[error("control.socket = {0}: another relay listens there; stop it or choose another path")]
    Taken(PathBuf),
    /// The file cannot be made.
    #[error("control.socket = {path}: {error}; choose a path in a directory that we may write")]
    Bind {
        /// The path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// A bound control socket. Give `events` to `start`, then `serve` with the relay's handle.
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    queue: Arc<Queue>,
}

/// A control socket in service; dropping it ends the service and removes the file.
pub struct ControlServer {
    thread: Option<JoinHandle<()>>,
    wake: Arc<Wake>,
    stop: Arc<AtomicBool>,
    path: PathBuf,
}

impl ControlSocket {
    /// Opens the socket (mode 0660); a file that nobody listens on any more is replaced.
    pub fn bind(path: &Path) -> Result<Self, ControlError> {
        let failed = |error| ControlError::Bind { path: path.into(), error };
        if UnixStream::connect(path).is_ok() {
            return Err(ControlError::Taken(path.into()));
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let wake = Arc::new(Wake::new().map_err(failed)?);

        Ok(Self { listener, path: path.into(), queue: Arc::new(Queue::new(wake)) })
    }

    /// Where the relay's messages go: to the client, if there is one.
    pub fn events(&self) -> Events {
        let queue = self.queue.clone();
        Arc::new(move |message| queue.push(message))
    }

    /// Serves clients on a thread of its own.
    pub fn serve(self, relay: RelayHandle) -> io::Result<ControlServer> {
        let Self { listener, path, queue } = self;
        let stop = Arc::new(AtomicBool::new(false));
        let wake = queue.wake().clone();
        let service = Service { listener, queue, relay, stop: stop.clone(), client: None };
        let thread = thread::Builder::new().name("control".into()).spawn(move || service.run())?;

        Ok(ControlServer { thread: Some(thread), wake, stop, path })
    }
}

impl ControlServer {
    /// Ends the service and waits for its thread.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.wake.wake();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the control socket's thread did not end well");
        }
        let _ = fs::remove_file(&self.path);
    }
}

struct Client {
    stream: UnixStream,
    reader: Reader,
    greeted: bool,
    unsent: Vec<u8>,
}

struct Service {
    listener: UnixListener,
    queue: Arc<Queue>,
    relay: RelayHandle,
    stop: Arc<AtomicBool>,
    client: Option<Client>,
}

impl Service {
    fn run(mut self) {
        while !self.stop.load(Ordering::Acquire) {
            let readable = self.wait();
            if readable.listener {
                self.accept();
            } else if let Some(error) = self.attend(readable.client) {
                tracing::warn!(%error, "control socket: the client is gone");
                self.queue.close();
                self.client = None;
            }
        }
    }

    /// Sleeps until somebody connects, writes, can be written to, or the relay has something.
    fn wait(&self) -> Readable {
        let poll = |fd: RawFd, events| libc::pollfd { fd, events, revents: 0 };
        let wants = match &self.client {
            Some(client) if !client.unsent.is_empty() => libc::POLLIN | libc::POLLOUT,
            _ => libc::POLLIN,
        };
        // A negative descriptor is ignored.
        let client = self.client.as_ref().map_or(-1, |client| client.stream.as_raw_fd());
        let wake = self.queue.wake();
        let mut polls = [
            poll(self.listener.as_raw_fd(), libc::POLLIN),
            poll(client, wants),
            poll(wake.fd(), libc::POLLIN),
        ];
        wake.sleep();
        let blocked = self.client.as_ref().is_some_and(Client::is_full);
        let work = self.stop.load(Ordering::Acquire)
            || self.queue.overflowed()
            || (!self.queue.is_empty() && !blocked);
        let timeout = if work { 0 } else { 1_000 };
        // SAFETY: the pointer and length are those of a live array.
        unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as u64, timeout) };
        wake.awake();
        if polls[2].revents != 0 {
            wake.clear();
        }

        Readable { listener: polls[0].revents != 0, client: polls[1].revents & !libc::POLLOUT != 0 }
    }

    /// Takes the newest client; the rooms of the one before are closed first.
    fn accept(&mut self) {
        let Ok((stream, _)) = self.listener.accept() else { return };
        self.queue.close();
        self.client = None;
        // Disconnected at once when all shards are done; a time-out means that one is stuck.
        if self.relay.close_rooms().recv_timeout(CLOSE_TIMEOUT)
            == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
        {
            tracing::error!("control socket: a shard does not close its rooms");
            return;
        }
        match Client::greet(stream) {
            Ok(client) => {
                self.queue.open(Message::Event(Event::Reset));
                self.client = Some(client);
            }
            Err(error) => tracing::warn!(%error, "control socket: the client is gone"),
        }
    }

    /// Reads from the client and writes to it; says why it is to be dropped.
    fn attend(&mut self, readable: bool) -> Option<String> {
        let Self { client, relay, queue, .. } = self;
        let client = client.as_mut()?;
        let read = if readable { client.read(relay) } else { Ok(()) };

        read.and_then(|()| client.write(queue)).err()
    }
}

struct Readable {
    listener: bool,
    client: bool,
}

impl Client {
    /// Says hello at once: a client of another version learns ours before it is hung up on.
    fn greet(mut stream: UnixStream) -> Result<Self, String> {
        let mut hello = Vec::new();
        frame::encode(&Hello { version: VERSION }, &mut hello)
            .map_err(|error| error.to_string())?;
        let greeted = stream.write_all(&hello).and_then(|()| stream.set_nonblocking(true));
        greeted.map_err(|error| error.to_string())?;

        Ok(Self { stream, reader: Reader::new(), greeted: false, unsent: Vec::new() })
    }

    fn is_full(&self) -> bool {
        self.unsent.len() >= UNSENT_BYTES
    }

    fn read(&mut self, relay: &RelayHandle) -> Result<(), String> {
        let mut bytes = [0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => return Err("it closed the connection".into()),
            Ok(len) => self.reader.push(&bytes[..len]),
            Err(error) if passing(&error) => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        let broken = |error: frame::FrameError| error.to_string();
        if !self.greeted {
            let Some(hello) = self.reader.next::<Hello>().map_err(broken)? else {
                return Ok(());
            };
            if hello.version != VERSION {
                return Err(format!(
                    "it speaks version {}, we speak {VERSION}: run the same release on both sides",
                    hello.version
                ));
            }
            self.greeted = true;
        }
        while let Some(request) = self.reader.next::<Request>().map_err(broken)? {
            relay.request(request);
        }

        Ok(())
    }

    fn write(&mut self, queue: &Queue) -> Result<(), String> {
        if queue.overflowed() {
            return Err("it does not read what it is told".into());
        }
        loop {
            while !self.is_full() {
                let Some(message) = queue.pop() else { break };
                frame::encode(&message, &mut self.unsent).map_err(|error| error.to_string())?;
            }
            if self.unsent.is_empty() {
                return Ok(());
            }
            match self.stream.write(&self.unsent) {
                Ok(len) => drop(self.unsent.drain(..len)),
                Err(error) if passing(&error) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

fn passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
