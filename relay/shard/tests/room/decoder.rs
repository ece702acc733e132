//! What a receiver makes of packets: frames, each of which must be decodable.

use crate::encoder::{Encoder, MARK, Told};
use crate::scalable::Frame;
use crate::world::{SUBSCRIBER_IDS, Sent, World, read_vp8};
use relay_wire::{dependency, vp9};
use std::collections::{BTreeSet, HashMap};

/// Frames of one subscriber.
#[derive(Default)]
pub(crate) struct Decoder {
    next: Option<u16>,
    marker: Option<(bool, u32)>,
    parts: HashMap<u64, u8>,
    decoded: BTreeSet<u64>,
    picture: Option<(u64, u16)>,
    structure: Option<dependency::Structure>,
    offset: Option<u16>,
}

impl Decoder {
    /// Takes what one subscriber got, without loss; returns the frames, all of them decodable.
    pub(crate) fn take<'a>(
        &mut self,
        number: u64,
        sent: &[Sent],
        encoder: &'a Encoder,
    ) -> Vec<&'a Frame> {
        let own = sent.iter().filter(|sent| sent.to == World::subscriber(number));
        own.filter_map(|sent| self.packet(sent, encoder)).collect()
    }

    /// Takes a packet; returns the frame that it completes.
    fn packet<'a>(&mut self, sent: &Sent, encoder: &'a Encoder) -> Option<&'a Frame> {
        let header = sent.header();
        assert_eq!(header.sequence, *self.next.get_or_insert(header.sequence), "a gap");
        self.next = Some(header.sequence.wrapping_add(1));
        if let Some((marker, timestamp)) = self.marker {
            assert_eq!(
                marker,
                header.timestamp != timestamp,
                "a marker ends each picture: {header:?}"
            );
        }
        self.marker = Some((header.marker, header.timestamp));
        let mark = &sent.payload()[sent.payload().len() - MARK..];
        let number = u64::from_be_bytes(mark[..8].try_into().expect("eight bytes"));
        self.check(sent, number, encoder);
        let parts = self.parts.entry(number).or_default();
        assert_eq!(*parts, mark[8], "packets in order");
        *parts += 1;
        if mark[9] == 0 {
            return None;
        }
        let frame = &encoder.frames[number as usize];
        for reference in &frame.references {
            assert!(self.decoded.contains(reference), "{frame:?} lacks {reference}");
        }
        self.decoded.insert(number);
        Some(frame)
    }

    /// Numbers of pictures and frames.
    fn check(&mut self, sent: &Sent, number: u64, encoder: &Encoder) {
        match encoder.told {
            Told::Vp8 => {
                let picture = read_vp8(sent.payload()).0;
                let (frame, before) = self.picture.unwrap_or((number, picture));
                let step = u16::from(frame != number);
                assert_eq!(picture.wrapping_sub(before) & 0x7fff, step, "pictures have no gap");
                self.picture = Some((number, picture));
            }
            Told::Vp9 => {
                let descriptor = vp9::Descriptor::parse(sent.payload()).expect("VP9");
                let picture = descriptor.picture_id.expect("a number").value;
                let own = (number / u64::from(encoder.mode.sent)) as u16;
                let offset = picture.wrapping_sub(own) & 0x7fff;
                assert_eq!(offset, *self.offset.get_or_insert(offset), "references would be lost");
            }
            Told::Descriptor(_) => self.check_descriptor(sent, number, encoder),
        }
    }

    fn check_descriptor(&mut self, sent: &Sent, number: u64, encoder: &Encoder) {
        let Some(value) = sent.extension(SUBSCRIBER_IDS.dependency_descriptor) else { return };
        if let Some(structure) = dependency::Structure::parse(value) {
            self.structure = Some(structure);
        }
        let known = self.structure.as_ref().expect("a structure comes first");
        let frame = known.frame(value).expect("a descriptor that is understood");
        let truth = &encoder.frames[number as usize];
        assert_eq!((frame.ids.spatial, frame.ids.temporal), (truth.spatial, truth.temporal));
        let told = dependency::Fields::parse(value).expect("fields").number;
        let offset = told.wrapping_sub(number as u16);
        assert_eq!(offset, *self.offset.get_or_insert(offset), "references would be lost");
    }

    /// The stream was broken off: numbers begin anew.
    pub(crate) fn broken(&mut self) {
        (self.offset, self.marker) = (None, None);
    }
}

/// The highest spatial and temporal layer of frames, and how many pictures they make.
pub(crate) fn summary(frames: &[&Frame]) -> (u8, u8) {
    let spatial = frames.iter().map(|frame| frame.spatial).max();
    let temporal = frames.iter().map(|frame| frame.temporal).max();
    (spatial.unwrap_or(u8::MAX), temporal.unwrap_or(u8::MAX))
}
