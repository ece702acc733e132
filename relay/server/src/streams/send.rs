//! From messages to sockets: framed, gathered into one write for each connection, never waited for.

use super::connection::Unsent;
use super::counters::CloseReason;
use super::table::Token;
use super::{CLOSE_TIMEOUT, Streams};
use relay_shard::{DropReason, Outbox, Path, Via};
use std::net::Shutdown;
use std::time::Instant;

impl Streams {
    /// Sends the outbox's messages for connections; those that do not fit are dropped and counted.
    pub(crate) fn send(&mut self, out: &Outbox) {
        for transmit in out.transmits().iter().filter(|transmit| transmit.path.via == Via::Tcp) {
            match self.queue(&transmit.path, out.bytes(transmit)) {
                Ok(()) => self.counters.messages_out += 1,
                Err(Unsent::Full) => self.counters.drops.count(DropReason::StreamFull),
                Err(Unsent::Gone) => self.counters.drops.count(DropReason::StreamGone),
            }
        }
        let mut dirty = std::mem::take(&mut self.dirty);
        for token in dirty.drain(..) {
            if let Some(connection) = self.table.get(token) {
                connection.dirty = false;
                self.write(token);
            }
        }
        self.dirty = dirty;
    }

    /// Closes a connection once what it was sent is in its buffers: see `finish`.
    pub(crate) fn hang_up(&mut self, path: &Path) {
        if let Some(token) = self.by_path.get(path) {
            self.end(*token, CloseReason::HungUp);
        }
    }

    /// Begins to close the connections that are at their end. Call it when nothing that was
    /// written to an outbox for them is still to be sent.
    pub(crate) fn finish(&mut self, now: Instant) {
        while let Some(token) = self.ending.pop() {
            let Self { table, spare, by_path, gone, counters, .. } = self;
            let Some(connection) = table.get(token).filter(|of| !of.closing) else { continue };
            connection.closing = true;
            connection.farewell(spare);
            if connection.framing.is_some() {
                gone.push(connection.path);
            }
            by_path.remove(&connection.path);
            counters.closed(connection.ending.unwrap_or(CloseReason::HungUp));
            if self.current.as_ref().is_some_and(|current| current.token == token) {
                self.current = None;
            }
            self.closings.push_back((now + CLOSE_TIMEOUT, token));
            self.write(token);
            self.enqueue(token);
        }
    }

    /// Notes that a connection is to be closed by the next `finish`.
    pub(super) fn end(&mut self, token: Token, reason: CloseReason) {
        let Some(connection) = self.table.get(token) else { return };
        if connection.ending.is_none() {
            connection.ending = Some(reason);
            self.ending.push(token);
        }
    }

    /// Writes what waits on a connection.
    pub(super) fn write(&mut self, token: Token) {
        let Some(connection) = self.table.get(token) else { return };
        let written = connection.write(&mut self.spare);
        let Ok(written) = written else {
            let reason = (!connection.closing).then_some(CloseReason::Reset);
            self.remove(token, reason);
            return;
        };
        self.counters.bytes_out += written as u64;
        if !connection.closing || connection.has_output() {
            return;
        }
        if !std::mem::replace(&mut connection.shut, true) {
            let _ = connection.socket.shutdown(Shutdown::Write);
        }
        if connection.ended {
            self.remove(token, None);
        }
    }

    fn queue(&mut self, path: &Path, message: &[u8]) -> Result<(), Unsent> {
        let token = *self.by_path.get(path).ok_or(Unsent::Gone)?;
        let connection = self.table.get(token).ok_or(Unsent::Gone)?;
        connection.push(message, &mut self.spare)?;
        if !std::mem::replace(&mut connection.dirty, true) {
            self.dirty.push(token);
        }

        Ok(())
    }
}
