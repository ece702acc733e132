//! From sockets to messages: reads, decrypts, cuts into messages, one connection after the other.

use super::Streams;
use super::connection::Connection;
use super::counters::CloseReason;
use super::table::Token;
use super::tls::CUT_MAX;
use relay_shard::{Packet, Path};
use relay_wire::stream::Framing;
use std::io::{ErrorKind, Read};
use std::ops::Range;

/// Bytes of the longest message: ChannelData, padded.
const MESSAGE_MAX: usize = 65_540;

/// Bytes of the longest message of a client of whom nothing is known.
const MESSAGE_UNPROVEN_MAX: usize = 4 << 10;

/// Bytes that one read takes.
const READ_MAX: usize = 32 << 10;

/// Messages of one connection before the next one gets its turn.
const MESSAGES_A_LOAD: usize = 64;

/// Connections that a turn reads from.
const LOADS_A_TURN: usize = 512;

/// How often a connection may move to another shard.
const MOVES_MAX: u8 = 4;

/// Memory that all connections of a shard are read into.
pub(super) struct Buffers {
    plain: Box<[u8]>,
    cipher: Box<[u8]>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        let cipher = CUT_MAX + READ_MAX;

        Self {
            plain: vec![0; MESSAGE_MAX + cipher].into_boxed_slice(),
            cipher: vec![0; cipher].into_boxed_slice(),
        }
    }
}

/// The connection whose bytes stand in `Buffers::plain`.
pub(super) struct Current {
    pub(super) token: Token,
    /// Bytes that are not cut into messages yet.
    unread: Range<usize>,
    /// Where the message that was given out last began.
    last: usize,
    messages_left: usize,
}

/// What a read brought.
enum Brought {
    /// So many bytes of plain text now stand at the front of the buffer.
    Bytes(usize),
    /// The end of the connection.
    End(CloseReason),
}

impl Streams {
    /// The next message of a client, on loan until the next call.
    pub(crate) fn next(&mut self) -> Option<Packet<'_>> {
        let (path, message) = loop {
            if let Some(found) = self.cut() {
                break found;
            }
            if !self.load() {
                return None;
            }
        };
        self.counters.messages_in += 1;

        Some(Packet::new(path, &mut self.buffers.plain, message))
    }

    /// Whether nothing of a client's was yet seen on the connection whose message came last.
    pub(crate) fn is_unproven(&mut self) -> bool {
        let token = self.current.as_ref().map(|current| current.token);

        token.and_then(|token| self.table.get(token)).is_some_and(|of| !of.proven)
    }

    /// Learns that an allocation or a path of a transport stands on that connection.
    pub(crate) fn prove(&mut self) {
        let token = self.current.as_ref().map(|current| current.token);
        if let Some(connection) = token.and_then(|token| self.table.get(token)) {
            connection.proven = true;
        }
    }

    /// Gives up the connection whose message came last, for another shard; that message is unread
    /// again. One that moves and moves is closed.
    pub(crate) fn depart(&mut self) -> Option<Box<Connection>> {
        let current = self.current.as_ref()?;
        let (token, unread) = (current.token, current.last..current.unread.end);
        self.counters.messages_in -= 1;
        if self.table.get(token)?.moves >= MOVES_MAX {
            return self.remove(token, Some(CloseReason::Stranded)).and(None);
        }
        let mut connection = self.remove(token, None)?;
        let _ = self.epoll.delete(&connection.socket);
        connection.moves += 1;
        connection.rest = self.buffers.plain[unread].to_vec();
        connection.unparsed = true;
        // Its new epoll instance tells at once whether there is more to read and room to write.
        (connection.queued, connection.dirty, connection.blocked) = (false, false, true);
        self.counters.moved_out += 1;

        Some(connection)
    }

    /// A connection could not be handed to the shard that it was to move to.
    pub(crate) fn stranded(&mut self) {
        self.counters.closed(CloseReason::Stranded);
    }

    /// Leaves the rest of the current connection's bytes for its next turn.
    pub(super) fn put_back_current(&mut self) {
        let Some(Current { token, unread, .. }) = self.current.take() else { return };
        let Some(connection) = self.table.get(token) else { return };
        connection.unparsed = !unread.is_empty();
        if connection.unparsed {
            self.spare.lend(&mut connection.rest);
            connection.rest.extend_from_slice(&self.buffers.plain[unread]);
        }
        self.enqueue(token);
    }

    /// The next message in the current connection's bytes.
    fn cut(&mut self) -> Option<(Path, Range<usize>)> {
        loop {
            let current = self.current.as_mut()?;
            let connection = self.table.get(current.token)?;
            if current.messages_left == 0 {
                self.put_back_current();
                return None;
            }
            let start = current.unread.start;
            let max = if connection.proven { MESSAGE_MAX } else { MESSAGE_UNPROVEN_MAX };
            let bytes = &self.buffers.plain[current.unread.clone()];
            if connection.framing.is_none() {
                connection.framing = match Framing::detect(bytes) {
                    Ok(framing) => framing,
                    Err(_) => return self.refuse(),
                };
            }
            let Some(framing) = connection.framing else { return self.wait_for_more() };
            let frame = match framing.next(bytes, max) {
                Ok(Some(frame)) => frame,
                Ok(None) => return self.wait_for_more(),
                Err(_) => return self.refuse(),
            };
            current.last = start;
            current.unread.start += frame.consumed;
            current.messages_left -= 1;
            if !frame.message.is_empty() {
                let message = start + frame.message.start..start + frame.message.end;
                return Some((connection.path, message));
            }
        }
    }

    /// The current connection's bytes are no message of ours.
    fn refuse<T>(&mut self) -> Option<T> {
        let token = self.current.take()?.token;
        self.remove(token, Some(CloseReason::Garbage));

        None
    }

    /// Keeps what is there of a message until the rest comes.
    fn wait_for_more<T>(&mut self) -> Option<T> {
        let Current { token, unread, .. } = self.current.take()?;
        let connection = self.table.get(token)?;
        if !unread.is_empty() {
            self.spare.lend(&mut connection.rest);
            connection.rest.extend_from_slice(&self.buffers.plain[unread]);
        }
        if connection.ended {
            self.end(token, CloseReason::Client);
        } else if connection.readable {
            self.enqueue(token);
        }

        None
    }

    /// Makes the next connection with something to read the current one; false if there is none.
    fn load(&mut self) -> bool {
        while self.loads < LOADS_A_TURN {
            let Some(token) = self.ready.pop_front() else { return false };
            let Some(connection) = self.table.get(token) else { continue };
            connection.queued = false;
            self.loads += 1;
            if connection.closing {
                self.discard(token);
                continue;
            }
            match self.fill(token) {
                Brought::Bytes(len) => {
                    let unread = 0..len;
                    self.current =
                        Some(Current { token, unread, last: 0, messages_left: MESSAGES_A_LOAD });
                    return true;
                }
                Brought::End(reason) => self.fail(token, reason),
            }
        }

        false
    }

    /// One step of a TLS handshake; whether it may have cost something.
    pub(super) fn shake_hand(&mut self, token: Token) -> bool {
        let Some(connection) = self.table.get(token) else { return false };
        connection.queued = false;
        if connection.closing {
            self.discard(token);
            return false;
        }
        match self.fill(token) {
            Brought::Bytes(len) => {
                let Some(connection) = self.table.get(token) else { return true };
                connection.rest.extend_from_slice(&self.buffers.plain[..len]);
                connection.unparsed = len > 0;
                if connection.readable || connection.unparsed {
                    self.enqueue(token);
                } else if connection.ended {
                    let handshaking = connection.is_handshaking();
                    let reason =
                        if handshaking { CloseReason::Handshake } else { CloseReason::Client };
                    self.remove(token, Some(reason));
                }
            }
            Brought::End(reason) => self.fail(token, reason),
        }

        true
    }

    /// Puts a connection's plain text to the front of the buffer: what was left, and what is new.
    fn fill(&mut self, token: Token) -> Brought {
        let Some(connection) = self.table.get(token) else { return Brought::Bytes(0) };
        let left = connection.rest.len();
        self.buffers.plain[..left].copy_from_slice(&connection.rest);
        self.spare.take_back(&mut connection.rest);
        let unparsed = std::mem::take(&mut connection.unparsed);
        if unparsed || !connection.readable {
            return Brought::Bytes(left);
        }
        if connection.tls.is_some() {
            return self.fill_decrypted(token, left);
        }
        let room = &mut self.buffers.plain[left..left + READ_MAX];
        match read(connection, room) {
            Ok(taken) => {
                self.counters.bytes_in += taken as u64;
                Brought::Bytes(left + taken)
            }
            Err(reason) => Brought::End(reason),
        }
    }

    fn fill_decrypted(&mut self, token: Token, left: usize) -> Brought {
        let Self { buffers, spare, table, .. } = self;
        let Some(connection) = table.get(token) else { return Brought::Bytes(left) };
        let Some(mut tls) = connection.tls.take() else { return Brought::Bytes(left) };
        let cut = tls.cut.len();
        buffers.cipher[..cut].copy_from_slice(&tls.cut);
        spare.take_back(&mut tls.cut);
        let read = read(connection, &mut buffers.cipher[cut..cut + READ_MAX]);
        let handshaking = tls.is_handshaking();
        let mut len = left;
        let end = cut + read.unwrap_or(0);
        let received = &mut buffers.cipher[..end];
        spare.lend(&mut connection.output);
        let taken = tls.receive(received, (&mut buffers.plain, &mut len), &mut connection.output);
        let failed = match &taken {
            Ok(taken) => {
                connection.ended |= taken.ended;
                tls.cut.extend_from_slice(&buffers.cipher[taken.used..end]);
                None
            }
            Err(_) if handshaking => Some(CloseReason::Handshake),
            Err(_) => Some(CloseReason::Tls),
        };
        let failed = failed.or((tls.cut.len() > CUT_MAX).then_some(CloseReason::Tls));
        connection.tls = Some(tls);
        self.counters.bytes_in += (end - cut) as u64;
        if connection.output.is_empty() {
            spare.take_back(&mut connection.output);
        } else {
            self.write(token);
        }

        match read.err().or(failed) {
            Some(reason) => Brought::End(reason),
            None => Brought::Bytes(len),
        }
    }

    /// Ends a connection that broke. TLS has a last word to say: why.
    fn fail(&mut self, token: Token, reason: CloseReason) {
        match reason {
            CloseReason::Handshake | CloseReason::Tls => self.end(token, reason),
            _ => drop(self.remove(token, Some(reason))),
        }
    }

    /// Throws away what a connection that is being closed still says.
    fn discard(&mut self, token: Token) {
        let Some(connection) = self.table.get(token) else { return };
        let broken = read(connection, &mut self.buffers.cipher[..READ_MAX]).is_err();
        if broken || connection.ended && !connection.has_output() {
            self.remove(token, None);
        } else if connection.readable {
            self.enqueue(token);
        }
    }
}

/// Reads once; notes whether there may be more, and the other side's end.
fn read(connection: &mut Connection, room: &mut [u8]) -> Result<usize, CloseReason> {
    match connection.socket.read(room) {
        Ok(0) => {
            (connection.readable, connection.ended) = (false, true);
            Ok(0)
        }
        Ok(taken) => {
            // A short read has emptied the socket; an end behind it was told, or will be.
            connection.readable = taken == room.len() || connection.half_closed;
            Ok(taken)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            connection.readable = false;
            Ok(0)
        }
        Err(_) => Err(CloseReason::Reset),
    }
}
