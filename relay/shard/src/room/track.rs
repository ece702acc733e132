//! A published track: its layers, and everybody to whom it goes.

use super::exit::Exit;
use super::follower::{Aim, Arrived, Follower};
use super::layer::{Layer, Place};
use super::link::Outlet;
use super::media::{self, Body, Media};
use super::scaling::Frame;
use super::speakers::Level;
use super::store::Store;
use super::subscription::Subscription;
use super::tap::Tapped;
use crate::Egress;
use relay_wire::control::{Choice, Codec, Kind, TrackSpec};
use std::time::{Duration, Instant};

/// Layers of one track.
pub(super) const LAYERS_MAX: usize = 4;
/// Silence, compared with the other layers, after which a layer is not there.
const LAYER_SILENCE: Duration = Duration::from_millis(1200);
/// Bytes of payload kept of the highest layer, of the one below, and so on: about a second.
const STORE_BYTES: [usize; LAYERS_MAX] = [512 << 10, 192 << 10, 64 << 10, 64 << 10];

/// SSRCs of the layers of which the publisher is to be asked for a keyframe.
pub(super) type Requests = [Option<u32>; LAYERS_MAX];

/// A track's state.
pub(super) struct Track {
    pub(super) spec: TrackSpec,
    /// Place of the link on which it comes.
    pub(super) link: usize,
    /// Low to high.
    pub(super) layers: Vec<Layer>,
    pub(super) subscriptions: Vec<Subscription>,
    /// What is recorded of it.
    pub(super) tapped: Option<Tapped>,
    pub(super) muted: bool,
    pub(super) level: Level,
    /// The codec in which it comes.
    pub(super) codec: Option<Codec>,
    last: Option<Instant>,
}

impl Track {
    pub(super) fn new(spec: TrackSpec, link: usize) -> Self {
        let layers = spec.rids.len().clamp(1, LAYERS_MAX);
        Self {
            link,
            layers: (0..layers).map(|_| Layer::new()).collect(),
            subscriptions: Vec::new(),
            tapped: None,
            muted: spec.muted,
            level: Level::default(),
            codec: None,
            last: None,
            spec,
        }
    }

    /// Takes over another description of the same track.
    pub(super) fn respecify(&mut self, now: Instant, spec: &TrackSpec) {
        let layers = spec.rids.len().clamp(1, LAYERS_MAX);
        if layers != self.layers.len() || spec.rids != self.spec.rids {
            self.layers = (0..layers).map(|_| Layer::new()).collect();
            self.followers().for_each(|follower| follower.forget(now));
        }
        self.mute(now, spec.muted);
        self.spec = spec.clone();
    }

    /// Whether lost packets are asked for again, and kept.
    pub(super) fn is_video(&self) -> bool {
        self.spec.kind == Kind::Video
    }

    /// Notes life on a layer; returns whether the choice of layers may change by it.
    pub(super) fn notice(&mut self, now: Instant, layer: usize) -> bool {
        let lived = self.layers[layer].is_alive(now, LAYER_SILENCE);
        self.last = Some(now);
        self.layers[layer].last = Some(now);

        !lived
    }

    /// Breaks off what is sent of one layer: its next packets are not related to the last ones.
    pub(super) fn interrupt(&mut self, now: Instant, layer: Option<u8>) {
        for follower in self.followers() {
            if layer.is_none() || follower.current() == layer {
                follower.interrupt(now);
            }
        }
    }

    /// All that follow it: subscriptions, and the log.
    fn followers(&mut self) -> impl Iterator<Item = &mut Follower> {
        let subscribed = self.subscriptions.iter_mut().map(|taker| &mut taker.follower);

        subscribed.chain(self.tapped.iter_mut().map(|taker| &mut taker.follower))
    }

    /// Keeps a packet of a layer for repairs, and passes it to every subscriber who gets that
    /// layer. `frame`: what it is to the layers within.
    pub(super) fn forward<E: Egress>(
        &mut self,
        layer: usize,
        place: &Place,
        (media, body): (&Media, Body<'_>),
        frame: Frame,
        outlets: &mut [Outlet],
        exit: &mut Exit<'_, E>,
    ) {
        let top = self.layers.len() - 1;
        let video = self.is_video();
        let rate = self.rate();
        let source = &mut self.layers[layer];
        if video {
            if frame.starts != 0 {
                source.keyframes.arrived();
            }
            let bytes = STORE_BYTES[top - layer];
            source.store.get_or_insert_with(|| Store::new(bytes)).push(media, &body);
        }
        let arrived = Arrived {
            layer: layer as u8,
            media,
            body,
            frame,
            scaling: &source.scaling,
            due: place.due,
            repair: place.repair,
            late: place.late,
            fresh: place.fresh,
            boundary: place.boundary,
            readable: source.keyframes.seen(),
        };
        for subscription in &mut self.subscriptions {
            subscription.forward(&arrived, outlets, exit);
        }
        if let (Some(tapped), Some(tap)) = (&mut self.tapped, &mut exit.tap) {
            let report = source.sender_report.as_ref();
            tapped.forward((exit.now, rate), &arrived, report, tap, exit.out);
        }
    }

    /// Leaves a packet without payload, due at this time, out of what is sent.
    pub(super) fn skip<E: Egress>(
        &mut self,
        layer: usize,
        (media, due): (&Media, Instant),
        outlets: &mut [Outlet],
        exit: &mut Exit<'_, E>,
    ) {
        for subscription in &mut self.subscriptions {
            subscription.skip(layer as u8, (media, due), outlets, exit);
        }
        if let Some(tapped) = &mut self.tapped {
            tapped.skip(layer as u8, media, due);
        }
    }

    /// Aims every subscription at the layers that suit its choice and are there. Returns whom to
    /// ask for keyframes; `fresh`: something changed since this was done last.
    pub(super) fn aim(&mut self, now: Instant, fresh: bool, outlets: &[Outlet]) -> Requests {
        let targets = [Choice::Paused, Choice::Low, Choice::Medium, Choice::High]
            .map(|choice| self.target(choice));
        let mut changed = false;
        let subscribed = self.subscriptions.iter_mut().map(|taker| &mut taker.follower);
        for follower in subscribed.chain(self.tapped.iter_mut().map(|taker| &mut taker.follower)) {
            let target = targets[follower.choice as usize].map(|(layer, spatial)| {
                let scaling = &self.layers[usize::from(layer)].scaling;
                Aim { layer, cell: scaling.cell(spatial, follower.fps_max) }
            });
            changed |= follower.aim(now, target);
        }

        self.requests(now, fresh || changed, outlets)
    }

    /// The layers that connected subscribers wait for, if they are to be asked for now.
    fn requests(&mut self, now: Instant, fresh: bool, outlets: &[Outlet]) -> Requests {
        let mut requests = Requests::default();
        if self.muted || !self.is_video() {
            return requests;
        }
        let mut awaited = [false; LAYERS_MAX];
        let connected = self.subscriptions.iter().filter(|taker| outlets[taker.link].connected);
        let recorded = self.tapped.iter().map(|taker| &taker.follower);
        for follower in connected.map(|taker| &taker.follower).chain(recorded) {
            let Some((target, current)) = follower.awaited() else { continue };
            let layer = usize::from(target.layer);
            awaited[layer] |= !self.falls(current, target);
        }
        for (index, layer) in self.layers.iter_mut().enumerate() {
            let keyframes = &mut layer.keyframes;
            let due = match awaited[index] {
                true if fresh => keyframes.want(now),
                true => keyframes.keep(now),
                false => keyframes.ask(now),
            };
            requests[index] = layer.ssrc.filter(|_| due);
        }

        requests
    }

    /// Whether the next picture leads from one to the other, without a keyframe.
    fn falls(&self, current: Option<Aim>, target: Aim) -> bool {
        current.is_some_and(|current| {
            let scaling = &self.layers[usize::from(target.layer)].scaling;
            current.layer == target.layer && scaling.below(current.cell) & target.cell.bit() != 0
        })
    }

    /// A subscriber asks for a keyframe.
    pub(super) fn request(&mut self, now: Instant, subscription: usize) -> Option<u32> {
        if self.muted || !self.is_video() {
            return None;
        }
        let layer = self.subscriptions.get(subscription)?.follower.wanted()?;
        let layer = self.layers.get_mut(usize::from(layer))?;

        layer.ssrc.filter(|_| layer.keyframes.want(now))
    }

    /// Mutes or unmutes.
    pub(super) fn mute(&mut self, now: Instant, muted: bool) {
        if self.muted == muted {
            return;
        }
        self.muted = muted;
        self.interrupt(now, None);
        self.level.silence();
        for layer in &mut self.layers {
            layer.keyframes.forget();
            layer.missing.clear();
        }
    }

    /// Sends packets again that a subscriber asked for, as long as `budget` lasts.
    pub(super) fn answer<E: Egress>(
        &mut self,
        subscription: usize,
        sequences: impl Iterator<Item = u16>,
        budget: &mut usize,
        outlets: &mut [Outlet],
        exit: &mut Exit<'_, E>,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(subscription) else { return };
        for sequence in sequences {
            exit.counters.nacks_in += 1;
            if *budget == 0 {
                continue;
            }
            let Some((layer, source)) = subscription.requested(exit.now, sequence) else {
                continue;
            };
            let store = self.layers.get(usize::from(layer)).and_then(|layer| layer.store.as_ref());
            if let Some((media, body)) = store.and_then(|store| store.get(source)) {
                *budget -= 1;
                subscription.resend(layer, media, &body, outlets, exit);
            }
        }
    }

    /// The payload type's codec, and whether it is one of retransmissions.
    pub(super) fn codec_of(&self, payload_type: u8) -> Option<(Codec, bool)> {
        self.spec.codecs.iter().find_map(|spec| {
            let media = spec.payload_type == payload_type;
            let rtx = spec.rtx == Some(payload_type);
            (media || rtx).then_some((spec.codec, rtx && !media))
        })
    }

    /// The media clock in Hz.
    pub(super) fn rate(&self) -> u32 {
        media::rate(self.codec.unwrap_or(if self.is_video() { Codec::Vp8 } else { Codec::Opus }))
    }

    /// The highest layer that is there and not above the choice, else the lowest one that is; and
    /// the spatial layer that suits the choice, if one stream has them all.
    fn target(&self, choice: Choice) -> Option<(u8, u8)> {
        let wanted = match choice {
            Choice::Paused => return None,
            Choice::Low => 0,
            Choice::Medium => 1,
            Choice::High => LAYERS_MAX - 1,
        };
        let newest = self.last?;
        let lives = |layer: &usize| self.layers[*layer].is_alive(newest, LAYER_SILENCE);
        let layers = 0..self.layers.len();
        let below = layers.clone().take(wanted + 1).rev().find(lives);
        let layer = below.or_else(|| layers.clone().find(lives))?;
        let spatial = if self.layers.len() == 1 { wanted } else { LAYERS_MAX - 1 };

        Some((layer as u8, spatial as u8))
    }
}
