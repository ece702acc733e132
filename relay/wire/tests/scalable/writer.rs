//! Dependency descriptors, bit by bit (AOMedia's "RTP Payload Format For AV1", section A.8).

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    pub(crate) indications: Vec<u8>,
    pub(crate) differences: Vec<u8>,
    pub(crate) chains: Vec<u8>,
}

/// Templates are in the order of their layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Structure {
    pub(crate) offset: u8,
    pub(crate) targets: usize,
    pub(crate) templates: Vec<Template>,
    /// Of each target, where there are chains.
    pub(crate) protected_by: Vec<u8>,
    pub(crate) chains: usize,
    pub(crate) resolutions: Option<Vec<(u16, u16)>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) start: bool,
    pub(crate) end: bool,
    pub(crate) template: u8,
    pub(crate) number: u16,
    pub(crate) attached: bool,
    pub(crate) active: Option<u32>,
    pub(crate) indications: Option<Vec<u8>>,
    pub(crate) differences: Option<Vec<u16>>,
    pub(crate) chains: Option<Vec<u8>>,
}

#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: usize) {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    fn flag(&mut self, value: bool) {
        self.0.push(value);
    }

    /// `ns(n)`.
    fn below(&mut self, value: u32, bound: u32) {
        let mut width = 0;
        while bound >> width > 0 {
            width += 1;
        }
        let short = (1 << width) - bound;
        if value < short {
            self.put(value, width - 1);
        } else {
            self.put(value + short, width);
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            (0..8).fold(0, |byte, at| byte << 1 | u8::from(bits.get(at) == Some(&true)))
        };
        self.0.chunks(8).map(byte).collect()
    }
}

impl Descriptor {
    pub(crate) fn write(&self, structure: &Structure) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.flag(self.start);
        bits.flag(self.end);
        bits.put(self.template.into(), 6);
        bits.put(self.number.into(), 16);
        let custom =
            [self.indications.is_some(), self.differences.is_some(), self.chains.is_some()];
        if self.attached || self.active.is_some() || custom.contains(&true) {
            bits.flag(self.attached);
            bits.flag(self.active.is_some());
            custom.into_iter().for_each(|flag| bits.flag(flag));
            self.extend(structure, &mut bits);
        }
        bits.bytes()
    }

    fn extend(&self, structure: &Structure, bits: &mut Bits) {
        if self.attached {
            structure.write(bits);
        }
        if let Some(active) = self.active {
            bits.put(active, structure.targets);
        }
        for indication in self.indications.iter().flatten() {
            bits.put((*indication).into(), 2);
        }
        if let Some(differences) = &self.differences {
            for difference in differences {
                let size = if *difference <= 16 { 1 } else { 2 + u32::from(*difference > 256) };
                bits.put(size, 2);
                bits.put(u32::from(*difference) - 1, 4 * size as usize);
            }
            bits.put(0, 2);
        }
        for chain in self.chains.iter().flatten() {
            bits.put((*chain).into(), 8);
        }
    }
}

impl Structure {
    fn write(&self, bits: &mut Bits) {
        bits.put(self.offset.into(), 6);
        bits.put(self.targets as u32 - 1, 5);
        for (index, template) in self.templates.iter().enumerate() {
            let step = match self.templates.get(index + 1) {
                None => 3,
                Some(next) if next.spatial > template.spatial => 2,
                Some(next) => u32::from(next.temporal - template.temporal),
            };
            bits.put(step, 2);
        }
        for indication in self.templates.iter().flat_map(|template| &template.indications) {
            bits.put((*indication).into(), 2);
        }
        for template in &self.templates {
            for difference in &template.differences {
                bits.flag(true);
                bits.put(u32::from(*difference) - 1, 4);
            }
            bits.flag(false);
        }
        bits.below(self.chains as u32, self.targets as u32 + 1);
        if self.chains > 0 {
            for chain in &self.protected_by {
                bits.below((*chain).into(), self.chains as u32);
            }
            for difference in self.templates.iter().flat_map(|template| &template.chains) {
                bits.put((*difference).into(), 4);
            }
        }
        bits.flag(self.resolutions.is_some());
        for (width, height) in self.resolutions.iter().flatten() {
            bits.put((*width).into(), 16);
            bits.put((*height).into(), 16);
        }
    }
}
