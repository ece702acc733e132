//! TLS of one connection: records in, bytes out. It owns no buffer but for a record cut in two.

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic,
};
use rustls::{Error, ServerConfig};
use std::sync::Arc;

/// Bytes of a record's plain text (RFC 8446, section 5.1).
const RECORD_MAX: usize = 16 << 10;

/// Bytes that a record may be longer than its plain text: header, explicit nonce, type, tag.
const OVERHEAD_MAX: usize = 64;

/// Bytes of the longest record, with what RFC 5246, section 6.2.3, allows it to grow.
pub(super) const CUT_MAX: usize = 5 + RECORD_MAX + 2_048;

/// Bytes of a message of ours that is neither a handshake's nor data: an alert.
const ALERT_MAX: usize = 128;

/// States in which a session speaks for itself, one after the other: an alert, a change of keys.
const OWN_STATES: usize = 8;

pub(super) struct Tls {
    connection: UnbufferedServerConnection,
    /// Received, and not yet a whole record or handshake message.
    pub(super) cut: Vec<u8>,
}

/// What became of received bytes.
pub(super) struct Taken {
    /// Bytes that were used up; the rest is needed again, in front of what comes.
    pub(super) used: usize,
    /// The other side said that nothing more comes.
    pub(super) ended: bool,
    /// There were messages among them, and not only parts.
    pub(super) worked: bool,
}

impl Tls {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Box<Self>, Error> {
        let connection = UnbufferedServerConnection::new(config)?;

        Ok(Box::new(Self { connection, cut: Vec::new() }))
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Takes received bytes: puts plain text behind the first `len` bytes of `plain`, and what is
    /// is to be sent behind `output`: after an error, the last words.
    pub(super) fn receive(
        &mut self,
        received: &mut [u8],
        (plain, len): (&mut [u8], &mut usize),
        output: &mut Vec<u8>,
    ) -> Result<Taken, Error> {
        let mut taken = Taken { used: 0, ended: false, worked: false };
        loop {
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(&mut received[taken.used..]);
            let state = match state {
                Ok(state) => state,
                Err(error) => {
                    self.last_words(output);
                    return Err(error);
                }
            };
            let mut more = true;
            match state {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        let end = *len + record.payload.len();
                        let room = plain.get_mut(*len..end);
                        room.ok_or(Error::PeerSentOversizedRecord)?.copy_from_slice(record.payload);
                        *len = end;
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    append(output, ALERT_MAX, |room| {
                        data.encode(room).map_err(|e| size_of_encoding(&e))
                    });
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => taken.ended = true,
                ConnectionState::Closed => (taken.ended, more) = (true, false),
                // Early data is not offered, and states that are not known lead no further.
                _ => more = false,
            }
            taken.used += discard;
            taken.worked |= more;
            if !more {
                return Ok(taken);
            }
        }
    }

    /// Encrypts `plain` into records behind `output`.
    pub(super) fn seal(&mut self, plain: &[u8], output: &mut Vec<u8>) {
        let room = plain.len() + (plain.len() / RECORD_MAX + 1) * OVERHEAD_MAX;
        self.speak(output, |traffic, output| {
            append(output, room, |room| {
                traffic.encrypt(plain, room).map_err(|e| size_of_encryption(&e))
            });
        });
    }

    /// Says that nothing more will be sent.
    pub(super) fn close(&mut self, output: &mut Vec<u8>) {
        self.speak(output, |traffic, output| {
            append(output, ALERT_MAX, |room| {
                traffic.queue_close_notify(room).map_err(|e| size_of_encryption(&e))
            });
        });
    }

    /// The alert that says what was wrong.
    fn last_words(&mut self, output: &mut Vec<u8>) {
        self.speak(output, |_, _| {});
    }

    /// Sends what the session itself has to say; then, if it may, lets `write` send something.
    fn speak(
        &mut self,
        output: &mut Vec<u8>,
        write: impl FnOnce(&mut WriteTraffic<'_, ServerConnectionData>, &mut Vec<u8>),
    ) {
        for _ in 0..OWN_STATES {
            match self.connection.process_tls_records(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(output, ALERT_MAX, |room| {
                        data.encode(room).map_err(|e| size_of_encoding(&e))
                    });
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    return write(&mut traffic, output);
                }
                _ => return,
            }
        }
    }
}

/// Lets `write` write behind `output`, in `room` bytes or in as many as it asks for then. What
/// cannot be written is left out: the session is at its end then, and the other side's too.
fn append(
    output: &mut Vec<u8>,
    room: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
) {
    let start = output.len();
    output.resize(start + room, 0);
    let written = match write(&mut output[start..]) {
        Err(Some(needed)) => {
            output.resize(start + needed, 0);
            write(&mut output[start..])
        }
        other => other,
    };
    output.truncate(start + written.unwrap_or(0));
}

fn size_of_encoding(error: &EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(size) => Some(size.required_size),
        EncodeError::AlreadyEncoded => None,
    }
}

fn size_of_encryption(error: &EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(size) => Some(size.required_size),
        EncryptError::EncryptExhausted => None,
    }
}
