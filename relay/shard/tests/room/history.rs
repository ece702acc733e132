//! Whatever happens to a publisher's packets, a subscriber sees one stream.

use crate::seen::{Fate, Seen, choice, fate};
use crate::world::{Sent, Stream, VIDEO, World, read_vp8, vp8};
use proptest::prelude::*;
use relay_wire::control::{Choice, TransportId};
use std::collections::HashMap;

const RIDS: [&str; 3] = ["q", "h", "f"];
const SUBSCRIBERS: u64 = 3;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// A frame of so many packets on a layer; `fate` decides of each what becomes of it.
    Frame {
        layer: usize,
        keyframe: bool,
        packets: usize,
        fate: Vec<Fate>,
    },
    Padding {
        layer: usize,
        lost: bool,
    },
    /// Packets that were kept back arrive now; `repair`: as retransmissions.
    Release {
        repair: bool,
    },
    Choose {
        subscriber: u64,
        choice: Choice,
    },
    Mute(bool),
    /// A layer's numbers jump.
    Jump {
        layer: usize,
        by: u16,
    },
    Nack {
        subscriber: u64,
        back: u16,
    },
    Sleep(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let frame =
        (0..3_usize, prop::bool::weighted(0.2), 1..4_usize, prop::collection::vec(fate(), 3));
    prop_oneof![
        20 => frame.prop_map(|(layer, keyframe, packets, fate)| {
            Step::Frame { layer, keyframe, packets, fate }
        }),
        3 => (0..3_usize, any::<bool>()).prop_map(|(layer, lost)| Step::Padding { layer, lost }),
        3 => any::<bool>().prop_map(|repair| Step::Release { repair }),
        2 => (0..SUBSCRIBERS, choice())
            .prop_map(|(subscriber, choice)| Step::Choose { subscriber, choice }),
        1 => any::<bool>().prop_map(Step::Mute),
        1 => (0..3_usize, 900..60_000_u16).prop_map(|(layer, by)| Step::Jump { layer, by }),
        3 => (0..SUBSCRIBERS, 0..40_u16)
            .prop_map(|(subscriber, back)| Step::Nack { subscriber, back }),
        8 => (1..60_u64).prop_map(Step::Sleep),
        1 => (500..3000_u64).prop_map(Step::Sleep),
    ]
}

struct History {
    world: World,
    streams: [Stream; 3],
    pictures: [u16; 3],
    marks: u32,
    rtx: u16,
    held: Vec<(usize, Stream, Vec<u8>)>,
    seen: HashMap<TransportId, Seen>,
}

impl History {
    fn new() -> Self {
        let mut ssrc = 30;
        let streams = RIDS.map(|rid| {
            ssrc += 1;
            let mut stream = Stream::video(ssrc, Some(rid));
            stream.fixed.sequence = 65_500;
            stream.fixed.timestamp = ssrc << 27;
            stream
        });
        Self {
            world: World::with_call(&RIDS, SUBSCRIBERS),
            streams,
            pictures: [32_760, 5, 100],
            marks: 0,
            rtx: 0,
            held: Vec::new(),
            seen: HashMap::new(),
        }
    }

    fn take(&mut self, sent: &[Sent]) {
        for sent in sent {
            self.seen.entry(sent.to).or_default().take(sent, |payload| {
                let (picture, _, mark) = read_vp8(payload);
                (mark.to_vec(), picture)
            });
        }
    }

    fn receive(&mut self, packet: &[u8]) {
        let sent = self.world.receive(packet);
        self.take(&sent);
    }

    fn frame(&mut self, layer: usize, keyframe: bool, packets: usize, fate: &[Fate]) {
        self.pictures[layer] = (self.pictures[layer] + 1) & 0x7fff;
        let fixed = &mut self.streams[layer].fixed;
        fixed.timestamp = fixed.timestamp.wrapping_add(3000);
        for (index, fate) in fate.iter().take(packets).enumerate() {
            self.marks += 1;
            let mark = self.marks.to_be_bytes();
            let mut payload = vp8(keyframe, self.pictures[layer], 0, &mark);
            payload[0] = if index == 0 { 0x90 } else { 0x80 };
            let stream = &mut self.streams[layer];
            stream.fixed.sequence = stream.fixed.sequence.wrapping_add(1);
            stream.fixed.marker = index + 1 == packets;
            let (stream, packet) = (stream.clone(), stream.packet(&payload));
            match fate {
                Fate::Arrives => self.receive(&packet),
                Fate::Lost => {}
                Fate::Late => self.held.push((layer, stream, payload)),
                Fate::Twice => {
                    self.receive(&packet);
                    self.receive(&packet);
                }
            }
        }
    }

    fn release(&mut self, repair: bool) {
        for (layer, stream, payload) in std::mem::take(&mut self.held) {
            self.rtx = self.rtx.wrapping_add(1);
            let packet = if repair {
                stream.repair(41 + layer as u32, self.rtx, &payload)
            } else {
                stream.packet(&payload)
            };
            self.receive(&packet);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Frame { layer, keyframe, packets, fate } => {
                self.frame(*layer, *keyframe, *packets, fate);
            }
            Step::Padding { layer, lost } => {
                let stream = &mut self.streams[*layer];
                stream.fixed.sequence = stream.fixed.sequence.wrapping_add(1);
                let (stream, packet) = (stream.clone(), stream.packet(&[]));
                if *lost {
                    self.held.push((*layer, stream, Vec::new()));
                } else {
                    self.receive(&packet);
                }
            }
            Step::Release { repair } => self.release(*repair),
            Step::Choose { subscriber, choice } => self.world.choose(*subscriber, *choice),
            Step::Mute(muted) => self.world.mute(VIDEO, *muted),
            Step::Jump { layer, by } => {
                let fixed = &mut self.streams[*layer].fixed;
                fixed.sequence = fixed.sequence.wrapping_add(*by);
                fixed.timestamp = fixed.timestamp.wrapping_add(u32::from(*by) << 12);
                // What was kept back from before the jump would be taken for something new.
                self.held.retain(|(held, ..)| held != layer);
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
}

fn play(steps: &[Step]) {
    let mut history = History::new();
    for step in steps {
        history.step(step);
    }
    history.release(true);
    for seen in history.seen.values() {
        seen.check();
    }
}

/// A frame of one packet.
fn frame(layer: usize, keyframe: bool, fate: Fate) -> Step {
    Step::Frame { layer, keyframe, packets: 1, fate: vec![fate] }
}

/// A repair from before the padding comes after the change of layers.
#[test]
fn what_is_missing_in_front_of_padding_may_come_after_a_switch() {
    use Fate::{Arrives, Late, Lost};
    play(&[
        frame(2, true, Arrives),
        frame(0, false, Arrives),
        frame(2, false, Lost),
        frame(2, false, Late),
        Step::Choose { subscriber: 0, choice: Choice::Low },
        Step::Padding { layer: 2, lost: false },
        frame(0, true, Arrives),
        frame(0, false, Arrives),
    ]);
}

/// A late keyframe from before what was sent of its layer starts nothing.
#[test]
fn packets_are_not_sent_twice_after_an_old_keyframe() {
    use Fate::{Arrives, Late};
    let mut steps = vec![
        frame(2, false, Arrives),
        frame(2, true, Late),
        frame(2, true, Arrives),
        Step::Sleep(1201),
        frame(1, true, Arrives),
        frame(1, false, Arrives),
        Step::Release { repair: false },
    ];
    steps.extend((0..4).map(|_| frame(2, false, Arrives)));
    steps.extend((0..8).map(|back| Step::Nack { subscriber: 0, back }));
    play(&steps);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_looks_like_one_stream(steps in prop::collection::vec(step(), 1..250)) {
        play(&steps);
    }
}
