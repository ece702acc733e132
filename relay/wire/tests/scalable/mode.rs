//! Scalability modes: L3T3 and the like, as WebRTC's encoders make them.

use super::{DISCARDABLE, Descriptor, NOT_PRESENT, REQUIRED, SWITCH, Structure, Template};

/// What spatial layers are to one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inter {
    /// `LxTy`: each refers to the one below.
    Full,
    /// `LxTy_KEY`: in keyframes only.
    Key,
    /// `SxTy`: never.
    None,
}

/// One frame: a spatial layer of a picture.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    pub(crate) keyframe: bool,
    /// Of frames that it refers to, and its own.
    pub(crate) references: Vec<u64>,
    pub(crate) number: u64,
    pub(crate) descriptor: Descriptor,
}

/// The frames of one picture, lowest layer first.
pub(crate) type Picture = Vec<Frame>;

/// An encoder.
#[derive(Clone, Debug)]
pub(crate) struct Mode {
    pub(crate) spatial: u8,
    temporal: u8,
    inter: Inter,
    pub(crate) structure: Structure,
    next: u64,
    /// Pictures since the keyframe.
    phase: usize,
    /// Newest frame of each layer: `[spatial][temporal]`.
    newest: [[Option<u64>; 3]; 4],
    chains: [Option<u64>; 4],
    /// How many spatial layers are encoded.
    pub(crate) sent: u8,
    told: u8,
    pub(crate) silent: bool,
}

impl Mode {
    pub(crate) fn new(spatial: u8, temporal: u8, inter: Inter) -> Self {
        let mut mode = Self {
            spatial,
            temporal,
            inter,
            structure: Structure {
                offset: 0,
                targets: usize::from(spatial * temporal),
                templates: Vec::new(),
                protected_by: Vec::new(),
                chains: spatial.into(),
                resolutions: Some((1..=u16::from(spatial)).map(|s| (320 * s, 180 * s)).collect()),
            },
            next: 0,
            phase: 0,
            newest: [[None; 3]; 4],
            chains: [None; 4],
            sent: spatial,
            told: spatial,
            silent: false,
        };
        let protected = (0..spatial).flat_map(|s| std::iter::repeat_n(s, temporal.into()));
        mode.structure.protected_by = protected.collect();
        for s in 0..spatial {
            let deltas = (0..temporal).map(|t| mode.template(s, t, false));
            let templates: Vec<_> =
                std::iter::once(mode.template(s, 0, true)).chain(deltas).collect();
            mode.structure.templates.extend(templates);
        }
        mode
    }

    /// Encodes fewer spatial layers from now on, and tells nobody.
    pub(crate) fn send_silently(&mut self, sent: u8) {
        (self.sent, self.silent) = (sent, true);
    }

    /// Whether frames of higher spatial layers refer to this one.
    pub(crate) fn is_referred_to(&self, frame: &Frame) -> bool {
        self.refers_down(frame.spatial + 1, frame.keyframe)
    }

    /// The next picture.
    pub(crate) fn picture(&mut self, keyframe: bool) -> Picture {
        if keyframe {
            self.phase = 0;
            self.newest = [[None; 3]; 4];
            self.chains = [None; 4];
            let used = self.structure.templates.len() as u8;
            self.structure.offset = (self.structure.offset + used) % 64;
        }
        let temporal = self.pattern();
        self.phase += 1;
        (0..self.sent).map(|spatial| self.frame(spatial, temporal, keyframe)).collect()
    }

    fn pattern(&self) -> u8 {
        match self.temporal {
            1 => 0,
            2 => [0, 1][self.phase % 2],
            _ => [0, 2, 1, 2][self.phase % 4],
        }
    }

    fn frame(&mut self, spatial: u8, temporal: u8, keyframe: bool) -> Frame {
        let (s, number) = (usize::from(spatial), self.next);
        let lower = self.newest[s][..=usize::from(temporal.saturating_sub(1))].iter();
        let mut references: Vec<u64> = lower.flatten().copied().max().into_iter().collect();
        if self.refers_down(spatial, keyframe) {
            references.push(number - 1);
        }
        let chains = self.chains[..self.spatial.into()].iter();
        let chains = chains.map(|last| last.map_or(0, |last| (number - last) as u8)).collect();
        // As libwebrtc does: with each frame that needs no other.
        let attached = keyframe && references.is_empty();
        let changed = self.told != self.sent || attached && self.sent < self.spatial;
        let active = (changed && !self.silent).then(|| (1 << (self.sent * self.temporal)) - 1);
        self.told = self.sent;
        let index = spatial * (self.temporal + 1) + if keyframe { 0 } else { 1 + temporal };
        let descriptor = Descriptor {
            start: true,
            end: true,
            template: (self.structure.offset + index) % 64,
            number: number as u16,
            attached,
            active,
            indications: None,
            differences: Some(references.iter().map(|to| (number - to) as u16).collect()),
            chains: Some(chains),
        };
        self.newest[s][usize::from(temporal)] = Some(number);
        for chain in 0..self.spatial {
            if temporal == 0 && self.carries(chain, spatial, keyframe) {
                self.chains[usize::from(chain)] = Some(number);
            }
        }
        self.next += 1;
        Frame { spatial, temporal, keyframe, references, number, descriptor }
    }

    fn refers_down(&self, spatial: u8, keyframe: bool) -> bool {
        spatial > 0
            && match self.inter {
                Inter::Full => true,
                Inter::Key => keyframe,
                Inter::None => false,
            }
    }

    /// Whether a chain has frames of a spatial layer.
    fn carries(&self, chain: u8, spatial: u8, keyframe: bool) -> bool {
        match self.inter {
            Inter::Full => spatial <= chain,
            Inter::Key => spatial == chain || keyframe && spatial < chain,
            Inter::None => spatial == chain,
        }
    }

    fn template(&self, spatial: u8, temporal: u8, keyframe: bool) -> Template {
        let targets = (0..self.spatial).flat_map(|s| (0..self.temporal).map(move |t| (s, t)));
        let indication = |(s, t)| self.indication((spatial, temporal), keyframe, (s, t));
        Template {
            spatial,
            temporal,
            indications: targets.map(indication).collect(),
            differences: if keyframe && !self.refers_down(spatial, true) {
                Vec::new()
            } else {
                vec![1]
            },
            chains: vec![1; self.spatial.into()],
        }
    }

    /// What a frame is to the target of layers `target`.
    fn indication(&self, (s, t): (u8, u8), keyframe: bool, target: (u8, u8)) -> u8 {
        let related = self.carries(target.0, s, keyframe);
        match target {
            (ts, tt) if !related || ts < s || tt < t => NOT_PRESENT,
            (ts, _) if ts > s && !keyframe => REQUIRED,
            (_, tt) if t > 0 && tt == t => DISCARDABLE,
            _ => SWITCH,
        }
    }
}
