//! Recordings begin, if there is memory for them, and end with the process.

use super::Driver;
use crate::io::Io;
use relay_shard::Event;
use relay_wire::control::{Answer, Command, Message, Refusal, Request};
use std::time::Instant;

impl<I: Io> Driver<I> {
    /// Carries out a request; memory for a new recording is there before it.
    pub(super) fn carry_out(&mut self, now: Instant, request: Request) {
        let records = matches!(request.command, Command::Record(_));
        if records && !self.recorder.prepare(&mut self.out) {
            let answer = Answer::Refused(Refusal::Full);
            let message = Message::Answer { id: request.id, answer };
            return self.out.events.push(Event::Control(message));
        }
        self.shard.command(now, request, &mut self.out);
    }

    /// Ends all recordings: their logs are whole.
    pub(super) fn end_recordings(&mut self, now: Instant) {
        self.shard.stop_recordings(now, &mut self.out);
        self.recorder.exchange(&mut self.shard, &mut self.out);
    }
}
