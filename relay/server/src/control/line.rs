//! An operator's end of the control socket, for `millrace turn`.

use relay_wire::control::{Hello, Role, VERSION};
use relay_wire::frame::{self, FrameError, Reader};
use relay_wire::operator::{Allocation, Answer, Request, Selector};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long the relay may take for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Bytes read at once.
const READ_BYTES: usize = 64 << 10;

/// Why the relay did not do what an operator asked.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Nobody listens there, we may not connect, or the connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The relay is of another version.
    #[error(
        "the relay speaks version {0}, this program {VERSION}: use the `millrace` that the relay \
         was started from"
    )]
    Version(u16),
    /// The relay says something else than it should.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// The relay hung up.
    #[error("the relay hung up: it stops just now, or four operators are connected already")]
    HungUp,
    /// The relay answers something else than it was asked.
    #[error("the relay's answer does not fit the question")]
    Unexpected,
    /// The relay did not do it.
    #[error("{0}")]
    Failed(String),
}

/// A connection to a relay's control socket as an operator.
pub struct OperatorLine {
    stream: UnixStream,
    reader: Reader,
}

impl OperatorLine {
    /// Connects to the relay at this control socket; both sides name their version.
    pub fn connect(path: &Path) -> Result<Self, LineError> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut line = Self { stream, reader: Reader::new() };
        // A relay that hung up already may have said its version before.
        let sent = line.send(&Hello { version: VERSION });
        let Hello { version } = line.receive()?;
        if version != VERSION {
            return Err(LineError::Version(version));
        }
        sent?;
        line.send(&Role::Operator)?;

        Ok(line)
    }

    /// The allocations that match, `None` for all.
    pub fn list(&mut self, which: Option<Selector>) -> Result<Vec<Allocation>, LineError> {
        self.send(&Request::List(which))?;
        let mut all = Vec::new();
        loop {
            match self.answer()? {
                Answer::Page { allocations, last } => {
                    all.extend(allocations);
                    if last {
                        return Ok(all);
                    }
                }
                Answer::Kicked(_) | Answer::Draining { .. } | Answer::Failed(_) => {
                    return Err(LineError::Unexpected);
                }
            }
        }
    }

    /// Ends the allocations that match; returns how many.
    pub fn kick(&mut self, which: Selector) -> Result<u64, LineError> {
        self.send(&Request::Kick(which))?;
        let Answer::Kicked(count) = self.answer()? else { return Err(LineError::Unexpected) };

        Ok(count)
    }

    /// Refuses new allocations, or takes them again; returns how many stand.
    pub fn drain(&mut self, on: bool) -> Result<u64, LineError> {
        self.send(&Request::Drain(on))?;
        let Answer::Draining { allocations, .. } = self.answer()? else {
            return Err(LineError::Unexpected);
        };

        Ok(allocations)
    }

    fn answer(&mut self) -> Result<Answer, LineError> {
        match self.receive()? {
            Answer::Failed(reason) => Err(LineError::Failed(reason)),
            answer => Ok(answer),
        }
    }

    fn send<T: Serialize>(&mut self, message: &T) -> Result<(), LineError> {
        let mut bytes = Vec::new();
        frame::encode(message, &mut bytes)?;

        Ok(self.stream.write_all(&bytes)?)
    }

    fn receive<T: DeserializeOwned>(&mut self) -> Result<T, LineError> {
        let mut bytes = [0; READ_BYTES];
        loop {
            if let Some(message) = self.reader.next()? {
                return Ok(message);
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(LineError::HungUp),
                Ok(len) => self.reader.push(&bytes[..len]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(LineError::HungUp);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
