//! What the driver tells of recordings.

use super::Shard;
use crate::{Outbox, Unwritten};
use std::time::Instant;

impl Shard {
    /// Learns that a block of a media log could not be written: the log will say so.
    pub fn unwritten(&mut self, refused: &Unwritten) {
        self.rooms.with(refused.room, |room| room.unwritten(refused));
    }

    /// Ends all recordings: the process ends.
    pub fn stop_recordings(&mut self, now: Instant, out: &mut Outbox) {
        self.rooms.stop_recordings(now, out);
    }
}
