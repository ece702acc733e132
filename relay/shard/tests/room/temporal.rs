//! Temporal layers: the frame rate that a subscriber wants.

use crate::decoder::{Decoder, summary};
use crate::encoder::{Encoder, Told};
use crate::scalable::Inter;
use crate::world::{AV1, World};
use relay_wire::control::Choice;

#[test]
fn a_limit_leaves_out_the_layers_that_are_above_it() {
    // Of L1T3 at 30 frames a second.
    let rows = [(None, 2, 60), (Some(30), 2, 60), (Some(20), 1, 30), (Some(15), 1, 30)];
    let low = [(Some(10), 0, 15), (Some(1), 0, 15)];
    for told in Told::ALL {
        let mut world = World::with_call(&[], 1);
        let mut encoder = Encoder::new(1, 3, Inter::Full, told);
        let mut decoder = Decoder::default();
        for (limit, temporal, frames) in rows.into_iter().chain(low) {
            world.choose_fps(0, Choice::High, limit);
            let sent = encoder.play(&mut world, 60);
            decoder.take(0, &sent, &encoder);
            let sent = encoder.play(&mut world, 60);
            let got = decoder.take(0, &sent, &encoder);
            assert_eq!(summary(&got), (0, temporal), "{told:?} {limit:?}");
            assert_eq!(got.len(), frames, "{told:?} {limit:?}");
        }
        assert_eq!(encoder.keyframes, 1, "{told:?}");
    }
}

#[test]
fn more_frames_come_again_without_a_keyframe() {
    for told in Told::ALL {
        let mut world = World::with_call(&[], 1);
        let mut encoder = Encoder::new(1, 3, Inter::Full, told);
        let mut decoder = Decoder::default();
        let sent = encoder.play(&mut world, 60);
        decoder.take(0, &sent, &encoder);
        world.choose_fps(0, Choice::High, Some(5));
        let sent = encoder.play(&mut world, 30);
        decoder.take(0, &sent, &encoder);
        world.choose(0, Choice::High);
        let sent = encoder.play(&mut world, 8);
        decoder.take(0, &sent, &encoder);
        let sent = encoder.play(&mut world, 20);
        let got = decoder.take(0, &sent, &encoder);

        assert_eq!((summary(&got), got.len()), ((0, 2), 20), "{told:?}");
        assert_eq!(encoder.keyframes, 1, "{told:?}");
    }
}

#[test]
fn a_spatial_layer_keeps_its_place_when_frames_are_left_out() {
    for told in [Told::Vp9, Told::Descriptor(AV1)] {
        for inter in [Inter::Full, Inter::Key, Inter::None] {
            let mut world = World::with_call(&[], 1);
            world.choose_fps(0, Choice::Medium, Some(8));
            let mut encoder = Encoder::new(3, 3, inter, told);
            let mut decoder = Decoder::default();
            let sent = encoder.play(&mut world, 60);
            decoder.take(0, &sent, &encoder);
            let sent = encoder.play(&mut world, 40);
            let got = decoder.take(0, &sent, &encoder);

            assert_eq!(summary(&got), (1, 0), "{told:?} {inter:?}");
            assert_eq!(got.len(), if inter == Inter::Full { 20 } else { 10 });
        }
    }
}
