//! Events on disk until they are delivered: an append-only file of records with checksums.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes in front of a record: its length and its CRC-32, both little-endian.
const HEADER: usize = 8;
/// A longer record than any of ours is garbage.
const RECORD_BYTES_MAX: usize = 4 << 20;
/// A file shorter than this is not worth writing anew.
const COMPACT_BYTES: u64 = 1 << 20;

/// An event that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Its number; grows.
    pub(crate) number: u64,
    /// Events of one room keep their order.
    pub(crate) room: String,
    /// What the receiver knows it by: stays the same however often it is sent.
    pub(crate) id: String,
    /// When it happened, milliseconds since the Unix epoch.
    pub(crate) unix_ms: u64,
    /// What is sent.
    pub(crate) body: Vec<u8>,
}

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Record {
    /// An event to deliver.
    Kept(Entry),
    /// The event of this number is delivered, or given up.
    Done(u64),
}

/// The file, open for appending.
pub(crate) struct Journal {
    directory: PathBuf,
    file: File,
    /// Bytes of good records.
    len: u64,
    /// Bytes of the events that are not done, by number.
    pending: BTreeMap<u64, usize>,
    pending_bytes: usize,
    next: u64,
    /// Held against a second process.
    _lock: File,
}

impl Journal {
    /// Opens the file in `directory`, which is made when it is not there, cuts off what was not
    /// written to its end, and gives the events that are not delivered yet, oldest first.
    pub(crate) fn open(directory: &Path) -> io::Result<(Self, Vec<Entry>)> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let lock = private().create(true).truncate(false).open(directory.join("webhooks.lock"))?;
        lock.try_lock().map_err(|e| io::Error::other(format!("another process uses it: {e}")))?;
        let path = directory.join("webhooks.journal");
        let file = private().create(true).append(true).open(&path)?;
        let bytes = fs::read(&path)?;
        let (records, len) = read(&bytes);
        if len < bytes.len() {
            tracing::warn!(lost = bytes.len() - len, "the journal of webhooks has a torn end");
            file.set_len(len as u64)?;
            file.sync_data()?;
        }
        sync_directory(directory)?;

        let mut journal = Self {
            directory: directory.to_owned(),
            file,
            len: len as u64,
            pending: BTreeMap::new(),
            pending_bytes: 0,
            next: 1,
            _lock: lock,
        };
        let mut entries = BTreeMap::new();
        for record in records {
            journal.note(&record);
            match record {
                Record::Kept(entry) => drop(entries.insert(entry.number, entry)),
                Record::Done(number) => drop(entries.remove(&number)),
            }
        }

        Ok((journal, entries.into_values().collect()))
    }

    /// A number for the next event.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Events that are not done, and their bytes.
    pub(crate) fn pending(&self) -> (usize, usize) {
        (self.pending.len(), self.pending_bytes)
    }

    /// Appends records; they are on the disk when this returns.
    pub(crate) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for record in records {
            write(record, &mut bytes)?;
        }
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What follows half a record could not be read.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += bytes.len() as u64;
        for record in records {
            self.note(record);
        }
        if self.len > COMPACT_BYTES && self.len > 2 * self.pending_bytes as u64 {
            self.compact()?;
        }

        Ok(())
    }

    fn note(&mut self, record: &Record) {
        match record {
            Record::Kept(entry) => {
                let bytes = entry.body.len() + entry.room.len() + entry.id.len();
                self.pending.insert(entry.number, bytes);
                self.pending_bytes += bytes;
                self.next = self.next.max(entry.number + 1);
            }
            Record::Done(number) => {
                self.pending_bytes -= self.pending.remove(number).unwrap_or(0);
                self.next = self.next.max(number + 1);
            }
        }
    }

    /// Writes the file anew, without what is done.
    fn compact(&mut self) -> io::Result<()> {
        let (path, fresh) =
            (self.directory.join("webhooks.journal"), self.directory.join("webhooks.fresh"));
        let (records, _) = read(&fs::read(&path)?);
        let mut bytes = Vec::new();
        // The last number given stays known: it must not be given again while its end is on disk.
        write(&Record::Done(self.next - 1), &mut bytes)?;
        for record in records {
            let is_pending = matches!(&record,
                Record::Kept(entry) if self.pending.contains_key(&entry.number));
            if is_pending {
                write(&record, &mut bytes)?;
            }
        }
        let mut file = private().create(true).truncate(true).open(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs::rename(&fresh, &path)?;
        sync_directory(&self.directory)?;
        self.file = private().append(true).open(&path)?;
        self.len = bytes.len() as u64;

        Ok(())
    }
}

/// For this user only: participants' metadata is in it.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn write(record: &Record, bytes: &mut Vec<u8>) -> io::Result<()> {
    let encoded = postcard::to_allocvec(record).map_err(io::Error::other)?;
    let len = u32::try_from(encoded.len()).map_err(io::Error::other)?;
    bytes.extend(len.to_le_bytes());
    bytes.extend(crc32fast::hash(&encoded).to_le_bytes());
    bytes.extend(encoded);

    Ok(())
}

/// The records at the beginning that are whole, and how many bytes they take.
fn read(bytes: &[u8]) -> (Vec<Record>, usize) {
    let (mut records, mut at) = (Vec::new(), 0);
    while let Some((record, len)) = bytes.get(at..).and_then(read_one) {
        records.push(record);
        at += len;
    }

    (records, at)
}

fn read_one(bytes: &[u8]) -> Option<(Record, usize)> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len) as usize;
    let encoded = rest.get(..len).filter(|_| len <= RECORD_BYTES_MAX)?;
    if crc32fast::hash(encoded) != u32::from_le_bytes(*sum) {
        return None;
    }

    Some((postcard::from_bytes(encoded).ok()?, HEADER + len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn directory() -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        std::env::temp_dir().join(format!("millrace-journal-{}-{number}", std::process::id()))
    }

    fn entry(journal: &mut Journal, body: &[u8]) -> Record {
        let number = journal.number();
        let (room, id) = ("demo".to_owned(), format!("EV_{number}"));
        Record::Kept(Entry { number, room, id, unix_ms: 1, body: body.to_vec() })
    }

    #[test]
    fn what_is_not_done_comes_back_in_order() {
        let directory = directory();
        let (mut journal, found) = Journal::open(&directory).unwrap();
        assert!(found.is_empty());
        let records: Vec<_> = (0..3u8).map(|n| entry(&mut journal, &[n])).collect();
        journal.append(&records).unwrap();
        journal.append(&[Record::Done(2)]).unwrap();
        assert!(Journal::open(&directory).is_err(), "a second process must not write");
        drop(journal);

        let (mut journal, found) = Journal::open(&directory).unwrap();
        assert_eq!(found.iter().map(|entry| entry.number).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(journal.number(), 4);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn any_torn_end_is_cut_and_written_over() {
        let directory = directory();
        let path = directory.join("webhooks.journal");
        let (mut journal, _) = Journal::open(&directory).unwrap();
        let first = entry(&mut journal, b"first");
        journal.append(&[first]).unwrap();
        let whole = journal.len as usize;
        let second = entry(&mut journal, b"second");
        journal.append(&[second]).unwrap();
        drop(journal);
        let bytes = fs::read(&path).unwrap();
        for cut in whole..bytes.len() {
            let mut torn = bytes[..cut].to_vec();
            if let Some(last) = torn[whole..].last_mut() {
                *last ^= 0x55;
            }
            fs::write(&path, &torn).unwrap();
            let (mut journal, found) = Journal::open(&directory).unwrap();
            assert_eq!(found.len(), 1, "cut at {cut}");
            let again = entry(&mut journal, b"again");
            journal.append(&[again]).unwrap();
            drop(journal);
            assert_eq!(Journal::open(&directory).unwrap().1.len(), 2, "cut at {cut}");
        }
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn the_file_stays_small_and_numbers_are_not_given_twice() {
        let directory = directory();
        let (mut journal, _) = Journal::open(&directory).unwrap();
        let kept = entry(&mut journal, b"kept");
        journal.append(&[kept]).unwrap();
        for _ in 0..64 {
            let record = entry(&mut journal, &[7; 64 << 10]);
            let Record::Kept(Entry { number, .. }) = record else { unreachable!() };
            journal.append(&[record, Record::Done(number)]).unwrap();
        }
        assert!(journal.len < 2 * COMPACT_BYTES);
        drop(journal);
        let (mut journal, found) = Journal::open(&directory).unwrap();
        assert_eq!((found.len(), journal.number()), (1, 66));
        fs::remove_dir_all(directory).unwrap();
    }
}
