//! Layers within one stream: which there are, and what each packet is to them.

mod cell;
mod described;
mod payload;
mod rates;

pub(crate) use cell::{ALL, Cell, Frame};

use super::layer::Place;
use super::media::Front;
use cell::{LAYERS, TOP};
use described::{Described, usual_order};
use rates::Rates;
use std::time::{Duration, Instant};

/// A spatial layer is gone when neither so many pictures nor so much time ago one of its frames
/// came.
const PICTURES: u64 = 8;
const SILENCE: Duration = Duration::from_millis(1200);

/// The layers of one stream.
pub(crate) struct Scaling {
    described: Option<Box<Described>>,
    below: [u16; LAYERS * LAYERS],
    /// Spatial layers that are announced, one bit each.
    told: u8,
    /// Whether VP9's pictures build on their lower layers between keyframes.
    chained: bool,
    /// Pictures so far, and when the newest came.
    pictures: u64,
    newest: Option<Instant>,
    /// The same at each spatial layer's newest frame.
    seen: [Option<(u64, Instant)>; LAYERS],
    rates: Rates,
}

impl Scaling {
    pub(crate) fn new() -> Self {
        Self {
            described: None,
            below: usual_order(false),
            told: 1,
            chained: false,
            pictures: 0,
            newest: None,
            seen: [None; LAYERS],
            rates: Rates::default(),
        }
    }

    /// Reads what a packet is: by its dependency descriptor, else by its payload descriptor.
    /// `keyframe`: one starts with its payload. Returns also whether there are other layers now.
    pub(crate) fn read(
        &mut self,
        now: Instant,
        place: &Place,
        descriptor: Option<&[u8]>,
        front: &Front,
        keyframe: bool,
    ) -> (Frame, bool) {
        let before = self.available();
        let described = descriptor
            .and_then(|value| Described::read(&mut self.described, place, value, keyframe));
        let frame = match (described, front) {
            (Some(frame), _) => frame,
            (None, Front::Vp8(vp8)) => payload::vp8(vp8, keyframe),
            (None, Front::Vp9(vp9)) => {
                self.note_vp9(now, place, vp9);
                payload::vp9(vp9, self.told > 1)
            }
            (None, Front::None) => match &self.described {
                // A keyframe came since.
                Some(known) if known.since > place.sequence => Frame::unknown(0, keyframe),
                Some(_) => Frame::unknown(ALL, keyframe),
                None => Frame::plain(keyframe, place.fresh),
            },
        };
        if let (Some(_), Some(described)) = (described, &self.described) {
            let told = described.spatial();
            self.announce(now, told);
        }
        if !place.late {
            self.note(now, place, &frame);
        }

        (frame, self.available() != before)
    }

    /// The cells whose frames are all among those of `cell`.
    pub(crate) fn below(&self, cell: Cell) -> u16 {
        match &self.described {
            Some(described) => described.below[cell.index()],
            None => self.below[cell.index()],
        }
    }

    /// The highest spatial layer that is there and not above `wanted`, else the lowest one that
    /// is; with as many temporal layers as make no more than `fps_max` frames a second.
    pub(crate) fn cell(&self, wanted: u8, fps_max: Option<u16>) -> Cell {
        let available = self.available();
        let allowed = available & ((2 << wanted.min(TOP)) - 1);
        let spatial = match allowed.checked_ilog2() {
            Some(highest) => highest as u8,
            None => available.trailing_zeros().min(TOP.into()) as u8,
        };

        Cell { spatial, temporal: self.rates.temporal(spatial, fps_max) }
    }

    /// The spatial layers that are there, one bit each.
    fn available(&self) -> u8 {
        let Some(newest) = self.newest else { return self.told };
        let lives = |layer: &usize| {
            self.seen[*layer].is_some_and(|(pictures, at)| {
                self.pictures - pictures <= PICTURES
                    || newest.saturating_duration_since(at) <= SILENCE
            })
        };
        let living = (0..LAYERS).filter(lives).fold(0, |all, layer| all | 1 << layer);
        let announced = living & self.told;

        if announced != 0 { announced } else { living }
    }

    /// What is announced is given time to come.
    fn announce(&mut self, now: Instant, told: u8) {
        let new = told & !self.told;
        self.told = told;
        for layer in (0..LAYERS).filter(|layer| new >> layer & 1 == 1) {
            self.seen[layer] = Some((self.pictures, now));
        }
    }

    fn note_vp9(&mut self, now: Instant, place: &Place, vp9: &relay_wire::vp9::Descriptor) {
        let Some(layers) = vp9.layers.filter(|_| !place.late) else { return };
        let seen = 1 << layers.spatial.min(TOP);
        let told = match vp9.spatial_layers {
            Some(count) => (1_u16 << count.min(LAYERS as u8)) as u8 - 1,
            None => self.told | seen,
        };
        if told != self.told {
            self.announce(now, told);
        }
        let chained = !vp9.not_referenced;
        if vp9.inter_picture && layers.spatial == 0 && self.chained != chained {
            self.chained = chained;
            self.below = usual_order(chained);
        }
    }

    fn note(&mut self, now: Instant, place: &Place, frame: &Frame) {
        self.pictures += u64::from(place.fresh);
        self.newest = Some(now);
        let Cell { spatial, temporal } = frame.layers;
        self.seen[usize::from(spatial & TOP)] = Some((self.pictures, now));
        if frame.first {
            self.rates.count(now, spatial, temporal);
        }
    }
}
