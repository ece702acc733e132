//! What a log of a call must hold.

use relay_wire::control::{Codec, TrackId};
use relay_wire::medialog::{Item, Reader, Record};
use std::collections::{BTreeMap, BTreeSet};

/// Packets of one track as they stand in the log.
#[derive(Default)]
struct Track {
    codec: Option<Codec>,
    sequences: BTreeSet<u64>,
    twice: usize,
    reports: usize,
}

/// Asserts that this log holds microphone and camera of so many people, without a gap of our
/// making: what is missing was lost on its way, and did not come in time.
pub(crate) fn assert_whole(log: &[u8], people: usize) {
    let mut reader = Reader::new();
    let mut tracks: BTreeMap<TrackId, Track> = BTreeMap::new();
    let (mut facts, mut ends) = (0, 0);
    reader.push(log);
    while let Some(item) = reader.finish() {
        match item {
            Item::Record(Record::Packet(packet)) => {
                let track = tracks.entry(packet.track).or_default();
                track.codec = Some(packet.codec);
                track.twice += usize::from(!track.sequences.insert(packet.sequence));
            }
            Item::Record(Record::Report(report)) => {
                tracks.entry(report.track).or_default().reports += 1;
            }
            Item::Record(Record::Fact(_)) => facts += 1,
            Item::Record(Record::End(_)) => ends += 1,
            Item::Record(Record::Start(_) | Record::Speakers(_) | Record::Mute(_)) => {}
            Item::Record(Record::Lost(_)) | Item::Damage(_) => panic!("{item:?}"),
        }
    }

    assert_eq!((facts, ends), (1 + people * 3, 1));
    assert_eq!(tracks.len(), people * 2);
    for (id, track) in tracks {
        let (first, last) = (track.sequences.first(), track.sequences.last());
        let expected = last.zip(first).map_or(0, |(last, first)| last - first + 1);
        let came = track.sequences.len() as u64;
        assert_eq!(track.twice, 0, "{id:?}");
        assert!(came > 250 && came * 100 >= expected * 97, "{id:?}: {came} of {expected}");
        assert!(track.reports > 0, "{id:?} {:?}", track.codec);
    }
}
