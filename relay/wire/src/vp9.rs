//! VP9's payload descriptor (RFC 9628, section 4.2): read only. End-to-end encryption leaves it
//! readable.

/// A frame's number (RFC 9628, section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    /// The number, 7 or 15 bits.
    pub value: u16,
    /// Whether it has 15 bits (M).
    pub wide: bool,
    /// Where it stands in the payload.
    pub at: usize,
}

/// Bytes of the longest descriptor up to the index of temporal base-layer pictures.
pub const FRONT_MAX: usize = 5;

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

/// The descriptor in front of each payload; of a scalability structure only the number of layers.
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
    /// How many spatial layers the scalability structure tells, 1..=8 (N_S).
    pub spatial_layers: Option<u8>,
    /// Bytes up to `tl0_pic_idx`, which is the last of them if it is there.
    pub front_len: usize,
}

impl Descriptor {
    /// Reads the descriptor at the front of a payload.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
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
            spatial_layers: None,
            front_len: 1,
        };
        if flag(0x80) {
            descriptor.read_picture_id(payload)?;
        }
        if flag(0x20) {
            descriptor.read_layers(payload)?;
        }
        if descriptor.structure {
            descriptor.read_structure(payload)?;
        }

        Some(descriptor)
    }

    fn read_picture_id(&mut self, payload: &[u8]) -> Option<()> {
        let at = self.front_len;
        let high = *payload.get(at)?;
        let wide = high & 0x80 != 0;
        let value = match wide {
            true => u16::from_be_bytes([high & 0x7f, *payload.get(at + 1)?]),
            false => high.into(),
        };
        self.picture_id = Some(PictureId { value, wide, at });
        self.front_len += 1 + usize::from(wide);

        Some(())
    }

    fn read_layers(&mut self, payload: &[u8]) -> Option<()> {
        let layers = *payload.get(self.front_len)?;
        self.layers = Some(Layers {
            temporal: layers >> 5,
            switching_up: layers & 0x10 != 0,
            spatial: layers >> 1 & 7,
            inter_layer: layers & 1 != 0,
        });
        self.front_len += 1;
        if !self.flexible {
            self.tl0_pic_idx = Some(*payload.get(self.front_len)?);
            self.front_len += 1;
        }

        Some(())
    }

    /// The structure stands behind up to three references, of which all but the last have N set.
    fn read_structure(&mut self, payload: &[u8]) -> Option<()> {
        let mut at = self.front_len;
        if self.flexible && self.inter_picture {
            let references = payload.get(at..)?.iter().take(3);
            at += references.take_while(|reference| *reference & 1 == 1).count().min(2) + 1;
        }
        self.spatial_layers = Some((payload.get(at)? >> 5) + 1);

        Some(())
    }

    /// Bytes of the whole descriptor at the front of this payload, which it was read from:
    /// references and scalability structure included.
    pub fn len(&self, payload: &[u8]) -> Option<usize> {
        let mut at = self.front_len;
        if self.flexible && self.inter_picture {
            let references = payload.get(at..)?.iter().take(3);
            at += references.take_while(|reference| *reference & 1 == 1).count().min(2) + 1;
        }
        if self.structure {
            at = structure_end(payload, at)?;
        }

        (at <= payload.len()).then_some(at)
    }

    /// Whether a picture that builds on no other starts here.
    pub fn is_keyframe(&self) -> bool {
        let lowest = self.layers.is_none_or(|layers| layers.spatial == 0);

        self.start && lowest && !self.inter_picture
    }
}

/// Where the scalability structure that starts at `at` ends (RFC 9628, section 4.2.1).
fn structure_end(payload: &[u8], mut at: usize) -> Option<usize> {
    let first = *payload.get(at)?;
    at += 1;
    if first & 0x10 != 0 {
        at += 4 * (usize::from(first >> 5) + 1);
    }
    if first & 0x08 != 0 {
        let pictures = *payload.get(at)?;
        at += 1;
        for _ in 0..pictures {
            at += 1 + usize::from(*payload.get(at)? >> 2 & 3);
        }
    }

    Some(at)
}

/// Whether a keyframe starts with this payload.
pub fn is_keyframe(payload: &[u8]) -> bool {
    Descriptor::parse(payload).is_some_and(|descriptor| descriptor.is_keyframe())
}
