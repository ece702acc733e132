//! The relay's messages on their way to signalling in the same process.

use relay_server::Events;
use signalling_server::control::{Event, Message};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// Messages that wait for signalling.
const MESSAGES_MAX: usize = 65_536;
/// With less room than this, messages of which only the latest counts are left out.
const RESERVE: usize = MESSAGES_MAX / 2;

/// A sink for the relay that never blocks, and signalling's end of it. Should signalling fall
/// behind so far that a message is lost, it hears `Reset`, and everybody joins afresh.
pub(super) fn channel() -> (Events, mpsc::Receiver<Message>) {
    let (sender, receiver) = mpsc::channel(MESSAGES_MAX);
    let lost = AtomicBool::new(false);
    let sink = move |message: Message| {
        if is_latest_wins(&message) && sender.capacity() < RESERVE {
            return;
        }
        if lost.load(Ordering::Acquire) {
            if sender.try_send(Message::Event(Event::Reset)).is_err() {
                return;
            }
            lost.store(false, Ordering::Release);
        }
        if sender.try_send(message).is_err() && !sender.is_closed() {
            lost.store(true, Ordering::Release);
        }
    };

    (Arc::new(sink), receiver)
}

fn is_latest_wins(message: &Message) -> bool {
    matches!(message, Message::Event(Event::Speakers(..) | Event::Quality(..)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use signalling_server::control::{Answer, RoomId};

    fn answer(id: u64) -> Message {
        Message::Answer { id, answer: Answer::Done }
    }

    #[test]
    fn messages_arrive_in_order() {
        let (sink, mut receiver) = channel();
        sink(answer(1));
        sink(answer(2));
        assert_eq!(receiver.try_recv(), Ok(answer(1)));
        assert_eq!(receiver.try_recv(), Ok(answer(2)));
    }

    #[test]
    fn speakers_are_left_out_when_signalling_falls_behind() {
        let (sink, receiver) = channel();
        for id in 0..=RESERVE as u64 {
            sink(answer(id));
        }
        let before = receiver.len();
        sink(Message::Event(Event::Speakers(RoomId(1), Vec::new())));
        assert_eq!(receiver.len(), before);
    }

    #[test]
    fn a_lost_answer_becomes_a_reset() {
        let (sink, mut receiver) = channel();
        for id in 0..=MESSAGES_MAX as u64 {
            sink(answer(id));
        }
        while receiver.try_recv().is_ok() {}
        sink(answer(7));
        assert_eq!(receiver.try_recv(), Ok(Message::Event(Event::Reset)));
        assert_eq!(receiver.try_recv(), Ok(answer(7)));
    }
}
