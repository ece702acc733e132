//! The control socket: signalling in another process speaks to the relay by frames.
//!
//! Both sides first send a `Hello`, and the client its `Role`. One signalling side is served at a
//! time: a newer one replaces the older, all rooms are closed, and the first messages it gets are
//! `Event::Reset` and `Event::Turn`. When none is connected, calls go on; they end when a new one
//! comes. Operators (`OperatorLine`) are served beside it, each on a thread of its own.

mod client;
mod line;
mod operator;
mod queue;
mod service;

use crate::router::Events;
use crate::{RelayHandle, wake::Wake};
pub use line::{LineError, OperatorLine};
pub use operator::Operations;
use queue::Queue;
pub use relay_wire::control::{Event, Message, TurnService};
pub use relay_wire::operator::{Allocation, Selector};
use service::Service;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::{fs, thread};

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
    inode: u64,
    queue: Arc<Queue>,
}

/// A control socket in service; dropping it ends the service and removes the file.
pub struct ControlServer {
    thread: Option<JoinHandle<()>>,
    wake: Arc<Wake>,
    stop: Arc<AtomicBool>,
    path: PathBuf,
    inode: u64,
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
        let inode = fs::metadata(path).map_err(failed)?.ino();
        let wake = Arc::new(Wake::new().map_err(failed)?);

        Ok(Self { listener, path: path.into(), inode, queue: Arc::new(Queue::new(wake)) })
    }

    /// Where the relay's messages go: to the client, if there is one.
    pub fn events(&self) -> Events {
        let queue = self.queue.clone();
        Arc::new(move |message| queue.push(message))
    }

    /// Serves signalling and operators on a thread of its own; `operations` does what operators
    /// ask.
    pub fn serve(
        self,
        relay: RelayHandle,
        operations: Arc<dyn Operations>,
    ) -> io::Result<ControlServer> {
        self.run(Some(relay), operations)
    }

    /// Serves operators only: signalling is in the relay's own process.
    pub fn serve_operators(self, operations: Arc<dyn Operations>) -> io::Result<ControlServer> {
        self.run(None, operations)
    }

    fn run(
        self,
        relay: Option<RelayHandle>,
        operations: Arc<dyn Operations>,
    ) -> io::Result<ControlServer> {
        let Self { listener, path, inode, queue } = self;
        let stop = Arc::new(AtomicBool::new(false));
        let wake = queue.wake().clone();
        let service = Service::new(listener, queue, relay, operations, stop.clone());
        let thread = thread::Builder::new().name("control".into()).spawn(move || service.run())?;

        Ok(ControlServer { thread: Some(thread), wake, stop, path, inode })
    }
}

impl ControlServer {
    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.path
    }

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
        // Another relay may have put its own in this place.
        if fs::metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
