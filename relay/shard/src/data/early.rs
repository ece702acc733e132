//! Reliable messages for a receiver whose channel is about to open.

use std::collections::VecDeque;

/// Bytes that wait for one receiver.
const EARLY_BYTES_MAX: usize = 256 * 1024;

/// Messages that wait for one receiver.
const EARLY_MESSAGES_MAX: usize = 256;

/// Messages in order; what does not fit is refused.
#[derive(Default)]
pub(crate) struct Early {
    messages: VecDeque<Box<[u8]>>,
    bytes: usize,
}

impl Early {
    /// Keeps a message; false when too much waits already.
    pub(crate) fn push(&mut self, message: &[u8]) -> bool {
        let fits = self.messages.len() < EARLY_MESSAGES_MAX
            && self.bytes + message.len() <= EARLY_BYTES_MAX;
        if fits {
            self.bytes += message.len();
            self.messages.push_back(message.into());
        }

        fits
    }

    /// The message that waits longest.
    pub(crate) fn pop(&mut self) -> Option<Box<[u8]>> {
        let message = self.messages.pop_front()?;
        self.bytes -= message.len();

        Some(message)
    }
}
