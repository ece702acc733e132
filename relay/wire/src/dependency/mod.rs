//! The dependency descriptor, an RTP header extension that tells the layers within one stream
//! (AOMedia's "RTP Payload Format For AV1", appendix A): read only.
//!
//! A relay that leaves layers out forwards descriptors as they are. What is left out is never
//! referred to by what is kept, so that no receiver needs a smaller set of active decode targets.

mod structure;

use crate::Bits;
pub use structure::{LayerIds, Structure};

/// Decode targets of one structure.
pub const TARGETS_MAX: usize = 32;
/// Templates of one structure.
pub const TEMPLATES_MAX: usize = 64;
/// Highest layers that are told; structures that tell more are refused.
const SPATIAL_MAX: u8 = 3;
const TEMPORAL_MAX: u8 = 7;
/// Bits of the fields that every descriptor has, and of the flags in longer ones.
const MANDATORY_BITS: usize = 24;
const FLAG_BITS: usize = 5;

/// The fields that every descriptor has (section A.8.2), and the flags behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Whether the packet is the first of its frame.
    pub start: bool,
    /// Whether it is the last one.
    pub end: bool,
    /// The frame's template, 0..=63.
    pub template: u8,
    /// The frame's number in decoding order.
    pub number: u16,
    /// Whether a structure is attached.
    pub attached: bool,
    active: bool,
    custom_indications: bool,
    custom_differences: bool,
    custom_chains: bool,
}

/// What a frame is to a decode target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indication {
    /// The target does without it.
    NotPresent,
    /// It belongs to the target, and no other frame of the target refers to it.
    Discardable,
    /// The target is decodable from here on, if this frame is.
    Switch,
    /// It belongs to the target.
    Required,
}

/// A frame's part in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The layers it belongs to.
    pub ids: LayerIds,
    /// What it is to each decode target: two bits each, the first one's lowest.
    pub indications: u64,
    /// Whether it refers to no other frame.
    pub independent: bool,
    /// The decode targets that are sent from now on, one bit each, if that is told.
    pub active: Option<u32>,
}

impl Fields {
    /// Reads the front of a descriptor.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(value);

        Self::read(&mut bits, value.len())
    }

    fn read(bits: &mut Bits<'_>, len: usize) -> Option<Self> {
        let mut fields = Self {
            start: bits.flag()?,
            end: bits.flag()?,
            template: bits.take(6)? as u8,
            number: bits.take(16)? as u16,
            attached: false,
            active: false,
            custom_indications: false,
            custom_differences: false,
            custom_chains: false,
        };
        if 8 * len > MANDATORY_BITS {
            fields.attached = bits.flag()?;
            fields.active = bits.flag()?;
            fields.custom_indications = bits.flag()?;
            fields.custom_differences = bits.flag()?;
            fields.custom_chains = bits.flag()?;
        }

        Some(fields)
    }
}

impl Structure {
    /// Reads the structure that is attached to a descriptor.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let fields = Fields::parse(value)?;
        let mut bits = Bits::new(value);
        bits.skip(MANDATORY_BITS + FLAG_BITS)?;

        fields.attached.then(|| Self::read(&mut bits))?
    }

    /// Reads a descriptor by this structure, which must be the attached one if there is one.
    /// `None` if it is malformed, or names a template that the structure lacks.
    pub fn frame(&self, value: &[u8]) -> Option<Frame> {
        let mut bits = Bits::new(value);
        let fields = Fields::read(&mut bits, value.len())?;
        let mut active = None;
        if fields.attached {
            bits.skip(self.bits.into())?;
            active = Some(self.all_targets());
        }
        if fields.active {
            active = Some(bits.take(self.targets())?);
        }
        let (ids, mut indications, mut independent) = self.template(fields.template)?;
        if fields.custom_indications {
            indications = structure::indications(&mut bits, self.targets())?;
        }
        if fields.custom_differences {
            independent = custom_differences(&mut bits)? == 0;
        }
        if fields.custom_chains {
            bits.skip(8 * usize::from(self.chains))?;
        }

        Some(Frame { ids, indications, independent, active })
    }
}

impl Frame {
    /// What the frame is to a decode target.
    pub fn indication(&self, target: usize) -> Indication {
        match self.indications.checked_shr(2 * target as u32).unwrap_or(0) & 3 {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        }
    }
}

/// Passes over `frame_fdiffs()`; returns how many frames are referred to.
fn custom_differences(bits: &mut Bits<'_>) -> Option<usize> {
    let mut count = 0;
    loop {
        let size = bits.take(2)? as usize;
        if size == 0 {
            return Some(count);
        }
        bits.skip(4 * size)?;
        count += 1;
    }
}
