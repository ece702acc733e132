//! What a subscriber may get of one stream: everything up to a spatial and a temporal layer.

/// Layers of each kind that are told apart; what is higher counts as the highest.
pub(crate) const LAYERS: usize = 4;
/// The highest layer; as a temporal one it means all of them.
pub(crate) const TOP: u8 = LAYERS as u8 - 1;
/// All cells.
pub(crate) const ALL: u16 = u16::MAX;

/// A choice of layers within one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Spatial layer, 0..=3.
    pub(crate) spatial: u8,
    /// Highest temporal layer, 0..=3.
    pub(crate) temporal: u8,
}

impl Cell {
    /// Its bit in a set of cells.
    pub(crate) fn bit(self) -> u16 {
        1 << self.index()
    }

    /// Its place in a table of cells.
    pub(super) fn index(self) -> usize {
        LAYERS * usize::from(self.spatial & TOP) + usize::from(self.temporal & TOP)
    }

    /// All cells, in the order of their places.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..=TOP).flat_map(|spatial| (0..=TOP).map(move |temporal| Self { spatial, temporal }))
    }
}

/// The cells of some spatial and some temporal layers, one bit each.
pub(super) fn cells(spatial: u8, temporal: u8) -> u16 {
    let row = u16::from(temporal & 0x0f);
    let rows = (0..LAYERS).filter(|layer| spatial >> layer & 1 == 1);

    rows.fold(0, |all, layer| all | row << (LAYERS * layer))
}

/// The layers from this one on, one bit each.
pub(super) fn from(layer: u8) -> u8 {
    0x0f << layer.min(TOP) & 0x0f
}

/// What the frame of a packet is to each cell, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Cells that it belongs to.
    pub(crate) wanted: u16,
    /// Cells that are decodable from here on, whatever came before.
    pub(crate) starts: u16,
    /// Cells that are decodable from here on, if one of `from` was decodable so far.
    pub(crate) switches: u16,
    /// See `switches`.
    pub(crate) from: u16,
    /// The layers it is of.
    pub(crate) layers: Cell,
    /// Whether the packet is its first.
    pub(crate) first: bool,
    /// The spatial layer, of several, whose frame ends with the packet.
    pub(crate) ends: Option<u8>,
}

impl Frame {
    /// Of a stream without layers.
    pub(crate) fn plain(keyframe: bool, first: bool) -> Self {
        Self {
            wanted: ALL,
            starts: if keyframe { ALL } else { 0 },
            switches: ALL,
            from: ALL,
            layers: Cell { spatial: 0, temporal: 0 },
            first,
            ends: None,
        }
    }

    /// Of layers that are not known: all of these cells get it.
    pub(super) fn unknown(wanted: u16, keyframe: bool) -> Self {
        Self { wanted, switches: 0, from: 0, ..Self::plain(keyframe, false) }
    }
}
