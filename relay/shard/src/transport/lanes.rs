//! Received DTLS datagrams that wait their turn: handshakes and established sessions apart.

use relay_wire::control::TransportId;
use std::collections::VecDeque;

/// Datagrams that wait in one lane.
const LANE_MAX: usize = 2048;

/// A received DTLS datagram.
pub(super) struct Waiting {
    pub(super) transport: TransportId,
    pub(super) datagram: Vec<u8>,
}

/// A handshake step costs 150-300 us, a record some microseconds: in one lane, a crowd that
/// joins would hold up everybody's data.
#[derive(Default)]
pub(super) struct Lanes {
    handshakes: VecDeque<Waiting>,
    records: VecDeque<Waiting>,
}

impl Lanes {
    /// Queues a datagram; false when the lane is full.
    pub(super) fn push(&mut self, established: bool, waiting: Waiting) -> bool {
        let lane = if established { &mut self.records } else { &mut self.handshakes };
        if lane.len() >= LANE_MAX {
            return false;
        }
        lane.push_back(waiting);

        true
    }

    /// The next datagram of a session that is still shaking hands.
    pub(super) fn next_handshake(&mut self) -> Option<Waiting> {
        self.handshakes.pop_front()
    }

    /// The next datagram of an established session.
    pub(super) fn next_record(&mut self) -> Option<Waiting> {
        self.records.pop_front()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.handshakes.is_empty() && self.records.is_empty()
    }
}
