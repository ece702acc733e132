//! What signalling and the relay say to each other about recordings.

use crate::medialog::LogId;
use serde::{Deserialize, Serialize};

/// Bytes of a log's name.
pub const LOG_NAME_MAX: usize = 128;

/// The media log that a room is recorded into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingSpec {
    /// The log's random number.
    pub log: LogId,
    /// Name of the log's directory: letters, digits, `-`, `_` and `.`, not first.
    pub name: String,
}

impl RecordingSpec {
    /// Whether the name is one directory's, wherever it is put.
    pub fn is_valid(&self) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);

        (1..=LOG_NAME_MAX).contains(&self.name.len())
            && !self.name.starts_with('.')
            && self.name.bytes().all(plain)
    }
}

/// How a recording fares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordingNews {
    /// The disk did not keep up, or refused: the log says what it misses.
    Lost {
        /// Records that are missing.
        records: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// Nothing more is written.
    Failed {
        /// What the system said.
        reason: String,
    },
    /// The log is whole, and on the disk.
    Ended,
}
