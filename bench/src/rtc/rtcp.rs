//! RTCP (RFC 3550, RFC 4585, RFC 5104): what clients say, and what they heed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const PAYLOAD_FEEDBACK: u8 = 206;
/// Formats of PAYLOAD_FEEDBACK.
const PLI: u8 = 1;
const FIR: u8 = 4;
/// Reports in one packet at most: its count has 5 bits.
pub(crate) const REPORTS_MAX: usize = 31;
/// Seconds between 1900 and 1970.
const NTP_OFFSET_S: u64 = 2_208_988_800;

/// What a server says that a client heeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feedback {
    /// A keyframe of this stream is wanted.
    Keyframe(u32),
    /// A sender's report: its stream, and the middle bits of its time.
    Report(u32, u32),
}

/// One stream's reception (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reception {
    /// The stream.
    pub(crate) ssrc: u32,
    /// The share lost since the last report, of 256.
    pub(crate) fraction: u8,
    /// Packets lost in all, at most 2^23 - 1.
    pub(crate) lost: u32,
    /// The highest sequence number, extended.
    pub(crate) highest: u32,
    /// The middle bits of the last sender's report, or 0.
    pub(crate) last_report: u32,
    /// How long ago it came, in 1/65536 s.
    pub(crate) delay: u32,
}

/// Reads a plain compound packet, as far as it is whole; calls `each` for what is to be heeded.
pub(crate) fn parse(mut bytes: &[u8], each: &mut dyn FnMut(Feedback)) {
    while let Some((head, _)) = bytes.split_first_chunk::<4>() {
        let len = 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
        let Some((packet, rest)) = bytes.split_at_checked(len).filter(|_| head[0] >> 6 == 2) else {
            return;
        };
        let word = |at: usize| {
            packet.get(at..)?.first_chunk().map(|word: &[u8; 4]| u32::from_be_bytes(*word))
        };
        match (head[1], head[0] & 0x1f) {
            (SENDER_REPORT, _) => {
                if let (Some(ssrc), Some(high), Some(low)) = (word(4), word(8), word(12)) {
                    each(Feedback::Report(ssrc, high << 16 | low >> 16));
                }
            }
            (PAYLOAD_FEEDBACK, PLI) => {
                word(8).into_iter().for_each(|ssrc| each(Feedback::Keyframe(ssrc)));
            }
            (PAYLOAD_FEEDBACK, FIR) => {
                for entry in packet.get(12..).unwrap_or_default().chunks_exact(8) {
                    let ssrc = u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]);
                    each(Feedback::Keyframe(ssrc));
                }
            }
            _ => {}
        }
        bytes = rest;
    }
}

/// Appends a receiver's report of at most `REPORTS_MAX` streams.
pub(crate) fn receiver_report(out: &mut Vec<u8>, own: u32, receptions: &[Reception]) {
    let receptions = &receptions[..receptions.len().min(REPORTS_MAX)];
    head(out, receptions.len() as u8, RECEIVER_REPORT, 1 + 6 * receptions.len(), own);
    for reception in receptions {
        out.extend_from_slice(&reception.ssrc.to_be_bytes());
        let lost = reception.lost.min(0x7f_ffff) | u32::from(reception.fraction) << 24;
        for word in [lost, reception.highest, 0, reception.last_report, reception.delay] {
            out.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// Appends a sender's report: media time, packets and bytes until now.
pub(crate) fn sender_report(
    out: &mut Vec<u8>,
    own: u32,
    timestamp: u32,
    (packets, bytes): (u32, u32),
) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = (since.as_secs() + NTP_OFFSET_S) as u32;
    let fraction = ((u64::from(since.subsec_nanos()) << 32) / 1_000_000_000) as u32;
    head(out, 0, SENDER_REPORT, 6, own);
    for word in [seconds, fraction, timestamp, packets, bytes] {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// Appends a name, without which a report is not whole (RFC 3550, section 6.1).
pub(crate) fn name(out: &mut Vec<u8>, own: u32) {
    const NAME: &[u8; 5] = b"bench";
    // The item, and at least one zero byte to a whole word.
    head(out, 1, DESCRIPTION, 3, own);
    out.extend_from_slice(&[1, NAME.len() as u8]);
    out.extend_from_slice(NAME);
    out.push(0);
}

/// Appends a request for a keyframe.
pub(crate) fn picture_loss(out: &mut Vec<u8>, own: u32, of: u32) {
    head(out, PLI, PAYLOAD_FEEDBACK, 2, own);
    out.extend_from_slice(&of.to_be_bytes());
}

/// A time in units of 1/65536 s.
pub(crate) fn delay(time: Duration) -> u32 {
    (time.as_secs_f64() * 65_536.0) as u32
}

fn head(out: &mut Vec<u8>, count: u8, kind: u8, words: usize, own: u32) {
    out.extend_from_slice(&[0x80 | count, kind]);
    out.extend_from_slice(&(words as u16).to_be_bytes());
    out.extend_from_slice(&own.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Vec<Feedback> {
        let mut all = Vec::new();
        parse(bytes, &mut |feedback| all.push(feedback));
        all
    }

    #[test]
    fn compounds_are_read_as_they_are_written() {
        let mut bytes = Vec::new();
        sender_report(&mut bytes, 7, 8, (9, 10));
        receiver_report(&mut bytes, 7, &[Reception::default(); 40]);
        name(&mut bytes, 7);
        picture_loss(&mut bytes, 7, 77);
        bytes.extend_from_slice(&[0x84, 206, 0, 4]);
        bytes.extend_from_slice(&[0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 78, 1, 0, 0, 0]);

        let all = read(&bytes);

        assert!(matches!(all[0], Feedback::Report(7, time) if time != 0));
        assert_eq!(all[1..], [Feedback::Keyframe(77), Feedback::Keyframe(78)]);
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn what_is_cut_short_ends_the_reading() {
        let mut bytes = Vec::new();
        picture_loss(&mut bytes, 7, 77);
        picture_loss(&mut bytes, 7, 78);

        assert_eq!(read(&bytes[..23]), [Feedback::Keyframe(77)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(read(&bytes).len() <= bytes.len() / 4);
        }
    }
}
