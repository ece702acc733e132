//! Where fragments start (ISO/IEC 14496-12, section 8.16.3), in room that was left for it.

use super::{BOX_HEADER, VIDEO, VIDEO_TIMESCALE, encode};
use mp4_atom::{SegmentReference, Sidx};
use std::io;

/// Entries; with more, each stands for twice as many fragments.
const ENTRIES_MAX: usize = 1024;
const ENTRY_LEN: usize = 12;
const FRONT_LEN: usize = 32;
/// Bytes of the room, of which at least an empty box is left.
pub(super) const LEN: usize = FRONT_LEN + ENTRIES_MAX * ENTRY_LEN + BOX_HEADER;

/// The fragments that were written.
#[derive(Default)]
pub(super) struct Index {
    /// Bytes and ticks of the fragments of an entry.
    entries: Vec<(u32, u32)>,
    /// Fragments of an entry, less one.
    folded: u32,
    /// Fragments in the last entry.
    filled: u32,
}

impl Index {
    /// Appends a fragment.
    pub(super) fn push(&mut self, bytes: u32, ticks: u32) {
        if self.filled > 0 && self.filled <= self.folded {
            self.filled += 1;
            if let Some(last) = self.entries.last_mut() {
                *last = (last.0.saturating_add(bytes), last.1.saturating_add(ticks));
            }
            return;
        }
        if self.entries.len() == ENTRIES_MAX {
            let sum = |pair: &[(u32, u32)]| {
                pair.iter().fold((0, 0), |all: (u32, u32), one| {
                    (all.0.saturating_add(one.0), all.1.saturating_add(one.1))
                })
            };
            self.entries = self.entries.chunks(2).map(sum).collect();
            self.folded = 2 * self.folded + 1;
        }
        self.entries.push((bytes, ticks));
        self.filled = 1;
    }

    /// All of the room: the index, and an empty box for the rest.
    pub(super) fn bytes(&self) -> io::Result<Vec<u8>> {
        let rest = LEN - FRONT_LEN - self.entries.len() * ENTRY_LEN;
        let reference = |(bytes, ticks): &(u32, u32)| SegmentReference {
            reference_type: false,
            referenced_size: *bytes,
            subsegment_duration: *ticks,
            starts_with_sap: true,
            sap_type: 1,
            sap_delta_time: 0,
        };
        let sidx = Sidx {
            reference_id: VIDEO,
            timescale: VIDEO_TIMESCALE,
            earliest_presentation_time: 0,
            first_offset: rest as u64,
            references: self.entries.iter().map(reference).collect(),
        };
        let mut bytes = Vec::with_capacity(LEN);
        encode(&sidx, &mut bytes)?;
        bytes.extend(room(rest));

        Ok(bytes)
    }
}

/// An empty box of so many bytes.
pub(super) fn room(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    bytes[..4].copy_from_slice(&(len as u32).to_be_bytes());
    bytes[4..BOX_HEADER].copy_from_slice(b"free");

    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use mp4_atom::{DecodeMaybe, Free};

    #[test]
    fn the_index_fills_its_room_and_tells_all_fragments_however_many() {
        for count in [0_u32, 1, 2, 1024, 1025, 1500, 5000, 20_000] {
            let mut index = Index::default();
            (0..count).for_each(|at| index.push(1000 + at % 7, 4));
            let bytes = index.bytes().unwrap();
            assert_eq!(bytes.len(), LEN);

            let mut rest = &bytes[..];
            let sidx = Sidx::decode_maybe(&mut rest).unwrap().unwrap();
            assert_eq!(sidx.first_offset, rest.len() as u64, "{count}");
            Free::decode_maybe(&mut rest).unwrap().unwrap();
            let sum = |what: fn(&SegmentReference) -> u32| -> u64 {
                sidx.references.iter().map(|entry| u64::from(what(entry))).sum()
            };
            let bytes: u64 = (0..count).map(|at| u64::from(1000 + at % 7)).sum();
            assert_eq!(sum(|entry| entry.referenced_size), bytes, "{count}");
            assert_eq!(sum(|entry| entry.subsegment_duration), 4 * u64::from(count));
        }
    }
}
