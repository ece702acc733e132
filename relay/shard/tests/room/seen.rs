//! What a subscriber sees of a stream, whatever became of the publisher's packets.

use crate::world::Sent;
use proptest::prelude::*;
use relay_wire::control::Choice;
use std::collections::{BTreeMap, HashMap};

/// What becomes of a publisher's packet.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Arrives,
    Lost,
    Late,
    Twice,
}

pub(crate) fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        12 => Just(Fate::Arrives),
        1 => Just(Fate::Lost),
        2 => Just(Fate::Late),
        1 => Just(Fate::Twice),
    ]
}

pub(crate) fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![Just(Choice::Paused), Just(Choice::Low), Just(Choice::Medium), Just(Choice::High)]
}

/// What one subscriber saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) highest: Option<u64>,
    /// By extended sequence number: RTP time, and the packet's own mark.
    pub(crate) packets: BTreeMap<u64, (u32, Vec<u8>)>,
    /// Where each mark was seen first.
    marks: HashMap<Vec<u8>, u64>,
    /// Picture ids of packets with payload.
    pictures: BTreeMap<u64, u16>,
}

impl Seen {
    fn extend(&self, number: u16) -> u64 {
        let Some(highest) = self.highest else { return 0x1_0000 + u64::from(number) };
        highest.wrapping_add_signed((number.wrapping_sub(highest as u16) as i16).into())
    }

    /// Takes a packet; `read` tells a payload's mark and picture id.
    pub(crate) fn take(&mut self, sent: &Sent, read: impl Fn(&[u8]) -> (Vec<u8>, u16)) {
        let header = sent.header();
        let rtx = header.ssrc == 5001;
        let (number, payload) = if rtx {
            let (number, payload) = sent.payload().split_at(2);
            (u16::from_be_bytes([number[0], number[1]]), payload)
        } else {
            (header.sequence, sent.payload())
        };
        let sequence = self.extend(number);
        let read = (!payload.is_empty()).then(|| read(payload));
        let mark = read.as_ref().map(|(mark, _)| mark.clone()).unwrap_or_default();
        if let Some((time, before)) = self.packets.get(&sequence) {
            assert!(rtx, "{sequence} was sent twice");
            assert_eq!((time, before), (&header.timestamp, &mark), "{sequence} was another packet");
            return;
        }
        if let Some((_, picture)) = read {
            self.pictures.insert(sequence, picture);
            let earlier = self.marks.insert(mark.clone(), sequence);
            assert_eq!(earlier, None, "a packet in two places");
        }
        self.highest = self.highest.max(Some(sequence));
        self.packets.insert(sequence, (header.timestamp, mark));
    }

    pub(crate) fn check(&self) {
        for pair in self.packets.values().collect::<Vec<_>>().windows(2) {
            let step = pair[1].0.wrapping_sub(pair[0].0);
            assert!(step < 0x8000_0000, "time went back: {} {}", pair[0].0, pair[1].0);
        }
        for pair in self.pictures.values().collect::<Vec<_>>().windows(2) {
            let step = pair[1].wrapping_sub(*pair[0]) & 0x7fff;
            assert!(step < 0x4000, "pictures went back: {} {}", pair[0], pair[1]);
        }
    }
}
