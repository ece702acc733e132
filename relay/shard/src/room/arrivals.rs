//! Arrival times of one transport's packets, for transport-wide feedback
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use relay_wire::rtp::SequenceExtender;
use std::time::Instant;

/// Packets that one feedback covers at most; older ones are given up when it is full.
pub(super) const ARRIVALS: usize = 512;

/// Packets since the last feedback.
pub(super) struct Arrivals {
    extender: SequenceExtender,
    /// By extended sequence number modulo `ARRIVALS`; made with the first packet.
    times: Box<[Option<Instant>]>,
    /// The first number that the next feedback covers.
    base: Option<u64>,
    /// Behind the newest number received.
    end: u64,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        Self { extender: SequenceExtender::default(), times: Box::default(), base: None, end: 0 }
    }

    /// Notes a packet.
    pub(super) fn note(&mut self, now: Instant, number: u16) {
        if self.times.is_empty() {
            self.times = vec![None; ARRIVALS].into_boxed_slice();
        }
        let sequence = self.extender.extend(number);
        let base = *self.base.get_or_insert(sequence);
        if sequence < base {
            return;
        }
        if sequence >= base + ARRIVALS as u64 {
            self.take();
            self.base = Some(sequence);
            self.end = sequence;
        }
        self.times[sequence as usize % ARRIVALS].get_or_insert(now);
        self.end = self.end.max(sequence + 1);
    }

    /// The first number, and the arrival time of each number from it on.
    pub(super) fn pending(
        &self,
    ) -> Option<(u64, impl ExactSizeIterator<Item = Option<Instant>> + Clone + '_)> {
        let base = self.base.filter(|base| *base < self.end)?;
        let count = (self.end - base) as usize;
        let times = (0..count).map(move |index| self.times[(base as usize + index) % ARRIVALS]);

        Some((base, times))
    }

    /// Feedback was sent.
    pub(super) fn take(&mut self) {
        let Some(base) = self.base else { return };
        for sequence in base..self.end {
            self.times[sequence as usize % ARRIVALS] = None;
        }
        self.base = Some(self.end.max(base));
    }
}
