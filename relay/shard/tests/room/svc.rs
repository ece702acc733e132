//! Spatial layers within one stream: who gets which, and how one becomes another.

use crate::decoder::{Decoder, summary};
use crate::encoder::{Encoder, Told};
use crate::scalable::Inter;
use crate::world::{AV1, SUBSCRIBER_IDS, Sent, VP9, World};
use relay_wire::control::{Answer, Choice, Command};
use relay_wire::dependency::Fields;

const CHOICES: [Choice; 3] = [Choice::Low, Choice::Medium, Choice::High];
const DESCRIPTOR: Told = Told::Descriptor(AV1);

/// A call in which each subscriber has another choice.
fn call() -> World {
    let mut world = World::with_call(&[], 3);
    for (number, choice) in CHOICES.into_iter().enumerate() {
        world.choose(number as u64, choice);
    }
    world
}

/// Everything that a subscriber of one stream got, decoded.
struct Viewer {
    world: World,
    encoder: Encoder,
    decoder: Decoder,
}

impl Viewer {
    fn new(encoder: Encoder) -> Self {
        Self { world: World::with_call(&[], 1), encoder, decoder: Decoder::default() }
    }

    fn play(&mut self, pictures: usize) -> Vec<Sent> {
        self.encoder.play(&mut self.world, pictures)
    }

    /// Highest layers of what comes in so many pictures, and the number of frames.
    fn watch(&mut self, pictures: usize) -> (u8, u8, usize) {
        let sent = self.play(pictures);
        let frames = self.decoder.take(0, &sent, &self.encoder);
        let (spatial, temporal) = summary(&frames);
        (spatial, temporal, frames.len())
    }
}

#[test]
fn each_mode_gives_everybody_the_layers_of_his_choice() {
    let modes = [
        (3, 3, Inter::Full, [1, 2, 3]),
        (3, 3, Inter::Key, [1, 1, 1]),
        (2, 1, Inter::None, [1, 1, 1]),
        (3, 3, Inter::None, [1, 1, 1]),
        (2, 2, Inter::Key, [1, 1, 1]),
        (1, 3, Inter::Full, [1, 1, 1]),
        (1, 1, Inter::Full, [1, 1, 1]),
    ];
    for (spatial, temporal, inter, frames) in modes {
        for told in [DESCRIPTOR, Told::Descriptor(VP9), Told::Vp9] {
            let mut world = call();
            let mut encoder = Encoder::new(spatial, temporal, inter, told);
            let first = encoder.play(&mut world, 8);
            let later = encoder.play(&mut world, 60);
            for (number, frames) in frames.into_iter().enumerate() {
                let case = format!("{spatial} {temporal} {inter:?} {told:?}, subscriber {number}");
                let mut decoder = Decoder::default();
                assert!(!decoder.take(number as u64, &first, &encoder).is_empty(), "{case}");
                let got = decoder.take(number as u64, &later, &encoder);
                let highest = (number as u8).min(spatial - 1);
                assert_eq!(summary(&got), (highest, temporal - 1), "{case}");
                assert_eq!(got.len(), 60 * frames, "{case}");
            }
            assert_eq!(encoder.keyframes, 1, "{spatial} {temporal} {inter:?} {told:?}");
        }
    }
}

#[test]
fn a_lower_layer_comes_with_the_next_picture_and_without_a_keyframe() {
    for told in [DESCRIPTOR, Told::Vp9] {
        let mut viewer = Viewer::new(Encoder::new(3, 3, Inter::Full, told));
        assert_eq!(viewer.watch(30), (2, 2, 90));
        viewer.world.choose(0, Choice::Low);

        assert_eq!(viewer.watch(1), (0, 2, 1).min((0, viewer.encoder.frames[90].temporal, 1)));
        assert_eq!(viewer.watch(60), (0, 2, 60));
        assert_eq!(viewer.encoder.keyframes, 1);
    }
}

#[test]
fn a_higher_layer_asks_once_for_a_keyframe_and_goes_on_until_then() {
    for told in [DESCRIPTOR, Told::Vp9] {
        for inter in [Inter::Full, Inter::Key, Inter::None] {
            let mut viewer = Viewer::new(Encoder::new(3, 3, inter, told));
            viewer.world.choose(0, Choice::Low);
            assert_eq!(viewer.watch(30), (0, 2, 30));
            viewer.world.choose(0, Choice::High);
            assert_eq!(viewer.world.take_plis(), [30], "{inter:?} {told:?}");

            assert_eq!(viewer.watch(8), (0, 2, 8), "the lower one goes on");
            viewer.world.sleep_ms(500);
            assert_eq!(viewer.watch(30).0, 2, "{inter:?} {told:?}");
            assert_eq!(viewer.encoder.keyframes, 2);
            viewer.world.sleep_ms(2000);
            assert!(viewer.world.take_plis().is_empty());
        }
    }
}

#[test]
fn independent_layers_need_a_keyframe_downwards_too() {
    for inter in [Inter::Key, Inter::None] {
        let mut viewer = Viewer::new(Encoder::new(3, 3, inter, DESCRIPTOR));
        assert_eq!(viewer.watch(30).0, 2);
        viewer.world.choose(0, Choice::Low);
        let before = viewer.watch(1);
        assert_eq!(before.0, 0, "the keyframe that was asked for");
        assert_eq!(viewer.watch(30), (0, 2, 30));
        assert_eq!(viewer.encoder.keyframes, 2);
    }
}

#[test]
fn a_layer_that_is_not_sent_any_more_is_left_and_comes_back() {
    for inter in [Inter::Full, Inter::Key, Inter::None] {
        let mut viewer = Viewer::new(Encoder::new(3, 1, inter, DESCRIPTOR));
        assert_eq!(viewer.watch(30).0, 2);
        viewer.encoder.mode.sent = 2;
        assert_eq!(viewer.watch(30).0, 1, "{inter:?}");
        let (_, _, frames) = viewer.watch(30);
        assert!(frames >= 30, "{inter:?}: {frames}");
        viewer.encoder.mode.sent = 3;
        viewer.world.sleep_ms(600);
        viewer.watch(2);
        viewer.world.sleep_ms(600);
        assert_eq!(viewer.watch(30).0, 2, "{inter:?}");
    }
}

#[test]
fn descriptors_are_passed_on_in_the_form_that_they_need() {
    let mut viewer = Viewer::new(Encoder::new(3, 3, Inter::Full, DESCRIPTOR));
    let sent = viewer.play(2);
    let source = viewer.encoder.frames[0].descriptor.write(&viewer.encoder.mode.structure);
    let id = SUBSCRIBER_IDS.dependency_descriptor;
    for sent in &sent {
        let value = sent.extension(id).expect("a descriptor");
        let profile = u16::from_be_bytes([sent.bytes[12], sent.bytes[13]]);
        assert_eq!(profile, if value.len() > 16 { 0x1000 } else { 0xbede });
        assert_eq!(sent.extension(SUBSCRIBER_IDS.mid), Some(&b"v0"[..]));
        assert!(sent.extension(SUBSCRIBER_IDS.transport_cc).is_some());
    }
    let first = sent[0].extension(id).unwrap();
    assert!(first.len() > 60, "with its structure");
    assert_eq!(first[3..], source[3..]);
    assert!(Fields::parse(first).unwrap().attached);
}

#[test]
fn who_did_not_negotiate_descriptors_gets_none() {
    let mut viewer = Viewer::new(Encoder::new(3, 3, Inter::Full, DESCRIPTOR));
    let mut spec = World::video_subscription(0);
    spec.extensions.dependency_descriptor = None;
    assert_eq!(viewer.world.command(&Command::Subscribe(spec)), Answer::Done);
    viewer.play(20);
    let sent = viewer.play(20);

    assert!(!sent.is_empty());
    for sent in sent {
        assert_eq!(sent.header().extensions(&sent.bytes).filter(|(id, _)| *id == 8).count(), 0);
    }
}

#[test]
fn numbers_of_frames_go_on_over_a_pause() {
    for told in [DESCRIPTOR, Told::Vp9] {
        let mut viewer = Viewer::new(Encoder::new(3, 1, Inter::Full, told));
        viewer.watch(10);
        let last = viewer.play(1);
        viewer.decoder.take(0, &last, &viewer.encoder);
        viewer.world.choose(0, Choice::Paused);
        assert!(viewer.play(40).is_empty());
        viewer.world.choose(0, Choice::High);
        viewer.decoder.broken();
        let sent = viewer.play(10);
        assert!(!sent.is_empty());
        viewer.decoder.take(0, &sent, &viewer.encoder);
        let number = |sent: &Sent| match told {
            Told::Vp9 => u16::from_be_bytes([sent.payload()[1], sent.payload()[2]]) << 1,
            _ => {
                let value = sent.extension(SUBSCRIBER_IDS.dependency_descriptor).unwrap();
                Fields::parse(value).unwrap().number << 1
            }
        };
        let step = number(&sent[0]).wrapping_sub(number(last.last().unwrap()));
        assert_eq!(step, 2, "the picture after the last one");
    }
}

#[test]
fn a_request_finds_its_packet_though_most_are_left_out() {
    let mut world = World::with_call(&[], 1);
    world.choose_fps(0, Choice::Low, Some(15));
    let mut encoder = Encoder::new(3, 3, Inter::Full, DESCRIPTOR);
    encoder.play(&mut world, 90);
    let sent = encoder.play(&mut world, 45);
    for lost in &sent {
        let sequence = lost.header().sequence;
        let repair = world.rtcp(World::subscriber(0), |rtcp| {
            assert!(rtcp.nack(1, 5000, [sequence]));
        });
        assert_eq!(repair.len(), 1, "{sequence} of {}", sent.len());
        assert_eq!(repair[0].payload()[..2], sequence.to_be_bytes());
        assert_eq!(&repair[0].payload()[2..], lost.payload());
        assert_eq!(repair[0].header().marker, lost.header().marker);
    }
}
