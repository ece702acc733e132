//! The keys of recordings.

use super::error::ConfigError;
use super::settings::Setting;
use std::path::{Path, PathBuf};

/// Where recordings are kept, and what is recorded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recording {
    directory: Option<PathBuf>,
    /// Whether every room is recorded.
    pub(crate) auto: bool,
}

impl Recording {
    /// The directory of media logs and files: in the data directory, unless it is named.
    pub(crate) fn directory(&self, data: &Path) -> PathBuf {
        self.directory.clone().unwrap_or_else(|| data.join("recordings"))
    }
}

/// Applies the setting of a key that begins with `recording.`.
pub(super) fn apply(
    recording: &mut Recording,
    key: &str,
    setting: &Setting,
) -> Result<(), ConfigError> {
    match key {
        "directory" => recording.directory = Some(setting.filled()?.into()),
        _ => recording.auto = setting.flag()?,
    }

    Ok(())
}
