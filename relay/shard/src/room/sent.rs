//! What left to one subscriber: counts for its sender reports, and how much of the loss that it
//! tells is its own.

/// Packets between two reports beyond which the two are not of one stream.
const EXPECTED_MAX: u32 = 0x1_0000;

/// Counts of one subscription.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    /// Packets and octets, as sender reports tell them.
    pub(super) packets: u32,
    pub(super) octets: u32,
    /// The highest extended sequence number that left.
    newest: Option<u64>,
    /// Numbers below it that never left: their packets did not come from the publisher.
    gaps: i64,
    /// The highest sequence number that the last receiver report named, and the gaps at its time.
    reported: Option<(u32, i64)>,
}

impl Sent {
    /// A packet with payload left; it has so many octets.
    pub(super) fn count(&mut self, sequence: u64, octets: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
        self.note(sequence);
    }

    /// A packet with this extended sequence number left.
    pub(super) fn note(&mut self, sequence: u64) {
        match self.newest {
            Some(newest) if sequence <= newest => self.gaps -= 1,
            Some(newest) => self.gaps += (sequence - newest - 1) as i64,
            None => {}
        }
        self.newest = self.newest.max(Some(sequence));
    }

    /// Packets since the report before that the receiver expected and we sent, and how many of
    /// them it lost, of a report's highest sequence number and fraction lost (RFC 3550, section
    /// 6.4.1). What was lost before it came to us is not the receiver's loss.
    pub(super) fn report(&mut self, highest: u32, fraction_lost: u8) -> Option<(u32, f32)> {
        let (before, gaps) = self.reported.replace((highest, self.gaps))?;
        let expected = highest.wrapping_sub(before);
        if expected >= EXPECTED_MAX {
            return None;
        }
        let never_left = (self.gaps - gaps).clamp(0, expected.into()) as u32;
        let lost = expected as f32 * f32::from(fraction_lost) / 256.0;

        Some((expected - never_left, (lost - never_left as f32).max(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends these numbers of 0..100, and gives what a report says that names so many as lost.
    fn report(left_out: &[u64], late: &[u64], lost: u8) -> Option<(u32, f32)> {
        let mut sent = Sent::default();
        sent.count(1_000, 10);
        assert_eq!(sent.report(1_000, 0), None, "one report alone tells nothing");
        for sequence in (1_001..1_101).filter(|n| !left_out.contains(n) && !late.contains(n)) {
            sent.count(sequence, 10);
        }
        late.iter().for_each(|sequence| sent.note(*sequence));
        sent.report(1_100, (u16::from(lost) * 256 / 100) as u8)
    }

    #[test]
    fn what_never_left_is_not_lost_on_the_way() {
        assert_eq!(report(&[], &[], 0), Some((100, 0.0)));
        assert_eq!(report(&[1_005, 1_050], &[], 2), Some((98, 0.0)), "all of it the publisher's");
        assert_eq!(report(&[], &[1_005, 1_050], 0), Some((100, 0.0)), "repaired late");
        let (expected, lost) = report(&[1_005, 1_050], &[], 10).unwrap();
        assert!(expected == 98 && (7.0..8.1).contains(&lost), "{lost} of {expected}");
    }

    #[test]
    fn reports_of_another_stream_tell_nothing() {
        let mut sent = Sent::default();
        sent.report(5, 0);
        assert_eq!(sent.report(4, 255), None);
        sent.note(u64::MAX);
        sent.note(0);
        assert_eq!(sent.report(5, 255), Some((1, 255.0 / 256.0)));
    }
}
