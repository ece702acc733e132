//! What is wrong with the configuration, in one line.

use std::fmt;
use std::path::PathBuf;

/// Where a setting was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// In a file, on this line, counted from 1.
    File(PathBuf, usize),
    /// By `--set`.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}, line {line}", path.display()),
            Self::CommandLine => f.write_str("--set"),
        }
    }
}

/// A configuration that cannot be used: where, which key, what is wrong and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {problem}; give a readable file to --config", file.display())]
    File { file: PathBuf, problem: String },
    /// The file, or a value of `--set`, is not TOML.
    #[error("{origin}: {problem}")]
    Syntax { origin: Origin, problem: String },
    /// A key that does not exist.
    #[error("{origin}: unknown key \"{key}\"; {hint}")]
    UnknownKey { origin: Origin, key: String, hint: String },
    /// A value that the key does not take.
    #[error("{origin}: {key}: {problem}")]
    Value { origin: Origin, key: String, problem: String },
    /// Keys that contradict one another, or an environment that does not fit.
    #[error("{key}: {problem}")]
    Contradiction { key: &'static str, problem: String },
}
