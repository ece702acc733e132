//! A received stream's sequence numbers: extended, checked for duplicates, counted for reports.

/// How far behind the newest a packet may be and still be told from a duplicate.
const WINDOW: u64 = 2048;
/// A longer gap than this is taken for a restart of the stream.
const JUMP_MAX: u64 = 1000;

/// What a sequence number turned out to be. Numbers are extended to 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The newest so far; `skipped` numbers in front of it are missing.
    Next { sequence: u64, skipped: u64 },
    /// Older than the newest, and not seen before.
    Late { sequence: u64 },
    /// The stream starts anew here: nothing older is related to it.
    Restart { sequence: u64 },
    /// Seen before.
    Duplicate,
    /// Out of the window, or a jump that the next packet must confirm.
    TooOld,
}

/// Which numbers of a stream were received.
pub(super) struct Sequence {
    started: bool,
    base: u64,
    highest: u64,
    received: u64,
    window: [u64; (WINDOW / 64) as usize],
    after_jump: Option<u16>,
    reported_expected: u64,
    reported_received: u64,
}

/// Counts of a stream over one report's interval (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Interval {
    /// Packets that were sent in the interval, as far as numbers tell.
    pub(super) expected: u64,
    /// How many of them are missing.
    pub(super) lost: u64,
    /// Missing since the stream began.
    pub(super) lost_total: u64,
    /// The newest number.
    pub(super) highest: u64,
}

impl Sequence {
    pub(super) fn new() -> Self {
        Self {
            started: false,
            base: 0,
            highest: 0,
            received: 0,
            window: [0; (WINDOW / 64) as usize],
            after_jump: None,
            reported_expected: 0,
            reported_received: 0,
        }
    }

    /// The newest number received, extended.
    pub(super) fn highest(&self) -> u64 {
        self.highest
    }

    /// Takes a number as it was received; `repair` numbers do not count in reports.
    pub(super) fn receive(&mut self, number: u16, repair: bool) -> Arrival {
        let arrival = self.place(number);
        if matches!(arrival, Arrival::Late { .. } | Arrival::Next { .. } | Arrival::Restart { .. })
            && !repair
        {
            self.received += 1;
        }

        arrival
    }

    /// The next number starts the stream anew: another source sends it.
    pub(super) fn expect_restart(&mut self) {
        self.started = false;
    }

    fn restart_at(&mut self, number: u16) -> Arrival {
        let sequence = (self.highest / 0x1_0000 + 2) * 0x1_0000 + u64::from(number);
        self.started = true;
        self.base = sequence;
        self.highest = sequence;
        self.received = 0;
        self.reported_expected = 0;
        self.reported_received = 0;
        self.window = [0; (WINDOW / 64) as usize];
        self.after_jump = None;
        self.mark(sequence);

        Arrival::Restart { sequence }
    }

    /// Closes a report's interval.
    pub(super) fn report(&mut self) -> Interval {
        if !self.started {
            return Interval::default();
        }
        let expected_total = self.highest - self.base + 1;
        let expected = expected_total - self.reported_expected;
        let received = self.received.saturating_sub(self.reported_received);
        self.reported_expected = expected_total;
        self.reported_received = self.received;

        Interval {
            expected,
            lost: expected.saturating_sub(received),
            lost_total: expected_total.saturating_sub(self.received),
            highest: self.highest,
        }
    }

    fn place(&mut self, number: u16) -> Arrival {
        if !self.started {
            return self.restart_at(number);
        }
        let distance = i64::from(number.wrapping_sub(self.highest as u16) as i16);
        let sequence = self.highest.wrapping_add_signed(distance);
        if distance > JUMP_MAX as i64 || distance <= -(WINDOW as i64) || sequence < self.base {
            return self.doubt(number);
        }
        self.after_jump = None;
        if distance > 0 {
            return self.advance(sequence);
        }
        if self.is_marked(sequence) {
            return Arrival::Duplicate;
        }
        self.mark(sequence);

        Arrival::Late { sequence }
    }

    /// Two consecutive numbers far away make a restart (RFC 3550, appendix A.1).
    fn doubt(&mut self, number: u16) -> Arrival {
        if self.after_jump == Some(number) {
            return self.restart_at(number);
        }
        self.after_jump = Some(number.wrapping_add(1));

        Arrival::TooOld
    }

    fn advance(&mut self, sequence: u64) -> Arrival {
        let skipped = sequence - self.highest - 1;
        for missing in self.highest + 1..sequence {
            self.window[Self::word(missing)] &= !Self::bit(missing);
        }
        self.mark(sequence);
        self.highest = sequence;

        Arrival::Next { sequence, skipped }
    }

    fn mark(&mut self, sequence: u64) {
        self.window[Self::word(sequence)] |= Self::bit(sequence);
    }

    fn is_marked(&self, sequence: u64) -> bool {
        self.window[Self::word(sequence)] & Self::bit(sequence) != 0
    }

    fn word(sequence: u64) -> usize {
        (sequence % WINDOW / 64) as usize
    }

    fn bit(sequence: u64) -> u64 {
        1 << (sequence % 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(number: u16) -> (Sequence, u64) {
        let mut sequence = Sequence::new();
        let Arrival::Restart { sequence: first } = sequence.receive(number, false) else {
            panic!("the first packet starts the stream");
        };
        (sequence, first)
    }

    #[test]
    fn numbers_go_on_over_the_wrap() {
        let (mut sequence, first) = started(0xffff);

        assert_eq!(sequence.receive(0, false), Arrival::Next { sequence: first + 1, skipped: 0 });
        assert_eq!(sequence.receive(3, false), Arrival::Next { sequence: first + 4, skipped: 2 });
        assert_eq!(sequence.receive(2, false), Arrival::Late { sequence: first + 3 });
        assert_eq!(sequence.receive(2, false), Arrival::Duplicate);
    }

    #[test]
    fn two_packets_in_a_row_after_a_jump_restart_the_stream() {
        let (mut sequence, first) = started(10);

        assert_eq!(sequence.receive(30_000, false), Arrival::TooOld);
        let Arrival::Restart { sequence: again } = sequence.receive(30_001, false) else {
            panic!("a confirmed jump is a restart");
        };
        assert!(again > first + 0xffff);
        assert_eq!(sequence.receive(30_001, false), Arrival::Duplicate);
    }

    #[test]
    fn one_stray_packet_changes_nothing() {
        let (mut sequence, first) = started(10);

        assert_eq!(sequence.receive(30_000, false), Arrival::TooOld);
        assert_eq!(sequence.receive(11, false), Arrival::Next { sequence: first + 1, skipped: 0 });
    }

    #[test]
    fn a_report_counts_what_was_lost_and_repairs_do_not_hide_it() {
        let (mut sequence, first) = started(0);
        sequence.receive(4, false);
        sequence.receive(2, false);
        sequence.receive(1, true);

        let interval = sequence.report();
        assert_eq!(interval.expected, 5);
        assert_eq!(interval.lost, 2);
        assert_eq!(interval.lost_total, 2);
        assert_eq!(interval.highest, first + 4);
        assert_eq!(sequence.report().expected, 0);
    }
}
