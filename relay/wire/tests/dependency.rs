//! Dependency descriptors: written by the tests, captured from a browser, and made of anything.

mod scalable;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use relay_wire::dependency::{self, Fields, Indication, LayerIds};
use scalable::{Descriptor, Inter, Mode, Structure, Template};

/// Of L3T3, as Chromium sent it; the second picture has no third layer any more.
const CAPTURED: &str = "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c0\
    02a000a80006000040001d954926e082b04a0941b820ac1282503157f974000c\
    a864330e222222eca8655304224230eca877530077004200ef008601df010d";

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn indications(frame: &dependency::Frame, targets: usize) -> String {
    let letter = |target| match frame.indication(target) {
        Indication::NotPresent => '-',
        Indication::Discardable => 'D',
        Indication::Switch => 'S',
        Indication::Required => 'R',
    };
    (0..targets).map(letter).collect()
}

#[test]
fn a_browsers_descriptors_are_read() {
    let first = bytes(CAPTURED);
    let structure = dependency::Structure::parse(&first).unwrap();
    let grid =
        (0..3).flat_map(|spatial| (0..3).map(move |temporal| LayerIds { spatial, temporal }));
    assert!(structure.target_layers().iter().copied().eq(grid));
    assert_eq!(structure.all_targets(), 0x1ff);
    let frame = structure.frame(&first).unwrap();
    assert_eq!((frame.ids, frame.independent), (LayerIds::default(), true));
    assert_eq!(indications(&frame, 9), "SSSSSSSSS");
    assert_eq!(frame.active, Some(0x1ff));

    let rows = [
        ("86017340fc", true, false, 0x173, 1, 0, Some(0x3f), "---SSSSSS"),
        ("460173", false, true, 0x173, 1, 0, None, "---SSSSSS"),
        ("8b0174", true, false, 0x174, 2, 0, None, "------SSS"),
        ("c30175", true, true, 0x175, 0, 2, None, "--D--R--R"),
    ];
    for (hex, start, end, number, spatial, temporal, active, expected) in rows {
        let value = bytes(hex);
        let fields = Fields::parse(&value).unwrap();
        assert_eq!((fields.start, fields.end, fields.number), (start, end, number), "{hex}");
        let frame = structure.frame(&value).unwrap();
        assert_eq!((frame.ids.spatial, frame.ids.temporal), (spatial, temporal), "{hex}");
        assert_eq!((frame.active, frame.independent), (active, false), "{hex}");
        assert_eq!(indications(&frame, 9), expected, "{hex}");
    }
}

#[test]
fn a_template_that_does_not_exist_is_refused() {
    let structure = dependency::Structure::parse(&bytes(CAPTURED)).unwrap();

    assert!(structure.frame(&bytes("e00173")).is_none());
    assert!(structure.frame(&bytes("8101")).is_none());
}

#[test]
fn absurd_counts_are_refused() {
    // A new template with each two bits, for ever; then as many steps up as there are.
    for fill in [0x00, 0x55, 0xaa] {
        let value = [&[0xc0, 0, 1, 0x80][..], &[fill; 250]].concat();
        assert_eq!(dependency::Structure::parse(&value), None);
    }
}

#[test]
fn modes_say_what_their_frames_are() {
    let rows = [
        (Mode::new(2, 2, Inter::Full), ["SSSS", "--SS"], ["-D-R", "---D"], ["SSRR", "--SS"]),
        (Mode::new(2, 2, Inter::Key), ["SSSS", "--SS"], ["-D--", "---D"], ["SS--", "--SS"]),
        (Mode::new(2, 2, Inter::None), ["SS--", "--SS"], ["-D--", "---D"], ["SS--", "--SS"]),
    ];
    for (mut mode, key, first, second) in rows {
        let pictures = [mode.picture(true), mode.picture(false), mode.picture(false)];
        let value = pictures[0][0].descriptor.write(&mode.structure);
        let structure = dependency::Structure::parse(&value).unwrap();
        for (picture, expected) in pictures.iter().zip([key, first, second]) {
            for (frame, expected) in picture.iter().zip(expected) {
                let value = frame.descriptor.write(&mode.structure);
                let read = structure.frame(&value).unwrap();
                assert_eq!(indications(&read, 4), expected);
                assert_eq!(read.independent, frame.references.is_empty());
            }
        }
    }
}

fn template(targets: usize, chains: usize) -> impl Strategy<Value = (u8, Template)> {
    let values = (vec(0..4_u8, targets), vec(1..=16_u8, 0..3), vec(0..16_u8, chains));
    (0..3_u8, values).prop_map(|(step, (indications, differences, chains))| {
        (step, Template { spatial: 0, temporal: 0, indications, differences, chains })
    })
}

/// Any structure: each template's layers go on from the ones before.
fn structure() -> impl Strategy<Value = Structure> {
    (1..=32_usize).prop_flat_map(|targets| (Just(targets), 0..=targets)).prop_flat_map(
        |(targets, chains)| {
            let templates = vec(template(targets, chains), 1..64);
            let protected_by = vec(0..chains.max(1) as u8, targets);
            let resolution = option::of(any::<(u16, u16)>());
            (0..64_u8, templates, protected_by, resolution).prop_map(
                move |(offset, steps, protected_by, resolution)| {
                    let mut templates: Vec<Template> = Vec::new();
                    let (mut spatial, mut temporal) = (0, 0);
                    for (step, template) in steps {
                        match step {
                            1 if !templates.is_empty() && temporal < 7 => temporal += 1,
                            2 if !templates.is_empty() && spatial < 3 => {
                                (spatial, temporal) = (spatial + 1, 0);
                            }
                            _ => {}
                        }
                        templates.push(Template { spatial, temporal, ..template });
                    }
                    let sizes = |size| vec![size; usize::from(spatial) + 1];
                    let resolutions = resolution.map(sizes);
                    Structure { offset, targets, templates, protected_by, chains, resolutions }
                },
            )
        },
    )
}

/// A descriptor of one of the structure's templates.
fn descriptor(structure: &Structure) -> impl Strategy<Value = (usize, Descriptor)> + use<> {
    let mask = u32::MAX >> (32 - structure.targets);
    let custom = (
        option::of(vec(0..4_u8, structure.targets)),
        option::of(vec(1..=4096_u16, 0..5)),
        option::of(vec(any::<u8>(), structure.chains)),
    );
    let (count, offset) = (structure.templates.len(), structure.offset);
    (any::<(bool, bool, u16)>(), 0..count, option::of(any::<u32>()), custom).prop_map(
        move |((start, end, number), index, active, (indications, differences, chains))| {
            let descriptor = Descriptor {
                start,
                end,
                template: (offset + index as u8) % 64,
                number,
                attached: false,
                active: active.map(|active| active & mask),
                indications,
                differences,
                chains,
            };
            (index, descriptor)
        },
    )
}

fn packed(indications: &[u8]) -> u64 {
    indications.iter().rev().fold(0, |all, indication| all << 2 | u64::from(*indication))
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        (structure, first, later) in structure().prop_flat_map(|structure| {
            let (first, later) = (descriptor(&structure), descriptor(&structure));
            (Just(structure), first, later)
        }),
    ) {
        let first = (first.0, Descriptor { attached: true, ..first.1 });
        let read = dependency::Structure::parse(&first.1.write(&structure)).unwrap();
        prop_assert_eq!(read.targets(), structure.targets);
        for (index, written) in [first, later] {
            let template = &structure.templates[index];
            let value = written.write(&structure);
            let fields = Fields::parse(&value).unwrap();
            prop_assert_eq!(
                (fields.start, fields.end, fields.number, fields.attached),
                (written.start, written.end, written.number, written.attached)
            );
            let frame = read.frame(&value).unwrap();
            prop_assert_eq!(frame.ids.spatial, template.spatial);
            prop_assert_eq!(frame.ids.temporal, template.temporal);
            let indications = written.indications.as_ref().unwrap_or(&template.indications);
            prop_assert_eq!(frame.indications, packed(indications));
            let independent = match &written.differences {
                Some(differences) => differences.is_empty(),
                None => template.differences.is_empty(),
            };
            prop_assert_eq!(frame.independent, independent);
            let all = written.attached.then(|| read.all_targets());
            prop_assert_eq!(frame.active, written.active.or(all));
            for cut in 0..value.len() {
                read.frame(&value[..cut]);
                dependency::Structure::parse(&value[..cut]);
            }
        }
    }
}
