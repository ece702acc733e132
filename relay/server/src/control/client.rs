//! One connection to the control socket.

use super::queue::Queue;
use crate::RelayHandle;
use relay_wire::control::{Hello, Request, Role, VERSION};
use relay_wire::frame::{self, Reader};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

/// Bytes that wait to be written to the client before more messages are taken off the queue.
const UNSENT_BYTES: usize = 256 << 10;

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// A client; an error of any of its functions is the reason to hang up on it.
pub(super) struct Client {
    stream: UnixStream,
    reader: Reader,
    unsent: Vec<u8>,
    /// Whether its hello was read.
    greeted: bool,
}

impl Client {
    /// Says hello at once: a client of another version learns ours before it is hung up on.
    pub(super) fn greet(mut stream: UnixStream) -> Result<Self, String> {
        let mut hello = Vec::new();
        frame::encode(&Hello { version: VERSION }, &mut hello).map_err(text)?;
        let greeted = stream.write_all(&hello).and_then(|()| stream.set_nonblocking(true));
        greeted.map_err(text)?;

        Ok(Self { stream, reader: Reader::new(), unsent: Vec::new(), greeted: false })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// Whether bytes wait until the client reads.
    pub(super) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Whether so many bytes wait that messages stay in the queue.
    pub(super) fn is_full(&self) -> bool {
        self.unsent.len() >= UNSENT_BYTES
    }

    /// Reads the client's hello and who it is; `None` while they have not come.
    pub(super) fn hello(&mut self) -> Result<Option<Role>, String> {
        self.receive()?;
        if !self.greeted {
            match self.reader.next::<Hello>().map_err(text)? {
                None => return Ok(None),
                Some(Hello { version: VERSION }) => self.greeted = true,
                Some(Hello { version }) => {
                    return Err(format!(
                        "it speaks version {version}, we speak {VERSION}: run one release on \
                         both sides"
                    ));
                }
            }
        }

        self.reader.next::<Role>().map_err(text)
    }

    /// The connection, with what was received and not read yet.
    pub(super) fn into_parts(self) -> (UnixStream, Reader) {
        (self.stream, self.reader)
    }

    /// Passes requests on to the relay.
    pub(super) fn read(&mut self, relay: &RelayHandle) -> Result<(), String> {
        self.receive()?;
        self.pass_on(relay)
    }

    /// Passes on the requests that were received so far.
    pub(super) fn pass_on(&mut self, relay: &RelayHandle) -> Result<(), String> {
        while let Some(request) = self.reader.next::<Request>().map_err(text)? {
            relay.request(request);
        }

        Ok(())
    }

    /// Writes messages off the queue as far as the client reads them.
    pub(super) fn write(&mut self, queue: &Queue) -> Result<(), String> {
        if queue.overflowed() {
            return Err("it does not read what it is told".into());
        }
        loop {
            while !self.is_full() {
                let Some(message) = queue.pop() else { break };
                frame::encode(&message, &mut self.unsent).map_err(text)?;
            }
            if self.unsent.is_empty() {
                return Ok(());
            }
            match self.stream.write(&self.unsent) {
                Ok(len) => drop(self.unsent.drain(..len)),
                Err(error) if passing(&error) => return Ok(()),
                Err(error) => return Err(text(error)),
            }
        }
    }

    fn receive(&mut self) -> Result<(), String> {
        let mut bytes = [0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err("it closed the connection".into()),
            Ok(len) => {
                self.reader.push(&bytes[..len]);
                Ok(())
            }
            Err(error) if passing(&error) => Ok(()),
            Err(error) => Err(text(error)),
        }
    }
}

fn passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[allow(clippy::needless_pass_by_value)] // For `map_err`.
pub(super) fn text(error: impl ToString) -> String {
    error.to_string()
}
