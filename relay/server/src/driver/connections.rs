//! The media loop and the clients' connections: their messages, their moves, their ends.

use super::{Driver, TURN_DATAGRAMS};
use crate::io::Io;
use crate::mailbox::Letter;
use relay_shard::Packet;
use std::time::Instant;

impl<I: Io> Driver<I> {
    /// Feeds the shard with what clients sent on connections.
    pub(super) fn receive_streams(&mut self, now: Instant) {
        let watched = self.io.watched();
        let Self { streams, shard, .. } = self;
        streams.turn(now, watched, |path| shard.is_in_use(path));
        self.bury(now);
        let (index, shards) = (self.index, self.shared.mailboxes.len());
        for _ in 0..TURN_DATAGRAMS {
            let Some(packet) = self.streams.next() else { break };
            let path = packet.path;
            let home = if is_request(&packet) { self.shard.home(&packet) } else { None };
            let elsewhere = home.filter(|home| *home != index && usize::from(*home) < shards);
            if let Some(home) = elsewhere.filter(|_| !self.shard.is_in_use(&path)) {
                self.move_away(home);
                continue;
            }
            self.shard.receive(now, packet, &mut self.out);
            if self.streams.is_unproven() && self.shard.is_in_use(&path) {
                self.streams.prove();
            }
            self.make_room(now);
        }
        self.bury(now);
    }

    /// Tells the shard which connections are no more.
    fn bury(&mut self, now: Instant) {
        let Self { streams, shard, out, .. } = self;
        for path in streams.gone() {
            shard.disconnected(now, &path, out);
        }
    }

    /// Moves the connection whose message came last to another shard, which reads that message.
    fn move_away(&mut self, home: u16) {
        let Some(connection) = self.streams.depart() else { return };
        if !self.shared.mailboxes[usize::from(home)].post(Letter::Connection(connection)) {
            self.streams.stranded();
        }
    }
}

/// Whether this is a request of STUN (RFC 8489, section 5): only those have a home.
fn is_request(packet: &Packet<'_>) -> bool {
    matches!(packet.payload(), [high @ 0..=3, low, ..] if high & 1 == 0 && low & 0x10 == 0)
}
