//! Publishers that say one thing and send another.

use crate::decoder::Decoder;
use crate::encoder::{Encoder, Told};
use crate::scalable::Inter;
use crate::world::{AV1, World};
use proptest::prelude::*;

const DESCRIPTOR: Told = Told::Descriptor(AV1);

#[test]
fn layers_that_are_announced_and_never_come_freeze_nobody() {
    for told in [DESCRIPTOR, Told::Vp9] {
        for inter in [Inter::Full, Inter::Key, Inter::None] {
            let mut world = World::with_call(&[], 1);
            let mut encoder = Encoder::new(3, 3, inter, told);
            encoder.mode.send_silently(1);
            encoder.play(&mut world, 90);
            let sent = encoder.play(&mut world, 30);
            assert_eq!(sent.len(), 60, "{inter:?} {told:?}");
        }
    }
}

#[test]
fn without_a_structure_everything_is_forwarded() {
    let mut world = World::with_call(&[], 1);
    let mut encoder = Encoder::new(3, 3, Inter::Full, DESCRIPTOR);
    let mut sent = 0;
    for picture in 0..30 {
        for (mut stream, payload) in encoder.picture(picture == 0) {
            let value = stream.descriptor.as_mut().expect("a descriptor");
            value.truncate(3);
            sent += world.receive(&stream.packet(&payload)).len();
        }
        world.sleep_ms(33);
    }
    assert_eq!(sent, 30 * 6);
}

#[test]
fn another_stream_and_numbers_that_start_again_are_followed() {
    let mut world = World::with_call(&[], 1);
    let mut encoder = Encoder::new(3, 3, Inter::Full, DESCRIPTOR);
    let sent = encoder.play(&mut world, 30);
    let mut other = Encoder::new(3, 3, Inter::Key, DESCRIPTOR);
    other.stream.fixed.ssrc = 77;
    let later = other.play(&mut world, 60);
    let got = Decoder::default().take(0, &later, &other).len();
    assert!(got >= 30, "{got}");

    other.stream.fixed.sequence = other.stream.fixed.sequence.wrapping_add(20_000);
    other.play(&mut world, 60);
    let again = other.play(&mut world, 30);
    assert!(again.len() >= 60, "{}", again.len());
    let all: Vec<u16> = sent.iter().chain(&later).map(|sent| sent.header().sequence).collect();
    assert!(all.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 1));
}

/// What a liar does to descriptors.
#[derive(Clone, Debug)]
enum Lie {
    Nothing,
    Missing,
    Bytes(Vec<u8>),
    Flipped(usize, u8),
}

fn lie() -> impl Strategy<Value = Lie> {
    prop_oneof![
        8 => Just(Lie::Nothing),
        1 => Just(Lie::Missing),
        2 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Lie::Bytes),
        3 => (any::<usize>(), 0..8_u8).prop_map(|(at, bit)| Lie::Flipped(at, bit)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Others are served meanwhile, and so is everybody once the truth is told again.
    #[test]
    fn no_lie_outlives_its_telling(
        lies in prop::collection::vec(lie(), 1..200),
        payload_type in prop::sample::select(vec![AV1, 98, 96, 102]),
    ) {
        let mut world = World::with_call(&[], 2);
        world.choose_fps(1, relay_wire::control::Choice::Medium, Some(10));
        let mut encoder = Encoder::new(3, 3, Inter::Key, Told::Descriptor(payload_type));
        let mut lies = lies.into_iter();
        let mut next = std::collections::HashMap::new();
        'lying: loop {
            for (mut stream, payload) in encoder.picture(false) {
                let value = stream.descriptor.as_mut().expect("a descriptor");
                match lies.next() {
                    None => break 'lying,
                    Some(Lie::Nothing) => {}
                    Some(Lie::Missing) => stream.descriptor = None,
                    Some(Lie::Bytes(bytes)) => *value = bytes,
                    Some(Lie::Flipped(at, bit)) => {
                        let at = at % value.len();
                        value[at] ^= 1 << bit;
                    }
                }
                for sent in world.receive(&stream.packet(&payload)) {
                    let header = sent.header();
                    let expected = next.insert(sent.to, header.sequence.wrapping_add(1));
                    prop_assert_eq!(expected.unwrap_or(header.sequence), header.sequence);
                }
            }
            world.sleep_ms(33);
        }
        // The rest of the picture was not sent.
        world.sleep_ms(1500);
        for _ in 0..3 {
            encoder.picture(true).iter().for_each(|(stream, payload)| {
                world.receive(&stream.packet(payload));
            });
            world.sleep_ms(1500);
        }
        encoder.play(&mut world, 60);
        let sent = encoder.play(&mut world, 30);
        for number in 0..2 {
            let got = sent.iter().filter(|sent| sent.to == World::subscriber(number));
            prop_assert!(got.count() >= 8, "subscriber {}", number);
        }
    }
}
