//! Whatever happens to the packets of a publisher with layers in one stream, and whatever
//! subscribers choose: nobody gets a frame without those that it refers to, unless the publisher's
//! packets were lost.

use crate::encoder::{Encoder, MARK, PACKETS, Packets, Told};
use crate::scalable::Inter;
use crate::seen::{Fate, Seen, choice, fate};
use crate::world::{H264, Sent, VP8, World, read_vp8};
use proptest::prelude::*;
use relay_wire::control::{Choice, TransportId};
use std::collections::{BTreeSet, HashMap};

const SUBSCRIBERS: u64 = 4;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// A picture, of whose packets this becomes.
    Picture(Vec<Fate>),
    /// Packets that were kept back arrive now; `repair`: as retransmissions.
    Release {
        repair: bool,
    },
    Choose {
        subscriber: u64,
        choice: Choice,
        fps_max: Option<u16>,
    },
    /// The publisher encodes so many spatial layers, and tells it or not.
    Layers {
        sent: u8,
        silently: bool,
    },
    Padding,
    Nack {
        subscriber: u64,
        back: u16,
    },
    Sleep(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let limit = prop::option::of(1..40_u16);
    prop_oneof![
        30 => prop::collection::vec(fate(), 8).prop_map(Step::Picture),
        30 => Just(Step::Picture(vec![Fate::Arrives])),
        3 => any::<bool>().prop_map(|repair| Step::Release { repair }),
        5 => (0..SUBSCRIBERS, choice(), limit).prop_map(|(subscriber, choice, fps_max)| {
            Step::Choose { subscriber, choice, fps_max }
        }),
        1 => (1..4_u8, any::<bool>()).prop_map(|(sent, silently)| Step::Layers { sent, silently }),
        1 => Just(Step::Padding),
        6 => (0..SUBSCRIBERS, 0..90_u16)
            .prop_map(|(subscriber, back)| Step::Nack { subscriber, back }),
        1 => (1..900_u64).prop_map(Step::Sleep),
    ]
}

fn encoder() -> impl Strategy<Value = Encoder> {
    let inter = prop::sample::select(vec![Inter::Full, Inter::Key, Inter::None]);
    let told = prop::sample::select(Told::ALL.to_vec());
    (1..4_u8, 1..4_u8, inter, told).prop_map(|(spatial, temporal, inter, told)| match told {
        Told::Vp8 | Told::Descriptor(VP8 | H264) => Encoder::new(1, temporal, Inter::Full, told),
        Told::Vp9 | Told::Descriptor(_) => Encoder::new(spatial, temporal, inter, told),
    })
}

struct History {
    world: World,
    encoder: Encoder,
    rtx: u16,
    held: Packets,
    /// Packets that did not come in their order.
    missed: usize,
    /// Frames of which such a packet is.
    damaged: BTreeSet<u64>,
    seen: HashMap<TransportId, Seen>,
}

impl History {
    fn take(&mut self, sent: &[Sent]) {
        let told = self.encoder.told;
        for sent in sent {
            self.seen.entry(sent.to).or_default().take(sent, |payload| {
                let picture = if told == Told::Vp8 { read_vp8(payload).0 } else { 0 };
                (payload[payload.len() - MARK..].to_vec(), picture)
            });
        }
    }

    fn receive(&mut self, packet: &[u8]) {
        let sent = self.world.receive(packet);
        self.take(&sent);
    }

    fn picture(&mut self, fates: &[Fate]) {
        let first = self.encoder.frames.is_empty();
        let keyframe = first || self.world.take_plis().contains(&self.encoder.stream.fixed.ssrc);
        let packets = self.encoder.picture(keyframe);
        for (index, (stream, payload)) in packets.into_iter().enumerate() {
            // A publisher is asked for a keyframe again when it is lost, but what is sent then
            // depends on how long that takes.
            let fate = if keyframe { Fate::Arrives } else { fates[index % fates.len()] };
            let packet = stream.packet(&payload);
            if matches!(fate, Fate::Lost | Fate::Late) {
                let mark = &payload[payload.len() - MARK..];
                self.damaged.insert(number(mark));
                self.missed += 1;
            }
            match fate {
                Fate::Arrives => self.receive(&packet),
                Fate::Lost => {}
                Fate::Late => self.held.push((stream, payload)),
                Fate::Twice => {
                    self.receive(&packet);
                    self.receive(&packet);
                }
            }
        }
        self.world.sleep_ms(33);
    }

    fn release(&mut self, repair: bool) {
        for (stream, payload) in std::mem::take(&mut self.held) {
            self.rtx = self.rtx.wrapping_add(1);
            let packet = match repair {
                true => stream.repair(41, self.rtx, &payload),
                false => stream.packet(&payload),
            };
            self.receive(&packet);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Picture(fates) => self.picture(fates),
            Step::Release { repair } => self.release(*repair),
            Step::Choose { subscriber, choice, fps_max } => {
                self.world.choose_fps(*subscriber, *choice, *fps_max);
            }
            Step::Layers { sent, silently } => {
                let mode = &mut self.encoder.mode;
                mode.sent = mode.spatial.min(*sent);
                mode.silent = *silently;
            }
            Step::Padding => {
                let stream = &mut self.encoder.stream;
                stream.fixed.sequence = stream.fixed.sequence.wrapping_add(1);
                stream.descriptor = None;
                let packet = stream.packet(&[]);
                self.receive(&packet);
            }
            Step::Nack { subscriber, back } => self.nack(*subscriber, *back),
            Step::Sleep(ms) => self.world.sleep_ms(*ms),
        }
    }

    fn nack(&mut self, subscriber: u64, back: u16) {
        let transport = World::subscriber(subscriber);
        let Some(highest) = self.seen.get(&transport).and_then(|seen| seen.highest) else { return };
        let sent = self.world.nack(transport, highest, back);
        self.take(&sent);
    }

    /// Every frame that is complete has those that it refers to.
    fn check(&self, seen: &Seen) {
        seen.check();
        let (first, last) = (seen.packets.keys().next(), seen.packets.keys().last());
        let numbers = first.zip(last).map_or(0, |(first, last)| last - first + 1) as usize;
        let gaps = numbers - seen.packets.len();
        assert!(gaps <= self.missed, "{gaps} gaps, {} packets were missed", self.missed);

        let mut parts: HashMap<u64, u8> = HashMap::new();
        let marks = seen.packets.values().filter(|(_, mark)| !mark.is_empty());
        marks.for_each(|(_, mark)| *parts.entry(number(mark)).or_default() += 1);
        let mut broken = self.damaged.clone();
        for frame in &self.encoder.frames {
            let count = |number: &u64| parts.get(number).copied().unwrap_or(0);
            let lacks = |to: &&u64| count(to) < PACKETS && !broken.contains(*to);
            let missing = frame.references.iter().find(lacks);
            let parts = count(&frame.number);
            assert!(parts < PACKETS || missing.is_none(), "{frame:?} lacks {missing:?}");
            let tainted = frame.references.iter().any(|to| broken.contains(to));
            if parts > 0 && (parts < PACKETS || tainted) {
                assert!(tainted || self.damaged.contains(&frame.number), "a part of {frame:?}");
                broken.insert(frame.number);
            }
        }
    }
}

fn number(mark: &[u8]) -> u64 {
    u64::from_be_bytes(mark[..8].try_into().expect("eight bytes"))
}

fn play(encoder: Encoder, steps: &[Step]) {
    let world = World::with_call(&[], SUBSCRIBERS);
    let (held, seen) = (Packets::new(), HashMap::new());
    let damaged = BTreeSet::new();
    let mut history = History { world, encoder, rtx: 0, held, missed: 0, damaged, seen };
    for step in steps {
        history.step(step);
    }
    history.release(true);
    history.seen.values().for_each(|seen| history.check(seen));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_frame_has_its_references(
        encoder in encoder(),
        steps in prop::collection::vec(step(), 1..300),
    ) {
        play(encoder, &steps);
    }
}
