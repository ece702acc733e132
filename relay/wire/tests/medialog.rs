//! The media log: what is written is read, and damage costs just what is damaged.

mod medialog {
    pub(crate) mod generate;
}

use medialog::generate::{LOG, Owned, records, write};
use proptest::prelude::*;
use relay_wire::control::TrackId;
use relay_wire::medialog::{ALIGNMENT, BLOCK_MAX, Block, Damage, Item, LogId, Reader, Record};

/// What a reader makes of a file that is pushed in pieces.
fn read(file: &[u8], piece: usize) -> (Vec<Owned>, Vec<Damage>) {
    let mut reader = Reader::new();
    let (mut records, mut damages) = (Vec::new(), Vec::new());
    let mut note = |item: Item<'_>| match item {
        Item::Record(record) => records.push(Owned::of(&record)),
        Item::Damage(damage) => damages.push(damage),
    };
    for piece in file.chunks(piece) {
        reader.push(piece);
        while let Some(item) = reader.next() {
            note(item);
        }
    }
    while let Some(item) = reader.finish() {
        note(item);
    }

    (records, damages)
}

/// Whether all of `some` stand in `all`, in this order.
fn in_order(some: &[Owned], all: &[Owned]) -> bool {
    let mut all = all.iter();

    some.iter().all(|record| all.any(|other| other == record))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(all in records(), block in 1_usize..8, piece in 1_usize..200_000) {
        let file = write(LOG, &all, block * ALIGNMENT);
        prop_assert_eq!(file.len() % ALIGNMENT, 0);
        prop_assert_eq!(read(&file, piece), (all, vec![]));
    }

    #[test]
    fn a_torn_file_has_all_that_was_whole(all in records(), end in any::<prop::sample::Index>()) {
        let file = write(LOG, &all, 2 * ALIGNMENT);
        let end = end.index(file.len() + 1);
        let (some, damages) = read(&file[..end], 65_536);
        prop_assert_eq!(&some[..], &all[..some.len()]);
        prop_assert!(end % ALIGNMENT == 0 || !damages.is_empty());
        // At most the records of the block that was torn are missing.
        let whole = read(&file[..end / (2 * ALIGNMENT) * (2 * ALIGNMENT)], 65_536).0;
        prop_assert!(some.len() >= whole.len());
    }

    #[test]
    fn a_flipped_bit_costs_a_record_or_its_block(
        all in records(),
        bit in any::<prop::sample::Index>(),
    ) {
        let mut file = write(LOG, &all, ALIGNMENT);
        let bit = bit.index(file.len() * 8);
        file[bit / 8] ^= 1 << (bit % 8);
        let (some, damages) = read(&file, 65_536);
        prop_assert!(in_order(&some, &all), "a record was invented or changed");
        let header = bit / 8 % ALIGNMENT < 28;
        let missing = all.len() - some.len();
        prop_assert!(header || missing <= 1, "{missing} records are missing");
        prop_assert!(missing == 0 || !damages.is_empty(), "nobody was told");
    }
}

#[test]
fn a_payload_cannot_pass_for_a_record() {
    // A whole log of somebody else's, aligned, in the payload of a packet whose header is damaged.
    let forged = write(LogId(7), &[Owned::end(9)], ALIGNMENT);
    let payload = &forged[..64];
    let all = [Owned::packet(1, payload), Owned::packet(2, b"next")];
    let mut file = write(LOG, &all, ALIGNMENT);
    let at = file.windows(8).position(|bytes| bytes == &payload[..8]).expect("the payload");
    file[at - 40] ^= 1;

    let (some, damages) = read(&file, ALIGNMENT);
    assert_eq!(some, all[1..]);
    assert!(matches!(damages[..], [Damage::NoRecord { .. }]), "{damages:?}");
}

#[test]
fn a_missing_block_is_told_and_the_next_file_goes_on() {
    let all: Vec<_> = (0..12).map(|at| Owned::packet(at, &[at as u8; 1100])).collect();
    let file = write(LOG, &all, ALIGNMENT);
    let blocks: Vec<_> = file.chunks(ALIGNMENT).collect();
    assert!(blocks.len() >= 4);

    let (_, damages) = read(&[blocks[0], blocks[2]].concat(), ALIGNMENT);
    assert_eq!(damages, [Damage::Missing { expected: 1, found: 2 }]);

    let mut reader = Reader::new();
    let mut count = 0;
    for file in [blocks[..2].concat(), blocks[2..].concat()] {
        reader.push(&file);
        while let Some(item) = reader.finish() {
            assert!(matches!(item, Item::Record(_)), "{item:?}");
            count += 1;
        }
    }
    assert_eq!((count, reader.log()), (all.len(), Some(LOG)));
}

#[test]
fn a_block_is_bounded_and_refuses_what_is_too_long() {
    let mut block = Block::new(vec![0; 2 * BLOCK_MAX], LOG, 0);
    let packet = Owned::packet(0, &[1; 2000]);
    let mut pushed = 0;
    while block.push(&packet.record()) {
        pushed += 1;
    }
    assert!(block.seal().len() <= BLOCK_MAX && pushed > 60);
    block.next();
    assert!(block.is_empty());
    assert!(!block.push(&Owned::packet(0, &[1; 2049]).record()), "no reader would take it");
    assert!(block.is_empty());
    let track = TrackId(5);
    assert!(block.push(&Record::Mute(relay_wire::medialog::Mute { at_us: 1, track, muted: true })));
}

#[test]
fn a_record_of_a_later_version_is_passed() {
    assert_eq!(Record::parse(200, b"something"), None);
    let mut body = 5_u64.to_be_bytes().to_vec();
    body.extend_from_slice(b"more");
    assert_eq!(Record::parse(8, &body).map(|record| record.at_us()), Some(5));
}
