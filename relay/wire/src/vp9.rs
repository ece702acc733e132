//! VP9's payload descriptor (RFC 9628, section 4.2): read only. End-to-end encryption leaves it
//! readable.

/// A frame's number (RFC 9628, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    /// The number, 7 or 15 bits.
    pub value: u16,
    /// Whether it has 15 bits (M).
    pub wide: bool,
}

/// Where a frame stands among the layers of its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// Temporal layer, 0..=7 (TID).
    pub temporal: u8,
    /// Whether higher temporal layers may be switched to from here (U).
    pub switching_up: bool,
    /// Spatial layer, 0..=7 (SID).
    pub spatial: u8,
    /// Whether it builds on the spatial layer below (D).
    pub inter_layer: bool,
}

/// The descriptor in front of each payload, without references and scalability structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The picture's number (I).
    pub picture_id: Option<PictureId>,
    /// Whether the frame builds on earlier pictures (P).
    pub inter_picture: bool,
    /// Whether references are told frame by frame (F).
    pub flexible: bool,
    /// Whether a frame of one layer starts here (B), and ends here (E).
    pub start: bool,
    /// See `start`.
    pub end: bool,
    /// Whether a scalability structure is told (V).
    pub structure: bool,
    /// Whether no frame of a higher spatial layer refers to this one (Z).
    pub not_referenced: bool,
    /// The frame's layers (L).
    pub layers: Option<Layers>,
    /// The number of the picture of temporal layer 0 that this one builds on.
    pub tl0_pic_idx: Option<u8>,
}

impl Descriptor {
    /// Reads the descriptor at the front of a payload.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (&first, mut rest) = payload.split_first()?;
        let flag = |bit: u8| first & bit != 0;
        let mut descriptor = Self {
            picture_id: None,
            inter_picture: flag(0x40),
            flexible: flag(0x10),
            start: flag(0x08),
            end: flag(0x04),
            structure: flag(0x02),
            not_referenced: flag(0x01),
            layers: None,
            tl0_pic_idx: None,
        };
        if flag(0x80) {
            let wide = rest.first()? & 0x80 != 0;
            let (value, after) = match wide {
                true => rest.split_first_chunk().map(|(v, r)| (u16::from_be_bytes(*v), r))?,
                false => rest.split_first().map(|(v, r)| (u16::from(*v), r))?,
            };
            descriptor.picture_id = Some(PictureId { value: value & 0x7fff, wide });
            rest = after;
        }
        if flag(0x20) {
            let (layers, after) = rest.split_first()?;
            descriptor.layers = Some(Layers {
                temporal: layers >> 5,
                switching_up: layers & 0x10 != 0,
                spatial: layers >> 1 & 7,
                inter_layer: layers & 1 != 0,
            });
            descriptor.tl0_pic_idx = match descriptor.flexible {
                true => None,
                false => Some(*after.first()?),
            };
        }

        Some(descriptor)
    }

    /// Whether a picture that builds on no other starts here.
    pub fn is_keyframe(&self) -> bool {
        let lowest = self.layers.is_none_or(|layers| layers.spatial == 0);

        self.start && lowest && !self.inter_picture
    }
}

/// Whether a keyframe starts with this payload.
pub fn is_keyframe(payload: &[u8]) -> bool {
    Descriptor::parse(payload).is_some_and(|descriptor| descriptor.is_keyframe())
}
