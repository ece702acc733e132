//! Connections and their frames: read, paced, numbered, answered.

use super::Exchange;
use crate::calls::event::{Code, Event, Fault};
use crate::calls::frame::{Bad, Frame};
use crate::calls::interface::{CallsConfig, CallsOutbox, Close};
use crate::calls::session::{Turn, answer_text};
use crate::rooms::bucket::Bucket;
use crate::rooms::{ConnectionId, Now};
use serde_json::{Map, Value};
use std::time::Instant;

/// A WebSocket.
pub(super) struct Connection {
    pub(super) session: Option<String>,
    bucket: Bucket,
    /// Frames that could not be read, or came too fast.
    strikes: u32,
}

impl Connection {
    pub(super) fn new(now: Instant, config: &CallsConfig) -> Self {
        let (rate, burst) = config.limits.frames;
        Self { session: None, bucket: Bucket::new(now, rate, burst), strikes: 0 }
    }
}

impl Exchange {
    pub(super) fn frame(&mut self, now: Now, id: ConnectionId, text: &str, out: &mut CallsOutbox) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let session = connection.session.clone();
        let in_time = connection.bucket.take(now.instant);
        if text.len() > self.config.limits.frame_bytes {
            let most = self.config.limits.frame_bytes;
            let message = format!("a frame has at most {most} bytes");
            return self.strike(now, id, 0, Fault::new(Code::TooLarge, &message), out);
        }
        let frame = match Frame::parse(text) {
            Ok(frame) => frame,
            Err(bad) => return self.strike(now, id, 0, fault(bad), out),
        };
        match (frame, session) {
            (Frame::Hello(hello), None) => self.hello(now, id, hello, out),
            (Frame::Hello(_), Some(_)) => {
                self.strike(
                    now,
                    id,
                    0,
                    wrong("/type", "hello comes once, as the first frame"),
                    out,
                );
            }
            (Frame::Ack { .. } | Frame::Request { .. }, None) => {
                let message = "the first frame must be hello";
                self.bye(id, "protocol", message, false, Close::Policy, out);
            }
            (Frame::Ack { seq }, Some(session)) => {
                let session = self.sessions.get_mut(&session);
                if session.is_some_and(|session| !session.acknowledge(seq)) {
                    self.strike(now, id, 0, wrong("/seq", "no such event was sent"), out);
                }
            }
            (Frame::Request { id: re, .. }, Some(_)) if !in_time => {
                let mut fault = Fault::new(Code::TooMany, "too many frames a second");
                fault.retry_after_ms = Some(1_000);
                self.strike(now, id, re, fault, out);
            }
            (Frame::Request { id: re, request }, Some(session)) => {
                let until = now.instant + self.config.times.answer * 2;
                let Some(known) = self.sessions.get_mut(&session) else { return };
                match known.take(re, until, &self.config.limits) {
                    Turn::Again(text) => out.frames.push((id, text)),
                    Turn::Waiting => {}
                    Turn::Refused(code) => self.strike(now, id, re, refused(code), out),
                    Turn::New => {
                        self.arm_session(&session);
                        match request {
                            Ok(request) => self.request(now, &session, re, request, out),
                            Err(bad) => {
                                self.count_strike(id);
                                self.reply(&session, re, Err(fault(bad)), out);
                            }
                        }
                    }
                }
            }
        }
        self.end_if_abused(now, id, out);
    }

    /// Answers a frame that counts against the connection.
    fn strike(&mut self, now: Now, id: ConnectionId, re: u64, fault: Fault, out: &mut CallsOutbox) {
        self.count_error(fault.code);
        out.frames.push((id, answer_text(re, Err(fault))));
        self.count_strike(id);
        self.end_if_abused(now, id, out);
    }

    fn count_strike(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.strikes += 1;
        }
    }

    fn end_if_abused(&mut self, now: Now, id: ConnectionId, out: &mut CallsOutbox) {
        let most = self.config.limits.malformed_frames;
        let Some(connection) = self.connections.get(&id).filter(|c| c.strikes > most) else {
            return;
        };
        let session = connection.session.clone();
        let message = "too many frames were wrong, or too fast";
        self.bye(id, "abuse", message, false, Close::Policy, out);
        if let Some(session) = session {
            self.end_session(now, &session, out);
        }
    }

    /// Answers a request, once.
    pub(super) fn reply(
        &mut self,
        session: &str,
        re: u64,
        outcome: Result<Map<String, Value>, Fault>,
        out: &mut CallsOutbox,
    ) {
        let Some(known) = self.sessions.get_mut(session) else { return };
        let code = outcome.as_ref().err().map(|fault| fault.code);
        let Some(text) = known.answer(re, outcome, &self.config.limits) else { return };
        if let Some(connection) = known.connection {
            out.frames.push((connection, text));
        }
        if let Some(code) = code {
            self.count_error(code);
        }
    }

    fn count_error(&mut self, code: Code) {
        let word = serde_json::to_value(code).ok();
        let word = word.as_ref().and_then(Value::as_str).unwrap_or_default();
        *self.counters.errors.entry(word.to_owned()).or_default() += 1;
    }

    /// Tells a session something; one that does not keep up is ended.
    pub(super) fn tell(&mut self, now: Now, session: &str, event: &Event, out: &mut CallsOutbox) {
        let Some(known) = self.sessions.get_mut(session) else { return };
        match known.tell(event, &self.config.limits) {
            Some(text) => {
                if let (Some(connection), true) = (known.connection, known.welcomed) {
                    out.frames.push((connection, text));
                }
            }
            None => {
                let connection = known.connection;
                if let Some(id) = connection {
                    let message = "events were not acknowledged";
                    self.bye(id, "slow", message, true, Close::Policy, out);
                }
                self.end_session(now, session, out);
            }
        }
    }
}

fn refused(code: Code) -> Fault {
    let message = match code {
        Code::OutOfOrder => "ids follow each other without gaps",
        Code::Duplicate => "this id was used, and its answer is not kept any more",
        _ => "too many requests wait for their answer",
    };

    Fault::new(code, message)
}

pub(super) fn wrong(field: &str, message: &str) -> Fault {
    Fault { field: Some(field.to_owned()), ..Fault::new(Code::BadMessage, message) }
}

fn fault(bad: Bad) -> Fault {
    match bad {
        Bad::Wrong(at) => wrong(&at.field, &at.problem),
        Bad::UnknownType => {
            let message = "there is no such type of frame";
            Fault { field: Some("/type".to_owned()), ..Fault::new(Code::UnknownType, message) }
        }
    }
}
