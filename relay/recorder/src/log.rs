//! A media log on the disk: its files, one after another.

use relay_wire::medialog::{Damage, Item, Reader, Record};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How a log's files end.
pub(crate) const EXTENSION: &str = "mlog";

/// A log's directory.
#[derive(Clone, Debug)]
pub struct Log {
    files: Vec<PathBuf>,
}

/// What is wrong with a log, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Damages {
    /// Bytes that could not be read.
    pub bytes: u64,
    /// Blocks that are missing.
    pub blocks: u64,
    /// Records of kinds that this version does not know.
    pub unknown: u64,
}

impl Damages {
    /// Adds one.
    pub fn add(&mut self, damage: Damage) {
        match damage {
            Damage::NoBlock { bytes }
            | Damage::NoRecord { bytes }
            | Damage::Truncated { bytes } => self.bytes += bytes,
            Damage::Missing { expected, found } => self.blocks += found.saturating_sub(expected),
            Damage::Unknown { .. } => self.unknown += 1,
        }
    }

    /// Whether everything could be read.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Log {
    /// The log in this directory, or a single file of one.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path.is_file() {
            return Ok(Self { files: vec![path.to_path_buf()] });
        }
        let mut files = Vec::new();
        for entry in fs::read_dir(path)? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == EXTENSION) {
                files.push(file);
            }
        }
        files.sort();
        if files.is_empty() {
            let reason = format!("no media log is in {} (no *.{EXTENSION})", path.display());
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }

        Ok(Self { files })
    }

    /// Its files, in order.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Reads it from front to end; `take` gets every record and may end the reading by an error.
    pub fn read<E: From<io::Error>>(
        &self,
        mut take: impl FnMut(Record<'_>) -> Result<(), E>,
    ) -> Result<Damages, E> {
        let mut damages = Damages::default();
        let mut reader = Reader::new();
        let mut piece = vec![0; Reader::PUSH_MAX];
        let mut hear = |item: Item<'_>| match item {
            Item::Record(record) => take(record),
            Item::Damage(damage) => {
                damages.add(damage);
                Ok(())
            }
        };
        for path in &self.files {
            let mut file = File::open(path)?;
            loop {
                let len = file.read(&mut piece)?;
                if len == 0 {
                    break;
                }
                reader.push(&piece[..len]);
                while let Some(item) = reader.next() {
                    hear(item)?;
                }
            }
            while let Some(item) = reader.finish() {
                hear(item)?;
            }
        }

        Ok(damages)
    }
}
