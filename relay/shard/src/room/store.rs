//! The newest packets of a video layer, plain, to be sent again to subscribers who lost them.

use super::media::{Body, Media};

/// Bytes of a packet for which there is a place in the index, at least.
const PACKET_MEAN: usize = 512;
/// A packet longer than this is not kept.
const PACKET_MAX: usize = 2048;

#[derive(Clone, Copy)]
struct Entry {
    /// Place of descriptor and payload among all bytes ever written.
    start: u64,
    len: u16,
    descriptor_len: u16,
    media: Media,
}

/// A ring of packets over a ring of bytes; both are allocated once.
pub(super) struct Store {
    entries: Box<[Option<Entry>]>,
    bytes: Box<[u8]>,
    written: u64,
}

impl Store {
    /// A store of `bytes` of payloads.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            entries: vec![None; bytes.div_ceil(PACKET_MEAN).max(1)].into_boxed_slice(),
            bytes: vec![0; bytes.max(PACKET_MAX)].into_boxed_slice(),
            written: 0,
        }
    }

    /// Keeps a packet; the oldest ones go.
    pub(super) fn push(&mut self, media: &Media, body: &Body<'_>) {
        let (descriptor, payload) = (body.descriptor, body.payload);
        let len = descriptor.len() + payload.len();
        if len > PACKET_MAX {
            return;
        }
        let capacity = self.bytes.len();
        let mut at = (self.written % capacity as u64) as usize;
        if at + len > capacity {
            self.written += (capacity - at) as u64;
            at = 0;
        }
        self.bytes[at..at + descriptor.len()].copy_from_slice(descriptor);
        self.bytes[at + descriptor.len()..at + len].copy_from_slice(payload);
        let entry = Entry {
            start: self.written,
            len: len as u16,
            descriptor_len: descriptor.len() as u16,
            media: *media,
        };
        self.written += len as u64;
        self.entries[self.place(media.numbers.sequence)] = Some(entry);
    }

    /// The packet of this extended sequence number, if it is still here.
    pub(super) fn get(&self, sequence: u64) -> Option<(&Media, Body<'_>)> {
        let entry = self.entries[self.place(sequence)].as_ref()?;
        let whole = entry.start + self.bytes.len() as u64 >= self.written;
        if entry.media.numbers.sequence != sequence || !whole {
            return None;
        }
        let at = (entry.start % self.bytes.len() as u64) as usize;
        let bytes = &self.bytes[at..at + usize::from(entry.len)];
        let (descriptor, payload) = bytes.split_at(entry.descriptor_len.into());

        Some((&entry.media, Body { descriptor, payload }))
    }

    fn place(&self, sequence: u64) -> usize {
        (sequence % self.entries.len() as u64) as usize
    }
}
