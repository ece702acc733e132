//! The templates that a stream's descriptors refer to.

use super::{SPATIAL_MAX, TARGETS_MAX, TEMPLATES_MAX, TEMPORAL_MAX};
use crate::Bits;

/// How a template's or frame's layers are numbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LayerIds {
    /// Spatial layer, 0..=3.
    pub spatial: u8,
    /// Temporal layer, 0..=7.
    pub temporal: u8,
}

/// A template dependency structure (section A.8.3), without what only decoders need: differences
/// of frame numbers, chains and resolutions are read over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// The first template's id, 0..=63.
    offset: u8,
    templates: u8,
    targets: u8,
    pub(super) chains: u8,
    /// Bits that it takes in a descriptor.
    pub(super) bits: u16,
    layers: [LayerIds; TEMPLATES_MAX],
    /// Two bits for each target, the first one's lowest.
    indications: [u64; TEMPLATES_MAX],
    /// One bit for each template whose frames refer to no other.
    independent: u64,
    target_layers: [LayerIds; TARGETS_MAX],
}

impl Structure {
    /// Reads the structure that stands here.
    pub(super) fn read(bits: &mut Bits<'_>) -> Option<Self> {
        let start = bits.at();
        let mut structure = Self {
            offset: bits.take(6)? as u8,
            templates: 0,
            targets: bits.take(5)? as u8 + 1,
            chains: 0,
            bits: 0,
            layers: [LayerIds::default(); TEMPLATES_MAX],
            indications: [0; TEMPLATES_MAX],
            independent: 0,
            target_layers: [LayerIds::default(); TARGETS_MAX],
        };
        structure.read_layers(bits)?;
        structure.read_indications(bits)?;
        structure.read_differences(bits)?;
        structure.read_chains(bits)?;
        structure.place_targets();
        structure.read_resolutions(bits)?;
        structure.bits = (bits.at() - start) as u16;

        Some(structure)
    }

    /// How many decode targets there are, 1..=32.
    pub fn targets(&self) -> usize {
        self.targets.into()
    }

    /// One bit for each decode target.
    pub fn all_targets(&self) -> u32 {
        u32::MAX >> (TARGETS_MAX - self.targets())
    }

    /// The highest layers of each decode target.
    pub fn target_layers(&self) -> &[LayerIds] {
        &self.target_layers[..self.targets()]
    }

    /// What each template says of the decode targets; see `Frame::indications`.
    pub fn template_indications(&self) -> &[u64] {
        &self.indications[..self.templates.into()]
    }

    /// Layers, indications and independence of a template's frames.
    pub(super) fn template(&self, id: u8) -> Option<(LayerIds, u64, bool)> {
        let index = usize::from(id.wrapping_sub(self.offset) % TEMPLATES_MAX as u8);
        let known = index < self.templates.into();

        known.then(|| {
            (self.layers[index], self.indications[index], self.independent >> index & 1 == 1)
        })
    }

    /// `template_layers()`: a template for each step through the layers.
    fn read_layers(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let mut ids = LayerIds::default();
        loop {
            *self.layers.get_mut(usize::from(self.templates))? = ids;
            self.templates += 1;
            match bits.take(2)? {
                0 => {}
                1 => ids.temporal += 1,
                2 => ids = LayerIds { spatial: ids.spatial + 1, temporal: 0 },
                _ => return Some(()),
            }
            if ids.spatial > SPATIAL_MAX || ids.temporal > TEMPORAL_MAX {
                return None;
            }
        }
    }

    fn read_indications(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        for template in 0..usize::from(self.templates) {
            self.indications[template] = indications(bits, self.targets())?;
        }

        Some(())
    }

    fn read_differences(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        for template in 0..self.templates {
            let mut independent = true;
            while bits.flag()? {
                bits.skip(4)?;
                independent = false;
            }
            self.independent |= u64::from(independent) << template;
        }

        Some(())
    }

    fn read_chains(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        self.chains = bits.below(u32::from(self.targets) + 1)? as u8;
        if self.chains == 0 {
            return Some(());
        }
        for _ in 0..self.targets {
            bits.below(self.chains.into())?;
        }

        bits.skip(4 * usize::from(self.templates) * usize::from(self.chains))
    }

    /// `decode_target_layers()`: a target's layers are the highest of its frames.
    fn place_targets(&mut self) {
        for template in 0..usize::from(self.templates) {
            let ids = self.layers[template];
            for target in 0..self.targets() {
                if self.indications[template] >> (2 * target) & 3 != 0 {
                    let highest = &mut self.target_layers[target];
                    highest.spatial = highest.spatial.max(ids.spatial);
                    highest.temporal = highest.temporal.max(ids.temporal);
                }
            }
        }
    }

    fn read_resolutions(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        if !bits.flag()? {
            return Some(());
        }
        let highest = self.layers[usize::from(self.templates) - 1].spatial;

        bits.skip(32 * (usize::from(highest) + 1))
    }
}

/// What a frame is to each target, two bits each.
pub(super) fn indications(bits: &mut Bits<'_>, targets: usize) -> Option<u64> {
    let mut all = 0;
    for target in 0..targets {
        all |= u64::from(bits.take(2)?) << (2 * target);
    }

    Some(all)
}
