//! What an operation may come to.

/// Why an operation was not carried out; or, with `Away`, why that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Redis does not answer, or did not in time: whether it was done is not known.
    #[error("Redis is away")]
    Away,
    /// No node of that name is there.
    #[error("node {0} is away")]
    NodeAway(String),
    /// A bound is reached.
    #[error("{0}: no more fit in")]
    Full(&'static str),
    /// A name or a text is longer than is taken, or empty.
    #[error("{0} is empty or too long")]
    Length(&'static str),
    /// The job was given to somebody else meanwhile, or has ended.
    #[error("the job is not held any more")]
    Lost,
    /// Another node holds the room.
    #[error("node {0} holds the room")]
    Taken(String),
    /// No node takes new rooms: all of them drain.
    #[error("no node takes new rooms")]
    NoNode,
    /// The file of what is kept cannot be written.
    #[error("the file cannot be written: {0}")]
    Disk(String),
    /// Redis would not: no memory, no permission, too old.
    #[error("Redis refused: {0}")]
    Refused(String),
    /// What stands in Redis is not ours, or of another version.
    #[error("what Redis holds cannot be read: {0}")]
    Garbled(&'static str),
}

impl Error {
    /// A word for a metric's label.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::NodeAway(_) => "node_away",
            Self::Full(_) => "full",
            Self::Length(_) => "length",
            Self::Lost => "lost",
            Self::Taken(_) => "taken",
            Self::NoNode => "no_node",
            Self::Disk(_) => "disk",
            Self::Refused(_) => "refused",
            Self::Garbled(_) => "garbled",
        }
    }
}
