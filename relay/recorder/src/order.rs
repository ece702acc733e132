//! A track's packets in the order of their sequence numbers.

use relay_wire::control::Codec;
use relay_wire::medialog;
use std::collections::BTreeMap;

/// Time that a missing packet is waited for: repairs come within a few round trips.
const PATIENCE_US: u64 = 1_000_000;
/// Packets that may wait for a missing one.
const WAITING_MAX: usize = 4096;

/// A packet of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it arrived: microseconds since the log's start.
    pub at_us: u64,
    /// When it is due in the recording: microseconds since the log's start.
    pub time_us: u64,
    /// In which codec.
    pub codec: Codec,
    /// Extended sequence number.
    pub sequence: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// Coordination of video orientation, if it was told.
    pub orientation: Option<u8>,
    /// RTP payload.
    pub payload: Vec<u8>,
}

impl Packet {
    /// A packet of a log, due at this time.
    pub fn new(packet: &medialog::Packet<'_>, time_us: u64) -> Self {
        Self {
            at_us: packet.at_us,
            time_us,
            codec: packet.codec,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            orientation: packet.orientation,
            payload: packet.payload.to_vec(),
        }
    }
}

/// Puts packets in order; what comes too late, or twice, is counted and left out.
#[derive(Debug, Default)]
pub struct Order {
    waiting: BTreeMap<u64, Packet>,
    next: Option<u64>,
    /// Packets that never came.
    pub missing: u64,
    /// Packets that came twice, or when nobody waited for them any more.
    pub late: u64,
}

impl Order {
    /// Takes a packet as it stands in the log.
    pub fn push(&mut self, packet: Packet) {
        let late = self.next.is_some_and(|next| packet.sequence < next);
        if late || self.waiting.contains_key(&packet.sequence) {
            self.late += 1;
            return;
        }
        self.waiting.insert(packet.sequence, packet);
    }

    /// The next packet in order, at this time of the log; one that is missing is waited for.
    pub fn next(&mut self, now_us: u64) -> Option<Packet> {
        let first = self.waiting.first_key_value()?.1;
        let due = match self.next {
            Some(next) => next == first.sequence,
            // The first packets of a track may have overtaken one another, too.
            None => false,
        };
        let overdue = first.at_us.saturating_add(PATIENCE_US) <= now_us;
        if !due && !overdue && self.waiting.len() < WAITING_MAX {
            return None;
        }

        self.take()
    }

    /// The next packet in order when no more will come.
    pub fn finish(&mut self) -> Option<Packet> {
        self.take()
    }

    fn take(&mut self) -> Option<Packet> {
        let (sequence, packet) = self.waiting.pop_first()?;
        self.missing += sequence - self.next.unwrap_or(sequence);
        self.next = Some(sequence.saturating_add(1));

        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u64, at_us: u64) -> Packet {
        Packet {
            at_us,
            time_us: at_us,
            codec: Codec::Opus,
            sequence,
            timestamp: 0,
            marker: false,
            orientation: None,
            payload: Vec::new(),
        }
    }

    fn drain(order: &mut Order, now_us: u64) -> Vec<u64> {
        std::iter::from_fn(|| order.next(now_us)).map(|packet| packet.sequence).collect()
    }

    #[test]
    fn a_gap_is_waited_for_and_then_given_up() {
        let mut order = Order::default();
        [5, 4, 6].into_iter().for_each(|sequence| order.push(packet(sequence, 0)));
        assert!(drain(&mut order, 10).is_empty(), "an earlier one may come");
        assert_eq!(drain(&mut order, PATIENCE_US), [4, 5, 6]);

        order.push(packet(8, 2 * PATIENCE_US));
        assert!(drain(&mut order, 2 * PATIENCE_US).is_empty());
        order.push(packet(7, 2 * PATIENCE_US + 5));
        assert_eq!(drain(&mut order, 2 * PATIENCE_US + 5), [7, 8]);

        order.push(packet(11, 3 * PATIENCE_US));
        assert_eq!(drain(&mut order, 4 * PATIENCE_US), [11]);
        order.push(packet(9, 4 * PATIENCE_US));
        order.push(packet(11, 4 * PATIENCE_US));
        assert!(order.finish().is_none());
        assert_eq!((order.missing, order.late), (2, 2));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut order = Order::default();
        (0..2 * WAITING_MAX as u64).for_each(|at| {
            order.push(packet(at * 2 + 1, 0));
            order.next(0);
        });
        assert!(order.waiting.len() <= WAITING_MAX);
    }
}
