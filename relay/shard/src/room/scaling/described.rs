//! Layers by dependency descriptor.

use super::cell::{Cell, Frame, LAYERS, TOP, cells};
use crate::room::layer::Place;
use relay_wire::dependency::{Fields, LayerIds, Structure};

/// No decode target.
const NONE: u8 = u8::MAX;

/// A stream's structure, as it was told last.
pub(super) struct Described {
    structure: Structure,
    /// Extended sequence number of the packet that told it first: template ids of older ones mean
    /// something else.
    pub(super) since: u64,
    /// And of the one that told it last.
    at: u64,
    /// The decode target of each cell.
    targets: [u8; LAYERS * LAYERS],
    /// Of each cell, those whose frames are all among its own.
    pub(super) below: [u16; LAYERS * LAYERS],
    active: u32,
    active_at: u64,
}

impl Described {
    fn new(structure: Structure, at: u64) -> Self {
        let mut described = Self {
            active: structure.all_targets(),
            structure,
            since: at,
            at,
            targets: [NONE; LAYERS * LAYERS],
            below: [0; LAYERS * LAYERS],
            active_at: at,
        };
        for cell in Cell::all() {
            described.targets[cell.index()] = described.target(cell);
        }
        described.below = described.order();

        described
    }

    /// Reads a packet's descriptor, and takes over the structure that it brings. `None` if it
    /// means nothing here.
    pub(super) fn read(
        known: &mut Option<Box<Self>>,
        place: &Place,
        value: &[u8],
        keyframe: bool,
    ) -> Option<Frame> {
        let fields = Fields::parse(value)?;
        if fields.attached {
            Self::adopt(known, place, value)?;
        }
        let described = known.as_mut()?;
        if place.sequence < described.since {
            return None;
        }
        let told = described.structure.frame(value)?;
        if let Some(active) = told.active.filter(|_| described.active_at <= place.sequence) {
            described.active = active;
            described.active_at = place.sequence;
        }
        let (wanted, mut switches) = described.masks(told.indications);
        let mut starts = if told.independent { switches } else { 0 };
        if !fields.start {
            (starts, switches) = (0, 0);
        }
        if keyframe {
            starts |= wanted;
        }
        let layers = ids(told.ids);
        let ends = (fields.end && described.is_spatial()).then_some(layers.spatial);

        Some(Frame { wanted, starts, switches, from: wanted, layers, first: fields.start, ends })
    }

    /// Takes over an attached structure, unless a newer one is known.
    fn adopt(known: &mut Option<Box<Self>>, place: &Place, value: &[u8]) -> Option<()> {
        let structure = Structure::parse(value)?;
        match known {
            Some(known) if known.structure == structure => known.at = known.at.max(place.sequence),
            Some(known) if known.at > place.sequence => return None,
            Some(known) => **known = Self::new(structure, place.sequence),
            None => *known = Some(Box::new(Self::new(structure, place.sequence))),
        }

        Some(())
    }

    /// The spatial layers that are sent, one bit each.
    pub(super) fn spatial(&self) -> u8 {
        let layers = self.structure.target_layers().iter().enumerate();
        let active = layers.filter(|(target, _)| self.active >> target & 1 == 1);

        active.fold(0, |all, (_, layer)| all | 1 << ids(*layer).spatial)
    }

    fn is_spatial(&self) -> bool {
        self.structure.target_layers().iter().any(|layer| layer.spatial > 0)
    }

    /// The cells to which a frame belongs, and those that it makes decodable.
    fn masks(&self, indications: u64) -> (u16, u16) {
        let (mut wanted, mut switches) = (0, 0);
        for (index, target) in self.targets.iter().enumerate() {
            if *target == NONE {
                continue;
            }
            // Not present, discardable, switch, required.
            let indication = indications >> (2 * target) & 3;
            wanted |= u16::from(indication != 0) << index;
            switches |= u16::from(indication == 2) << index;
        }

        (wanted, switches)
    }

    /// The decode target of a cell's spatial layer with the most temporal ones that it allows,
    /// else with the fewest.
    fn target(&self, cell: Cell) -> u8 {
        let of_layer = || {
            let layers = self.structure.target_layers().iter().map(|layer| ids(*layer));
            layers.enumerate().filter(|(_, layer)| layer.spatial == cell.spatial)
        };
        let allowed = of_layer().filter(|(_, layer)| layer.temporal <= cell.temporal);
        let highest = allowed.max_by_key(|(_, layer)| layer.temporal);
        let target = highest.or_else(|| of_layer().min_by_key(|(_, layer)| layer.temporal));

        target.map_or(NONE, |(target, _)| target as u8)
    }

    /// By templates: a cell is not below another one that lacks one of its frames.
    fn order(&self) -> [u16; LAYERS * LAYERS] {
        let known = Cell::all().filter(|cell| self.targets[cell.index()] != NONE);
        let mut below = [known.fold(0, |all, cell| all | cell.bit()); LAYERS * LAYERS];
        for indications in self.structure.template_indications() {
            let (wanted, _) = self.masks(*indications);
            for cell in Cell::all().filter(|cell| wanted & cell.bit() == 0) {
                below[cell.index()] &= !wanted;
            }
        }

        below
    }
}

/// By payload descriptors: fewer temporal layers are always below; lower spatial ones when
/// `spatial` is set.
pub(super) fn usual_order(spatial: bool) -> [u16; LAYERS * LAYERS] {
    let mut below = [0; LAYERS * LAYERS];
    for cell in Cell::all() {
        let lower = if spatial { (2 << cell.spatial) - 1 } else { 1 << cell.spatial };
        below[cell.index()] = cells(lower, (2 << cell.temporal) - 1);
    }

    below
}

fn ids(layer: LayerIds) -> Cell {
    Cell { spatial: layer.spatial.min(TOP), temporal: layer.temporal.min(TOP) }
}
