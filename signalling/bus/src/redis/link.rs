//! The line that commands take, if there is one; every command ends within the deadline.

use super::connect::Line;
use crate::Error;
use crate::bus::Link;
use ::redis::{ErrorKind, RedisError, RedisResult, ServerErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// Who wants a line, gets it here; who finds it broken, says so here.
pub(super) struct LineSlot {
    deadline: Duration,
    current: Mutex<Current>,
    broken: Notify,
    link: watch::Sender<Link>,
}

struct Current {
    line: Option<Line>,
    /// Counts the lines, so that a late complaint about an old one is known as such.
    number: u64,
}

impl LineSlot {
    pub(super) fn new(deadline: Duration) -> Self {
        let current = Mutex::new(Current { line: None, number: 0 });
        let link = watch::Sender::new(Link::Down);

        Self { deadline, current, broken: Notify::new(), link }
    }

    pub(super) fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    /// Has commands take this line from now on.
    pub(super) fn put(&self, line: Line) {
        let mut current = self.current();
        current.line = Some(line);
        current.number += 1;
    }

    /// Tells that Redis is there, and everything of this node in it.
    pub(super) fn up(&self) {
        self.link.send_replace(Link::Up);
    }

    /// Has commands fail from now on.
    pub(super) fn take(&self) {
        self.current().line = None;
        self.link.send_replace(Link::Down);
    }

    /// Until somebody found the line broken.
    pub(super) async fn broken(&self) {
        while self.current().line.is_some() {
            self.broken.notified().await;
        }
    }

    /// Carries out commands on the line there is.
    pub(super) async fn run<T>(
        &self,
        commands: impl AsyncFnOnce(Line) -> RedisResult<T>,
    ) -> Result<T, Error> {
        let (line, number) = {
            let current = self.current();
            (current.line.clone().ok_or(Error::Away)?, current.number)
        };
        let result = self.run_on(line, commands).await;
        if result.as_ref().is_err_and(|error| *error == Error::Away) {
            let mut current = self.current();
            if current.number == number && current.line.take().is_some() {
                self.broken.notify_one();
            }
        }

        result
    }

    /// Carries out commands on a line that is not for everybody yet.
    pub(super) async fn run_on<T>(
        &self,
        line: Line,
        commands: impl AsyncFnOnce(Line) -> RedisResult<T>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.deadline, commands(line)).await {
            Ok(result) => result.map_err(|error| told(&error)),
            Err(_) => Err(Error::Away),
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an error of the client means: mostly that Redis is not there, or not the one that writes.
pub(super) fn told(error: &RedisError) -> Error {
    let refused = || Error::Refused(error.code().unwrap_or(error.category()).to_owned());
    match error.kind() {
        ErrorKind::UnexpectedReturnType => Error::Garbled("a value of another kind"),
        ErrorKind::Extension if error.code() != Some("UNBLOCKED") => refused(),
        ErrorKind::InvalidClientConfig | ErrorKind::Client | ErrorKind::RESP3NotSupported => {
            refused()
        }
        ErrorKind::Server(
            ServerErrorKind::ResponseError
            | ServerErrorKind::ExecAbort
            | ServerErrorKind::CrossSlot
            | ServerErrorKind::NoPerm,
        ) => refused(),
        _ => Error::Away,
    }
}
