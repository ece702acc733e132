//! Records on disk: an append-only file with checksums, whose torn end is cut off.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes in front of a record: its length and its CRC-32, both little-endian.
const HEADER: usize = 8;
/// A longer record than any of ours is garbage.
const RECORD_BYTES_MAX: usize = 4 << 20;
/// A file shorter than this is not worth writing anew.
const REWRITE_BYTES: u64 = 1 << 20;

/// A file of records, open for appending by this process only.
pub struct Log {
    path: PathBuf,
    file: File,
    /// Bytes of good records.
    len: u64,
    /// Held against a second process.
    _lock: File,
}

impl Log {
    /// Opens `NAME.journal` in `directory`, which is made when it is not there, cuts off what was
    /// not written to its end, and gives the records. An error when another process has it.
    pub fn open(directory: &Path, name: &str) -> io::Result<(Self, Vec<Vec<u8>>)> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let lock = directory.join(format!("{name}.lock"));
        let lock = private().create(true).truncate(false).open(lock)?;
        lock.try_lock().map_err(|e| io::Error::other(format!("another process uses it: {e}")))?;
        let path = directory.join(format!("{name}.journal"));
        let file = private().create(true).append(true).open(&path)?;
        let bytes = fs::read(&path)?;
        let (records, len) = read(&bytes);
        if len < bytes.len() {
            tracing::warn!(lost = bytes.len() - len, file = %path.display(), "a torn end is cut");
            file.set_len(len as u64)?;
            file.sync_data()?;
        }
        let log = Self { path, file, len: len as u64, _lock: lock };
        log.sync_directory()?;

        Ok((log, records))
    }

    /// Appends records; they are on the disk when this returns.
    pub fn append(&mut self, records: &[Vec<u8>]) -> io::Result<()> {
        let bytes = framed(records)?;
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What follows half a record could not be read.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += bytes.len() as u64;

        Ok(())
    }

    /// Whether the file is large, and mostly of what is not needed any more.
    pub fn is_worth_rewriting(&self, needed_bytes: usize) -> bool {
        self.len > REWRITE_BYTES && self.len > 2 * needed_bytes as u64
    }

    /// The records that stand in the file.
    pub fn records(&self) -> io::Result<Vec<Vec<u8>>> {
        Ok(read(&fs::read(&self.path)?).0)
    }

    /// Writes the file anew, with these records only: either file is whole at any moment.
    pub fn rewrite(&mut self, records: &[Vec<u8>]) -> io::Result<()> {
        let fresh = self.path.with_extension("fresh");
        let bytes = framed(records)?;
        let mut file = private().create(true).truncate(true).open(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_data()?;
        fs::rename(&fresh, &self.path)?;
        self.sync_directory()?;
        self.file = private().append(true).open(&self.path)?;
        self.len = bytes.len() as u64;

        Ok(())
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.len
    }

    fn sync_directory(&self) -> io::Result<()> {
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

/// For this user only: what people set and are told is in it.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn framed(records: &[Vec<u8>]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for record in records {
        let fits = record.len() <= RECORD_BYTES_MAX;
        let len = u32::try_from(record.len()).ok().filter(|_| fits);
        let len = len.ok_or_else(|| io::Error::other("a record is too long"))?;
        bytes.extend(len.to_le_bytes());
        bytes.extend(crc32fast::hash(record).to_le_bytes());
        bytes.extend(record);
    }

    Ok(bytes)
}

/// The records at the beginning that are whole, and how many bytes they take.
fn read(bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let (mut records, mut at) = (Vec::new(), 0);
    while let Some(record) = bytes.get(at..).and_then(read_one) {
        at += HEADER + record.len();
        records.push(record.to_vec());
    }

    (records, at)
}

fn read_one(bytes: &[u8]) -> Option<&[u8]> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len) as usize;
    let record = rest.get(..len).filter(|_| len <= RECORD_BYTES_MAX)?;
    let is_whole = crc32fast::hash(record) == u32::from_le_bytes(*sum);

    is_whole.then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn directory() -> PathBuf {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        std::env::temp_dir().join(format!("millrace-log-{}-{number}", std::process::id()))
    }

    #[test]
    fn records_come_back_in_order_and_only_one_process_writes() {
        let directory = directory();
        let (mut log, found) = Log::open(&directory, "test").unwrap();
        assert!(found.is_empty());
        log.append(&[b"a".to_vec(), Vec::new(), b"c".to_vec()]).unwrap();
        assert!(Log::open(&directory, "test").is_err(), "a second process must not write");
        drop(log);

        let (mut log, found) = Log::open(&directory, "test").unwrap();
        assert_eq!(found, [b"a".to_vec(), Vec::new(), b"c".to_vec()]);
        assert!(log.append(&[vec![0; RECORD_BYTES_MAX + 1]]).is_err());
        log.rewrite(&found[2..]).unwrap();
        log.append(&[b"d".to_vec()]).unwrap();
        assert_eq!(log.records().unwrap(), [b"c".to_vec(), b"d".to_vec()]);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn any_torn_end_is_cut_and_written_over() {
        let directory = directory();
        let path = directory.join("test.journal");
        let (mut log, _) = Log::open(&directory, "test").unwrap();
        log.append(&[b"first".to_vec()]).unwrap();
        let whole = log.len as usize;
        log.append(&[b"second".to_vec()]).unwrap();
        drop(log);
        let bytes = fs::read(&path).unwrap();
        for cut in whole..bytes.len() {
            let mut torn = bytes[..cut].to_vec();
            if let Some(last) = torn[whole..].last_mut() {
                *last ^= 0x55;
            }
            fs::write(&path, &torn).unwrap();
            let (mut log, found) = Log::open(&directory, "test").unwrap();
            assert_eq!(found, [b"first"], "cut at {cut}");
            log.append(&[b"again".to_vec()]).unwrap();
            drop(log);
            assert_eq!(Log::open(&directory, "test").unwrap().1.len(), 2, "cut at {cut}");
        }
        fs::remove_dir_all(directory).unwrap();
    }
}
