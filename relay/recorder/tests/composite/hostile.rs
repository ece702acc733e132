//! Whatever comes is decoded, or refused: no panic, no crash, no memory without end.

use proptest::collection::vec;
use proptest::prelude::*;
use relay_recorder::Frame;
use relay_recorder::codec::{CodecError, Decoder, Encoder, Picture, opus};
use relay_recorder::composite::{Composer, Event, Kind, Settings};
use relay_wire::control::{Codec, ParticipantId, TrackId};
use std::io::Cursor;

const PICTURES: [Codec; 3] = [Codec::Vp8, Codec::Vp9, Codec::H264];

/// The fronts of keyframes, small and far too large, and of other frames.
const FRONTS: &[&[u8]] = &[
    b"",
    b"\x10\x02\x00\x9d\x01\x2a\x40\x01\xf0\x00",
    b"\x10\x02\x00\x9d\x01\x2a\xff\x3f\xff\x3f",
    b"\x11\x02\x00",
    b"\x82\x49\x83\x42\x20\x03\xf0\x03\xf0",
    b"\x82\x49\x83\x42\x2f\xfe\xff\xfe\xf0",
    b"\x86\x00",
    b"\x00\x00\x00\x01\x67\x42\xc0\x1f\x8c\x68\x05\x00\x5b\xa1",
    b"\x00\x00\x00\x01\x65\x88",
    b"\x00\x00\x00\x01\x41\x9a",
];

/// Real access units of H.264, of which some bytes are others.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let mut encoder = Encoder::new(200_000, 25.0, 5).expect("an encoder");
    let units: Vec<Vec<u8>> = (0..8)
        .map(|at| {
            let mut picture = Picture::new(160, 96);
            let luma = picture.planes[0].bytes_mut().iter_mut().enumerate();
            luma.for_each(|(pixel, luma)| *luma = (pixel * (at + 1) / 7) as u8);
            encoder.encode(&picture).expect("a picture").annex_b()
        })
        .collect();
    let flips = vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);

    (prop::sample::select(units), flips).prop_map(|(mut unit, flips)| {
        for (at, mask) in flips {
            let place = at.index(unit.len());
            unit[place] ^= mask;
        }
        unit
    })
}

fn data() -> impl Strategy<Value = Vec<u8>> {
    let front = (prop::sample::select(FRONTS), vec(any::<u8>(), 0..300));

    prop_oneof![front.prop_map(|(front, rest)| [front, &rest].concat()), damaged()]
}

fn frame() -> impl Strategy<Value = Frame> {
    let parts = (0..Codec::ALL.len(), 0..20_000_000_u64, any::<bool>(), any::<u8>(), data());

    parts.prop_map(|(codec, time_us, keyframe, orientation, data)| Frame {
        time_us,
        codec: Codec::ALL[codec],
        keyframe,
        size: None,
        orientation: Some(orientation),
        data,
    })
}

fn event() -> impl Strategy<Value = Event> {
    let (person, track) = (|| (0..4_u64).prop_map(ParticipantId), || (0..6_u64).prop_map(TrackId));
    let kinds = prop::sample::select(&[Kind::Camera, Kind::Screen, Kind::Sound][..]);
    let publish = (track(), person(), kinds, any::<bool>());

    prop_oneof![
        1 => (person(), ".{0,40}").prop_map(|(participant, name)| {
            Event::Join { participant, name }
        }),
        1 => person().prop_map(|participant| Event::Leave { participant }),
        1 => publish.prop_map(|(track, participant, kind, encrypted)| {
            Event::Publish { track, participant, kind, encrypted }
        }),
        1 => track().prop_map(|track| Event::Unpublish { track }),
        1 => (track(), any::<bool>()).prop_map(|(track, muted)| Event::Mute { track, muted }),
        1 => vec(person(), 0..4).prop_map(|loudest_first| Event::Speakers { loudest_first }),
        4 => (track(), frame()).prop_map(|(track, frame)| Event::Frame { track, frame }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn decoders_take_anything(frames in vec(data(), 1..40)) {
        for codec in PICTURES {
            let mut decoder = Decoder::new(codec).expect("a decoder");
            let mut picture = Picture::default();
            for data in &frames {
                if decoder.decode(data, &mut picture).is_err() {
                    decoder = Decoder::new(codec).expect("a decoder");
                }
                prop_assert!(picture.width() * picture.height() <= 4096 * 2304);
            }
        }
        let mut decoder = opus::Decoder::new().expect("a decoder");
        for data in &frames {
            let samples = decoder.decode(data).map_or(0, <[f32]>::len);
            prop_assert!(samples <= 2 * opus::FRAME_MAX);
            let made_up = decoder.conceal(data.len() * 10, data).map_or(0, |pcm| pcm.len());
            prop_assert!(made_up <= 2 * opus::FRAME_MAX);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_composite_of_anything_is_a_file(
        events in vec((0..2_000_000_u64, event()), 1..120)
    ) {
        let out = Cursor::new(Vec::new());
        let mut composer = Composer::new(out, Settings::default()).expect("encoders");
        for (time_us, event) in events {
            composer.push(time_us, event).expect("goes on");
        }
        composer.push(2_000_000, Event::End).expect("goes on");
        composer.push(u64::MAX, Event::End).expect("goes on");
        let (file, summary) = composer.finish().expect("a file");
        prop_assert_eq!(summary.pictures, 50);
        prop_assert!(summary.failed.events > 0);
        prop_assert!(file.into_inner().len() > 1000);
    }
}

#[test]
fn sizes_beyond_reason_are_refused_before_a_decoder_sees_them() {
    let mut picture = Picture::default();
    let size = |width, height| Err(CodecError::Size { width, height });
    let mut vp8 = Decoder::new(Codec::Vp8).expect("a decoder");
    assert_eq!(vp8.decode(FRONTS[2], &mut picture), size(16_383, 16_383));
    let mut vp9 = Decoder::new(Codec::Vp9).expect("a decoder");
    assert_eq!(vp9.decode(FRONTS[5], &mut picture), size(65_520, 65_520));
    assert!(matches!(Decoder::new(Codec::Av1), Err(CodecError::Unsupported(Codec::Av1))));
}
