//! Messages on their way to the client: bounded, and levels and statistics latest-wins.

use crate::wake::Wake;
use relay_wire::control::{Event, Message, Quality, RoomId, Speaker, TransportId, TurnService};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Answers and events that may wait; a client that leaves more unread is disconnected.
const MESSAGES_MAX: usize = 65_536;

#[derive(Default)]
struct Waiting {
    open: bool,
    overflowed: bool,
    messages: VecDeque<Message>,
    speakers: HashMap<RoomId, Vec<Speaker>>,
    qualities: HashMap<TransportId, Quality>,
    /// Told to every client when it comes.
    turn: Option<TurnService>,
}

/// The queue; shards push and never wait for the client.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Arc<Wake>,
}

impl Queue {
    pub(super) fn new(wake: Arc<Wake>) -> Self {
        Self { waiting: Mutex::default(), wake }
    }

    pub(super) fn wake(&self) -> &Arc<Wake> {
        &self.wake
    }

    /// Starts anew for a client: it is to forget what it knew, and to know of TURN.
    pub(super) fn open(&self) {
        let mut waiting = self.waiting();
        let turn = waiting.turn.take();
        let events = [Event::Reset].into_iter().chain(turn.clone().map(Event::Turn));
        let messages = events.map(Message::Event).collect();
        *waiting = Waiting { open: true, messages, turn, ..Waiting::default() };
    }

    /// Forgets all that is for one client and takes nothing more.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting();
        *waiting = Waiting { turn: waiting.turn.take(), ..Waiting::default() };
    }

    /// Adds a message, if there is a client.
    pub(super) fn push(&self, message: Message) {
        let mut waiting = self.waiting();
        if let Message::Event(Event::Turn(turn)) = &message {
            waiting.turn = Some(turn.clone());
        }
        if !waiting.open {
            return;
        }
        match message {
            // The maps hold one entry per room and transport that live, which are bounded.
            Message::Event(Event::Speakers(room, speakers)) => {
                waiting.speakers.insert(room, speakers);
            }
            Message::Event(Event::Quality(transport, quality)) => {
                waiting.qualities.insert(transport, quality);
            }
            message if waiting.messages.len() < MESSAGES_MAX => waiting.messages.push_back(message),
            _ => waiting.overflowed = true,
        }
        drop(waiting);
        self.wake.wake();
    }

    /// Whether messages were lost, so that the client must start anew.
    pub(super) fn overflowed(&self) -> bool {
        self.waiting().overflowed
    }

    /// The next message.
    pub(super) fn pop(&self) -> Option<Message> {
        let mut waiting = self.waiting();
        if let Some(message) = waiting.messages.pop_front() {
            return Some(message);
        }
        if let Some(room) = waiting.speakers.keys().next().copied() {
            let speakers = waiting.speakers.remove(&room).unwrap_or_default();
            return Some(Message::Event(Event::Speakers(room, speakers)));
        }
        let transport = waiting.qualities.keys().next().copied();
        let latest = transport.and_then(|id| waiting.qualities.remove_entry(&id));

        latest.map(|(id, quality)| Message::Event(Event::Quality(id, quality)))
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        let waiting = self.waiting();

        waiting.messages.is_empty() && waiting.speakers.is_empty() && waiting.qualities.is_empty()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
